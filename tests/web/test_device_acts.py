"""Acts on devices and modes: once for two clicks, never on what changed, two people for FULL, no key on the server."""

import asyncio
import html
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from assets.stores.sign import new_key
from assets.stores.transactions import site_transaction
from controls.ledger.approvals import Kind, read_approvals
from controls.ledger.device_faults import latch_fault, open_faults
from controls.ledger.device_holds import open_holds
from controls.ledger.modes import current_mode, mode_history
from controls.ledger.two_people import open_requests
from data_quality.contracts.control.command import Mode
from data_quality.contracts.people import Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.views.control_stamp import control_stamp
from orchestration.web.app import make_app
from tests.reports import plant
from tests.web.asking import PAGE, Answer, send
from tests.web.devices_world import CARLA, EVE, OTTO, VERA, as_, device_folder, devices
from tests.web.marts_world import Asking
from tests.web.test_boards import text_of
from tests.web.why_world import posted

__all__ = ["device_folder", "devices"]
NOW = plant.NOON
pytestmark = pytest.mark.slow


def page(asking: Asking, path: str = "/devices") -> str:
    return html.unescape(asking.get(path, [PAGE], site="plant").text)


def seen(asking: Asking, path: str = "/devices") -> str:
    """The stamp of the forms of a page."""
    found = re.search(r'name="seen" value="([^"]*)"', page(asking, path))
    assert found is not None
    return found[1]


def act(asking: Asking, place: str, **form: str) -> Answer:
    return posted(asking, f"/devices/{place}?site=plant", form=form)


def on_page(asking: Asking, place: str, **form: str) -> Answer:
    """An act of a form of the page as it is now."""
    where = "/devices" if place in ("mode", "site/acknowledge") else f"/devices/{place.partition('/')[0]}"
    return act(asking, place, seen=seen(asking, where), **form)


def detail(answer: Answer) -> tuple[int, str, str]:
    return answer.status, answer.said["code"], answer.said.get("mend", "")


def mode(asking: Asking) -> str:
    return current_mode(asking.project.store, "plant", now_utc=asking.clock.now_utc()).name


def test_two_clicks_take_a_device_once_and_are_answered_alike(devices: Asking) -> None:
    stamp = seen(devices, "/devices/car")
    form = {"value": "7.4", "for": "1h", "reason": "guests <b>", "seen": stamp}
    first, second = act(devices, "car/take", **form), act(devices, "car/take", **form)
    assert (first.status, first.headers["location"]) == (303, "/devices/car?site=plant")
    assert (second.status, second.headers["location"]) == (303, "/devices/car?site=plant")
    [hold] = open_holds(devices.project.store, "plant", NOW)
    assert (hold.device_id, hold.value, hold.person_id) == ("car", 7.4, "carla")
    assert hold.until_utc == NOW + timedelta(hours=1)
    shown = page(devices, "/devices/car")
    assert re.search(r"Override by Carla <b>Engineer until .* at 7.40? kW: guests <b>", shown)
    assert "Back to plan" in shown
    assert "Record what was set" not in shown
    assert "Last acts" in shown
    assert shown.index("Last acts") < shown.rindex("guests <b>")


def test_two_clicks_at_one_moment_act_once(devices: Asking) -> None:
    form = {"mode": "ADVISORY", "reason": "dry run", "seen": seen(devices)}
    app = make_app(devices.project, clock=devices.clock, signed_in=lambda _: (CARLA, "token"))
    given = [("content-type", "application/x-www-form-urlencoded"), ("x-csrf", "token")]
    given.append(("sec-fetch-site", "same-origin"))
    sent = urlencode(form).encode()

    async def clicks() -> list[int]:
        ways = (send(app, "POST", "/devices/mode?site=plant", given, sent) for _ in range(4))
        return [each.status for each in await asyncio.gather(*ways)]

    assert asyncio.run(clicks()) == [303] * 4
    assert [each["mode"] for each in mode_history(devices.project.store, "plant")] == ["ADVISORY"]


