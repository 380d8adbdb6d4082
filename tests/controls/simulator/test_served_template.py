"""A device made from its template obeys its commands, whatever wire it is on."""

import time

import pytest

from controls.simulator.served_template import DEVICE_ID, POWER, SITE_ID, served_template
from controls.templates.load_templates import load_template
from data_quality.contracts.time import FixedClock
from tests.controls.devices import HandClock, command


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "capability", "resting_kw", "asked_kw"),
    [
        ("sim_battery_10kwh", "set_charge_power_kw", 0.0, 1.5),
        ("generic_mqtt_power", "set_charge_power_kw", 0.0, 1.5),
        # Unlimited, 60 % of its 8 kW.
        ("sim_pv_inverter", "set_power_limit_kw", 4.8, 2.0),
    ],
)
def test_its_power_follows_the_set_point_on_every_wire(
    name: str, capability: str, resting_kw: float, asked_kw: float, clock: FixedClock
) -> None:
    hand = HandClock()
    with served_template(load_template(name), clock=clock, monotonic=hand) as device:

        def comes_to(power_kw: float) -> bool:
            # What it tells by itself comes with its next tick.
            ends_s = time.monotonic() + 60
            while (read_kw := device.read(POWER)) != pytest.approx(power_kw, abs=0.05) and time.monotonic() < ends_s:
                time.sleep(0.05)
            return read_kw == pytest.approx(power_kw, abs=0.05)

        hand.now_s += 40
        assert comes_to(resting_kw)
        order = command(clock, device_id=DEVICE_ID, capability=capability, value=asked_kw, ttl_s=50)
        device.write(order.model_copy(update={"site_id": SITE_ID}))
        hand.now_s += 40
        assert comes_to(asked_kw)
