"""Bad input to dispatch, line by line: each ends in a row of the ledger with a sentence, and in a device that is safe.

Over a real Modbus server, a real broker and the real gateways. Lines that are at home elsewhere are named in ELSEWHERE.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from assets.stores.transactions import Store
from controls.gateways.broker import Broker
from controls.gateways.mqtt_line import MqttLine
from controls.gateways.topics import Topics, command_payload
from controls.ledger.chain import verify_chain
from data_quality.contracts.control.command import CommandState as S
from tests.control_faults.checker import SAFE_WITHIN_S
from tests.control_faults.wire_bed import NAMES, SAFE, WANTED, WINDOW_S, WireBed
from tests.controls.devices import command as by_hand

pytestmark = pytest.mark.real
CONTROLS = Path(__file__).resolve().parents[1] / "controls"


def _nack(bed: WireBed) -> None:
    # The inverter's own limit is lower than its template says: it answers, and the answer is no.
    bed.pv.leases[NAMES["pv"]]._maximum = 5.0
    bed.release()


def _wrong_read_back(bed: WireBed) -> None:
    bed.battery.fault = "other"
    bed.release()


def _out_of_range(bed: WireBed) -> None:
    bed.release(value=99.0)


def _unknown_device(bed: WireBed) -> None:
    bed.release(device_id="toaster")


def _expired_plan(bed: WireBed) -> None:
    begun = bed.time.wall - timedelta(hours=1)
    bed.release(valid_from_utc=begun, valid_until_utc=begun + timedelta(minutes=15))


def _clock_back(bed: WireBed) -> None:
    bed.prove()
    bed.time.wall -= timedelta(hours=1)


def _resend(bed: WireBed) -> None:
    """Send the inverter its every message twice more, the newest first: it holds the value of the last order."""
    heard: list[bytes] = []
    topic = Topics(site_id="home", device_id="pv").command
    with_ears = MqttLine(
        bed.pv._address, client_id="", subscriptions=(topic,), on_message=lambda _t, payload, _p: heard.append(payload)
    )
    bed.prove()
    bed.run(32.0)
    reported = heard.copy()
    assert len(reported) >= 3, "a command and two renewals"
    before = bed.pv.commands
    for payload in [*reversed(reported), *reported]:
        with_ears.publish(topic, payload)
    bed.until(lambda: bed.pv.commands >= before + 2 * len(reported))
    with_ears.close()
    assert {str(each) for each in bed.pv.outcomes[before:]} <= {"repeated", "old_seq", "old_epoch"}
    assert bed.value("pv") == WANTED["pv"]


def _left_on_the_broker(bed: WireBed) -> None:
    """Somebody kept a command of 5.7 kW on the broker, in our words and inside its window; then the device connects."""
    one = by_hand(bed.time, device_id="pv", capability=NAMES["pv"], value=5.7, seq=99, epoch=99)
    hand = MqttLine(bed.pv._address, client_id="", subscriptions=(), on_message=lambda *_: None)
    payload = command_payload(one, ttl_s=45, issued_utc=bed.time.wall)
    assert bed.pv._line is not None
    bed.pv._line.close()
    hand.publish(Topics(site_id="home", device_id="pv").command, payload, retain=True)
    hand.close()
    bed.until(lambda: "retained" in [str(each) for each in bed.pv.outcomes])
    assert bed.value("pv") == SAFE["pv"]
    bed.release()


def _exception(bed: WireBed) -> None:
    bed.battery.fault = "refuse"
    bed.release()


def _half_open(bed: WireBed) -> None:
    """Past the battery's own timer: whoever asks waits for its time limit, each time, so few cycles do."""
    bed.prove()
    bed.line.freeze()
    bed.run(58.5, step_s=4.5)
    bed.line.thaw()


@dataclass(frozen=True)
class Line:
    """One bad input, the command that reports it, the states it may end in, and words of its sentences."""

    what: str
    spoil: Callable[[WireBed], None]
    name: str
    states: frozenset[S]
    words: str


def _line(what: str, spoil: Callable[[WireBed], None], name: str, words: str, *states: S) -> Line:
    return Line(what, spoil, name, frozenset(states), words)


TABLE = (
    _line("Nack", _nack, "pv", "out_of_range", S.UNVERIFIED),
    _line("wrong read-back", _wrong_read_back, "battery", "MISMATCH: the device reads ", S.UNVERIFIED),
    _line("out-of-range set-point", _out_of_range, "battery", "I01: ", S.BLOCKED),
    _line("unknown device", _unknown_device, "battery", "toaster", S.BLOCKED),
    _line("expired plan", _expired_plan, "battery", "the window ended before it was sent", S.EXPIRED),
    _line("clock back by an hour", _clock_back, "battery", "the wall clock stepped by -3600.0 s", S.REVERTED),
    _line("duplicated or reordered MQTT messages", _resend, "pv", "VERIFIED: read back", S.COMPLETED),
    _line("retained stale command", _left_on_the_broker, "pv", "somebody left a command", S.COMPLETED),
    _line("Modbus exception", _exception, "battery", "exception 6", S.UNVERIFIED),
    _line("half-open socket", _half_open, "battery", "gives no answer", S.UNVERIFIED),
)


@pytest.fixture
def bed(store: Store, broker: Broker) -> Iterator[WireBed]:
    with ExitStack() as parts:
        yield WireBed(store, broker, parts)


@pytest.mark.parametrize("line", TABLE, ids=lambda each: each.what)
def test_bad_input_has_a_row_a_sentence_and_a_safe_device(bed: WireBed, line: Line) -> None:
    bed.run(8.0)
    line.spoil(bed)
    # To the end of the window, and as long again as a device may hold what it was told on the way home.
    bed.run(WINDOW_S + 60.0, step_s=2.0)
    text = " | ".join([bed.story(line.name), *bed.told])
    assert line.words in text
    assert bed.states()[line.name] in line.states, text
    assert {name: bed.value(name) for name in NAMES} == SAFE
    assert verify_chain(bed.store, "home") == []


def test_a_device_that_makes_another_value_of_all_that_is_written_comes_home_in_a_minute(bed: WireBed) -> None:
    bed.run(8.0)
    _wrong_read_back(bed)
    # Each try of the way home is another value too, and holds for as long as it says.
    bed.run(SAFE_WITHIN_S, step_s=2.0)
    assert bed.value("battery") == SAFE["battery"], bed.story("battery")


# Lines whose world is another one, by the test that holds them.
ELSEWHERE = {
    "template with a typo": (
        "templates/test_templates.py",
        "test_a_bad_register_map_is_refused_with_its_line",
    ),
    "wrong credentials": (
        "agent/test_whole_mqtt.py",
        "test_wrong_credentials_write_nothing_and_the_ledger_says_why",
    ),
    "OCPP charger rebooting": (
        "agent/test_whole_ocpp.py",
        "test_a_charger_that_reboots_in_the_middle_of_a_session_is_found_out_and_safe",
    ),
}
# As the issue about dispatch lists them.
LISTED = (
    *("Nack", "wrong read-back", "out-of-range set-point", "unknown device", "expired plan", "clock back by an hour"),
    *("duplicated or reordered MQTT messages", "retained stale command", "Modbus exception", "half-open socket"),
    *("template with a typo", "wrong credentials", "OCPP charger rebooting"),
)


def test_every_kind_of_bad_input_has_its_line() -> None:
    assert {each.what for each in TABLE} | set(ELSEWHERE) == set(LISTED)
    for file, name in ELSEWHERE.values():
        assert f"def {name}(" in (CONTROLS / file).read_text(encoding="utf-8")