def test_a_form_of_before_a_change_is_refused_with_the_way_on(devices: Asking) -> None:
    stale = seen(devices, "/devices/car")
    assert on_page(as_(OTTO, devices), "car/pause", reason="painting", **{"for": "2h"}).status == 303
    answer = act(devices, "car/take", value="3", reason="guests", seen=stale)
    assert detail(answer)[:2] == (412, "changed_since")
    assert "open the page again" in detail(answer)[2]
    assert detail(act(devices, "car/release", reason="x"))[:2] == (412, "changed_since")
    assert len(open_holds(devices.project.store, "plant", NOW)) == 1


def test_the_same_form_with_another_span_is_refused(devices: Asking) -> None:
    stamp = seen(devices, "/devices/car")
    form = {"value": "3", "reason": "guests", "seen": stamp}
    assert act(devices, "car/take", **form, **{"for": "1h"}).status == 303
    assert detail(act(devices, "car/take", **form, **{"for": "4h"}))[:2] == (412, "changed_since")
    assert [each.until_utc for each in open_holds(devices.project.store, "plant", NOW)] == [NOW + timedelta(hours=1)]
    mode_form = {"mode": "ADVISORY", "reason": "trial", "seen": seen(devices)}
    assert act(devices, "mode", **mode_form, expires="4h").status == 303
    assert act(devices, "mode", **mode_form, expires="4h").status == 303
    assert detail(act(devices, "mode", **mode_form, expires="1d"))[:2] == (412, "changed_since")
    assert detail(act(devices, "mode", **mode_form))[:2] == (412, "changed_since")


def test_a_refusal_leads_back_to_the_place_of_the_act(devices: Asking) -> None:
    page = posted(devices, "/devices/car/release?site=plant&locale=de", form={"reason": "x"}, accept="text/html")
    assert page.status == 412
    assert re.search(r'href="/devices\?site=plant&amp;locale=de">Zurück zu', page.text)


def test_a_device_goes_back_to_the_plan_and_an_ended_override_says_so(devices: Asking) -> None:
    assert on_page(devices, "battery/pause", reason="service", **{"for": "30m"}).status == 303
    assert on_page(devices, "battery/release", reason="done").status == 303
    assert open_holds(devices.project.store, "plant", NOW) == []
    answer = on_page(devices, "battery/release", reason="again")
    assert detail(answer)[:2] == (422, "no_hold")
    assert detail(answer)[2] == "The override has ended, and the plan has the device again: nothing is left to do."


@pytest.mark.parametrize("value", ["9", "-1", "much", "nan", "1e309", ""])
def test_a_power_that_the_charger_cannot_take_is_refused(devices: Asking, value: str) -> None:
    assert detail(on_page(devices, "car/take", value=value, reason="x"))[:2] == (422, "out_of_range")
    assert open_holds(devices.project.store, "plant", NOW) == []


def test_what_is_wrong_with_an_act_is_said_in_a_sentence(devices: Asking) -> None:
    assert detail(on_page(devices, "car/pause", reason=" ")) == (422, "missing_reason", "Go back and write a reason.")
    assert detail(act(devices, "press_1/pause", reason="x"))[:2] == (404, "unknown_device")
    assert detail(act(devices, "car/paint", reason="x"))[0] == 400
    assert detail(act(devices, "requests/7/approve"))[:2] == (422, "no_request")
    assert detail(act(devices, "requests/x/approve"))[1] == "no_request"
    assert detail(on_page(devices, "mode", mode="TURBO", reason="x"))[1] == "unknown_mode"
    assert detail(on_page(devices, "car/pause", reason="x", **{"for": "soon"}))[0] == 400


def test_stop_needs_no_stamp_and_no_reason(devices: Asking) -> None:
    assert on_page(devices, "mode", mode="PARTIAL", reason="commissioned").status == 303
    assert mode(devices) == "PARTIAL"
    assert act(as_(OTTO, devices), "stop").status == 303
    assert mode(devices) == "SIMULATION"
    assert mode_history(devices.project.store, "plant")[-1]["person_id"] == "otto"


