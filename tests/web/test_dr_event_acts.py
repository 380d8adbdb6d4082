"""Acts on events over pages and API: two people from call to settlement, and who is refused with what way on."""

import html
from typing import Any

import pytest

from assets.stores.audit import bad_rows
from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.sign import new_key
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from orchestration.demand_response.acts import create_event
from orchestration.demand_response.run import advance
from tests.orchestration.test_dr_events import ANN, BOB, CYD, DAN, HOUR, START, Here, here, made
from tests.web.asking import PAGE, Answer
from tests.web.marts_world import Asking
from tests.web.test_signed_acts import code, signed, text_of
from tests.web.why_world import posted

__all__ = ["here", "made"]
pytestmark = pytest.mark.slow
API = "/api/v1/ems/dr/events"
CALL = {"programme": "own_peak", "event": "2026-06-30T14:00/2026-06-30T15:00", "target_kw": 7, "source": "mail 17"}


def asks(here: Here, person: Person) -> Asking:
    return Asking(here.project, here.time, person)


def sent(here: Here, person: Person, path: str, **body: Any) -> Answer:
    return posted(asks(here, person), f"{API}{path}?site=plant", body)


def clicked(here: Here, person: Person, act: str, **form: str) -> Answer:
    """The form of the page as it stands, sent by its button."""
    event = DrEvents(here.project.store).current()[0]
    stamp = f"{event.state}:{event.digest[:12]}:{len(event.approvals)}"
    given = {"seen": stamp, "reason": "because"} | form
    return posted(asks(here, person), f"/demand-response/{event.event_id}/{act}?site=plant", form=given)


def shown(here: Here, person: Person) -> str:
    event = DrEvents(here.project.store).current()[0]
    path = f"/demand-response/{event.event_id}"
    return html.unescape(asks(here, person).get(path, headers=[PAGE], site="plant").text)


def now(here: Here) -> DrEvent:
    return DrEvents(here.project.store).current()[0]


def test_two_people_take_an_event_from_its_call_to_its_settlement_over_the_api(here: Here) -> None:
    made = sent(here, ANN, "", **CALL)
    assert made.status == 200, made.text
    name = made.said["event"]["id"]
    assert sent(here, ANN, "", **CALL).said["event"]["id"] == name
    proposed = sent(here, ANN, f"/{name}/propose", reason="called")
    assert proposed.said["event"]["state"] == "proposed"
    digest = proposed.said["event"]["digest"]
    for n in range(2):
        assert sent(here, BOB, f"/{name}/approve", reason="seen", digest=digest).status == 200, n
        assert sent(here, ANN, f"/{name}/arm", reason="crew is here").said["event"]["state"] == "armed"
    assert [each["id"] for each in asks(here, DAN).get(API, site="plant").said["events"]] == [name]
    here.time.wall += 4 * HOUR
    advance(here.project, here.time)
    here.time.wall += HOUR
    advance(here.project, here.time)
    settled = sent(here, ANN, f"/{name}/settle")
    assert settled.status == 200, settled.text
    assert settled.said["event"]["settlement"]["rule"]["method"]
    one = asks(here, DAN).get(f"{API}/{name}", site="plant").said
    assert [each["state"] for each in one["history"]][-1] == "settled"
    assert not bad_rows(here.project.store)


def test_a_refusal_over_the_api_has_a_status_a_sentence_and_the_way_on(here: Here) -> None:
    event = here.propose(here.create(), CYD)
    path = f"/{event.event_id}"
    refused = {
        "same_person": (403, sent(here, CYD, f"{path}/approve", reason="mine", digest=event.digest)),
        "altered_plan": (409, sent(here, BOB, f"{path}/approve", reason="seen", digest="0" * 64)),
        "wrong_state": (409, sent(here, ANN, f"{path}/arm", reason="go")),
        "no_event": (404, sent(here, ANN, "/d0/arm", reason="go")),
        "overlapping_events": (409, sent(here, ANN, "", **CALL)),
    }
    for reason, (status, answer) in refused.items():
        assert code(answer) == (status, reason), answer.text
        assert answer.said["mend"], answer.text
    assert sent(here, DAN, f"{path}/approve", reason="x", digest=event.digest).status == 403
    assert sent(here, DAN, f"{path}/stop", reason="x").status == 403
    assert sent(here, ANN, f"{path}/approve", reason="x").status in (403, 422)
    assert now(here) == event


