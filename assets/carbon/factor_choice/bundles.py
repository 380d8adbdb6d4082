"""Rows of a factor set that are one factor: a total, its gases, or gases that a GWP set weighs (formulas 5.12)."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

from assets.carbon.factor_choice.gwp import BIOGENIC, gwp_of, species_of
from assets.carbon.factor_choice.match_units import parse_unit
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import HELD, Factor, GwpSet
from data_quality.contracts.units import EXACT


@dataclass(frozen=True)
class GasPart:
    """One gas of a factor, per unit; kg is None where the source gives kgCO2e of the gas only."""

    gas: str
    kg_per_unit: Decimal | None
    kgco2e_per_unit: Decimal


@dataclass(frozen=True)
class Bundle:
    """One factor as it is used: kgCO2e per unit within its scope, biogenic kg apart from it, gases where known."""

    rows: tuple[Factor, ...]
    kgco2e_per_unit: Decimal
    biogenic_kg_per_unit: Decimal
    gases: tuple[GasPart, ...]
    gwp_set: GwpSet | None
    is_co2_alone: bool

    @property
    def head(self) -> Factor:
        """The row that names the factor."""
        return self.rows[0]

    @property
    def factor_id(self) -> str:
        """One id, or those of the gases together."""
        ids = list(dict.fromkeys(row.factor_id for row in self.rows if not row.gas) or ())
        return "+".join(ids or dict.fromkeys(row.factor_id for row in self.rows))

    @property
    def valid_from(self) -> date:
        """First local date."""
        return self.head.valid_from

    @property
    def valid_to(self) -> date:
        """Local date after the last."""
        return self.head.valid_to

    @property
    def is_biogenic_alone(self) -> bool:
        """True where the factor is nothing but biogenic CO2, which stands outside the scopes."""
        return bool(self.gases) and all(part.gas == BIOGENIC for part in self.gases)


def key_of(row: Factor) -> tuple[Any, ...]:
    """Key shared by rows that are gases of one factor."""
    # Several certificates or contracts may hold side by side; each is its own factor.
    own_id = row.factor_id if row.basis in HELD else ""
    return (
        row.scope,
        row.activity.casefold(),
        # Parsed: one table may write its unit in two ways.
        parse_unit(row.unit),
        row.region.casefold(),
        row.supplier.casefold(),
        row.basis,
        row.valid_from,
        row.valid_to,
        own_id,
    )


def bundles_of(rows: Iterable[Factor], gwp: GwpSet | None) -> list[Bundle]:
    """The factors that these rows make. Raises BadInput for gases that no GWP set weighs, or that stand twice."""
    groups: defaultdict[tuple[Any, ...], list[Factor]] = defaultdict(list)
    for row in rows:
        # The same gases in another GWP set are the same factor said again, not more of it.
        groups[(*key_of(row), row.gwp_set)].append(row)
    found: list[Bundle] = []
    for group in groups.values():
        totals = [row for row in group if not row.gas]
        shares = [row for row in group if row.gas and row.kg_co2e_per_unit is not None]
        masses = [row for row in group if row.kg_per_unit is not None]
        # Of two totals it is not said whose the gases are.
        found += [_total(row, shares if len(totals) == 1 else []) for row in totals]
        if shares and not totals:
            _once(shares)
            gases = tuple(_share(each) for each in shares)
            with localcontext(EXACT):
                inside = sum((part.kgco2e_per_unit for part in gases if part.gas != BIOGENIC), Decimal(0))
                outside = sum((part.kgco2e_per_unit for part in gases if part.gas == BIOGENIC), Decimal(0))
            alone = {part.gas for part in gases} == {"CO2"}
            found.append(Bundle(tuple(shares), inside, outside, gases, shares[0].gwp_set, is_co2_alone=alone))
        if masses:
            found.append(_weighed(masses, gwp))
    return found


def _total(row: Factor, shares: list[Factor]) -> Bundle:
    assert row.kg_co2e_per_unit is not None  # noqa: S101
    gases = tuple(_share(each) for each in shares)
    return Bundle((row, *shares), row.kg_co2e_per_unit, Decimal(0), gases, row.gwp_set, is_co2_alone=False)


def _weighed(rows: list[Factor], gwp: GwpSet | None) -> Bundle:
    _once(rows)
    # What a row says of itself stands before what the account asks for.
    used = rows[0].gwp_set or gwp
    parts: list[GasPart] = []
    inside = outside = Decimal(0)
    with localcontext(EXACT):
        for row in rows:
            assert row.kg_per_unit is not None  # noqa: S101
            name = species_of(row.gas) or row.gas
            # CO2 of biomass is reported outside of the scopes; CH4 and N2O of the same fire stay inside.
            if name == BIOGENIC:
                outside += row.kg_per_unit
                parts.append(GasPart(name, row.kg_per_unit, row.kg_per_unit))
                continue
            if used is None:
                raise BadInput.at(
                    row,
                    f"gas {row.gas} of {row.activity!r} has no GWP set; AR4, AR5 and AR6 give other results",
                    reason="no_gwp_set",
                    mend="name one with --gwp, or in column gwp_set",
                )
            weight = row.kg_per_unit * gwp_of(row.gas, used, file=row.file, line=row.line)
            inside += weight
            parts.append(GasPart(name, row.kg_per_unit, weight))
    return Bundle(tuple(rows), inside, outside, tuple(parts), used, is_co2_alone=False)


def _share(row: Factor) -> GasPart:
    assert row.kg_co2e_per_unit is not None  # noqa: S101
    return GasPart(species_of(row.gas) or row.gas, None, row.kg_co2e_per_unit)


def _once(rows: list[Factor]) -> None:
    seen: dict[str, Factor] = {}
    for row in rows:
        name = species_of(row.gas) or row.gas
        if name in seen:
            raise BadInput.at(
                row,
                f"gas {row.gas} of {row.activity!r} appears twice, here and at {seen[name].where}",
                reason="factor_overlap",
            )
        seen[name] = row
