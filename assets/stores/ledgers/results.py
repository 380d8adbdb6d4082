"""Stored results, append-only and sealed; the same again adds nothing: what-ifs of a site, of which each figure is
recomputed, and a circuit's energy by class of load.
"""

from datetime import datetime

from assets.stores.column_types import text_sha256
from assets.stores.journal import Ledger
from assets.stores.schema.tables_advice import disaggregations
from assets.stores.schema.tables_control import what_if_results
from assets.stores.transactions import Repository
from data_quality.contracts.control.what_if import FIGURES, PricePath, WhatIfResult, WhatIfVariant
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.disaggregation import StoredDisaggregation
from data_quality.contracts.reporting.figure import figure_id
from data_quality.contracts.time import Clock

_WHAT_IFS = Ledger(what_if_results, WhatIfResult, "result", is_proven=True)
_CIRCUITS = Ledger(disaggregations, StoredDisaggregation, "result", is_proven=True)
_NOT_HASHED = {"result_id", "recorded_at_utc", "model"}


class WhatIfs(Repository):
    """The what-ifs of one transactional store. A row that is not as it was sealed is refused, not read."""

    def of(self, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> list[WhatIfResult]:
        """Results of a site, or of all, as known at T; the oldest first."""
        return _WHAT_IFS.history(self.store, as_of_utc=as_of_utc, site_id=site_id)

    def holding(self, figure: str) -> tuple[WhatIfResult, WhatIfVariant, str] | None:
        """The result, the variant and the name behind an id: one of FIGURES, or a path's; None for an id of none."""
        for result in self.of():
            for variant in result.variants:
                named = dict(zip(variant.figure_ids, FIGURES, strict=False))
                named |= {each.figure_id: path_figure(each) for each in variant.paths}
                if figure in named:
                    return result, variant, named[figure]
        return None

    def keep(self, made: WhatIfResult, clock: Clock) -> WhatIfResult:
        """Record a result and name its figures; the same result again is the one that stands."""
        result_id = text_sha256(made.model_dump_json(exclude=_NOT_HASHED))[:16]
        with self.store.together():
            known = next((each for each in self.of(made.site_id) if each.result_id == result_id), None)
            if known is not None:
                return known
            variants = tuple(_named(each, made, result_id) for each in made.variants)
            named = made.model_copy(update={"result_id": result_id, "variants": variants})
            (kept,) = _WHAT_IFS.put(self.store, clock, named)
        return kept


def _named(variant: WhatIfVariant, made: WhatIfResult, result_id: str) -> WhatIfVariant:
    def named(name: str) -> str:
        return figure_id(
            report="what_if", revision=result_id, path=f"{variant.name}/{name}", scope=f"site:{made.site_id}",
            start=made.start, end=made.end,
        )  # fmt: skip

    paths = tuple(each.model_copy(update={"figure_id": named(path_figure(each))}) for each in variant.paths)
    return variant.model_copy(update={"figure_ids": tuple(map(named, FIGURES)), "paths": paths})


def path_figure(path: PricePath) -> str:
    """The name of the payback of a path, a figure in addition to FIGURES."""
    return f"payback_years/{path.name}"


class Disaggregations(Repository):
    """The disaggregations of one transactional store. A row that is not as it was sealed is refused, not read."""

    def of(self, site_id: str | None = None, circuit: str | None = None) -> list[StoredDisaggregation]:
        """Results of a site or of all, of a circuit or of all; the oldest first."""
        return _CIRCUITS.history(self.store, site_id=site_id, circuit=circuit)

    def named(self, start: str, site_id: str | None = None) -> StoredDisaggregation:
        """The result of an id, or of how one id alone starts, of a site or of all. Raises BadInput."""
        ids = {
            row["result_id"]
            for row in _CIRCUITS.rows(self.store, "result_id", site_id=site_id)
            if row["result_id"].startswith(start)
        }
        found = _CIRCUITS.latest(self.store, result_id=ids.pop()) if len(ids) == 1 and start else None
        if found is None:
            message = f"{len(ids)} disaggregations begin with {start!r}" if ids else f"no disaggregation {start!r}"
            raise BadInput(f"{message}; expected the id of one", reason="unknown_disaggregation")
        return found

    def keep(self, made: StoredDisaggregation, clock: Clock) -> StoredDisaggregation:
        """Record a result; the same again is the one that stands."""
        result_id = text_sha256(made.model_dump_json(exclude=_NOT_HASHED))[:16]
        with self.store.together():
            known = _CIRCUITS.latest(self.store, site_id=made.site_id, result_id=result_id)
            if known is not None:
                return known
            (kept,) = _CIRCUITS.put(self.store, clock, made.model_copy(update={"result_id": result_id}))
        return kept
