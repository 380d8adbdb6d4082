"""Settlement of events over a project: what may be settled, by whose calendar, and what is neither paid nor fined."""

from datetime import datetime

import pytest

from assets.stores.ledgers.dr_events import DrEvents
from controls.demand_response.event_life import income_and_penalty
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.errors import BadInput
from orchestration.demand_response.acts import create_event, stop_event
from orchestration.demand_response.settle import settle_event
from orchestration.open_project import OpenProject
from tests.orchestration.test_dr_events import ANN, HOUR, START, Here, here, made

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
