"""Charge points over OCPP 1.6 and 2.0.1: simulated ones from the templates, and one that is written by hand.

The charger by hand is plain WebSocket and JSON after the specification; it knows nothing of our code or its library.
"""

import base64
import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from controls.gateways.capabilities import DeviceReader, DeviceRefused, DeviceSilent, DeviceWriter, NotSent
from controls.gateways.charge_points.chargers import charger_address
from controls.gateways.charge_points.serve_ocpp import ServedCharger
from controls.gateways.open import Gateways
from controls.templates.load_templates import Template, load_template
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import OcppSettings, Settings
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import FixedClock
from tests.controls.devices import command

POWER = "set_charge_power_kw"
VERSIONS = ("ocpp16", "ocpp201")
SECRET = "secret"


@dataclass
class Yard:
    """A site with one charger, its gateways, and its clock."""

    gateways: Gateways
    clock: FixedClock
    template: Template
    asset: Asset
    keys: Path
    opened: list[Any] = field(default_factory=list)

    @property
    def system(self) -> Any:
        return self.gateways._chargers().system

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.system.port}"

    def device(self) -> DeviceWriter:
        self.opened.append(self.gateways.open_device(self.asset, self.template))
        return self.opened[-1]

    def reader(self) -> DeviceReader:
        return self.gateways.open_reader(self.asset, self.template)

    def charger(self, **given: Any) -> ServedCharger:
        password = given.pop("password", "secret")
        return ServedCharger(self.template, url=self.url, charger_id="ev", password=password, clock=self.clock, **given)

    def command(self, value: float, **given: Any) -> Command:
        return command(self.clock, device_id="ev", capability=POWER, value=value, **given)


@pytest.fixture(params=VERSIONS)
def yard(request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock) -> Iterator[Yard]:
    (tmp_path / "ev.key").write_text("secret\n")
    settings = Settings(ocpp=OcppSettings(port=0, keys=str(tmp_path)))
    template = load_template(f"{request.param}_charger")
    asset = Asset(asset_id="ev", kind="ev_charger", template=template.template)
    gateways = Gateways("home", settings, clock)
    yard = Yard(gateways, clock, template, asset, tmp_path)
    gateways.open_reader(asset, template)
    yield yard
    gateways.close()


