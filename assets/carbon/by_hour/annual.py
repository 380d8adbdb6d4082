"""The annual factors of electricity next to an hourly account: grid average, or residual mix, by local day."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from assets.carbon.factor_choice.factor_view import carrier_of
from assets.carbon.factor_choice.match import applicable, chosen_gwp, tile
from assets.carbon.factor_choice.match_units import converted, ratio
from data_quality.contracts.emissions.carbon import Activity
from data_quality.contracts.factor import Basis, Factor, GwpSet
from data_quality.contracts.site_file.meter import Carrier

ELECTRICITY = "electricity"


def annual_factors(
    rows: Sequence[Factor],
    basis: Basis,
    hours: Mapping[datetime, Decimal],
    local: ZoneInfo,
    *,
    region: str = "",
    gwp: GwpSet | None = None,
) -> dict[datetime, Decimal] | None:
    """Kilograms per kWh of that basis for each hour, by its local date; None where the set has none.

    Where the year changes within the hours, each has the factor of its own. Raises BadInput for a day with none or two.
    """
    mine = [
        row
        for row in rows
        if carrier_of(row.activity) is Carrier.ELECTRICITY
        and row.basis is basis
        # Sets name upstream and grid losses of electricity too: those are Scope 3.
        and row.scope == 2
        and ratio("kWh", row.unit)
    ]
    # No factor at all leaves the comparison out; a set that lacks single days is a fault, refused below.
    if not mine:
        return None
    # A factor holds for local days: the hours around New Year belong to the year that the clock on the wall shows.
    days = {hour: hour.astimezone(local).date() for hour in hours}
    activity = Activity(
        activity_id=ELECTRICITY,
        activity=ELECTRICITY,
        # One unit: only which factor holds on which day is asked, no quantity.
        quantity=Decimal(1),
        unit="kWh",
        start=min(days.values()),
        end=date.fromordinal(max(days.values()).toordinal() + 1),
        region=region,
        file=mine[0].file,
    )
    parts = tile(activity, chosen_gwp(activity, applicable(activity, mine), gwp), gwp, what=f"{basis} ")
    found: dict[datetime, Decimal] = {}
    for part in parts:
        by = ratio("kWh", part.bundle.head.unit)
        assert by is not None  # noqa: S101
        factor = converted(part.bundle.kgco2e_per_unit, by)
        found |= {hour: factor for hour, day in days.items() if part.start <= day < part.end}
    return found
