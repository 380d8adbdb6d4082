"""Devices: state with its age, override, last command with evidence, latch; a viewer is not let in."""

import html
from datetime import timedelta

import pytest

from assets.stores.live.live_store import LiveStore
from assets.stores.transactions import site_transaction
from controls.ledger.device_faults import latch_fault
from controls.ledger.device_holds import set_hold
from controls.ledger.device_lease import acquire_lease
from controls.ledger.modes import set_mode
from controls.ledger.rows import read_commands, transition
from data_quality.contracts.control.command import CommandState, EvidenceGrade, Mode
from orchestration.views.device_list import Devices
from reports.pages.address import Address
from reports.pages.devices import ListedDevice, ModeNow, Quantity, StateNow, devices_page, state_cell
from reports.report_content import Paragraph
from tests.controls.ledger.rows_of import command, propose
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.devices_world import CARLA, OTTO, VERA, as_, device_folder, devices
from tests.web.live_told import row
from tests.web.marts_world import Asking
from tests.web.why_world import tenant

__all__ = ["device_folder", "devices"]
NOW = plant.NOON
pytestmark = pytest.mark.slow


def read(asking: Asking, path: str = "/devices", **query: str) -> str:
    answer = asking.get(path, [PAGE], site="plant", **query)
    assert answer.status == 200, answer.text
    return html.unescape(answer.text)


def sent(asking: Asking, value: float = 3.0, reason: str = "") -> None:
    """A command that the battery proved by a read-back."""
    store, (start, end) = asking.project.store, (NOW - timedelta(minutes=5), NOW + timedelta(minutes=10))
    order = command(site_id="plant", value=value, valid_from_utc=start, valid_until_utc=end)
    steps = [
        (CommandState.RELEASED, None, {}),
        (CommandState.PENDING, None, {}),
        (CommandState.ISSUED, None, {}),
        (CommandState.ACKED, EvidenceGrade.DEVICE_ACKNOWLEDGED, {}),
        (
            CommandState.VERIFIED,
            EvidenceGrade.READ_BACK,
            {"readback_value": value, "readback_at_utc": (NOW - timedelta(minutes=4)).isoformat()},
        ),
    ]
    with site_transaction(store, "plant") as connection:
        propose(connection, order, at_utc=NOW - timedelta(minutes=6))
    for state, grade, facts in steps:
        [row] = read_commands(store, "plant")
        with site_transaction(store, "plant") as connection:
            transition(
                connection, row, state, at_utc=NOW - timedelta(minutes=4), reason=reason or f"to <{state}>",
                facts=facts,
                evidence_grade=grade,
            )  # fmt: skip


def test_every_device_has_its_row_those_with_a_template_first(devices: Asking) -> None:
    page = read(devices)
    assert page.index(">Battery<") < page.index(">Press<")
    assert "Plans are calculated. Nothing is sent to devices." in page
    assert "No control agent has run at this site." in page
    assert ("No plan yet." in page, 'action="/devices/run?site=plant"' in page) == (True, True)
    assert "Car &lt;i&gt;charger" in devices.get("/devices", [PAGE], site="plant").text


def test_a_proven_command_gives_state_age_and_evidence(devices: Asking) -> None:
    sent(devices)
    page = read(devices)
    assert "3 kW, 4 min old" in page
    assert "in force" in page
    one = read(devices, "/devices/battery")
    assert "read back" in one
    assert "to <VERIFIED>" in one
    assert "zurückgelesen" in read(devices, "/devices/battery", locale="de")


@pytest.mark.parametrize(
    ("reason", "german"),
    [
        ("the agent was stopped", "der Agent wurde angehalten"),
        ("after-recovery: the device reads 1.5", "nach einem Neustart: das Gerät meldet 1,5"),
        ("I03: it has been on for 120 s; at least 600 s are needed", "I03: es ist seit 120 s an; nötig sind 600 s"),
        ("the meter moved by 0.51 kW, expected 0.5 kW within 0.1 kW", "der Zähler änderte sich um 0,51 kW, erwartet"),
    ],
)
def test_the_recorded_reason_of_a_command_is_in_the_language_of_the_page(
    devices: Asking, reason: str, german: str
) -> None:
    sent(devices, reason=reason)
    assert f">{german}" in read(devices, "/devices/battery", locale="de")
    assert f">{reason}<" in read(devices, "/devices/battery")