def test_one_person_opts_out_before_and_stops_after_and_once_more_is_once(here: Here) -> None:
    event = here.create()
    assert [sent(here, ANN, f"/{event.event_id}/opt-out", reason="full house").status for _ in range(2)] == [200, 200]
    assert len(DrEvents(here.project.store).history(event)) == 2
    armed = here.armed()
    here.time.wall += 4 * HOUR
    advance(here.project, here.time)
    assert [sent(here, ANN, f"/{armed.event_id}/stop", reason="warm").status for _ in range(2)] == [200, 200]
    assert DrEvents(here.project.store).named(armed.event_id).state == "stopped"


def test_the_page_leads_two_people_through_an_event_each_with_their_own_form(here: Here) -> None:
    here.create()
    assert "Propose plan" in shown(here, ANN)
    assert "Operators propose, arm and settle events." in shown(here, BOB)
    assert clicked(here, CYD, "propose").status == 303
    assert "You proposed this plan, and do not approve it yourself. It can be done by Bob." in shown(here, CYD)
    assert "waits for an approver" in shown(here, ANN)
    assert "Approve plan" in shown(here, BOB)
    digest, seen = now(here).digest, f"proposed:{now(here).digest[:12]}:0"
    assert code(clicked(here, CYD, "approve", digest=digest)) == (403, "same_person")
    assert clicked(here, BOB, "approve", digest=digest, seen="created::0").status == 412
    # Two clicks are one, and a message that is played again.
    assert [clicked(here, BOB, "approve", digest=digest, seen=seen).status for _ in range(2)] == [303, 303]
    assert "Arm event" in shown(here, ANN)
    assert [clicked(here, ANN, "arm", seen=f"approved:{digest[:12]}:1").status for _ in range(2)] == [303, 303]
    assert [each.state for each in DrEvents(here.project.store).history(now(here))] == [
        "created", "proposed", "approved", "armed",
    ]  # fmt: skip


def test_an_approval_whose_key_was_changed_asks_for_a_new_plan(here: Here) -> None:
    event = here.approve(here.propose(here.create()))
    people = here.project.project.people_file
    text = people.read_text().replace('"name": "Bob"', f'"name": "Bob", "public_key": "{_public(here)}"')
    people.write_text(text)
    page = shown(here, ANN)
    assert "The approval does not hold any more: the key of bob is not the one that approved it." in page
    assert "Propose plan" in page or "Make one on your profile" in page
    assert now(here) == event


def _public(here: Here) -> str:
    return new_key(here.project.project.keys_dir, "bob").public_key


def test_where_people_have_keys_the_yes_is_signed_in_the_browser_and_over_the_api(here: Here) -> None:
    event = here.propose(here.create())
    keys, people = here.project.project.keys_dir, here.project.project.people_file
    text = people.read_text()
    for name in ("bob", "ann"):
        text = text.replace(f'"name": "{name.title()}"', f'"name": "{name.title()}", "public_key": "'
                            f'{new_key(keys, name).public_key}"')  # fmt: skip
    people.write_text(text)
    bob = asks(here, here.project.people.known("bob"))
    path = f"/demand-response/{event.event_id}/approve?site=plant"
    form = {"seen": f"proposed:{event.digest[:12]}:0", "reason": "seen", "digest": event.digest}
    assert code(posted(bob, path, form=form)) == (409, "no_key_here")
    told = text_of(bob, path, form)
    assert now(here).state == "proposed"
    assert posted(bob, path, form=form | signed(bob, told)).status == 303
    assert now(here).state == "approved"
    ann = asks(here, here.project.people.known("ann"))
    body = {"reason": "go"}
    asked = posted(ann, f"{API}/{event.event_id}/arm?site=plant", body | {"ask_to_sign": "1"})
    done = posted(ann, f"{API}/{event.event_id}/arm?site=plant", body | signed(ann, asked.said))
    assert (done.status, now(here).state) == (200, "armed"), done.text