def test_full_needs_a_second_engineer_and_two_clicks_approve_once(devices: Asking) -> None:
    assert on_page(devices, "mode", mode="FULL", reason="four weeks well", expires="7d").status == 303
    [request] = open_requests(devices.project.store, "plant", NOW)
    own = page(devices)
    assert "You requested it: a second engineer must approve full control." in own
    assert f"Approve request {request.request_id}" not in own
    place = f"requests/{request.request_id}/approve"
    assert detail(act(devices, place)) == (403, "same_person", "Another engineer signs in and approves it.")
    assert act(as_(OTTO, devices), place).status == 403
    eve = as_(EVE, devices)
    assert f"Approve request {request.request_id}" in page(eve)
    assert [act(eve, place).status for _ in range(2)] == [303, 303]
    last = mode_history(devices.project.store, "plant")[-1]
    assert (mode(devices), last["person_id"], last["approved_by"]) == ("FULL", "carla", "eve")
    assert detail(act(devices, place))[1] in ("same_person", "request_used")


def test_a_second_person_who_was_removed_approves_nothing(devices: Asking) -> None:
    assert on_page(devices, "mode", mode="FULL", reason="four weeks well", expires="7d").status == 303
    [request] = open_requests(devices.project.store, "plant", NOW)
    people = devices.project.project.root / "people.yaml"
    people.write_text("".join(each for each in people.read_text().splitlines(True) if "eve" not in each))
    answer = act(as_(EVE, devices), f"requests/{request.request_id}/approve")
    assert (answer.status, answer.said["code"]) == (404, "unknown_person")
    assert mode(devices) == "SIMULATION"
    assert open_requests(devices.project.store, "plant", NOW) == [request]
    assert "No second engineer is known. Add one in the people file." in page(devices)


def test_a_stop_voids_a_request_and_the_refusal_says_what_next(devices: Asking) -> None:
    assert on_page(devices, "mode", mode="PARTIAL", reason="begin").status == 303
    assert on_page(devices, "mode", mode="FULL", reason="well").status == 303
    [request] = open_requests(devices.project.store, "plant", NOW)
    assert act(as_(OTTO, devices), "stop").status == 303
    answer = act(as_(EVE, devices), f"requests/{request.request_id}/approve")
    assert detail(answer)[1:] == ("mode_moved", "Look at the mode that holds now, then request it again.")
    assert read_approvals(devices.project.store, "plant", Kind.MODE_REQUEST).approved == frozenset()
    assert mode(devices) == "SIMULATION"


def test_a_request_lapses_after_a_day_and_may_be_withdrawn_before(devices: Asking) -> None:
    for _ in range(2):
        assert on_page(devices, "mode", mode="FULL", reason=f"well {_}").status == 303
    first, second = open_requests(devices.project.store, "plant", NOW)
    withdrawn = [act(devices, f"requests/{first.request_id}/withdraw", reason="not yet") for _ in range(2)]
    assert [each.status for each in withdrawn] == [303, 303]
    late = Asking(devices.project, FixedClock(NOW + timedelta(hours=25)), EVE)
    answer = act(late, f"requests/{second.request_id}/approve")
    assert detail(answer)[1:] == ("request_lapsed", "Request the mode again, and have it approved within 24 hours.")


def test_an_engineer_acknowledges_a_fault_and_an_operator_cannot(devices: Asking) -> None:
    store = devices.project.store
    with site_transaction(store, "plant") as connection:
        latch_fault(connection, "plant", "battery", reason="it read 9 kW", command_id=None, at_utc=NOW)
    assert "Acknowledge fault" not in page(as_(OTTO, devices), "/devices/battery")
    assert on_page(as_(OTTO, devices), "battery/acknowledge", reason="x").status == 403
    answer = on_page(devices, "mode", mode="PARTIAL", reason="x")
    assert detail(answer) == (422, "fault_latched", "acknowledge the fault first")
    assert on_page(devices, "battery/acknowledge", reason="cable repaired").status == 303
    assert open_faults(store, "plant") == []
    again = on_page(devices, "battery/acknowledge", reason="cable repaired twice")
    assert detail(again)[1:] == ("no_fault", "Somebody has acknowledged it already: nothing is left to do.")


