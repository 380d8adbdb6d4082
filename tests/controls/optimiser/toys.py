"""Hand-sized cases whose optimum a person can add up."""

from datetime import UTC, datetime

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.battery import Battery
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.device import Device, numbers
from controls.optimiser.devices.pv import Pv
from controls.optimiser.solution import Series, series_of

TOY_BATTERY = Battery(
    device_id="bat",
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
    connection=Connection(
        import_price_per_kwh=(0.10, 0.30),
        export_price_per_kwh=(0.0, 0.0),
        import_max_kw=10.0,
        export_max_kw=10.0,
    ),
    devices=(Pv(device_id="pv", pv_kw=(0.0, 0.0)), TOY_BATTERY),
)


def device(case: DispatchCase, device_id: str) -> Device:
    """The device of that name."""
    return next(one for one in case.devices if one.device_id == device_id)


def changed(case: DispatchCase, **changes: object) -> DispatchCase:
    """The case with some fields changed, its own or those of a part of it; `battery=None` takes it out. Validated."""
    if "battery" in changes:
        assert changes.pop("battery") is None
        case = case.model_copy(update={"devices": tuple(one for one in case.devices if one.device_id != "bat")})
    parts = {}
    for part in case.parts:
        own = {name: changes.pop(name) for name in list(changes) if name in type(part).model_fields}
        parts[part.device_id] = type(part).model_validate(part.model_dump() | own)
    outer = {name: getattr(case, name) for name in DispatchCase.model_fields} | changes
    outer |= {"connection": parts.pop(""), "devices": tuple(parts.values())}
    return DispatchCase.model_validate(outer)


def toy_series(
    case: DispatchCase, *, charge_kw: list[float], discharge_kw: list[float], curtailed_kw: list[float]
) -> Series:
    """The series of a toy case that decides so."""
    values = {
        "pv": {"curtailed_kw": curtailed_kw},
        "bat": {"battery_charge_kw": charge_kw, "battery_discharge_kw": discharge_kw},
    }
    return series_of(case, {name: numbers(found) for name, found in values.items()})
