"""Rows of a factor set that are one factor: a total, its gases, or gases that a GWP set weighs (formulas 5.12)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
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
        return all(species_of(row.gas) == BIOGENIC for row in self.rows)


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
        groups[key_of(row)].append(row)
    found: list[Bundle] = []
    for group in groups.values():
        # A row that names no GWP set is of the one that the others name. The same gases in another set are the same
        # factor said again, not more of it.
        sets = {row.gwp_set: None for row in group if row.gwp_set is not None}
        parts = [[row for row in group if row.gwp_set == name] for name in (*sets, None)] if len(sets) > 1 else [group]
        found += [bundle for part in parts for bundle in _factors(part, gwp)]
    return found


def _factors(group: Sequence[Factor], gwp: GwpSet | None) -> list[Bundle]:
    """Rows of one key and GWP set: a total with its gases, gases in kgCO2e, gases by mass; biogenic CO2 beside each."""
    outside = [row for row in group if species_of(row.gas) == BIOGENIC]
    inside = [row for row in group if species_of(row.gas) != BIOGENIC]
    totals = [row for row in inside if not row.gas]
    shares = [row for row in inside if row.gas and row.kg_co2e_per_unit is not None]
    masses = [row for row in inside if row.kg_per_unit is not None]
    # Of two totals it is not said whose the gases are.
    found = [[row, *(shares if len(totals) == 1 else [])] for row in totals]
    found += [rows for rows in ([] if totals else shares, masses) if rows]
    if not found and outside:
        found = [outside]
        outside = []
    return [_bundle([*rows, *outside], gwp) for rows in found]


def _bundle(rows: Sequence[Factor], gwp: GwpSet | None) -> Bundle:
    total = rows[0].kg_co2e_per_unit if not rows[0].gas else None
    _once([row for row in rows if row.gas and (total is None or species_of(row.gas) == BIOGENIC)])
    # What a row says of itself stands before what the account asks for.
    stated = next((row.gwp_set for row in rows if row.gwp_set is not None), None)
    used = stated or (gwp if rows[0].kg_per_unit is not None else None)
    with localcontext(EXACT):
        gases = tuple(_gas_part(row, used) for row in rows if row.gas)
        inside = sum((part.kgco2e_per_unit for part in gases if part.gas != BIOGENIC), Decimal(0))
        # CO2 of biomass is reported outside of the scopes; CH4 and N2O of the same fire stay inside.
        outside = sum((part.kgco2e_per_unit for part in gases if part.gas == BIOGENIC), Decimal(0))
    is_co2_alone = total is None and rows[0].kg_per_unit is None and {part.gas for part in gases} == {"CO2"}
    return Bundle(tuple(rows), inside if total is None else total, outside, gases, used, is_co2_alone)


def _gas_part(row: Factor, used: GwpSet | None) -> GasPart:
    name = species_of(row.gas) or row.gas
    if row.kg_per_unit is None:
        assert row.kg_co2e_per_unit is not None  # noqa: S101
        return GasPart(name, None, row.kg_co2e_per_unit)
    if name == BIOGENIC:
        return GasPart(name, row.kg_per_unit, row.kg_per_unit)
    if used is None:
        raise BadInput.at(
            row,
            f"gas {row.gas} of {row.activity!r} has no GWP set; AR4, AR5 and AR6 give other results",
            reason="no_gwp_set",
            mend="name one with --gwp, or in column gwp_set",
        )
    return GasPart(name, row.kg_per_unit, row.kg_per_unit * gwp_of(row.gas, used, file=row.file, line=row.line))


def _once(rows: Sequence[Factor]) -> None:
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
