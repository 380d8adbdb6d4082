"""From messages to samples: whatever comes, comes out as samples or with a reason."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways.sources.message import MessageReader
from data_quality.contracts.site_file.live_source import MqttSource
from tests.controls.gateways.sources.live_sink import mqtt_source

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def reader(**more: Any) -> MessageReader:
    return MessageReader(mqtt_source("tele/a", **more))


def encoded(**document: Any) -> bytes:
    return json.dumps({"at": "2026-03-01T13:00:00.5+01:00", "seq": 7, "kw": 1.5} | document).encode()


def test_a_message_is_a_sample_at_the_devices_own_time() -> None:
    message = reader().read("tele/a", encoded(), received_utc=NOW)
    (sample,) = message.samples
    assert (sample.point, sample.value, sample.unit, sample.seq) == ("tele/a", 1.5, "kw", 7)
    assert sample.at_utc == NOW + timedelta(seconds=0.5)
    assert sample.received_utc == NOW
    assert (message.refusals, message.seq) == ([], 7)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "JSON whose numbers are finite"),
        (b'{"at":"2026-03-01T12:00:00Z","seq":1,"kw":NaN}', "JSON whose numbers are finite"),
        (b'{"at":"2026-03-01T12:00:00Z","seq":1,"kw":1e999}', "JSON whose numbers are finite"),
        (b"\xff\xfe", "JSON whose numbers are finite"),
        (b"[" * 100_000, "JSON whose numbers are finite"),
        (b"x" * 300_000, "JSON whose numbers are finite"),
        (encoded(kw="on"), "expected a number, got 'on'"),
        (encoded(kw=True), "expected a number, got True"),
        (encoded(kw=None), "expected a number"),
        (encoded(kw="1_000"), "expected a number"),
        (encoded(kw="nan"), "expected a number"),
        (encoded(at="2026-03-01T12:00:00"), "no time with its offset at 'at'"),
        (encoded(at=1e300), "no time with its offset"),
        (encoded(seq=0), "no number of the message, from 1, at 'seq'"),
        (encoded(seq=1.5), "no number of the message"),
        (b'{"at":"2026-03-01T12:00:00Z","seq":1}', "none of 'kw' is in it"),
        (b"21.5", "no number of the message"),
    ],
)
def test_what_is_no_sample_has_a_reason_and_an_excerpt(payload: bytes, reason: str) -> None:
    message = reader().read("tele/a", payload, received_utc=NOW)
    (refusal,) = message.refusals
    assert reason in refusal.reason
    assert message.samples == []
    assert len(refusal.excerpt) <= 202
    assert refusal.excerpt.isprintable()


def test_a_topic_that_no_point_names_is_told() -> None:
    (refusal,) = reader().read("tele/b\n", encoded(), received_utc=NOW).refusals
    assert refusal.reason == "topic 'tele/b\\\\n' is of no point of this source"


def test_what_the_broker_kept_has_an_age_only_where_it_says_it() -> None:
    assert reader().read("tele/a", encoded(), received_utc=NOW, is_kept=True).samples
    timeless = reader(time_path="", seq_path="")
    assert timeless.read("tele/a", encoded(), received_utc=NOW).samples[0].at_utc == NOW
    (refusal,) = timeless.read("tele/a", encoded(), received_utc=NOW, is_kept=True).refusals
    assert "kept it from before" in refusal.reason


def test_paths_reach_into_objects_and_lists_and_a_bare_number_needs_none() -> None:
    document = {
        "source_id": "s", "kind": "mqtt", "time_path": "t", "time_format": "unix_ms",
        "points": [
            {"point": "a", "stream": "m", "what": "live", "unit": "kw", "topic": "x", "path": "energy.0.kw"},
            {"point": "b", "stream": "m", "what": "live", "unit": "kw", "topic": "x", "path": "other"},
        ],
    }  # fmt: skip
    message = MessageReader(MqttSource.model_validate(document)).read(
        "x", b'{"t": 1772366400000, "energy": [{"kw": "0012.50"}]}', received_utc=NOW
    )
    assert [(sample.point, sample.value, sample.at_utc) for sample in message.samples] == [("a", 12.5, NOW)]
    # A device that tells its values in turns is not at fault.
    assert message.refusals == []
    bare = {"point": "a", "stream": "m", "what": "live", "unit": "kw", "topic": "x"}
    alone = MessageReader(MqttSource.model_validate({"source_id": "s", "kind": "mqtt", "points": [bare]}))
    assert alone.read("x", b"21.5", received_utc=NOW).samples[0].value == 21.5


@given(st.binary(max_size=200) | st.text(max_size=60).map(str.encode))
def test_no_payload_raises_and_each_is_answered(payload: bytes) -> None:
    message = reader().read("tele/a", payload, received_utc=NOW)
    assert len(message.samples) + len(message.refusals) == 1
