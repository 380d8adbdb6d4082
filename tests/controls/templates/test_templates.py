"""Every template in the folder runs against a real server; a bad one is refused with its place."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controls.gateways.broker import Broker
from controls.gateways.commissioning.conformance import check_reads, check_writes
from controls.gateways.served_unit import RATING
from controls.templates.load_templates import FOLDER, Template, load_template, template_names
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from tests.controls.devices import Pair, Served, command, measured, serving_modbus, serving_mqtt, serving_topics

SERVED = [name for name in template_names() if load_template(name).protocol in ("modbus_tcp", "mqtt5", "mqtt_topics")]


@contextmanager
def serving(name: str, clock: FixedClock, request: pytest.FixtureRequest) -> Iterator[Served | Pair]:
    template = load_template(name)
    if template.protocol == "modbus_tcp":
        with serving_modbus(template, clock) as served:
            yield served
        return
    broker: Broker = request.getfixturevalue("broker")
    serve = serving_topics if template.protocol == "mqtt_topics" else serving_mqtt
    with serve(template, clock, broker.address) as either:
        yield either


@pytest.mark.real
@pytest.mark.parametrize("name", SERVED)
def test_every_template_measures(name: str, clock: FixedClock, request: pytest.FixtureRequest) -> None:
    with serving(name, clock, request) as served:
        template = load_template(name)
        found = {what: served.device.read(what) for what in template.readable}
        # A float of 32 bits holds seven digits.
        assert found == pytest.approx(measured(template), rel=1e-6)


@pytest.mark.real
@pytest.mark.parametrize("name", SERVED)
def test_every_device_keeps_its_template(name: str, clock: FixedClock, request: pytest.FixtureRequest) -> None:
    template, seqs = load_template(name), itertools.count(1)

    def make(capability: str, value: float, ttl_s: float) -> Command:
        unit = template.capability(capability).unit
        return command(
            clock, device_id="device", capability=capability, value=value, unit=unit, ttl_s=ttl_s, seq=next(seqs)
        )

    with serving(name, clock, request) as served:

        def wait(seconds: float) -> None:
            served.hand.now_s += seconds

        checks = [*check_reads(served.device, template)]
        checks += check_writes(served.device, template, make, spans=spans_of(template), wait=wait)
    wrong = [each for each in checks if each.status != "ok" and not each.detail.startswith("the device has no timer")]
    assert wrong == []
    # Every set-point: read back, three values at least (two for a switch), out of range, its end, and put back.
    assert len(checks) >= len(template.readable) + 6 * len(template.settable)


def spans_of(template: Template) -> dict[str, tuple[float, float]]:
    """What each set-point may take on a device whose own rating is the simulator's."""
    return {
        name: (max(low, -RATING), min(high, RATING)) if template.capability(name).share_of else (low, high)
        for name, (low, high) in ((name, template.limits(name)) for name in template.settable)
    }


def test_limits_and_unknown_names_are_told() -> None:
    template = load_template("sim_battery_10kwh")
    assert template.limits("set_charge_power_kw") == (-5.0, 5.0)
    with pytest.raises(BadInput, match=r"no capability 'fly'; it has set_charge_power_kw"):
        template.capability("fly")
    with pytest.raises(BadInput, match="takes no value"):
        template.limits("read_soc_percent")
    with pytest.raises(BadInput, match=r"unknown device template 'nope'; there are .*sim_appliance, sim_battery_10kwh"):
        load_template("nope")


BAD = {
    "without limits": ("min: -5.0, max: 5.0,", "", "min, max and expires_s are needed"),
    "limits crossed": ("min: -5.0", "min: 6.0", "must be below max"),
    "unsafe default": ("set_charge_power_kw: 0.0", "set_charge_power_kw: 9.0", "outside -5.0..5.0"),
    "no safe default": ("safe_default:\n  set_charge_power_kw: 0.0", "", "read_back and safe_default are needed"),
    "foreign verb": ("read_power_kw", "show_power_kw", "must start with set_ or read_"),
    "field on modbus": ("register: 30113", "field: power", "wants register"),
    "two places": ("register: 30113", "register: 30113, field: power", "exactly one of 'register' and 'field'"),
    "frame without value": ("frame: [value, ttl_s, epoch, seq], min", "frame: [ttl_s], min", "exactly once"),
    "read back of nothing": ("read_back:", "read_back:\n  read_power_kw: {register: 1, within_s: 1, tolerance: 0}",
                             "not a settable capability"),
    "unknown key": ("unit_id:", "unitid:", "did you mean 'unit_id'"),
    "wrong name": ("template: sim_battery_10kwh", "template: other", "the file says template 'other'"),
}  # fmt: skip


@pytest.mark.parametrize("change", BAD.values(), ids=list(BAD))
def test_a_bad_template_is_refused(change: tuple[str, str, str], tmp_path: Path) -> None:
    was, becomes, sentence = change
    text = (FOLDER / "sim_battery_10kwh.yaml").read_text()
    assert was in text
    (tmp_path / "sim_battery_10kwh.yaml").write_text(text.replace(was, becomes))
    with pytest.raises(BadInput, match=r"sim_battery_10kwh\.yaml") as fault:
        load_template("sim_battery_10kwh", tmp_path)
    assert sentence in str(fault.value)
