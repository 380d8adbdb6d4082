"""Ask one address for its SunSpec models, and say which templates fit: one question at a time, and nothing written."""

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.commissioning.sunspec import SunSpecModel, maker_of, walk_models
from controls.gateways.modbus import TIMEOUT_S, ModbusLine
from controls.templates.load_templates import load_template, template_names
from data_quality.contracts.model import Model


class ScannedDevice(Model):
    """Device found at an address. address: host:port/unit, as a site file has it. detail: why there is nothing."""

    address: str
    maker: dict[str, str] = {}
    models: tuple[SunSpecModel, ...] = ()
    templates: tuple[str, ...] = ()
    detail: str = ""


def scan(host: str, port: int, unit_id: int, *, timeout_s: float = TIMEOUT_S) -> ScannedDevice:
    """The device at an address that a person named; silence and refusal are answers, too."""
    address = f"{host}:{port}/{unit_id}"
    line = ModbusLine(host=host, port=port, unit_id=unit_id, timeout_s=timeout_s)
    try:
        models = walk_models(line.read)
        maker = maker_of(line.read, models)
    except (DeviceSilent, DeviceRefused) as fault:
        return ScannedDevice(address=address, detail=str(fault))
    finally:
        line.close()
    return ScannedDevice(address=address, maker=maker, models=tuple(models), templates=fitting(models))


def fitting(models: list[SunSpecModel]) -> tuple[str, ...]:
    """Templates whose every model the device has, in the length that they count on; those that want most come first."""
    has = {(each.model, each.length) for each in models}
    known = [load_template(name) for name in template_names()]
    fits = [each for each in known if each.models and has >= set(each.models.items())]
    return tuple(each.template for each in sorted(fits, key=lambda each: (-len(each.settable), each.template)))
