"""Clocks that jump, hands that interfere, charges nobody can believe, modes lowered in a race: seen in the history."""

from collections.abc import Callable
from pathlib import Path

import pytest

from assets.stores.transactions import Store
from data_quality.contracts.control.command import Mode
from tests.control_faults import virtual_site
from tests.control_faults.conftest import ended
from tests.control_faults.virtual_site import VirtualSite
from tests.controls.agent.plant import BATTERY, HOME, PV

# The year in which 32 bits of seconds end, from the site's beginning in 2026.
TO_2038_S = 12.1 * 365.25 * 86400.0


@pytest.mark.parametrize("has_reference", [True, False], ids=["with another clock", "alone"])
@pytest.mark.parametrize("step_s", [-7200.0, -600.0, -3.0, 3.0, 600.0, 7200.0, TO_2038_S])
def test_fault_f50_a_clock_that_jumps_sends_every_device_home_and_prolongs_nothing(
    store: Store, step_s: float, has_reference: bool, tmp_path: Path
) -> None:
    site = VirtualSite(store, has_reference=has_reference)
    site.start()
    site.plan("battery", 1.2, window_s=60.0)
    site.run(4.0)
    assert site.devices["battery"].value == 1.2
    site.time.offset_s = step_s
    # At once, unless the clock is so far behind that the device takes the way home for an old message: then its own
    # time to live ends it.
    site.run(2.0 if step_s > -3600.0 else 46.0)
    assert site.devices["battery"].value == 0.0
    site.plan("battery", -1.0, window_s=30.0)
    site.run(200.0, step_s=4.0)
    site.time.offset_s = 0.0
    assert ended(site, tmp_path) == []


def test_fault_f67_what_a_person_sets_is_seen_at_once_and_never_fought(site: VirtualSite) -> None:
    site.plan("battery", 1.2, window_s=600.0)
    site.run(4.0)
    site.devices["battery"].forced = 3.0
    began_s = site.time.true_s
    site.run(120.0, step_s=1.0)
    text = [event for event in site.history.of("told") if event.note == "OVERRIDDEN"]
    # Two looks of five seconds.
    assert text
    assert text[0].at_s - began_s <= 11.0
    site.plan("battery", -1.0, window_s=600.0)
    site.run(60.0, step_s=1.0)
    sent = [event for event in site.history.of("sent") if event.device == "battery" and event.at_s >= began_s]
    assert [event for event in sent if event.at_s > text[0].at_s] == []
    site.devices["battery"].forced = None


def _not_a_number(site: VirtualSite) -> None:
    site.devices["battery"].soc_percent = float("nan")


def _full(site: VirtualSite) -> None:
    site.devices["battery"].soc_percent = 140.0


def _stale(site: VirtualSite) -> None:
    site.devices["battery"].fault = "silent"


def _jumped(site: VirtualSite) -> None:
    site.devices["battery"].soc_percent = 90.0


@pytest.fixture
def measured_site(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VirtualSite:
    """A site whose file says how much its battery holds, as every planned one does: only then is a jump one."""
    sized = BATTERY.model_copy(update={"params": {**BATTERY.params, "capacity_kwh": 10}})
    monkeypatch.setattr(virtual_site, "HOME", HOME.model_copy(update={"assets": (sized, PV)}))
    site = VirtualSite(store)
    site.start()
    return site


def test_fault_f68_a_charge_that_jumps_sends_home_what_stands(measured_site: VirtualSite, tmp_path: Path) -> None:
    """From 40 to 90 % in no time, with nothing charged: on the next look at the device its set-point ends."""
    site = measured_site
    site.devices["battery"].soc_percent = 40.0
    site.plan("battery", 1.2, window_s=600.0)
    site.run(6.0)
    assert site.devices["battery"].value == 1.2
    began_s = site.time.true_s
    _jumped(site)
    # A look each five seconds, a guard at each renewal of fifteen.
    site.run(20.0)
    assert site.devices["battery"].value == 0.0
    home = [event for event in site.history.of("sent") if event.is_revert and event.at_s >= began_s]
    assert home
    site.run(60.0)
    later = [event for event in site.history.of("sent") if not event.is_revert and event.at_s > home[0].at_s]
    assert later == []
    assert ended(site, tmp_path) == []


@pytest.mark.parametrize("spoil", [_not_a_number, _full, _stale, _jumped], ids=lambda one: one.__name__.strip("_"))
def test_fault_f68_a_charge_that_cannot_be_believed_moves_nothing(
    measured_site: VirtualSite, spoil: Callable[[VirtualSite], None], tmp_path: Path
) -> None:
    site = measured_site
    site.devices["battery"].soc_percent = 40.0
    site.run(6.0)
    spoil(site)
    site.run(12.0)
    site.plan("battery", 1.2, window_s=60.0)
    site.run(60.0, step_s=1.0)
    assert [event.key for event in site.history.of("sent") if not event.is_revert] == []
    site.devices["battery"].soc_percent, site.devices["battery"].fault = 50.0, ""
    assert ended(site, tmp_path) == []


@pytest.mark.parametrize("wait_s", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 20.0])
@pytest.mark.parametrize("mode", [Mode.SIMULATION, Mode.ADVISORY])
def test_fault_f75_nothing_is_sent_after_a_lower_mode_was_committed(
    site: VirtualSite, mode: Mode, wait_s: float
) -> None:
    """The checker's own rule: whatever is sent later than the mode's event is forbidden."""
    site.plan("battery", 1.2, window_s=600.0)
    for _ in range(round(wait_s / 0.5)):
        site.run(0.5, step_s=0.5)
    site.set_mode(mode)
    site.run(60.0, step_s=1.0)
    assert site.devices["battery"].value == 0.0


def test_fault_f80_a_way_home_that_fails_is_tried_on_and_holds_up_nobody_else(site: VirtualSite) -> None:
    site.plan("battery", 1.2, window_s=30.0)
    site.plan("pv", 6.5, window_s=30.0)
    site.run(20.0)
    assert (site.devices["battery"].value, site.devices["pv"].value) == (1.2, 6.5)
    # It answers nothing any more, and stands as if its timer were broken.
    site.devices["pv"].fault, site.devices["pv"].forced = "loses_ack", 6.5
    site.run(12.0)
    assert site.devices["battery"].value == 0.0
    tries = [event for event in site.history.of("sent") if event.is_revert and event.device == "pv"]
    site.run(20.0)
    more = [event for event in site.history.of("sent") if event.is_revert and event.device == "pv"]
    assert len(more) > len(tries) >= 1
    site.devices["pv"].fault, site.devices["pv"].forced = "", None
    site.run(4.0)
    assert site.devices["pv"].value == 8.0