FORM = {
    "programme": "own_peak", "day": "2026-06-30", "from": "16:00", "to": "17:00", "target_kw": "7", "reason": "by phone"
}  # fmt: skip


def test_a_source_that_is_sent_again_with_other_terms_names_its_event_and_the_terms(here: Here) -> None:
    event = here.create(source="mail 17")
    assert here.create(source="mail 17") == event
    with pytest.raises(BadInput) as said:
        create_event(
            here.project, "plant", "own_peak", (START, START + 2 * HOUR), 9.5, clock=here.time, source="mail 17",
            person=ANN,
        )  # fmt: skip
    assert said.value.reason == "other_terms"
    assert said.value.message == (
        f"source mail 17 has event {event.event_id} already, with other terms: "
        "until 2026-06-30 15:00 UTC, not 2026-06-30 16:00 UTC; target 7 kW, not 9.5 kW"
    )
    assert DrEvents(here.project.store).current() == [event]


def test_an_event_is_recorded_by_the_form_of_its_list_once(here: Here) -> None:
    listed = html.unescape(asks(here, ANN).get("/demand-response", headers=[PAGE], site="plant").text)
    assert "Record event" in listed
    assert '<option value="own_peak" selected' in listed
    assert "Record event" not in asks(here, DAN).get("/demand-response", headers=[PAGE], site="plant").text
    ways = [posted(asks(here, ANN), "/demand-response?site=plant", form=FORM) for _ in range(2)]
    assert [each.status for each in ways] == [303, 303]
    [event] = DrEvents(here.project.store).current()
    assert (event.programme, event.target_kw, event.person_id, event.reason) == ("own_peak", 7.0, "ann", "by phone")
    assert f"{event.end_utc - event.start_utc}" == "1:00:00"
    assert "Record" not in shown(here, ANN)
    assert "Propose plan" in shown(here, ANN)
    other = posted(asks(here, ANN), "/demand-response?site=plant", form=FORM | {"target_kw": "9"})
    assert (other.status, "is open at that time" in other.text) == (409, True), other.text
    later = FORM | {"from": "19:00", "to": "20:00", "source": " mail 18 "}
    assert [posted(asks(here, ANN), "/demand-response?site=plant", form=later).status for _ in range(2)] == [303, 303]
    assert [each.source for each in DrEvents(here.project.store).current()] == ["", "mail 18"]
    altered = posted(asks(here, ANN), "/demand-response?site=plant", form=later | {"target_kw": "9"})
    assert (altered.status, "with other terms: target 7 kW, not 9 kW" in html.unescape(altered.text)) == (409, True)
    assert len(DrEvents(here.project.store).current()) == 2
    assert posted(asks(here, DAN), "/demand-response?site=plant", form=FORM).status == 403


@pytest.mark.parametrize(("field", "value", "sentence"), [
    ("from", "2 pm", "From: expected a time of day as 14:00"), ("day", "soon", "Day: expected a date"),
    ("target_kw", "much", "Target, kW: expected a number"), ("programme", "own", "there is no programme"),
    ("day", "2020-01-01", "past"), ("reason", " ", "reason"),
])  # fmt: skip
def test_a_field_of_the_record_that_cannot_be_read_is_named_and_nothing_recorded(
    here: Here, field: str, value: str, sentence: str
) -> None:
    refused = posted(asks(here, ANN), "/demand-response?site=plant", form=FORM | {field: value})
    assert refused.status in (400, 404, 409, 422)
    assert sentence in html.unescape(refused.text), refused.text
    assert not DrEvents(here.project.store).current()
