"""Holiday on Home: set and ended from its form, once for two clicks, by who may, and said in the trail."""

import html
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from controls.ledger.modes import holiday_history, open_holiday
from data_quality.contracts.people import Person, Role
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from tests.reports import plant
from tests.web.asking import PAGE, Answer
from tests.web.devices_world import PEOPLE, VERA, as_
from tests.web.marts_world import Asking, make_project
from tests.web.test_boards import text_of
from tests.web.test_home_board import CHARGER, PV, house
from tests.web.why_world import posted

NOW = plant.NOON
OTTO = Person(person_id="otto", name="Otto Operator", roles=(Role.OPERATOR, Role.AUDITOR))
TANK = Asset(
    asset_id="tank", name="Hot-water tank", kind="tank", template="sim_relay_bank_16",
    params={"capacity_kwh": 10, "empty_degc": 45, "full_degc": 75, "relays_kw": [3], "thermostat_on_degc": 48},
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("holiday") / "project"
    make_project(made, house().model_copy(update={"assets": (PV, CHARGER, TANK)})).close()
    (made / "people.yaml").write_text(PEOPLE)
    return made


@pytest.fixture
def home(folder: Path, tmp_path: Path) -> Iterator[Asking]:
    shutil.copytree(folder, tmp_path / "project")
    project = OpenProject(str(tmp_path / "project"))
    yield Asking(project, FixedClock(NOW), OTTO)
    project.close()


def page(asking: Asking, **query: str) -> str:
    found = asking.get("/board/home", [PAGE], site="plant", **query)
    assert found.status == 200, found.text
    return html.unescape(found.text)


def form_of(asking: Asking) -> str:
    """The stamp that the form about holidays carries."""
    found = re.search(r'id="form-holiday".*?name="seen" value="([^"]*)"', page(asking), re.DOTALL)
    assert found is not None
    return found[1]


def act(asking: Asking, **form: str) -> Answer:
    return posted(asking, "/devices/holiday?site=plant", form={"from": "home", **form})


def until(days: int) -> str:
    return f"{NOW + timedelta(days=days):%Y-%m-%d}"


def test_two_clicks_set_one_holiday_and_the_board_says_it_in_words(home: Asking) -> None:
    shown = text_of(page(home))
    assert "48 °C are enough, and no hot water is drawn" in shown
    assert "Mode Simulation: the next plan keeps to it, and nothing is sent." in shown
    form = {"until": until(5), "at": "18:00", "reason": "skiing", "seen": form_of(home)}
    first, second = act(home, **form), act(home, **form)
    assert [each.status for each in (first, second)] == [303, 303]
    assert first.headers["location"] == "/board/home?site=plant"
    found = open_holiday(home.project.store, "plant", NOW)
    assert found is not None
    assert (found.person_id, found.reason, len(holiday_history(home.project.store, "plant"))) == ("otto", "skiing", 1)
    day = NOW + timedelta(days=5)
    assert f"Holiday until {day:%A}, {day:%-d %B %Y}, 18:00" in text_of(page(home))
    assert "Set holiday" not in page(home)
    acts = re.search(r'id="card-plan_ahead".*?</article>', page(home), re.DOTALL)
    assert acts is not None
    assert ("Change holiday" in acts[0], "End holiday" in acts[0]) == (True, True)
    assert "Urlaub bis " in page(home, locale="de")
    trail = text_of(home.get("/audit", [PAGE], site="plant").text)
    assert "Otto Operator set a holiday of" in trail


def test_one_form_with_the_dates_of_now_changes_it_in_one_act(home: Asking) -> None:
    assert act(home, until=until(5), at="18:00", reason="skiing", seen=form_of(home)).status == 303
    shown = page(home)
    form = re.search(r'id="form-holiday".*?</form>', shown, re.DOTALL)
    assert form is not None
    assert f'value="{until(5)}"' in form[0]
    assert re.search(r'<option value="18:00" selected', form[0])
    assert 'value="skiing"' in form[0]
    changed = {"until": until(9), "at": "18:00", "reason": "skiing", "seen": form_of(home)}
    assert [act(home, **changed).status for _ in range(2)] == [303, 303]
    found = open_holiday(home.project.store, "plant", NOW)
    assert found is not None
    assert f"{found.until_utc:%Y-%m-%d}" == until(9)
    assert [each["is_set"] for each in holiday_history(home.project.store, "plant")] == [True, True]
    assert "Otto Operator changed the holiday of" in text_of(home.get("/audit", [PAGE], site="plant").text)


def test_it_is_ended_once_and_by_itself(home: Asking) -> None:
    assert act(home, until=until(5), reason="skiing", seen=form_of(home)).status == 303
    form = {"end": "1", "reason": "back early", "seen": form_of(home)}
    assert [act(home, **form).status for _ in range(2)] == [303, 303]
    assert open_holiday(home.project.store, "plant", NOW) is None
    assert [each["is_set"] for each in holiday_history(home.project.store, "plant")] == [True, False]
    assert "Otto Operator ended the holiday of" in text_of(home.get("/audit", [PAGE], site="plant").text)
    assert act(home, until=until(2), reason="again", seen=form_of(home)).status == 303
    later = Asking(home.project, FixedClock(NOW + timedelta(days=3)), OTTO)
    assert "Set holiday" in page(later), "its end has come, and nobody did anything"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"until": until(-1)}, "end_has_passed"), ({"until": until(500)}, "end_too_far"), ({"until": ""}, "bad_time"),
        ({"until": "tomorrow"}, "bad_time"), ({"until": "2026-02-31"}, "bad_time"),
        ({"until": "9999-12-31"}, "end_too_far"), ({"until": "0001-01-01"}, "bad_time"),
        ({"until": until(3), "reason": " "}, "missing_reason"), ({"end": "1"}, "no_holiday"),
        ({"until": until(3), "seen": "x"}, "changed_since"),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_is_one_sentence_with_a_way_on(home: Asking, form: dict[str, str], code: str) -> None:
    answer = act(home, **{"reason": "x", "seen": "0", **form})
    status = {"changed_since": 412, "bad_time": 400}.get(code, 422)
    assert (answer.status, answer.said["code"], bool(answer.said["mend"])) == (status, code, True)
    assert holiday_history(home.project.store, "plant") == []


def test_a_form_of_before_somebody_elses_act_is_refused(home: Asking) -> None:
    stale = form_of(home)
    assert act(home, until=until(5), reason="skiing", seen=stale).status == 303
    answer = act(home, until=until(9), reason="skiing", seen=stale)
    assert answer.said["code"] == "changed_since"
    assert len(holiday_history(home.project.store, "plant")) == 1


def test_who_may_not_command_has_no_button_and_is_refused(home: Asking) -> None:
    viewer = as_(VERA, home)
    assert "Set holiday" not in page(viewer)
    assert act(viewer, until=until(5), reason="x", seen="0").status == 403
