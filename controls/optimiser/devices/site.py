"""The site's connection: power balance, import and export never both, curtailment, highest import (formulas 5.18).

One constraint family is one `add_` function with the same arguments; tests/golden/lp pins the rows of each.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.battery import BatteryVars, battery_variables

if TYPE_CHECKING:
    import pulp


@dataclass(frozen=True)
class SiteVars:
    """Powers have one entry a step. `is_importing` has one only for steps whose prices would pay for both at once."""

    import_kw: list[Any]
    export_kw: list[Any]
    curtailed_kw: list[Any]
    is_importing: dict[int, Any]
    peak_kw: Any | None
    battery: BatteryVars | None


def site_variables(lp: "pulp.LpProblem", case: DispatchCase) -> SiteVars:
    """Variables of the site and of its battery, where it has one."""
    count = len(case.step_h)
    return SiteVars(
        import_kw=[lp.add_variable(f"site_import_kw_{t:03d}", lowBound=0) for t in range(count)],
        export_kw=[lp.add_variable(f"site_export_kw_{t:03d}", lowBound=0) for t in range(count)],
        curtailed_kw=[lp.add_variable(f"site_curtailed_kw_{t:03d}", lowBound=0) for t in range(count)],
        is_importing={
            t: lp.add_variable(f"site_is_importing_{t:03d}", cat="Binary") for t in range(count) if _both_pay(case, t)
        },
        peak_kw=lp.add_variable("site_peak_kw", lowBound=0) if case.demand_price_per_kw > 0 else None,
        battery=battery_variables(lp, count) if case.battery is not None else None,
    )


def add_power_balance(lp: "pulp.LpProblem", site: SiteVars, case: DispatchCase) -> None:
    """Add rows site_balance_000...: PV - curtailed + import + discharge = load + export + charge, kW."""
    for t in range(len(case.step_h)):
        inflow = site.import_kw[t] - site.curtailed_kw[t] - site.export_kw[t]
        if site.battery is not None:
            inflow = inflow + site.battery.discharge_kw[t] - site.battery.charge_kw[t]
        lp.addConstraint(inflow == case.load_kw[t] - case.pv_kw[t], f"site_balance_{t:03d}")


def add_import_limit(lp: "pulp.LpProblem", site: SiteVars, case: DispatchCase) -> None:
    """Add rows site_import_max_000...: up to what the connection carries."""
    for t in range(len(case.step_h)):
        lp.addConstraint(site.import_kw[t] <= case.import_max_kw, f"site_import_max_{t:03d}")


def add_export_limit(lp: "pulp.LpProblem", site: SiteVars, case: DispatchCase) -> None:
    """Add rows site_export_max_000...: up to what the connection carries."""
    for t in range(len(case.step_h)):
        lp.addConstraint(site.export_kw[t] <= case.export_max_kw, f"site_export_max_{t:03d}")


def add_exchange_mode(lp: "pulp.LpProblem", site: SiteVars, case: DispatchCase) -> None:
    """Add rows site_imports_000... and site_exports_000... where prices tempt: import or export, never both.

    Their factors are as tight as physics allows: a connection "without limit" must not become a huge coefficient.
    """
    charge_kw = case.battery.max_charge_kw if case.battery else 0.0
    discharge_kw = case.battery.max_discharge_kw if case.battery else 0.0
    for t, is_importing in site.is_importing.items():
        used_kw = max(case.load_kw[t], 0.0) + max(-case.pv_kw[t], 0.0) + charge_kw
        made_kw = max(case.pv_kw[t], 0.0) + max(-case.load_kw[t], 0.0) + discharge_kw
        imports = site.import_kw[t] <= min(case.import_max_kw, used_kw) * is_importing
        exports = site.export_kw[t] <= min(case.export_max_kw, made_kw) * (1 - is_importing)
        lp.addConstraint(imports, f"site_imports_{t:03d}")
        lp.addConstraint(exports, f"site_exports_{t:03d}")


def add_curtailment_limit(lp: "pulp.LpProblem", site: SiteVars, case: DispatchCase) -> None:
    """Add rows site_curtail_max_000...: no more than is generated above the lowest limit allowed."""
    for t, most_kw in enumerate(case.curtailment_max_kw):
        lp.addConstraint(site.curtailed_kw[t] <= most_kw, f"site_curtail_max_{t:03d}")


def add_peak(lp: "pulp.LpProblem", site: SiteVars, case: DispatchCase) -> None:
    """Add rows site_peak_000...: the peak is at least every import; its price makes it no more than that."""
    if site.peak_kw is None:
        return
    for t in range(len(case.step_h)):
        lp.addConstraint(site.peak_kw >= site.import_kw[t], f"site_peak_{t:03d}")


def _both_pay(case: DispatchCase, t: int) -> bool:
    # Where import costs strictly more than export earns, doing both only burns money and no binary is needed.
    return case.export_price_per_kwh[t] >= case.import_price_per_kwh[t]
