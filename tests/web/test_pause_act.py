"""Pause of the plan on Home: one act for every device of the site, which ends by itself or by a person."""

import re
from datetime import timedelta

import pytest

from controls.ledger.device_holds import Hold, is_held, open_holds
from data_quality.contracts.time import FixedClock
from tests.e2e.conftest import call_here
from tests.web.asking import PAGE, Answer
from tests.web.devices_world import VERA, as_
from tests.web.marts_world import Asking
from tests.web.test_boards import text_of
from tests.web.test_holiday_act import NOW, OTTO, folder, home, page
from tests.web.why_world import posted

__all__ = ["folder", "home"]
WORDS = {"for": "4h", "reason": "guests charge"}


def seen(asking: Asking, key: str = "plan-pause") -> str:
    """The stamp that the form carries."""
    found = re.search(rf'id="form-{key}".*?name="seen" value="([^"]*)"', page(asking), re.DOTALL)
    assert found is not None
    return found[1]


def act(asking: Asking, **form: str) -> Answer:
    return posted(asking, "/devices/pause?site=plant", form={"from": "home", **form})


def holds(asking: Asking, at_h: float = 0.0) -> list[Hold]:
    return open_holds(asking.project.store, "plant", NOW + timedelta(hours=at_h))


def test_two_clicks_pause_every_device_once_and_the_board_says_it(home: Asking) -> None:
    stamp = seen(home)
    assert [act(home, **WORDS, seen=stamp).status for _ in range(2)] == [303, 303]
    [held] = holds(home)
    assert (held.device_id, held.person_id, held.reason) == ("", "otto", "guests charge")
    assert held.until_utc == NOW + timedelta(hours=4)
    assert all(is_held(holds(home), device, "power_limit_kw") for device in ("wallbox", "tank"))
    shown = text_of(page(home))
    assert re.search(r"Plan paused until \d\d:\d\d by Otto Operator: guests charge", shown)
    assert "Pause plan" not in shown
    assert "Plan pausiert bis" in page(home, locale="de")
    # Nobody has to give it back.
    assert holds(home, 4.1) == []
    later = Asking(home.project, FixedClock(NOW + timedelta(hours=4.1)), OTTO)
    assert "Pause plan" in page(later)


def test_it_is_resumed_once_and_a_device_says_where(home: Asking) -> None:
    assert act(home, **WORDS, seen=seen(home)).status == 303
    device = text_of(home.get("/devices/tank", [PAGE], site="plant").text)
    assert "The plan of the whole site is paused: resume it on Home or on Plan and devices." in device
    assert "Back to plan" not in device
    form = {"end": "1", "reason": "guests left", "seen": seen(home, "plan-resume")}
    assert [act(home, **form).status for _ in range(2)] == [303, 303]
    assert holds(home) == []
    assert "Pause plan" in page(home)
    trail = text_of(home.get("/audit", [PAGE], site="plant").text)
    assert re.search(r"Otto Operator paused the plan of Musterwerk Süd until \w+, \d+ \w+ 2025, \d\d:\d\d", trail)
    assert "guests charge" in trail
    assert "Otto Operator resumed the plan of Musterwerk Süd" in trail
    assert "Pause Hot-water tank" in text_of(home.get("/devices/tank", [PAGE], site="plant").text)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"reason": " "}, "missing_reason"), ({"for": "soon"}, "bad_time"), ({"end": "1"}, "no_hold"),
        ({"seen": "x"}, "changed_since"),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_is_one_sentence_with_a_way_on(home: Asking, form: dict[str, str], code: str) -> None:
    answer = act(home, **{**WORDS, "seen": seen(home), **form})
    assert (answer.said["code"], bool(answer.said["mend"])) == (code, True)
    assert holds(home) == []


def test_a_form_of_before_somebody_elses_act_is_refused(home: Asking) -> None:
    stale = seen(home)
    assert act(home, **WORDS, seen=stale).status == 303
    assert act(home, **{**WORDS, "reason": "noise"}, seen=stale).said["code"] == "changed_since"
    assert len(holds(home)) == 1


def test_the_same_form_with_another_span_is_not_answered_as_if_it_had_acted(home: Asking) -> None:
    stale = seen(home)
    assert act(home, **WORDS, seen=stale).status == 303
    answer = act(home, **{**WORDS, "for": "8h"}, seen=stale)
    assert (answer.said["code"], answer.said["detail"]) == (
        "changed_since", "the same act stands with another end; nothing was changed"
    )  # fmt: skip
    assert [each.until_utc for each in holds(home)] == [NOW + timedelta(hours=4)]


def test_who_may_not_command_has_no_button_and_is_refused(home: Asking) -> None:
    viewer = as_(VERA, home)
    assert "Pause plan" not in page(viewer)
    assert act(viewer, **WORDS, seen="0").status == 403


def test_the_command_pauses_the_site_too_and_a_value_needs_its_device(home: Asking) -> None:
    project = str(home.project.project.root)
    words = ("dispatch", "override", "--site", "plant", "--as", "otto", "--reason", "guests", "--project", project)
    code, said, fault = call_here(*words, "--for", "2h")
    assert code == 0, fault
    assert [each["device_id"] for each in said["holds"]] == [""]
    assert call_here(*words, "--give-back")[1]["holds"] == []
    code, _, fault = call_here(*words, "--value", "3")
    assert (code, "name it with --device" in fault) == (2, True), fault