def test_acts_on_devices_stand_in_the_audit_trail(devices: Asking) -> None:
    store = devices.project.store
    with site_transaction(store, "plant") as connection:
        latch_fault(connection, "plant", "battery", reason="it read 9 kW", command_id=None, at_utc=NOW)
    acts = (
        ("battery/acknowledge", {}), ("car/take", {"value": "7.4"}), ("battery/pause", {"for": "1h"}),
        ("battery/release", {}),
    )  # fmt: skip
    for place, form in acts:
        assert on_page(devices, place, reason=f"by {place}", **form).status == 303, place
    auditor = as_(CARLA.model_copy(update={"roles": (*CARLA.roles, Role.AUDITOR)}), devices)
    trail = text_of(auditor.get("/audit", [PAGE], site="plant").text)
    for said in (
        "acknowledged the fault of",
        "set Musterwerk Süd, Car <i>charger by hand until",
        "paused",
        "to the plan",
    ):
        assert said in trail, (said, trail)
    assert all(f"by {place}" in trail for place, _ in acts)
    # What the agent latched is nobody's act.
    assert "it read 9 kW" not in trail


def test_where_people_sign_the_page_signs_or_shows_the_command_and_the_server_signs_nothing(devices: Asking) -> None:
    folder = devices.project.project.root
    key = new_key(folder / "keys", "carla").public_key
    named = f'person_id: carla, public_key: "{key}",'
    (folder / "people.yaml").write_text((folder / "people.yaml").read_text().replace("person_id: carla,", named))
    carla = CARLA.model_copy(update={"public_key": key})
    with_keys = Asking(OpenProject(str(folder)), devices.clock, carla)
    shown = page(with_keys)
    assert "meterloom dispatch mode MODE --site plant --as carla --reason TEXT" in shown
    assert f'data-public-key="{key}"' in shown
    assert detail(on_page(with_keys, "mode", mode="PARTIAL", reason="x"))[1] == "no_key_here"
    assert mode(with_keys) == "SIMULATION"
    assert on_page(with_keys, "car/pause", reason="to keep hands off needs no key").status == 303
    assert "meterloom dispatch override --give-back --site plant --device car" in page(with_keys, "/devices/car")
    stamp = control_stamp(with_keys.project.store, "plant", "car")
    assert detail(act(with_keys, "car/release", reason="x", seen=stamp))[1] == "no_key_here"
    assert act(with_keys, "stop").status == 303
    with_keys.project.close()


def test_who_is_alone_is_told_how_to_get_a_second_person(devices: Asking) -> None:
    (devices.project.project.root / "people.yaml").write_text(
        "people: [{person_id: carla, name: Carla, roles: [engineer]}]\n"
    )
    assert on_page(devices, "mode", mode="FULL", reason="well").status == 303
    assert "No second engineer is known. Add one in the people file." in page(devices)


def test_below_partial_the_form_says_that_nothing_is_sent_and_from_which_mode_on(devices: Asking) -> None:
    told = "nothing is sent in mode Simulation. Commands are sent from mode Partial control on."
    assert told in page(devices, "/devices/car")
    assert on_page(devices, "mode", mode="PARTIAL", reason="commissioned").status == 303
    assert told not in page(devices, "/devices/car")


def test_who_only_reads_sees_no_form(devices: Asking) -> None:
    auditor = as_(VERA.model_copy(update={"roles": (Role.AUDITOR,)}), devices)
    for path in ("/devices", "/devices/car"):
        assert 'method="post" action="/devices' not in page(auditor, path)
    assert "Operators and engineers override devices." in page(auditor, "/devices/car")
    assert act(auditor, "stop").status == 403
    assert Mode[mode(devices)] is Mode.SIMULATION
