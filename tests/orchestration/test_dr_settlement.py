"""Settlement of events over a project: what may be settled, by whose calendar, and what is neither paid nor fined."""

from datetime import UTC, datetime

import pytest

from assets.stores.ledgers.dr_events import DrEvents
from controls.demand_response.event_life import income_and_penalty
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.errors import BadInput
from orchestration.demand_response.acts import create_event, stop_event
from orchestration.demand_response.settle import settle_event, settle_over
from orchestration.open_project import OpenProject
from orchestration.views.dr_event_view import power_around
from tests.orchestration.test_dr_events import ANN, HOUR, MINUTE, START, Here, here, made

__all__ = ["here", "made"]


def over(here: Here, event: DrEvent, wall: datetime) -> DrEvent:
    """The event as it would be had it run, at that time."""
    here.time.pass_((wall - here.time.wall).total_seconds())
    events = DrEvents(here.project.store)
    for state in ("active", "restore"):
        event = events.move(event, lambda now, to=state: now.model_copy(update={"state": to}), here.time)
    return event


def test_an_event_that_was_stopped_before_it_began_is_not_settled(here: Here) -> None:
    event = here.create()
    stop_event(here.project, event.event_id, clock=here.time, person=ANN, reason="no")
    here.time.pass_(8 * 3600)
    with pytest.raises(BadInput, match="only one that began") as said:
        settle_event(here.project, event.event_id, clock=here.time, person=ANN)
    assert said.value.reason == "not_over"


def test_two_events_of_a_day_are_settled_with_a_word_on_the_rebound_of_the_earlier(here: Here) -> None:
    later = (START + 3 * HOUR, START + 4 * HOUR)
    made = [here.create(), create_event(here.project, "plant", "own_peak", later, 7, clock=here.time, person=ANN)[0]]
    for event in made:
        over(here, event, later[1] + HOUR)
    settled = settle_event(here.project, made[1].event_id, clock=here.time, person=ANN)[1]
    assert "several_events" in {each.code for each in settled.findings}


def test_days_of_rest_of_the_site_decide_which_days_are_alike(here: Here) -> None:
    # The event is on a Tuesday, of which twenty weeks have twenty, with a few holidays.
    file = next((here.project.project.root / "sites").glob("*.yaml"))
    file.write_text(file.read_text().replace("weekly_rest: []", "weekly_rest: [tue]"))
    project = OpenProject(str(here.project.project.root))
    settled = settle_event(project, over(here, here.create(), START + 3 * HOUR).event_id, clock=here.time)[1]
    project.close()
    assert 0 < max(each.n_days for each in settled.methods) < 30


def test_a_step_that_was_not_read_is_neither_paid_nor_fined(here: Here) -> None:
    settled = settle_event(here.project, over(here, here.create(), START + 3 * HOUR).event_id, clock=here.time)[1]
    assert settled.rule is not None
    assert settled.terms is not None
    first, *rest = settled.rule.intervals
    unread = first.model_copy(update={"actual_kwh": None, "shed_kwh": None, "interval_kwh": None})
    assert income_and_penalty(settled.terms, 7, settled.rule) is not None
    assert income_and_penalty(settled.terms, 7, settled.rule.model_copy(update={"intervals": (unread, *rest)})) is None


@pytest.mark.parametrize(
    ("hours", "reason"),
    [((7, 9), "event_across_midnight"), ((-0.95, -0.8), "bad_event")],
    ids=["across midnight", "within a quarter hour"],
)
def test_a_person_creates_no_event_that_could_never_be_settled(
    here: Here, hours: tuple[float, float], reason: str
) -> None:
    span = (START + hours[0] * HOUR + 2 * HOUR, START + hours[1] * HOUR + 2 * HOUR)
    with pytest.raises(BadInput) as said:
        create_event(here.project, "plant", "own_peak", span, 7, clock=here.time, person=ANN)
    assert said.value.reason == reason
    assert DrEvents(here.project.store).current() == []
    # A machine's call sheds, and why nothing settles it is said afterwards.
    event = over(here, create_event(here.project, "plant", "own_peak", span, 7, clock=here.time)[0], span[1] + HOUR)
    with pytest.raises(BadInput) as said:
        settle_event(here.project, event.event_id, clock=here.time)
    assert said.value.reason == reason


def test_a_person_creates_no_event_over_a_change_of_clocks(here: Here) -> None:
    file = next((here.project.project.root / "sites").glob("*.yaml"))
    file.write_text(file.read_text().replace("time_zone: UTC", "time_zone: Europe/Berlin"))
    project = OpenProject(str(here.project.project.root))
    change = datetime(2026, 10, 25, 1, tzinfo=UTC)
    with pytest.raises(BadInput) as said:
        create_event(project, "plant", "own_peak", (change - HOUR, change + HOUR), 7, clock=here.time, person=ANN)
    project.close()
    assert said.value.reason == "event_across_clock_change"


def test_an_event_that_begins_within_a_quarter_hour_is_settled_by_its_whole_ones(here: Here) -> None:
    span = (START - 8 * MINUTE, START + 52 * MINUTE)
    event, _ = create_event(here.project, "plant", "own_peak", span, 7, clock=here.time, person=ANN)
    over(here, event, START + 3 * HOUR)
    [now] = settle_over(here.project, "plant", here.time)
    assert now.settlement is not None, now.why_not
    settled = now.settlement
    assert settled.rule is not None
    assert (settled.rule.start_utc, settled.rule.end_utc) == (START, START + 45 * MINUTE)
    assert settled.target_kwh == 7 * 0.75
    assert settled.rule.shed_kwh == pytest.approx(settled.target_kwh, abs=1)
    _, measured = power_around(here.project, here.project.site("plant"), event)
    assert START in measured


def test_an_event_in_the_first_hour_of_its_day_is_settled_by_methods_that_need_no_morning(here: Here) -> None:
    midnight = START.replace(hour=0) + 24 * HOUR
    event, _ = create_event(
        here.project, "plant", "own_peak", (midnight, midnight + HOUR), 7, clock=here.time, person=ANN
    )
    settled = settle_event(here.project, over(here, event, midnight + 3 * HOUR).event_id, clock=here.time)[1]
    assert settled.best is not None
    assert settled.best.method in {each.name for each in settled.methods if each.eligible}
    assert "adjustment_missing" in {each.code for each in settled.findings}
    assert not next(each for each in settled.methods if each.name == "10-in-10-adj20").eligible
