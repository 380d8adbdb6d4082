"""Hand-sized cases whose optimum a person can add up."""

from datetime import UTC, datetime

from controls.optimiser.case import BatteryCase, DispatchCase

TOY_BATTERY = BatteryCase(
    max_charge_kw=1.0,
    max_discharge_kw=1.0,
    charge_efficiency=0.9,
    discharge_efficiency=0.9,
    soc_min_kwh=0.0,
    soc_max_kwh=2.0,
    soc_init_kwh=0.0,
    soc_end_min_kwh=0.0,
    wear_per_kwh=0.01,
)
TOY = DispatchCase(
    case_id="toy",
    currency="EUR",
    start_utc=datetime(2026, 1, 1, tzinfo=UTC),
    step_h=(1.0, 1.0),
    load_kw=(1.0, 1.0),
    pv_kw=(0.0, 0.0),
    import_price_per_kwh=(0.10, 0.30),
    export_price_per_kwh=(0.0, 0.0),
    import_max_kw=10.0,
    export_max_kw=10.0,
    battery=TOY_BATTERY,
)


def changed(case: DispatchCase, **changes: object) -> DispatchCase:
    """The case with some fields changed; names of BatteryCase change its battery. Validated again."""
    battery = case.battery.model_dump() if case.battery else {}
    outer = case.model_dump()
    for name, value in changes.items():
        (battery if name in BatteryCase.model_fields else outer)[name] = value
    if "battery" not in changes:
        outer["battery"] = battery or None
    return DispatchCase.model_validate(outer)
