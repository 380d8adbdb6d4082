"""The whole problem: every family of rows in one table, and the cost to be minimised."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices import battery as battery_rows
from controls.optimiser.devices import site as site_rows
from controls.optimiser.devices.site import SiteVars, site_variables

if TYPE_CHECKING:
    import pulp

SiteBuilder = Callable[[Any, SiteVars, DispatchCase], None]
BatteryBuilder = Callable[[Any, battery_rows.BatteryVars, Any, tuple[float, ...]], None]

SITE_FAMILIES: dict[str, SiteBuilder] = {
    "power_balance": site_rows.add_power_balance,
    "import_limit": site_rows.add_import_limit,
    "export_limit": site_rows.add_export_limit,
    "exchange_mode": site_rows.add_exchange_mode,
    "curtailment_limit": site_rows.add_curtailment_limit,
    "peak": site_rows.add_peak,
}
BATTERY_FAMILIES: dict[str, BatteryBuilder] = {
    "charge_limit": battery_rows.add_charge_limit,
    "discharge_limit": battery_rows.add_discharge_limit,
    "soc_start": battery_rows.add_soc_start,
    "soc_balance": battery_rows.add_soc_balance,
    "soc_window": battery_rows.add_soc_window,
    "soc_end": battery_rows.add_soc_end,
}


def build_problem(
    case: DispatchCase, *, without: Collection[str] = ()
) -> tuple["pulp.LpProblem", SiteVars, dict[str, list[str]]]:
    """The mixed-integer problem, its variables, and the names of the rows of each family.

    Families named in `without` are left out: only for the search for a conflict.
    """
    import pulp

    lp = pulp.LpProblem("dispatch", pulp.LpMinimize)
    variables = site_variables(lp, case)
    rows: dict[str, list[str]] = {}
    known = 0

    def note(family: str) -> None:
        nonlocal known
        names = [constraint.name for constraint in lp.constraints()[known:]]
        rows[family] = names
        known += len(names)

    for name, add_site in SITE_FAMILIES.items():
        if name not in without:
            add_site(lp, variables, case)
            note(name)
    if case.battery is not None and variables.battery is not None:
        for name, add_battery in BATTERY_FAMILIES.items():
            if name not in without:
                add_battery(lp, variables.battery, case.battery, case.step_h)
                note(name)
    lp.setObjective(cost_expression(variables, case))
    return lp, variables, rows


def cost_expression(variables: SiteVars, case: DispatchCase) -> Any:
    """Import cost - export revenue + battery wear + price of the highest import, in the case's currency."""
    import pulp

    terms: list[Any] = []
    for t, hours in enumerate(case.step_h):
        terms.append((hours * case.import_price_per_kwh[t]) * variables.import_kw[t])
        terms.append((-hours * case.export_price_per_kwh[t]) * variables.export_kw[t])
        if variables.battery is not None and case.battery is not None:
            terms.append((hours * case.battery.wear_per_kwh) * variables.battery.discharge_kw[t])
    if variables.peak_kw is not None:
        terms.append(case.demand_price_per_kw * variables.peak_kw)
    return pulp.lpSum(terms)
