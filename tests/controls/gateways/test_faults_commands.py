"""F73 and F74: whoever may publish on the broker cannot command a device that has a key, even in our words."""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways.access.device_keys import DeviceKey, canonical, find_device_key, new_device_key
from controls.gateways.broker import Broker
from controls.gateways.capabilities import DeviceRefused
from controls.gateways.lease import Outcome
from controls.gateways.mqtt import MqttDevice
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.gateways.topics import Topics, command_payload
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from tests.controls.devices import TIMEOUT_S, HandClock, command, measured

pytestmark = pytest.mark.real
LIMIT = "set_power_limit_kw"
KEY = DeviceKey(bytes(range(32)))
# openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…1f over the same bytes.
PROOF = "3efb9a782e6e1076d0f21296fbf35c79b7c87814fb607d5e485dd062f22ec5ad"


class Watched(MqttServedDevice):
    """The served device, with a history of what reached it and what it did."""

    def __init__(self, *arguments: Any, history: Path, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._history, self._heard = history, threading.Condition()

    def _obey(self, document: dict[str, Any] | None) -> dict[str, Any]:
        at_utc = self._clock.now_utc().isoformat()
        done = super()._obey(document)
        entry = {"at_utc": at_utc, "said": document, "result": str(done["result"]), "value": done["applied_value"]}
        with self._heard, self._history.open("a") as out:
            out.write(json.dumps(entry) + "\n")
            self._heard.notify_all()
        return done

    def wait(self, count: int) -> None:
        with self._heard:
            assert self._heard.wait_for(lambda: self.commands >= count, 10)


def faults_of(history: Path, sent: dict[str, float]) -> list[str]:
    """Forbidden events of a history. sent: value by command_id, as the agent meant it."""
    found, last = [], (-1, -1)
    for line in history.read_text().splitlines():
        entry = json.loads(line)
        if entry["result"] not in ("applied", "renewed"):
            continue
        sentence = entry["said"]
        order = (sentence["epoch"], sentence["seq"])
        if sent.get(sentence["command_id"]) != entry["value"]:
            found.append(f"{sentence['command_id']}: {entry['value']} was never sent")
        if order < last or (order == last and entry["result"] == "applied"):
            found.append(f"{sentence['command_id']}: applied after {last}")
        if entry["at_utc"] >= sentence["valid_until"].replace("Z", "+00:00"):
            found.append(f"{sentence['command_id']}: applied after its window")
        last = order
    return found


@contextmanager
def proven(
    clock: FixedClock, address: BrokerAddress, history: Path, *, key: DeviceKey | None = KEY, device_id: str = "proven"
) -> Iterator[tuple[Watched, MqttDevice]]:
    template = load_template("sim_pv_inverter")
    served = Watched(
        template, address=address, site_id="home", device_id=device_id, measure=lambda: measured(template),
        clock=clock, monotonic=HandClock(), tick_s=5.0, key=key, history=history,
    )  # fmt: skip
    served.start()
    device = MqttDevice(
        template, address=address, site_id="home", device_id=device_id, epoch=1, clock=clock, timeout_s=TIMEOUT_S,
        key=KEY,
    )  # fmt: skip
    try:
        yield served, device
    finally:
        device.close()
        served.stop()


def tampered(payload: bytes, chance: random.Random) -> bytes:
    """Our own words with one field changed, or the proof of another command."""
    document = json.loads(payload)
    changes = (
        {"setpoint": 7.5}, {"seq": document["seq"] + 100}, {"epoch": 99}, {"ttl_s": 59}, {"command_id": "mine"},
        {"valid_until": "2099-01-01T00:00:00Z"}, {"mac": "0" * 64}, {"mac": None}, {"mac": 1}, {"mac": "é"},
    )  # fmt: skip
    return json.dumps({**document, **chance.choice(changes)}).encode()


@pytest.mark.parametrize("seed", range(4))
def test_fault_f73_duplicated_reordered_replayed_and_changed_commands_move_nothing(
    seed: int, clock: FixedClock, broker: Broker, tmp_path: Path
) -> None:
    """Everything that was ever heard, again and in any order, between the real ones: applied is one each, in order."""
    chance, heard, sent = random.Random(seed), [], {}
    history = tmp_path / "history.jsonl"
    with proven(clock, broker.address, history) as (served, device):
        stranger = MqttLine(
            broker.address, client_id="", subscriptions=("cmd/home/proven",),
            on_message=lambda _topic, payload, _properties: heard.append(payload),
        )  # fmt: skip
        total = 0
        for seq in range(1, 6):
            one = command(clock, device_id="proven", capability=LIMIT, value=float(seq), seq=seq, window_s=300)
            sent[one.command_id] = one.value
            assert device.write(one).code == "applied"
            total += 1
            while not any(one.command_id.encode() in payload for payload in list(heard)):
                time.sleep(0.01)
            for _ in range(8):
                old = chance.choice(heard)
                stranger.publish("cmd/home/proven", tampered(old, chance) if chance.random() < 0.5 else old)
                total += 1
            served.wait(total)
            clock.advance(timedelta(seconds=chance.choice([5, 120, 86_400])))
        # A copy: what is said again is heard again.
        for old in heard.copy():
            stranger.publish("cmd/home/proven", old)
            total += 1
        served.wait(total)
        stranger.close()
    assert faults_of(history, sent) == []
    outcomes = {str(each) for each in served.outcomes}
    assert "bad_mac" in outcomes
    assert outcomes & {"old_seq", "expired"}
    assert served.outcomes.count(Outcome.APPLIED) == 5


def test_fault_f73_yesterdays_command_is_dropped_as_expired(clock: FixedClock, broker: Broker, tmp_path: Path) -> None:
    """Even by a device that lost its memory of the order: the window is proven too."""
    history = tmp_path / "history.jsonl"
    old = command(clock, device_id="proven", capability=LIMIT, value=3.0, seq=99)
    payload = command_payload(
        old, ttl_s=30, issued_utc=clock.now_utc(), prove=lambda document: KEY.mac("cmd/home/proven", document)
    )
    clock.advance(timedelta(days=1))
    with proven(clock, broker.address, history) as (served, _):
        stranger = MqttLine(broker.address, client_id="", subscriptions=(), on_message=lambda *_: None)
        stranger.publish("cmd/home/proven", payload)
        served.wait(1)
        stranger.close()
        assert served.outcomes == ["expired"]
    assert faults_of(history, {}) == []


def test_fault_f73_without_a_key_a_changed_command_would_act_and_the_checker_says_so(
    clock: FixedClock, broker: Broker, tmp_path: Path
) -> None:
    history = tmp_path / "history.jsonl"
    with proven(clock, broker.address, history, key=None) as (served, device):
        one = command(clock, device_id="proven", capability=LIMIT, value=1.0)
        device.write(one)
        stranger = MqttLine(broker.address, client_id="", subscriptions=(), on_message=lambda *_: None)
        body = json.loads(command_payload(one, ttl_s=30, issued_utc=clock.now_utc()))
        stranger.publish("cmd/home/proven", json.dumps({**body, "setpoint": 7.0, "seq": 2}).encode())
        served.wait(2)
        stranger.close()
    assert faults_of(history, {one.command_id: 1.0}) == [f"{one.command_id}: 7.0 was never sent"]


def test_fault_f73_a_command_for_one_device_is_none_for_its_neighbour(
    clock: FixedClock, broker: Broker, tmp_path: Path
) -> None:
    """The same key in two devices by mistake: the topic is proven too."""
    with proven(clock, broker.address, tmp_path / "history.jsonl", device_id="neighbour") as (served, _):
        one = command(clock, device_id="proven", capability=LIMIT, value=1.0)
        payload = command_payload(
            one, ttl_s=30, issued_utc=clock.now_utc(), prove=lambda document: KEY.mac("cmd/home/proven", document)
        )
        stranger = MqttLine(broker.address, client_id="", subscriptions=(), on_message=lambda *_: None)
        stranger.publish("cmd/home/neighbour", payload)
        served.wait(1)
        stranger.close()
        assert served.outcomes == ["bad_mac"]


def test_a_device_with_another_key_is_one_sentence_and_stays_where_it_is(
    clock: FixedClock, broker: Broker, tmp_path: Path
) -> None:
    with proven(clock, broker.address, tmp_path / "h.jsonl", key=DeviceKey(bytes(32))) as (served, device):
        with pytest.raises(DeviceRefused, match="bad_mac: its key is not the one that the agent proves"):
            device.write(command(clock, device_id="proven", capability=LIMIT, value=1.0))
        assert served.leases[LIMIT].state(1000.0).value == 8.0
        assert device.read_back(LIMIT).value == 8.0


# F74


def test_fault_f74_a_retained_command_is_dropped_told_and_cleared(
    clock: FixedClock, broker: Broker, tmp_path: Path
) -> None:
    """Left by hand, well proven and inside its window: what waited on the broker is out of its time all the same."""
    topics, history = Topics(site_id="home", device_id="kept"), tmp_path / "history.jsonl"
    one = command(clock, device_id="kept", capability=LIMIT, value=1.0)
    payload = command_payload(
        one, ttl_s=30, issued_utc=clock.now_utc(), prove=lambda document: KEY.mac(topics.command, document)
    )
    hand = MqttLine(broker.address, client_id="", subscriptions=(), on_message=lambda *_: None)
    hand.publish(topics.command, payload, retain=True)
    with proven(clock, broker.address, history, device_id="kept") as (served, device):
        with pytest.raises(DeviceRefused, match="somebody left a command for device 'kept' on cmd/home/kept; the dev"):
            device.read_back(LIMIT)
        assert served.outcomes == ["retained"]
        assert device.read_back(LIMIT).value == 8.0
        left: list[bytes] = []
        later = MqttLine(
            broker.address, client_id="", subscriptions=(topics.command,), on_message=lambda _t, p, _p: left.append(p)
        )
        hand.publish(topics.command, b"{}")
        later.close()
        assert payload not in left
        assert "applied" not in served.outcomes
    hand.close()


# The key itself


documents = st.dictionaries(
    st.text(max_size=8), st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(max_size=8), max_size=6
)


@given(document=documents)
def test_a_proof_survives_the_way_and_nothing_else(document: dict[str, Any]) -> None:
    document = {key: value for key, value in document.items() if key != "mac"}
    proof = {**document, "mac": KEY.mac("cmd/a/b", document)}
    second = json.loads(json.dumps(dict(reversed(proof.items())), indent=1))
    assert KEY.is_from_us("cmd/a/b", second)
    assert not KEY.is_from_us("cmd/a/c", second)
    assert not KEY.is_from_us("cmd/a/b", {**second, "more": 1})
    assert not DeviceKey(bytes(32)).is_from_us("cmd/a/b", second)


def test_the_proof_is_one_that_any_library_makes() -> None:
    """Hand-checkable: HMAC-SHA-256 over domain, topic and the sorted text, parted by zero bytes."""
    document = {"setpoint": 3.0, "seq": 1, "epoch": 2, "mac": "x"}
    assert canonical(document) == b'{"epoch":2,"seq":1,"setpoint":3}'
    assert KEY.mac("cmd/home/pv", document) == PROOF


def test_keys_lie_in_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    assert find_device_key(tmp_path, "pv") is None
    made = new_device_key(tmp_path / "keys", "pv")
    path = tmp_path / "keys" / "pv.key"
    assert path.stat().st_mode & 0o777 == 0o600
    found = find_device_key(tmp_path / "keys", "pv")
    assert found is not None
    assert found.mac("t", {}) == made.mac("t", {})
    assert path.read_text().strip() not in repr(found)
    with pytest.raises(BadInput, match="there is a key of device 'pv' already"):
        new_device_key(tmp_path / "keys", "pv")
    with pytest.raises(BadInput, match="cannot name a key"):
        find_device_key(tmp_path, "../pv")
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(BadInput, match="the key of device 'pv' can be read by others"):
            find_device_key(tmp_path / "keys", "pv")
    path.chmod(0o600)
    for wrong in ("secret words", "ab" * 31, ""):
        path.write_text(wrong)
        with pytest.raises(BadInput, match="must be 64 hex digits") as fault:
            find_device_key(tmp_path / "keys", "pv")
        assert wrong not in str(fault.value) or not wrong
