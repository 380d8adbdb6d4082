"""The one annual factor of electricity that stands beside an hourly account: grid average, or residual mix."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from assets.carbon.match import applicable, chosen_gwp, tile
from assets.carbon.units import EXACT, ratio
from data_quality.contracts.carbon import Activity
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Basis, Factor, GwpSet

ELECTRICITY = "electricity"


def annual_factor(
    rows: Sequence[Factor], basis: Basis, start: date, last: date, *, region: str = "", gwp: GwpSet | None = None
) -> Decimal | None:
    """Kilograms per kWh of that basis over local dates start to last (both in it); None where the set has none.

    Raises BadInput where several hold in that time: which of them is *the* annual factor would be a guess.
    """
    mine = [
        row
        for row in rows
        if row.activity.casefold() == ELECTRICITY and row.basis is basis and row.scope == 2 and ratio("kWh", row.unit)
    ]
    if not mine:
        return None
    asked = Activity(
        activity_id=ELECTRICITY,
        activity=ELECTRICITY,
        quantity=Decimal(1),
        unit="kWh",
        start=start,
        end=date.fromordinal(last.toordinal() + 1),
        region=region,
    )
    parts = tile(asked, chosen_gwp(asked, applicable(asked, mine), gwp), gwp, what=f"{basis} ")
    if len(parts) > 1:
        raise BadInput(
            f"{len(parts)} {basis} factors hold from {start} to {last}; an annual method has one",
            file=parts[1].bundle.head.file,
            line=parts[1].bundle.head.line,
            reason="two_factors",
        )
    bundle = parts[0].bundle
    by = ratio("kWh", bundle.head.unit)
    assert by is not None  # noqa: S101
    return EXACT.divide(EXACT.multiply(bundle.kgco2e_per_unit, Decimal(by.numerator)), Decimal(by.denominator))