def until(is_so: Any, *, timeout_s: float = 10.0) -> None:
    """Wait for what another thread brings about."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.01)


def test_a_limit_is_set_read_back_and_ends_by_itself(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        ack = device.write(yard.command(6.9))
        assert ack.code == "Accepted"
        read = device.read_back(POWER)
        assert read.value == pytest.approx(6.9)
        assert read.revert_remaining_s == pytest.approx(29, abs=1)
        assert device.read("read_power_kw") == pytest.approx(6.9)
        assert charger.power_kw() == pytest.approx(6.9)
        yard.clock.advance(timedelta(seconds=30))
        assert charger.power_kw() == 0.0
        after = device.read_back(POWER)
        assert (after.value, after.revert_remaining_s) == (0.0, 0.0)


def test_offline_the_charger_falls_back_at_the_end_of_the_time_to_live(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(11.0))
        yard.gateways.close()
        assert charger.power_kw() == pytest.approx(11.0, abs=0.1)
        yard.clock.advance(timedelta(seconds=30))
        assert charger.power_kw() == 0.0


def test_a_refresh_goes_on_and_a_window_ends_it(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        first = yard.command(6.9, window_s=40)
        device.write(first)
        yard.clock.advance(timedelta(seconds=15))
        device.write(first.model_copy(update={"seq": 2}))
        yard.clock.advance(timedelta(seconds=20))
        assert charger.power_kw() == pytest.approx(6.9)
        # 40 s after its beginning, though the last time to live would run for 5 s more.
        yard.clock.advance(timedelta(seconds=5))
        assert charger.power_kw() == 0.0


def test_the_safe_default_takes_ours_away(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(6.9))
        assert device.write(yard.command(0.0, seq=2)).code == "Accepted"
        assert charger.power_kw() == 0.0
        # Nothing of ours was there any more: what was wanted.
        assert device.write(yard.command(0.0, seq=3)).code == "Unknown"


def test_a_reader_cannot_write_and_writes_nothing(yard: Yard) -> None:
    reader = yard.reader()
    assert not hasattr(reader, "write")
    with yard.charger() as charger:
        reader.read_back(POWER)
        reader.read("read_power_kw")
        time.sleep(0.5)
        assert charger.writes == []


def test_a_charger_without_any_limit_reads_its_rating_and_no_end(yard: Yard) -> None:
    reader = yard.reader()
    with yard.charger():
        read = reader.read_back(POWER)
        assert read.value == pytest.approx(22.08)
        assert read.revert_remaining_s == 0.0


def test_a_limit_below_six_amperes_or_above_the_phases_is_not_sent(yard: Yard) -> None:
    device = yard.device()
    yard.asset = yard.asset.model_copy(update={"params": {"phases": 1}})
    single = yard.device()
    with yard.charger(phases=1) as charger:
        with pytest.raises(NotSent, match="a car charges with 0 or with at least"):
            device.write(yard.command(3.0))
        single.write(yard.command(3.0))
        assert charger.power_kw() == pytest.approx(3.0, abs=0.03)
        with pytest.raises(NotSent, match=r"more than 7\.36, which 1 phases carry"):
            single.write(yard.command(11.0, seq=2))


def test_a_charger_that_is_not_there_is_silent_with_its_reason(yard: Yard) -> None:
    with pytest.raises(DeviceSilent, match="'ev' is not connected"):
        yard.device().read_back(POWER)


def test_wrong_credentials_are_refused_with_a_sentence(yard: Yard) -> None:
    charger = yard.charger(password="guess").start(is_awaited=False)
    try:
        until(lambda: "401" in charger.refusal)
        with pytest.raises(DeviceSilent, match="wrong name or password"):
            yard.device().read_back(POWER)
    finally:
        charger.stop()


def test_a_charger_without_a_key_file_is_not_opened(yard: Yard) -> None:
    (yard.keys / "ev.key").unlink()
    with pytest.raises(BadInput, match="has no password"):
        yard.device()
    (yard.keys / "ev.key").write_text(" \n")
    with pytest.raises(BadInput, match="is empty"):
        yard.device()


@pytest.mark.parametrize(("fault", "kind", "sentence"), [
    ("refuse", DeviceRefused, "answered SetChargingProfile with Rejected"),
    ("error", DeviceRefused, "InternalError: .*relay stuck"),
    ("silent", DeviceSilent, "gave no answer to GetCompositeSchedule within 2 s"),
])  # fmt: skip
def test_a_refusal_an_error_and_silence_are_told_apart(
    yard: Yard, fault: Any, kind: type[Exception], sentence: str
) -> None:
    device = yard.device()
    with yard.charger() as charger:
        charger.fault = fault
        with pytest.raises(kind, match=sentence):
            device.write(yard.command(6.9))
        assert charger.profiles == {}
        charger.fault = "none"
        # It comes back by itself, and the next order is carried out.
        until(lambda: yard.system.expect("ev", yard.template.protocol, password="secret").is_connected)
        device.write(yard.command(6.9, seq=2))
        assert charger.power_kw() == pytest.approx(6.9)


def test_a_write_whose_answer_is_lost_is_found_by_reading(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(4.2))
        charger.fault = "apply_then_silent"
        with pytest.raises(DeviceSilent):
            device.write(yard.command(6.9, seq=2))
        charger.fault = "none"
        until(lambda: yard.system.expect("ev", yard.template.protocol, password="secret").is_connected)
        assert device.read_back(POWER).value == pytest.approx(6.9)
        assert sum(1 for action, _ in charger.writes if action == "SetChargingProfile") >= 3


def test_fault_f63_an_acknowledged_limit_that_is_not_kept_shows_in_the_schedule(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(4.2))
        charger.fault = "ignore"
        assert device.write(yard.command(6.9, seq=2)).code == "Accepted"
        assert device.read_back(POWER).value == pytest.approx(4.2, abs=0.07)


def test_a_limit_without_an_end_does_not_count_as_ours(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(6.9))
        charger.fault = "no_end"
        # 0 s left: the agent's own rule then says that no timer of ours runs.
        assert device.read_back(POWER).revert_remaining_s == 0.0


def test_fault_f65_a_charger_that_reboots_gets_its_fallback_again_and_shows_the_loss(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(6.9))
        charger.reboot()
        until(lambda: charger.boots == 2 and len(charger.profiles) == 1)
        assert charger.power_kw() == 0.0
        assert device.read_back(POWER).value == 0.0
        device.write(yard.command(6.9, seq=2))
        assert charger.power_kw() == pytest.approx(6.9)


def test_after_the_writer_is_closed_a_reboot_is_answered_by_nothing(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(6.9))
        device.close()
        told = len(charger.writes)
        charger.reboot()
        until(lambda: charger.boots == 2)
        time.sleep(0.5)
        assert len(charger.writes) == told


@pytest.mark.parametrize("ahead_s", [-20.0, 20.0])
def test_a_charger_with_a_wrong_clock_gets_no_limit_that_names_instants(yard: Yard, ahead_s: float) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(4.2))
        charger.clock_ahead_s = ahead_s
        told = len(charger.writes)
        with pytest.raises(NotSent, match="its clock differs by"):
            device.write(yard.command(6.9, seq=2))
        assert len(charger.writes) == told


@pytest.mark.parametrize("ahead_s", [-4.0, 4.0])
def test_a_clock_a_little_off_never_prolongs_a_limit(yard: Yard, ahead_s: float) -> None:
    device = yard.device()
    with yard.charger() as charger:
        charger.clock_ahead_s = ahead_s
        device.write(yard.command(4.2))
        device.write(yard.command(6.9, seq=2))
        assert charger.power_kw() == pytest.approx(6.9)
        yard.clock.advance(timedelta(seconds=31))
        assert charger.power_kw() == 0.0


def test_a_second_connection_of_one_name_takes_the_place_of_the_first(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as first:
        first._is_over.set()
        with yard.charger():
            device.write(yard.command(6.9))
            until(lambda: first._thread is not None and not first._thread.is_alive())
            assert device.read_back(POWER).value == pytest.approx(6.9)


def test_a_port_that_is_taken_is_said_and_nothing_else_fails(yard: Yard) -> None:
    settings = Settings(ocpp=OcppSettings(port=yard.system.port, keys=str(yard.keys)))
    other = Gateways("home", settings, yard.clock)
    reader = other.open_reader(yard.asset, yard.template)
    with pytest.raises(DeviceSilent, match="cannot listen for charge points"):
        reader.read_back(POWER)
    other.close()


def test_an_address_names_charger_and_connector() -> None:
    asset = Asset(asset_id="ev", kind="ev_charger")
    assert charger_address(asset) == ("ev", 1)
    assert charger_address(asset.model_copy(update={"address": "CP_7/2"})) == ("CP_7", 2)
    for odd in ("../key", "CP/0", "CP/x", ".key", "a b"):
        with pytest.raises(BadInput, match="expected NAME/connector"):
            charger_address(asset.model_copy(update={"address": odd}))


class ChargerByHand:
    """Plain frames: [2, id, action, payload], [3, id, payload], [4, id, code, text, {}]. It answers what it is told."""

    def __init__(self, url: str, subprotocol: str, *, name: str = "ev", password: str = SECRET) -> None:
        basic = base64.b64encode(f"{name}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        self.line: ClientConnection = connect(
            f"{url}/ocpp/{name}",
            subprotocols=[subprotocol],
            additional_headers=headers,
            proxy=None,  # type: ignore[list-item]
        )
        self.heard: list[list[Any]] = []
        self.answers: dict[str, Any] = {}
        self.results: queue.Queue[list[Any]] = queue.Queue()
        self.is_deaf = False
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        with suppress(ConnectionClosed):
            self._answer_all()

    def _answer_all(self) -> None:
        for text in self.line:
            frame = json.loads(text)
            self.heard.append(frame)
            if frame[0] != 2:
                self.results.put(frame)
            elif not self.is_deaf:
                answer = self.answers.get(frame[2], {"status": "Accepted"})
                body = [4, frame[1], *answer] if isinstance(answer, list) else [3, frame[1], answer]
                self.line.send(json.dumps(body))

    def say(self, action: str, payload: Any, number: str = "1") -> list[Any]:
        self.line.send(json.dumps([2, number, action, payload]))
        return self.results.get(timeout=5)

    def asked(self, action: str) -> list[dict[str, Any]]:
        return [frame[3] for frame in self.heard if frame[0] == 2 and frame[2] == action]

    def close(self) -> None:
        self.line.close()
        self._reading.join(5)


@pytest.fixture
def by_hand(yard: Yard) -> Iterator[ChargerByHand]:
    yard.device()
    charger = ChargerByHand(yard.url, "ocpp1.6" if yard.template.protocol == "ocpp16" else "ocpp2.0.1")
    is_16 = yard.template.protocol == "ocpp16"
    schedule = {"chargingRateUnit": "A" if is_16 else "W", "duration": 75, "chargingSchedulePeriod": [
        {"startPeriod": 0, "limit": 10.0 if is_16 else 6900}, {"startPeriod": 29, "limit": 0}]}  # fmt: skip
    link = yard.system.expect("ev", yard.template.protocol, password=SECRET)
    until(lambda: link.is_connected)
    now = yard.clock.now_utc().strftime("%Y-%m-%dT%H:%M:%SZ")
    charger.answers["GetCompositeSchedule"] = (
        {"status": "Accepted", "connectorId": 1, "scheduleStart": now, "chargingSchedule": schedule}
        if is_16
        else {"status": "Accepted", "schedule": {"evseId": 1, "scheduleStart": now, **schedule}}
    )
    yield charger
    charger.close()


def test_a_stranger_sees_what_the_ledger_claims(yard: Yard, by_hand: ChargerByHand) -> None:
    """Every word of the frames, written down from the specification and not from our code."""
    device, now_utc = yard.opened[0], yard.clock.now_utc()

    def stamp(seconds: int) -> str:
        return (now_utc + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    assert device.write(yard.command(6.9)).code == "Accepted"
    _, mine = by_hand.asked("SetChargingProfile")
    same = {"stackLevel": 1, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Absolute"}
    same |= {"validTo": stamp(900)}
    schedule = {"startSchedule": stamp(-1), "duration": 30}
    if yard.template.protocol == "ocpp16":
        period = {"startPeriod": 0, "limit": 10.0, "numberPhases": 3}
        schedule |= {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
        profile = {"chargingProfileId": 4111, "chargingSchedule": schedule, **same}
        assert mine == {"connectorId": 1, "csChargingProfiles": profile}
    else:
        period = {"startPeriod": 0, "limit": 6900, "numberPhases": 3}
        schedule |= {"id": 4111, "chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
        profile = {"id": 4111, "chargingSchedule": [schedule], **same}
        assert mine == {"evseId": 1, "chargingProfile": profile}
    read = device.read_back(POWER)
    assert (read.value, read.revert_remaining_s) == (pytest.approx(6.9), 29.0)
    assert json.loads(read.raw)["status"] == "Accepted"
    device.write(yard.command(0.0, seq=2))
    field_name = "id" if yard.template.protocol == "ocpp16" else "chargingProfileId"
    assert by_hand.asked("ClearChargingProfile") == [{field_name: 4111}]


def test_a_charger_is_greeted_and_told_the_time(yard: Yard, by_hand: ChargerByHand) -> None:
    boot = {"chargePointModel": "M", "chargePointVendor": "V"}
    if yard.template.protocol == "ocpp201":
        boot = {"chargingStation": {"model": "M", "vendorName": "V"}, "reason": "PowerUp"}  # type: ignore[dict-item]
    answer = by_hand.say("BootNotification", boot)
    now = yard.clock.now_utc().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert answer == [3, "1", {"currentTime": now, "interval": 30, "status": "Accepted"}]
    assert by_hand.say("Heartbeat", {}) == [3, "1", {"currentTime": now}]


def test_transactions_are_numbered_once(yard: Yard, by_hand: ChargerByHand) -> None:
    if yard.template.protocol == "ocpp16":
        start = {"connectorId": 1, "idTag": "tag", "meterStart": 0, "timestamp": "2025-01-01T00:00:00Z"}
        first, again = by_hand.say("StartTransaction", start), by_hand.say("StartTransaction", start, "2")
        assert first[2] == again[2]
        other = by_hand.say("StartTransaction", start | {"meterStart": 5}, "3")
        assert other[2]["transactionId"] == first[2]["transactionId"] + 1
        stop = {"transactionId": first[2]["transactionId"], "meterStop": 9, "timestamp": "2025-01-01T01:00:00Z"}
        assert by_hand.say("StopTransaction", stop)[2] == {"idTagInfo": {"status": "Accepted"}}
        assert by_hand.say("Authorize", {"idTag": "tag"})[2] == {"idTagInfo": {"status": "Accepted"}}
    else:
        token = {"idToken": "tag", "type": "ISO14443"}
        event = {"eventType": "Started", "timestamp": "2025-01-01T00:00:00Z", "triggerReason": "Authorized", "seqNo": 0}
        event |= {"transactionInfo": {"transactionId": "t"}, "idToken": token}
        assert by_hand.say("TransactionEvent", event)[2] == {"idTokenInfo": {"status": "Accepted"}}
        assert by_hand.say("Authorize", {"idToken": token})[2] == {"idTokenInfo": {"status": "Accepted"}}


def test_a_card_that_the_site_does_not_name_is_invalid(yard: Yard, by_hand: ChargerByHand) -> None:
    yard.asset = yard.asset.model_copy(update={"params": {"id_tags": ["mine"]}})
    yard.device()
    if yard.template.protocol == "ocpp16":
        assert by_hand.say("Authorize", {"idTag": "tag"})[2] == {"idTagInfo": {"status": "Invalid"}}
        assert by_hand.say("Authorize", {"idTag": "mine"})[2] == {"idTagInfo": {"status": "Accepted"}}
    else:
        token = {"idToken": "tag", "type": "ISO14443"}
        assert by_hand.say("Authorize", {"idToken": token})[2] == {"idTokenInfo": {"status": "Invalid"}}


def test_late_and_doubled_messages_do_no_harm(yard: Yard, by_hand: ChargerByHand) -> None:
    """An answer to a question of yesterday, an answer twice, and values from the charger's queue (A12)."""
    device = yard.opened[0]
    by_hand.line.send(json.dumps([3, "a question that nobody asked", {"status": "Rejected"}]))
    assert device.read_back(POWER).value == pytest.approx(6.9)
    answer = [3, by_hand.heard[-1][1], {"status": "Rejected"}]
    by_hand.line.send(json.dumps(answer))
    assert device.read_back(POWER).value == pytest.approx(6.9)
    where = "connectorId" if yard.template.protocol == "ocpp16" else "evseId"
    value: dict[str, Any] = {"value": "9999" if yard.template.protocol == "ocpp16" else 9999}
    value["measurand"] = "Power.Active.Import"
    old = {where: 1, "meterValue": [{"timestamp": "2020-01-01T00:00:00Z", "sampledValue": [value]}]}
    assert by_hand.say("MeterValues", old) == [3, "1", {}]
    with pytest.raises(DeviceSilent, match=r"did not state Power\.Active\.Import"):
        device.read("read_power_kw")


