"""SunSpec on the wire: models are found, not assumed; scale factor and rating are the device's; doubt is refused."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from controls.gateways.capabilities import DeviceRefused, NotSent
from controls.gateways.commissioning.conformance import check_reads
from controls.gateways.commissioning.scan import fitting
from controls.gateways.commissioning.sunspec import SunSpecModel, maker_of, walk_models
from controls.gateways.modbus import ModbusDevice
from controls.gateways.register_words import NOT_IMPLEMENTED, encode
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.simulator.served_template import simulated_unit
from controls.templates.load_templates import Template, load_template, template_names
from controls.templates.register_places import Table
from data_quality.contracts.time import FixedClock
from tests.controls.devices import HandClock, command

# Every device of these tests answers: long enough for a machine that stands still.
LIMIT, TIMEOUT_S = "set_power_limit_kw", 10.0
PV = load_template("sunspec_pv_704")
MODBUS = [name for name in template_names() if load_template(name).protocol == "modbus_tcp"]


@contextmanager
def serving(template: Template, clock: FixedClock, **figures: float) -> Iterator[tuple[ModbusUnit, ModbusDevice]]:
    unit = simulated_unit(template, monotonic=HandClock())
    server = ModbusServer([unit]).start()
    device = ModbusDevice(
        template,
        host="127.0.0.1",
        port=server.port,
        clock=clock,
        timeout_s=TIMEOUT_S,
        figures=figures,
        device_id="device",
    )
    try:
        yield unit, device
    finally:
        device.close()
        server.stop()


def with_words(unit: ModbusUnit, words: dict[int, int], table: Table = "holding") -> None:
    """The unit states these words, whatever it is."""
    registers: Callable[[Table], dict[int, int]] = unit.registers
    unit.registers = lambda requested="holding": registers(requested) | (words if requested == table else {})  # type: ignore[method-assign]


def memory(words: dict[int, int]) -> Callable[[int, int], list[int]]:
    def read(address: int, count: int) -> list[int]:
        if address not in words:
            raise DeviceRefused("no such register", code=2)
        return [words.get(address + offset, 0) for offset in range(count)]

    return read


@pytest.mark.parametrize("start", [40000, 0, 50000])
def test_models_are_found_wherever_the_marker_stands(start: int) -> None:
    words = dict(enumerate([0x5375, 0x6E53, 1, 65, *[0x4142] * 65, 103, 50, *[0] * 50, 0xFFFF, 0], start))
    models = walk_models(memory(words))
    assert models == [
        SunSpecModel(model=1, register_address=start + 2, length=65),
        SunSpecModel(model=103, register_address=start + 69, length=50),
    ]
    assert maker_of(memory(words), models)["maker"] == "AB" * 16


def test_a_device_without_marker_or_end_is_refused() -> None:
    with pytest.raises(DeviceRefused, match="no SunSpec marker at 40000, 0, 50000"):
        walk_models(memory({}))
    # Lengths of 0 for ever: id 7 over and over.
    endless = dict(enumerate([0x5375, 0x6E53, *[7, 0] * 500], 40000))
    with pytest.raises(DeviceRefused, match="has no end"):
        walk_models(memory(endless))


def test_a_template_fits_where_every_model_has_its_length() -> None:
    found = [SunSpecModel(model=model, register_address=0, length=length) for model, length in PV.models.items()]
    assert fitting(found) == ("sunspec_pv_704",)
    assert fitting(found[1:]) == ()
    assert fitting([each.model_copy(update={"length": each.length + 1}) for each in found]) == ()


@pytest.mark.real
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        # Model 1 has 66 registers after its header: 701 begins at 40070, 702 at 40225, 704 at 40277.
        ({40277: 705}, "has no SunSpec model 704"),
        ({40278: 66, 40344: 0xFFFF}, "states length 66 for SunSpec model 704, which has 65"),
        ({40277 + 54: 0x8000}, "states no scale factor"),
        ({40277 + 54: 11}, "states no scale factor"),
        ({40225 + 26: 0}, "states a rating of 0"),
        ({40225 + 26: 0xFFFF}, "states no value for its rating"),
    ],
)
def test_fault_f23_what_the_device_states_of_itself_is_believed_only_where_it_can_be(
    words: dict[int, int], sentence: str, clock: FixedClock
) -> None:
    with serving(PV, clock) as (unit, device):
        with_words(unit, words)
        if 40278 in words:
            with_words(unit, {40277 + 67 + 1: 0xFFFF, 40277 + 68 + 1: 0})
        with pytest.raises(DeviceRefused, match=sentence):
            device.write(command(clock, device_id="device", capability=LIMIT, value=4.0))
        assert unit.writes == 0


@pytest.mark.real
def test_a_scale_factor_that_changes_with_the_value_comes_with_it(clock: FixedClock) -> None:
    with serving(PV, clock) as (unit, device):
        for power, raw, kilowatts in ((0, 4200, 4.2), (1, 420, 4.2), (-1, 30000, 3.0)):
            with_words(unit, {40070 + 10: raw, 40070 + 116: power & 0xFFFF})
            reads = unit.reads
            assert device.read("read_power_kw") == pytest.approx(kilowatts)
        assert unit.reads == reads + 1


@pytest.mark.real
def test_a_limit_beyond_the_devices_rating_is_not_sent_and_the_safe_default_gives_it_back(clock: FixedClock) -> None:
    with serving(PV, clock) as (unit, device):
        with pytest.raises(NotSent, match="12 is beyond the device's rating 10"):
            device.write(command(clock, device_id="device", capability=LIMIT, value=12.0))
        assert unit.writes == 0
        device.write(command(clock, device_id="device", capability=LIMIT, value=4.0))
        assert device.read_back(LIMIT).value == 4.0
        # What the agent writes to revert: no limit, and no timer that would have to run.
        device.write(command(clock, device_id="device", capability=LIMIT, value=1000.0, seq=2))
        held = device.read_back(LIMIT)
        assert (held.value, held.revert_remaining_s, unit.leases[LIMIT].state(0.0).is_held) == (1000.0, 0.0, False)


@pytest.mark.real
def test_a_sites_own_figure_is_its_safe_default_and_gives_the_inverter_back(clock: FixedClock) -> None:
    """Modules of 9.6 kW behind an inverter of 8: uncurtailed is 9.6 for the plan, and no limit for the inverter."""
    with serving(PV, clock, peak_kw=9.6) as (unit, device):
        with_words(unit, {40225 + 26: 800})
        device.write(command(clock, device_id="device", capability=LIMIT, value=4.0))
        assert device.read_back(LIMIT).value == 4.0
        device.write(command(clock, device_id="device", capability=LIMIT, value=9.6, seq=2))
        assert device.read_back(LIMIT).value == 9.6
        assert not unit.leases[LIMIT].state(0.0).is_held
        with pytest.raises(NotSent, match="9 is beyond the device's rating 8"):
            device.write(command(clock, device_id="device", capability=LIMIT, value=9.0, seq=3))


@pytest.mark.real
def test_a_rating_that_no_step_of_the_register_meets_is_not_sent(clock: FixedClock) -> None:
    with serving(PV, clock) as (unit, device):
        # Whole percents of 60 MW: steps of 600 kW.
        with_words(unit, {40225 + 26: 60000, 40225 + 45: 3, 40277 + 54: 0})
        with pytest.raises(NotSent, match="steps are too wide for 400"):
            device.write(command(clock, device_id="device", capability=LIMIT, value=400.0))
        assert unit.writes == 0


@pytest.mark.real
def test_a_timer_told_to_run_for_ever_is_no_timer(clock: FixedClock) -> None:
    """Others write revert time 0, which holds a set-point for good: the read-back says that nothing ends it."""
    with serving(load_template("sunspec_pv_123"), clock) as (unit, device):
        device.write(command(clock, device_id="device", capability=LIMIT, value=4.0))
        assert device.read_back(LIMIT).revert_remaining_s is None
        # 123 lies behind 1, 103 and 121.
        with_words(unit, {40070 + 52 + 32 + 7: 0})
        assert device.read_back(LIMIT).revert_remaining_s == 0.0


@pytest.mark.real
@pytest.mark.parametrize("name", MODBUS)
def test_fault_f23_no_template_takes_the_sentinel_for_a_value(name: str, clock: FixedClock) -> None:
    template = load_template(name)
    with serving(template, clock) as (unit, device):
        for what in template.readable:
            place = template.capability(what)
            at = (place.register_address or 0) + (0 if place.model is None else unit._bases[place.model])
            raw = math.nan if place.type == "float32" else NOT_IMPLEMENTED[place.type]
            words = encode(raw, place.type, place.word_order)
            with_words(unit, dict(enumerate(words, at)), place.table)
        checks = [each for each in check_reads(device, template) if each.name.startswith("read read_")]
        assert {each.status for each in checks} <= {"warn"}
        assert len(checks) == len(template.readable)


def test_power_follows_the_set_point_with_a_lag_and_the_same_seed_gives_the_same_noise() -> None:
    hand = HandClock()
    unit = simulated_unit(load_template("sim_battery_10kwh"), monotonic=hand)
    unit.write(40210, [200, 60, 1, 0, 1])
    assert unit._measure()["read_power_kw"] == 0.0
    hand.now_s += unit.template.capability("set_charge_power_kw").settle_s / 4
    # One time constant: 1 - 1/e of 2 kW.
    assert unit._measure()["read_power_kw"] == pytest.approx(2.0 * (1 - math.exp(-1)))
    hand.now_s += 60
    assert unit._measure()["read_power_kw"] == pytest.approx(0.0, abs=0.01)

    def noisy(seed: int) -> list[float]:
        one = simulated_unit(load_template("sim_battery_10kwh"), monotonic=HandClock(), seed=seed, noise_share=0.01)
        return [one._measure()["read_power_kw"] for _ in range(5)]

    assert noisy(1) == noisy(1) != noisy(2)
