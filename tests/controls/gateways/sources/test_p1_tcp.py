"""DSMR P1 over TCP, against a real server that plays telegrams."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.sources import p1_tcp
from controls.gateways.sources.p1_tcp import P1Listener, TelegramCutter
from data_quality.contracts.site_file.live_source import P1Source
from data_quality.contracts.time import SystemClock
from tests.controls.gateways.sources.live_sink import ListSink, until
from tests.controls.gateways.sources.p1_bridge import BEGIN_UTC, P1Bridge, PlayingMeter, telegram

POINTS: list[dict[str, Any]] = [
    {"point": "in", "obis": "1-0:1.8.0", "stream": "main", "what": "register", "unit": "kwh"},
    {"point": "low", "obis": "1-0:1.8.1", "stream": "low", "what": "register", "unit": "kwh"},
    {"point": "kw", "obis": "1-0:1.7.0", "stream": "main", "what": "live", "unit": "kw"},
    {"point": "gas", "obis": "0-1:24.2.1", "stream": "gas", "what": "register", "unit": "m3"},
]


PARTS = (b"/", b"!", b"\r\n", b"\n", b"\r", b"(", b"1-0:1.8.1(000100.000*kWh)\r\n", b"!0000\r\n", telegram(BEGIN_UTC))


def source(port: int, **more: Any) -> P1Source:
    """A bridge on the loopback."""
    given = {"source_id": "p1", "kind": "p1_tcp", "host": "127.0.0.1", "port": port, "points": POINTS}
    return P1Source.model_validate(given | more)


def listener(port: int, **more: Any) -> P1Listener:
    """Not started."""
    return P1Listener(source(port, **more), time_zone="Europe/Amsterdam", clock=SystemClock())


@pytest.fixture
def bridge() -> Iterator[P1Bridge]:
    """A bridge that says nothing by itself."""
    with P1Bridge() as running:
        yield running


@pytest.fixture
def sink() -> ListSink:
    """In memory."""
    return ListSink()


@pytest.fixture
def listening(bridge: P1Bridge, sink: ListSink, monkeypatch: pytest.MonkeyPatch) -> Iterator[P1Listener]:
    """Started, and connected. Nobody waits half a second for its end."""
    monkeypatch.setattr(p1_tcp, "_LOOK_S", 0.05)
    found = listener(bridge.port)
    found.start(sink)
    bridge.wait_for_visits(1)
    yield found
    found.stop()


def test_the_played_telegram_is_one_that_a_stranger_reads() -> None:
    parser = TelegramParser(telegram_specifications.V5)
    read = parser.parse(telegram(BEGIN_UTC, power_kw=1.5).decode())
    assert float(read.CURRENT_ELECTRICITY_USAGE.value) == 1.5


def test_a_telegram_becomes_one_sample_a_point(bridge: P1Bridge, sink: ListSink, listening: P1Listener) -> None:
    at_utc = BEGIN_UTC + timedelta(hours=4000)
    bridge.say(telegram(at_utc, gas_at_utc=at_utc - timedelta(minutes=3)))
    until(lambda: len(sink.samples) == 4)
    values = {sample.point: (sample.value, sample.unit, sample.at_utc) for sample in sink.samples}
    assert values == {
        # A Dutch meter states no total: it is the sum of its two tariffs.
        "in": (300.0, "kwh", at_utc),
        "low": (100.0, "kwh", at_utc),
        "kw": (0.244, "kw", at_utc),
        "gas": (50.0, "m3", at_utc - timedelta(minutes=3)),
    }
    assert listening.state().state == "live"
    assert listening.state().accepted == 4


def test_telegrams_come_in_pieces_of_any_size(bridge: P1Bridge, sink: ListSink, listening: P1Listener) -> None:
    text = b"".join(telegram(BEGIN_UTC + timedelta(seconds=n), low_kwh=100 + n) for n in range(5))
    for size in (1, 7, 300, len(text)):
        piece, text = text[:size], text[size:]
        bridge.say(piece)
    until(lambda: len(sink.of("low")) == 5)
    assert [sample.value for sample in sink.of("low")] == [100, 101, 102, 103, 104]
    assert sink.refusals == []


def test_every_cut_of_a_stream_gives_the_same_telegrams() -> None:
    text = b"".join(telegram(BEGIN_UTC + timedelta(seconds=n)) for n in range(3))
    for cut in range(len(text)):
        cutter = TelegramCutter()
        found = [*cutter.feed(text[:cut]).telegrams, *cutter.feed(text[cut:]).telegrams]
        assert b"".join(each.body for each in found).count(b"LIVE-METER") == 3, cut


@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(PARTS)), max_size=30))
def test_whatever_comes_is_telegrams_or_refusals_and_the_next_telegram_is_read(pieces: list[bytes]) -> None:
    cutter = TelegramCutter()
    for piece in pieces:
        heard = cutter.feed(piece)
        assert all(each.body.startswith(b"/") for each in heard.telegrams)
    # Whatever is held ends with its line; what follows it is read.
    cutter.feed(b"\r\n!\r\n")
    assert len(cutter.feed(telegram(BEGIN_UTC)).telegrams) == 1


def test_a_flood_of_ends_is_cheap_and_told() -> None:
    began_s = time.process_time()
    heard = TelegramCutter().feed(b"/\n!\n" * 16_000)
    assert time.process_time() - began_s < 5
    assert heard.refused[-1][0] == "15980 more telegrams of the same piece were refused"


def test_what_was_begun_before_we_listened_is_no_fault(bridge: P1Bridge, sink: ListSink, listening: P1Listener) -> None:
    bridge.say(telegram(BEGIN_UTC)[200:] + telegram(BEGIN_UTC + timedelta(seconds=1)))
    until(lambda: len(sink.samples) == 4)
    assert sink.refusals == []


def test_a_gas_meter_that_tells_its_last_hour_again_is_told_once(
    bridge: P1Bridge, sink: ListSink, listening: P1Listener
) -> None:
    for n in range(3):
        bridge.say(telegram(BEGIN_UTC + timedelta(seconds=n)))
    until(lambda: len(sink.of("kw")) == 3)
    assert len(sink.of("gas")) == 1
    assert listening.state().doubled == 0


def test_a_bridge_that_says_a_telegram_twice_is_counted(
    bridge: P1Bridge, sink: ListSink, listening: P1Listener
) -> None:
    bridge.say(2 * telegram(BEGIN_UTC))
    until(lambda: listening.state().doubled == 3)
    assert len(sink.samples) == 4


BAD = {
    "a bit flipped": (telegram(BEGIN_UTC).replace(b"000100.000", b"900100.000"), "checksum"),
    "no checksum, of a version that has one": (telegram(BEGIN_UTC, has_crc=False), "the checksum that this version"),
    "two starts and one end": (
        telegram(BEGIN_UTC)[:150] + b"\r\n" + telegram(BEGIN_UTC)[:40] + b"\r\n",
        "'!' at the end",
    ),
    "nothing like a telegram": (b"/" + b"\x00\xff<script>\x1b[31m\r\n" * 50 + b"!0000\r\n", "checksum"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_telegram_that_cannot_be_trusted_is_refused_and_the_next_is_read(
    name: str, bridge: P1Bridge, sink: ListSink, listening: P1Listener
) -> None:
    bad, sentence = BAD[name]
    bridge.say(bad)
    bridge.say(telegram(BEGIN_UTC + timedelta(seconds=10)))
    until(lambda: len(sink.of("low")) == 1)
    assert any(sentence in refusal.reason for refusal in sink.refusals), sink.refusals
    assert sink.of("low")[0].value == 100.0
    assert all(refusal.excerpt.isprintable() for refusal in sink.refusals)
    assert listening.state().rejected == len(sink.refusals)


def test_bytes_without_end_are_let_go_and_said(bridge: P1Bridge, sink: ListSink, listening: P1Listener) -> None:
    bridge.say(b"/endless\r\n" + b"1-0:1.8.1(000100.000*kWh)\r\n" * 4000)
    until(lambda: bool(sink.refusals))
    assert "no telegram ended" in sink.refusals[0].reason
    assert listening.state().state == "refused"
    bridge.say(b"\r\n" + telegram(BEGIN_UTC))
    until(lambda: listening.state().state == "live")


def test_a_line_that_breaks_in_a_telegram_is_said_and_taken_up_again(
    bridge: P1Bridge, sink: ListSink, listening: P1Listener
) -> None:
    bridge.say(telegram(BEGIN_UTC)[:300])
    bridge.drop()
    bridge.wait_for_visits(2)
    bridge.say(telegram(BEGIN_UTC + timedelta(seconds=5)))
    until(lambda: len(sink.samples) == 4)
    assert [refusal.reason for refusal in sink.refusals] == ["the line broke in the middle of a telegram"]


def test_a_bridge_that_is_away_is_a_sentence_and_comes_back(sink: ListSink) -> None:
    with P1Bridge() as gone:
        port = gone.port
    found = listener(port)
    found.start(sink)
    until(lambda: found.state().state == "silent")
    assert "does not answer" in found.state().sentence
    with P1Bridge(port) as back:
        back.wait_for_visits(1)
        back.say(telegram(BEGIN_UTC))
        until(lambda: found.state().state == "live")
        found.stop()


def test_a_bridge_that_holds_the_line_and_says_nothing_is_left_and_tried_again(sink: ListSink) -> None:
    with P1Bridge() as mute:
        found = listener(mute.port, silent_after_s=1.0)
        found.start(sink)
        mute.wait_for_visits(2)
        assert found.state().state == "silent"
        found.stop()


def test_another_meter_on_the_line_tells_nothing(bridge: P1Bridge, sink: ListSink) -> None:
    found = listener(bridge.port, equipment_id="E0012345")
    found.start(sink)
    bridge.wait_for_visits(1)
    bridge.say(telegram(BEGIN_UTC, meter="E9999999", low_kwh=7) + telegram(BEGIN_UTC))
    until(lambda: len(sink.samples) == 4)
    assert sink.of("low")[0].value == 100.0
    assert sink.refusals[0].reason == "the telegram is of E9999999; the site file says E0012345"
    found.stop()


def test_a_point_that_is_not_in_the_telegram_or_of_another_unit_stops_no_other(
    bridge: P1Bridge, sink: ListSink
) -> None:
    wrong = [
        {"point": "l2", "obis": "1-0:41.7.0", "stream": "main", "what": "live", "unit": "kw"},
        {"point": "heat", "obis": "0-1:24.2.1", "stream": "heat", "what": "register", "unit": "gj"},
    ]
    found = listener(bridge.port, points=[*wrong, POINTS[1]])
    found.start(sink)
    bridge.wait_for_visits(1)
    bridge.say(telegram(BEGIN_UTC))
    until(lambda: len(sink.of("low")) == 1)
    assert {refusal.point: refusal.reason for refusal in sink.refusals} == {
        "l2": "the telegram has no object 1-0:41.7.0 with a number and a unit",
        "heat": "0-1:24.2.1 is reported in m3; the site file says gj",
    }
    assert found.state().state == "live"
    found.stop()


def test_what_the_spool_does_not_keep_is_missing_and_said(
    bridge: P1Bridge, sink: ListSink, listening: P1Listener
) -> None:
    sink.answer = "refuse"
    bridge.say(telegram(BEGIN_UTC))
    until(lambda: listening.state().missing > 0)
    assert listening.state().state == "behind"
    assert listening.state().accepted == 0
    sink.answer = "keep"
    bridge.say(telegram(BEGIN_UTC + timedelta(seconds=1)))
    until(lambda: listening.state().state == "live")


def test_a_test_asks_once_and_tells_every_point(bridge: P1Bridge) -> None:
    meter = PlayingMeter(bridge, beat_s=0.05)
    try:
        assert [sample.point for sample in listener(bridge.port).test(10)] == ["in", "low", "kw", "gas"]
        wrong = [POINTS[0] | {"obis": "1-0:9.9.9"}]
        with pytest.raises(DeviceRefused, match=r"P1 bridge 127.0.0.1:\d+: the telegram has no object 1-0:9.9.9"):
            listener(bridge.port, points=wrong).test(10)
    finally:
        meter.close()


def test_a_test_of_a_bridge_that_is_mute_or_away_ends_in_a_sentence(bridge: P1Bridge) -> None:
    with pytest.raises(DeviceSilent, match=r"sent no whole telegram within 0.6 s"):
        listener(bridge.port).test(0.6)
    with P1Bridge() as gone:
        port = gone.port
    with pytest.raises(DeviceSilent, match=r"does not answer \(Connection refused\)"):
        listener(port).test(1)


def test_nothing_of_a_second_by_second_meter_is_lost_over_lost_lines(
    bridge: P1Bridge, sink: ListSink, listening: P1Listener
) -> None:
    meter = PlayingMeter(bridge, beat_s=0.01)
    for visit in range(2, 4):
        sink.wait_for_more(20)
        bridge.drop()
        bridge.wait_for_visits(visit)
    sink.wait_for_more(20)
    meter.close()
    values = [sample.value for sample in sink.of("low")]
    # What was said while nobody listened is in the next state: the register's own difference is whole.
    assert values == sorted(set(values))
    assert listening.state().accepted == len(sink.samples)
