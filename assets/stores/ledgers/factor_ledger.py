"""Emission factors of a project in two times: valid and recorded. Append-only; a newer row supersedes, never replaces.

The view at T: of the rows recorded at or before T, the newest of each key holds on the days that it covers; an older
one keeps the days that no newer one covers. A certificate or contract is one thing with one amount: recorded anew, it
replaces its older recording whole. A withdrawal is a row too; on its days nothing holds.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from assets.stores.journal import AppendOnly, row_of
from assets.stores.schema.tables_factors import emission_factors
from assets.stores.transactions import Repository
from assets.stores.trust import must_be_proven
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import HELD, Factor, FactorSet, StoredFactor
from data_quality.contracts.time import Clock

_LINES = AppendOnly(emission_factors, dict, order=("recorded_at_utc", "id"))


class Recorded(NamedTuple):
    """Result of a recording. recorded_at_utc is None where everything was known as it is."""

    set_id: str
    new_rows: int
    unchanged_rows: int
    recorded_at_utc: datetime | None


class FactorStore(Repository):
    """The factor sets of one project."""

    def add(self, factors: FactorSet, *, clock: Clock, tenant: str = "") -> Recorded:
        """Record a set for a tenant (a site; empty: all). What is known already, unchanged, is not recorded again.

        Raises BadInput for two factors of one key on one day within the set, for a certificate or contract that another
        site holds, and for an empty set.
        """
        if not factors.factors:
            raise BadInput("the set has no factors", file=factors.path, reason="empty_file")
        _refuse_two(factors.factors)
        rows = [row.model_copy(update={"sha256": row.sha256 or factors.sha256}) for row in factors.factors]
        content = [_content(row) for row in rows]
        set_id = hashlib.sha256(json.dumps([tenant, content], sort_keys=True).encode()).hexdigest()[:32]
        with self.store.together():
            everything = _LINES.rows(self.store)
            _refuse_held_elsewhere(rows, _known(everything, tenant=None, only=False), tenant)
            known = _known(everything, tenant=tenant, only=True)
            new = _changed(rows, [each.factor for each in known])
            if not new:
                return Recorded(set_id, 0, len(content), None)
            moment = _LINES.add(self.store, clock, *(_line(row, tenant, set_id) for row in new))
        return Recorded(set_id, len(new), len(content) - len(new), moment)

    def withdraw(
        self, factor_id: str, *, reason: str, clock: Clock, tenant: str = "", start: date | None = None,
        end: date | None = None,
    ) -> Recorded:  # fmt: skip
        """From now on nothing holds where that factor of the tenant did, on local dates [start, end) or on all.

        What was known before stays as it was. Raises BadInput where the factor does not hold on any of the days.
        """
        with self.store.together():
            spans: dict[tuple[Any, ...], Factor] = {}
            for each in _known(_LINES.rows(self.store), tenant=tenant, only=True):
                row = each.factor
                first, last = max(start or row.valid_from, row.valid_from), min(end or row.valid_to, row.valid_to)
                if row.factor_id == factor_id and first < last:
                    # An amount cannot be divided by days: what is held goes whole.
                    days = {} if row.basis in HELD else {"valid_from": first, "valid_to": last}
                    # Gases of one factor share its key, so that one row withdraws them all.
                    spans.setdefault((*_key(row), first, last), row.model_copy(update=days))
            if not spans:
                raise BadInput(
                    f"no factor {factor_id!r} of {tenant or 'all sites'} holds on those days; "
                    "'factors list' shows what does",
                    reason="no_factor",
                )
            content = [_content(row) for row in spans.values()]
            set_id = hashlib.sha256(json.dumps([tenant, reason, content], sort_keys=True).encode()).hexdigest()[:32]
            made = [_line(row, tenant, set_id, {WITHDRAWN: reason}) for row in spans.values()]
            moment = _LINES.add(self.store, clock, *made)
        return Recorded(set_id, len(spans), 0, moment)

    def known(self, *, as_of_utc: datetime | None = None, tenant: str | None = None) -> tuple[StoredFactor, ...]:
        """The factors as known at that time (None: now), for everybody and for that tenant (None: for all tenants)."""
        return self.reader(as_of_utc=as_of_utc)(tenant)

    def reader(self, *, as_of_utc: datetime | None = None) -> Callable[[str | None], tuple[StoredFactor, ...]]:
        """Answers as `known` for any tenant, from one reading: for callers with many sites."""
        rows = must_be_proven(self.store, emission_factors, _LINES.rows(self.store, as_of_utc=as_of_utc))
        return lambda tenant: _known(rows, tenant=tenant, only=False)

    def history(self, *, tenant: str | None = None) -> tuple[StoredFactor, ...]:
        """Every row ever recorded, in order, superseded ones among them."""
        return tuple(map(_stored, _LINES.rows(self.store, tenant=tenant)))


# Beside the factor's own fields in its column: why it is withdrawn.
WITHDRAWN = "withdrawn"


def _key(factor: Factor) -> tuple[Any, ...]:
    # Two certificates of one supplier are two amounts; of two published factors for one thing the newer supersedes.
    own_id = factor.factor_id if factor.basis in HELD else ""
    # Lists write names with other capitals from year to year: "Natural Gas" is no second fuel.
    return (
        factor.scope, factor.activity.casefold(), factor.unit.casefold(), factor.region.casefold(),
        factor.supplier.casefold(), factor.basis, factor.gwp_set, own_id,
    )  # fmt: skip


def _content(factor: Factor) -> dict[str, Any]:
    # Where a row stood in its file is no part of what it says: the same factor moved down a line is not new.
    return factor.model_dump(mode="json", exclude={"file", "line"})


def _changed(rows: Sequence[Factor], known: Sequence[Factor]) -> list[Factor]:
    """Rows of the keys and validities of which anything is new: gases of one factor are recorded together."""

    def grouped(factors: Sequence[Factor]) -> dict[tuple[Any, ...], list[Factor]]:
        groups: defaultdict[tuple[Any, ...], list[Factor]] = defaultdict(list)
        for factor in factors:
            groups[(*_key(factor), factor.valid_from, factor.valid_to)].append(factor)
        return groups

    def texts(factors: Sequence[Factor]) -> list[str]:
        # One changed row gives the whole file another hash: by it alone no factor is new.
        return sorted(json.dumps({**_content(factor), "sha256": ""}, sort_keys=True) for factor in factors)

    before = grouped(known)
    return [row for key, group in grouped(rows).items() if texts(group) != texts(before.get(key, [])) for row in group]


def _line(row: Factor, tenant: str, set_id: str, extra: Mapping[str, str] | None = None) -> dict[str, Any]:
    additional = {"set_id": set_id, "tenant": tenant, "source_sha256": row.sha256}
    return row_of(emission_factors, row, **additional, factor={**_content(row), **(extra or {})})


def _stored(line: Any) -> StoredFactor:
    content = dict(line["factor"])
    withdrawn = content.pop(WITHDRAWN, "")
    return StoredFactor(
        factor=Factor.model_validate(content),
        tenant=line["tenant"],
        set_id=line["set_id"],
        recorded_at_utc=line["recorded_at_utc"],
        withdrawn=withdrawn,
    )


def _known(lines: Any, *, tenant: str | None, only: bool) -> tuple[StoredFactor, ...]:
    wanted = None if tenant is None else {tenant} if only else {"", tenant}
    by_key: defaultdict[tuple[Any, ...], list[StoredFactor]] = defaultdict(list)
    for line in lines:
        stored = _stored(line)
        if wanted is None or stored.tenant in wanted:
            by_key[(stored.tenant, *_key(stored.factor))].append(stored)
    return tuple(each for rows in by_key.values() for each in _in_force(rows))


def _in_force(rows: Sequence[StoredFactor]) -> list[StoredFactor]:
    """The newest on each day, in order of validity; an older row is cut where a newer recording covers it."""
    found: list[StoredFactor] = []
    for row in rows:
        older = [each for each in found if each.recorded_at_utc < row.recorded_at_utc]
        # Of one recording none supersedes another: gases of one factor, and validities that follow each other.
        same = [each for each in found if each.recorded_at_utc == row.recorded_at_utc]
        found = [part for each in older for part in _cut(each, row)]
        found += [*same, row]
    return sorted(
        (each for each in found if not each.withdrawn), key=lambda each: (each.factor.valid_from, each.factor.gas)
    )


def _cut(row: StoredFactor, newer: StoredFactor) -> list[StoredFactor]:
    start, end = newer.factor.valid_from, newer.factor.valid_to
    first, last = row.factor.valid_from, row.factor.valid_to
    if end <= first or last <= start:
        return [row]
    if row.factor.basis in HELD:
        return []
    spans = [(first, start), (end, last)]
    return [
        row.model_copy(update={"factor": row.factor.model_copy(update={"valid_from": one, "valid_to": other})})
        for one, other in spans
        if one < other
    ]


def _refuse_held_elsewhere(rows: Sequence[Factor], known: Sequence[StoredFactor], tenant: str) -> None:
    """A kWh of a certificate or contract is claimed by one site."""
    others = [each for each in known if each.factor.basis in HELD and each.tenant != tenant]
    for row in rows:
        for each in others:
            if (
                row.basis in HELD
                and (row.factor_id.casefold(), row.activity.casefold())
                == (each.factor.factor_id.casefold(), each.factor.activity.casefold())
                and row.valid_from < each.factor.valid_to
                and each.factor.valid_from < row.valid_to
            ):
                raise BadInput(
                    f"{row.basis} {row.factor_id!r} is recorded for {each.tenant or 'no site'} already; a kWh is "
                    "claimed once",
                    file=row.file,
                    line=row.line,
                    reason="double_use",
                    mend="give each site's share its own factor_id, or withdraw it there",
                )


def _refuse_two(rows: Sequence[Factor]) -> None:
    held: dict[tuple[Any, ...], Factor] = {}
    # In order of their start the one before is the only one that a row can overlap: an earlier overlap was refused.
    for row in sorted(rows, key=lambda each: (each.valid_from, each.valid_to)):
        key = (*_key(row), row.gas.casefold())
        before = held.get(key)
        if before is not None and row.valid_from < before.valid_to:
            raise BadInput(
                f"factors {before.factor_id!r} and {row.factor_id!r} for {row.activity!r} overlap on {row.valid_from}",
                file=row.file,
                line=row.line,
                reason="factor_overlap",
            )
        held[key] = row
