"""A charge point that is written by hand: plain WebSocket and JSON after the specification.

It knows nothing of our code or its library, so it sees what is really said, and says what no library would.
"""

import base64
import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from tests.controls.gateways.ocpp_yard import POWER, SECRET, Yard, until


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
                answer = self.answer_to(frame[2], frame[3])
                body = [4, frame[1], *answer] if isinstance(answer, list) else [3, frame[1], answer]
                self.line.send(json.dumps(body))

    def answer_to(self, action: str, payload: dict[str, Any]) -> Any:
        return self.answers.get(action, {"status": "Accepted"})

    def say(self, action: str, payload: Any, number: str = "1") -> list[Any]:
        self.line.send(json.dumps([2, number, action, payload]))
        return self.results.get(timeout=60)

    def calls(self, action: str) -> list[dict[str, Any]]:
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
    _, mine = by_hand.calls("SetChargingProfile")
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
    assert by_hand.calls("ClearChargingProfile") == [{field_name: 4111}]


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
        first, second = by_hand.say("StartTransaction", start), by_hand.say("StartTransaction", start, "2")
        assert first[2] == second[2]
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


@pytest.mark.parametrize("answer", [{"status": "NotImplemented"}, ["NotSupported", "no remote triggers", {}]])
def test_a_charger_that_cannot_be_asked_is_believed_what_it_stated_just_now(
    yard: Yard, by_hand: ChargerByHand, answer: Any
) -> None:
    by_hand.answers["TriggerMessage"] = answer
    device, is_16 = yard.opened[0], yard.template.protocol == "ocpp16"
    with pytest.raises(DeviceSilent, match="only by itself, last never"):
        device.read("read_power_kw")
    now = yard.clock.now_utc().strftime("%Y-%m-%dT%H:%M:%SZ")
    phases = [
        {"value": "1000" if is_16 else 1000, "measurand": "Power.Active.Import", "phase": name}
        for name in ("L1", "L2", "L3")
    ]
    values = {"connectorId" if is_16 else "evseId": 1, "meterValue": [{"timestamp": now, "sampledValue": phases}]}
    assert by_hand.say("MeterValues", values) == [3, "1", {}]
    assert device.read("read_power_kw") == pytest.approx(3.0)


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
