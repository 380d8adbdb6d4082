"""Does a device keep its template: every value read, every set-point written at its ends, read back, and left to die.

The same questions go to a simulator made from the template and to the device in the cabinet. Reading is all that is
done unless the caller hands over a writer and the span within which it may write.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from controls.gateways.capabilities import DeviceReader, DeviceRefused, DeviceSilent, DeviceWriter, NotSent, ReadBack
from controls.templates.load_templates import Template
from data_quality.contracts.control.command import Command
from data_quality.contracts.model import Model

# Long enough for a slow device to be read while it holds a value, short enough to be waited for.
TTL_S = 5.0
_PAUSE_S = 0.2

# (capability, value, ttl_s) -> the command, whose order the maker counts up.
MakeCommand = Callable[[str, float, float], Command]


class Check(Model):
    """One question and what came of it. warn: the device may be so, and whoever connects it should know."""

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str


def check_reads(device: DeviceReader, template: Template) -> Iterator[Check]:
    """Every value and every active set-point, read once."""
    for name in template.readable:
        unit = template.capability(name).unit
        try:
            yield Check(name=f"read {name}", status="ok", detail=f"{device.read(name):g} {unit}")
        except DeviceRefused as fault:
            # A device may lack a point of its model; that it says so is what the template wants.
            status: Literal["warn", "fail"] = "warn" if fault.code == "not_implemented" else "fail"
            yield Check(name=f"read {name}", status=status, detail=str(fault))
        except DeviceSilent as fault:
            yield Check(name=f"read {name}", status="fail", detail=str(fault))
    for name in template.settable:
        try:
            yield Check(name=f"read back {name}", status="ok", detail=_held(device.read_back(name), template, name))
        except (DeviceRefused, DeviceSilent) as fault:
            yield Check(name=f"read back {name}", status="fail", detail=str(fault))


def check_writes(
    device: DeviceWriter,
    template: Template,
    make: MakeCommand,
    *,
    spans: Mapping[str, tuple[float, float]],
    wait: Callable[[float], None],
) -> Iterator[Check]:
    """Every set-point written at its ends, between them and at its safe default; then left to die, and put back.

    spans: what each capability may be set to here. wait: let so many seconds pass, of the device's time.
    """
    for name, (low, high) in spans.items():
        for value in values_of(template, name, low, high):
            yield _written(device, template, make(name, value, ttl_s(template, name)), wait)
        yield _refuses(device, template, make, name)
        yield _dies(device, template, make(name, _far(template, name, low, high), ttl_s(template, name)), wait)
        yield _written(device, template, make(name, _safe(template, name, low, high), ttl_s(template, name)), wait)


def values_of(template: Template, name: str, low: float, high: float) -> list[float]:
    """Values of a trial: both ends, the next step above the lower end, a third between, the safe default."""
    place = template.capability(name)
    if place.codes:
        return [float(code) for code in sorted(place.codes) if low <= code <= high]
    step = max(abs(place.scale), template.read_back[name].tolerance)
    digits = 0 if place.unit in ("state", "count") else 2
    between = [round(each, digits) for each in (low + step, low + 0.3 * (high - low))]
    wanted = [low, *(each for each in between if low <= each <= high), high]
    return list(dict.fromkeys([*wanted, _safe(template, name, low, high)]))


def _written(device: DeviceWriter, template: Template, command: Command, wait: Callable[[float], None]) -> Check:
    """One value written and read back in time."""
    name, rule = command.capability, template.read_back[command.capability]
    what, waited_s = f"write {name} {command.value:g}", 0.0
    try:
        device.write(command)
        held = device.read_back(name)
        while abs(held.value - command.value) > rule.tolerance and waited_s < rule.within_s:
            wait(_PAUSE_S)
            waited_s += _PAUSE_S
            held = device.read_back(name)
    except (DeviceRefused, DeviceSilent) as fault:
        return Check(name=what, status="fail", detail=str(fault))
    value = _held(held, template, name)
    if abs(held.value - command.value) > rule.tolerance:
        return Check(name=what, status="fail", detail=f"after {rule.within_s:g} s it holds {value}")
    is_safe = abs(held.value - template.safe_default[name]) <= rule.tolerance
    if template.has_device_ttl and held.revert_remaining_s == 0 and not is_safe:
        is_released = bool(template.capability(name).release)
        status: Literal["ok", "fail"] = "ok" if is_released else "fail"
        return Check(name=what, status=status, detail=f"holds {value}; no timer runs")
    return Check(name=what, status="ok", detail=f"holds {value}")


def _refuses(device: DeviceWriter, template: Template, make: MakeCommand, name: str) -> Check:
    """A value outside of the template's limits never leaves."""
    low, high = template.limits(name)
    for value in (low - 1.0, high + 1.0):
        try:
            device.write(make(name, value, ttl_s(template, name)))
        except NotSent:
            continue
        except (DeviceRefused, DeviceSilent) as fault:
            return Check(name=f"out of range {name}", status="fail", detail=str(fault))
        return Check(name=f"out of range {name}", status="fail", detail=f"{value:g} was sent")
    return Check(name=f"out of range {name}", status="ok", detail=f"outside {low:g}..{high:g} nothing is sent")


def _dies(device: DeviceWriter, template: Template, command: Command, wait: Callable[[float], None]) -> Check:
    """A value that nobody renews ends by itself."""
    name = command.capability
    what = f"time to live {name}"
    if not template.has_device_ttl:
        return Check(name=what, status="warn", detail="the device has no timer: it keeps the last set-point")
    try:
        device.write(command)
        wait(command.ttl_s + 1.0)
        held = device.read_back(name)
    except (DeviceRefused, DeviceSilent) as fault:
        return Check(name=what, status="fail", detail=str(fault))
    is_held = abs(held.value - command.value) <= template.read_back[name].tolerance
    return Check(
        name=what,
        status="fail" if is_held else "ok",
        detail=f"after {command.ttl_s + 1:g} s {_held(held, template, name)}",
    )


def ttl_s(template: Template, name: str) -> float:
    """Time that a value is held here: short, or the least that the device's own timer can count."""
    sent = template.mqtt.send.get(name) if template.mqtt is not None else None
    return TTL_S if sent is None else max(TTL_S, float(sent.min_ttl_s))


def _safe(template: Template, name: str, low: float, high: float) -> float:
    return min(max(template.safe_default[name], low), high)


def _far(template: Template, name: str, low: float, high: float) -> float:
    """The end that is further from the safe default."""
    safe = _safe(template, name, low, high)
    return low if safe - low > high - safe else high


def _held(held: ReadBack, template: Template, name: str) -> str:
    left = "" if held.revert_remaining_s is None else f", {held.revert_remaining_s:g} s left"
    return f"{held.value:g} {template.capability(name).unit}{left}"
