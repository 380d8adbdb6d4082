"""Charge the car now, and back to plan: from its page and from Home, once for two clicks, never without its chance."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controls.ledger.by_hand import LONGEST
from controls.ledger.device_holds import open_holds
from controls.ledger.device_lease import acquire_lease
from controls.ledger.rows import read_commands
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.time import FixedClock
from orchestration.views.device_list import Devices
from orchestration.web.pages import device_acts
from tests.web.devices_world import OTTO, VERA, as_, device_folder, devices
from tests.web.marts_world import Asking
from tests.web.test_device_acts import NOW, act, detail, on_page, page, seen

__all__ = ["device_folder", "devices"]
pytestmark = pytest.mark.slow
CAR = "/devices/car"


@pytest.fixture
def ready(devices: Asking, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """In PARTIAL, with the lease of an agent; nobody waits for a proof that no agent gives."""
    monkeypatch.setattr(device_acts, "PROOF_WITHIN_S", 0.0)
    assert on_page(devices, "mode", mode="PARTIAL", reason="commissioned").status == 303
    assert acquire_lease(devices.project.store, "plant", "agent-1", now_utc=NOW) is not None
    return devices


def test_the_button_sets_what_the_mode_allows_once_for_two_clicks_and_back_to_plan_ends_it(ready: Asking) -> None:
    operator = as_(OTTO, ready)
    shown = page(operator, CAR)
    assert "Charge the car now?" in shown
    # 30 % of 7.4 kW.
    assert 'value="2.22"' in shown
    form = {"value": "2.22", "for": "1h", "reason": "charge now", "seen": seen(operator, CAR)}
    first, second = act(operator, "car/set", **form), act(operator, "car/set", **form)
    assert [each.status for each in (first, second)] == [303, 303]
    [row] = read_commands(ready.project.store, "plant")
    [hold] = open_holds(ready.project.store, "plant", NOW)
    assert (row.state, row.command.value, hold.sends) == (S.RELEASED, 2.22, row.command.command_id)
    for other in ({"for": "2h"}, {"kwh": "1"}):
        assert act(operator, "car/set", **{**form, **other}).status == 412
    shown = page(operator, CAR)
    assert re.search(r"Set to 2.22 kW by Otto Operator until .*: charge now. Command: released, not sent yet", shown)
    assert "Charge the car now?" not in shown
    assert on_page(operator, "car/release", reason="x").status == 303
    assert open_holds(ready.project.store, "plant", NOW) == []
    assert [each.state for each in read_commands(ready.project.store, "plant")] == [S.SUPERSEDED]


def test_a_car_is_charged_until_its_departure_where_that_is_no_farther_than_a_hand_may_set(ready: Asking) -> None:
    early = Asking(ready.project, FixedClock(NOW - timedelta(hours=5)), OTTO)
    assert "Until departure" not in page(early, CAR)
    found = re.search(r'<option value="([^"]+)">Until departure, 17:30</option>', page(ready, CAR))
    assert found is not None
    assert on_page(ready, "car/set", value="2", reason="x", **{"for": found[1]}).status == 303
    [hold] = open_holds(ready.project.store, "plant", NOW)
    assert hold.until_utc == datetime(2025, 4, 2, 15, 30, tzinfo=UTC)


def test_a_form_sent_after_its_end_has_passed_sets_and_pauses_nothing(ready: Asking) -> None:
    leaves = datetime(2025, 4, 2, 15, 30, tzinfo=UTC)
    late = Asking(ready.project, FixedClock(leaves + timedelta(seconds=1)), OTTO)
    assert acquire_lease(ready.project.store, "plant", "agent-1", now_utc=late.clock.now_utc()) is not None
    form = {"value": "2", "for": leaves.isoformat(), "reason": "x", "seen": seen(ready, CAR)}
    for place in ("car/set", "car/take", "car/pause"):
        answer = act(late, place, **form)
        assert detail(answer) == (422, "end_has_passed", "Choose an end that is yet to come."), place
    assert read_commands(ready.project.store, "plant") == []
    assert open_holds(ready.project.store, "plant", NOW) == []


def test_an_override_that_ended_by_itself_is_not_given_back_again(ready: Asking) -> None:
    assert on_page(ready, "car/set", value="2", reason="x", **{"for": "1h"}).status == 303
    late = Asking(ready.project, FixedClock(NOW + timedelta(hours=2)), OTTO)
    answer = act(late, "car/release", reason="x", seen=seen(ready, CAR))
    assert detail(answer)[:2] == (422, "no_hold")
    assert detail(answer)[2].startswith("The override has ended, and the plan has the device again")


@pytest.mark.parametrize("departure", ["half past", {"wed": "25:00"}, {"someday": "07:30"}, 7, None])
def test_a_departure_that_is_none_takes_no_page_away(devices: Asking, departure: Any) -> None:
    site = devices.project.site("plant")
    assets = tuple(each.model_copy(update={"params": {"departure": departure}}) for each in site.assets)
    shown = Devices(devices.project, site.model_copy(update={"assets": assets}), NOW).listed
    assert {each.leaves_at for each in shown} == {None}


def test_an_energy_ends_it_and_nonsense_is_refused(ready: Asking) -> None:
    for form, code in (
        ({"kwh": "much"}, "out_of_range"), ({"kwh": "-1"}, "out_of_range"), ({"kwh": "999"}, "end_too_far"),
        ({"for": "9h"}, "end_too_far"), ({"value": "9"}, "out_of_range"), ({"value": ""}, "out_of_range"),
    ):  # fmt: skip
        assert detail(on_page(ready, "car/set", **{"value": "2", "reason": "x", **form}))[1] == code
    assert read_commands(ready.project.store, "plant") == []
    assert on_page(ready, "car/set", value="2", kwh="3", reason="x").status == 303
    [row] = read_commands(ready.project.store, "plant")
    assert (row.command.valid_until_utc - NOW).total_seconds() == 5400 < LONGEST.total_seconds()


def test_what_a_guard_refuses_is_told_and_stands_in_the_ledger(ready: Asking) -> None:
    answer = on_page(ready, "car/set", value="7.4", reason="x")
    assert detail(answer) == (422, "refused_by_a_guard", "nothing was sent: choose a smaller value")
    assert [each.state for each in read_commands(ready.project.store, "plant")] == [S.BLOCKED]


def test_below_partial_it_says_what_would_be_sent_and_names_the_step(devices: Asking) -> None:
    shown = page(devices, CAR)
    assert "Would be sent" in shown
    assert "2.22 kW for Car <i>charger" in shown
    assert "Simulation: nothing is sent." in shown
    assert "An engineer sets the mode to partial control, on this server or with this command:" in shown
    assert "meterloom dispatch mode PARTIAL --site plant --as carla --reason TEXT" in shown
    assert 'action="/devices/car/set' not in shown
    assert on_page(devices, "car/set", value="2", reason="x").status == 303
    assert [each.state for each in read_commands(devices.project.store, "plant")] == [S.ADVISED]
    assert open_holds(devices.project.store, "plant", NOW) == []


def test_without_an_agent_the_button_names_how_to_start_it(devices: Asking) -> None:
    assert on_page(devices, "mode", mode="PARTIAL", reason="commissioned").status == 303
    assert "Start it with this command:" in page(devices, CAR)
    assert detail(on_page(devices, "car/set", value="2", reason="x"))[1] == "no_agent"


def test_who_may_not_command_has_no_button_and_is_refused(ready: Asking) -> None:
    assert "Charge the car now?" not in page(as_(VERA, ready), CAR)
    assert act(as_(VERA, ready), "car/set", value="2", seen="").status == 403
    assert on_page(as_(OTTO, ready), "car/pause", reason="painting").status == 303
    assert "Charge the car now?" not in page(ready, CAR)
    assert detail(on_page(ready, "car/set", value="2", reason="x"))[1] == "is_held"


def test_a_form_of_home_leads_back_to_home(ready: Asking) -> None:
    assert "Charge the car now?" in page(ready, "/board/home")
    answer = on_page(ready, "car/set", value="2", reason="x", **{"from": "home"})
    assert (answer.status, answer.headers["location"]) == (303, "/board/home?site=plant")
    assert (
        on_page(ready, "car/release", reason="x", **{"from": "//evil"}).headers["location"] == "/devices/car?site=plant"
    )
    assert not re.search(r"Set to 2[.0]* kW by Carla", page(ready, "/board/home"))