def test_a_live_value_of_the_meter_of_one_device_is_its_state(devices: Asking) -> None:
    """The source names no device; a meter of two devices is the state of neither."""
    store = LiveStore(devices.project.project.live_dir)
    store.put([(*(line := row("power", 2.5, NOW, site="plant"))[:3], "moulding", *line[4:])])
    store.close()
    site = devices.project.site("plant")
    press = next(each for each in site.assets if each.asset_id == "press_1").model_copy(update={"meter": "moulding"})
    pair = (press, press.model_copy(update={"asset_id": "press_2"}))
    for assets, values in (((press,), [2.5]), (pair, [])):
        known = Devices(devices.project, site.model_copy(update={"assets": assets}), NOW)
        assert [each.value for each in known.device("press_1").points] == values


def test_a_limit_is_named_beside_its_value(devices: Asking) -> None:
    now = StateNow(capability="set_power_limit_kw", value=8, unit="kw", at_utc=NOW, age_s=5, band="fresh",
                   source="read-back")  # fmt: skip
    assert str(state_cell(ListedDevice(device_id="pv", name="PV", kind="pv", points=(now,)), "en").text) == (
        "power limit 8 kW, 5 s old"
    )


def test_a_switch_is_on_or_off_and_other_states_are_numbers() -> None:
    for name, value, said in (
        ("set_relay_01_state", 1.0, "on"), ("set_switch_state", 0.0, "off"),
        ("set_sg_ready_state", 1.0, "1"), ("read_inverter_state", 1.0, "1"),
    ):  # fmt: skip
        assert Quantity(capability=name, value=value, unit="state").formatted("en") == said


def test_a_site_without_devices_offers_nothing_to_stop() -> None:
    page = devices_page([], ModeNow(mode="SIMULATION"), Address(path="/devices", site="plant"), plan=(), run=None,
                        acts=(Paragraph(text="Stop"),), changes=(), is_synthetic=False)  # fmt: skip
    assert [part.key for part in page.parts] == ["devices"]
    [table] = page.parts[0].blocks
    assert "names no device" in str(table.note)


def test_an_override_and_a_latch_stand_on_list_and_device(devices: Asking) -> None:
    with site_transaction(devices.project.store, "plant") as connection:
        until = NOW + timedelta(hours=2)
        place = ("plant", "car", "")
        set_hold(connection, *place, until_utc=until, reason="guests <b>charge", at_utc=NOW, person=OTTO)
        latch_fault(connection, "plant", "battery", reason="it read 9 kW", command_id=None, at_utc=NOW)
    page = read(devices)
    assert "fault latched" in page
    car, battery = read(devices, "/devices/car"), read(devices, "/devices/battery")
    assert "Override by Otto Operator until" in car
    assert "guests &lt;b&gt;charge" in devices.get("/devices/car", [PAGE], site="plant").text
    assert "it read 9 kW" in battery


def test_what_is_not_there_is_said_with_the_nearest(devices: Asking) -> None:
    answer = devices.get("/devices/batery", [PAGE], site="plant")
    assert answer.status == 404
    assert "did you mean" in answer.text


def test_a_device_that_the_agent_hears_nothing_of_is_told_from_one_that_nobody_reads(devices: Asking) -> None:
    store = devices.project.store
    assert "Neither a live source nor the control agent reads the device now." in read(devices, "/devices/battery")
    set_mode(store, "plant", mode=Mode.PARTIAL, person=CARLA, reason="commissioned", clock=devices.clock)
    assert acquire_lease(store, "plant", "agent 1", now_utc=NOW) is not None
    assert "The device has not answered lately." in read(devices, "/devices/battery")
    assert "no answer" in read(devices)
    sent(devices)
    assert "healthy" in read(devices)


def test_who_may_not_read_dispatch_is_refused(devices: Asking) -> None:
    assert as_(VERA, devices).get("/devices", [PAGE], site="plant").status == 403
    assert tenant(devices).get("/devices", [PAGE], site="plant").status in (403, 404)
    assert as_(CARLA, devices).get("/devices", [PAGE], site="nowhere").status == 404


@pytest.mark.parametrize("locale", ["de", "ar"])
def test_no_title_or_state_is_left_in_english(devices: Asking, locale: str) -> None:
    sent(devices)
    page = read(devices, locale=locale) + read(devices, "/devices/battery", locale=locale)
    for word in ("Plan and devices", "State now", "Last command", "in force", "No end", "not commanded", "Evidence"):
        assert f">{word}<" not in page, word