NONSENSE = (
    "{",
    "[]",
    "[2]",
    "[9,1,2]",
    '[2,"1","BootNotification",{"a":1}]',
    '[2,"1","NoSuchAction",{}]',
    '"x"',
    "null",
)


def test_nonsense_ends_nothing_but_its_own_line(yard: Yard, by_hand: ChargerByHand) -> None:
    for nonsense in (*NONSENSE, '[2,"1","Heartbeat",[]]', '[2,1,"MeterValues",{"connectorId":1,"meterValue":[{}]}]'):
        with suppress(ConnectionClosed):
            by_hand.line.send(nonsense)
    time.sleep(0.3)
    with yard.charger() as charger:
        yard.opened[0].write(yard.command(6.9))
        assert charger.power_kw() == pytest.approx(6.9)


@pytest.mark.parametrize("answer", [
    {"status": "Rejected"},
    {"status": "Accepted", "surprise": 1},
    ["NotSupported", "no smart charging", {}],
    ["OurOwnCode", "x" * 500, {}],
    [],
])  # fmt: skip
def test_odd_answers_are_refusals_of_one_line(yard: Yard, by_hand: ChargerByHand, answer: Any) -> None:
    by_hand.answers["GetCompositeSchedule"] = answer
    with pytest.raises((DeviceRefused, DeviceSilent)) as fault:
        yard.opened[0].read_back(POWER)
    assert "\n" not in str(fault.value)
    assert len(str(fault.value)) < 200


def test_a_half_open_line_is_noticed_and_the_charger_comes_back(yard: Yard, by_hand: ChargerByHand) -> None:
    by_hand.is_deaf = True
    started = time.monotonic()
    with pytest.raises(DeviceSilent, match="within 2 s"):
        yard.opened[0].read_back(POWER)
    assert time.monotonic() - started < 10
    with pytest.raises(DeviceSilent, match="not connected: no answer"):
        yard.opened[0].read_back(POWER)


def test_strangers_and_wrong_versions_are_not_let_in(yard: Yard) -> None:
    mine, other = ("ocpp1.6", "ocpp2.0.1") if yard.template.protocol == "ocpp16" else ("ocpp2.0.1", "ocpp1.6")
    with pytest.raises(InvalidStatus, match="404"):
        ChargerByHand(yard.url, mine, name="stranger")
    with pytest.raises(InvalidStatus, match="401"):
        ChargerByHand(yard.url, mine, password="")
    with pytest.raises(InvalidHandshake):
        ChargerByHand(yard.url, other)
    with pytest.raises(DeviceSilent, match="it speaks"):
        yard.device().read_back(POWER)
