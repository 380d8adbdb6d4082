"""OpenADR 2.0b against the server of `openleadr`: real HTTP and TLS, a real store."""

import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openleadr", reason="the extra openadr2 is not installed: pip install 'meterloom[openadr2]'")

from openleadr.utils import certificate_fingerprint

from assets.stores.audit import bad_rows
from assets.stores.ledgers.grid_signals import GridSignals
from assets.stores.transactions import Store
from controls.gateways.access.demo_certificate import Certificate, new_certificate
from controls.programmes.listener import Listener
from controls.programmes.openadr2 import Openadr2Client, body_of
from controls.programmes.openadr3 import Event
from data_quality.contracts.control.grid_signal import GridSignal
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.site_file.live_source import Openadr2Source
from tests.controls.agent.plant import Time
from tests.controls.programmes.vtn2 import CONTEXT, VEN_ID, Vtn2, event, signal
from tests.orchestration.test_cli import run

pytestmark = pytest.mark.filterwarnings("ignore:It is recommended to use web.AppKey")
# The server of the library says by the real clock which events are over.
START, HOUR = datetime(2090, 1, 1, 12, tzinfo=UTC), timedelta(hours=1)
LAST_YEAR = datetime(2025, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def vtn() -> Iterator[Vtn2]:
    with Vtn2() as served:
        yield served


def source(url: str, **more: Any) -> Openadr2Source:
    fields = {"kind": "openadr2", "source_id": "dso", "url": url, "programme": CONTEXT, "ven_name": "home"}
    return Openadr2Source.model_validate(fields | more)


def listener(url: str, store: Store, **more: Any) -> Listener:
    return Listener("home", Openadr2Client(source(url, **more)), GridSignals(store), Time())


def spans(found: GridSignal) -> list[tuple[datetime, datetime | None, float | None]]:
    return [(each.start_utc, each.end_utc, each.value) for each in found.intervals]


def test_an_event_is_stored_answered_changed_and_called_off(vtn: Vtn2, store: Store) -> None:
    heard = listener(vtn.url, store)
    assert heard.poll().new == ()
    vtn.events[:] = [event(START, signal("SIMPLE", "level", START, 1, 3))]
    first = heard.poll()
    (only,) = first.new
    assert (only.kind, only.unit, only.programme, first.unsent) == ("SIMPLE", "level", CONTEXT, "")
    assert spans(only) == [(START, START + HOUR, 1.0), (START + HOUR, START + 2 * HOUR, 3.0)]
    assert vtn.answers == [("e1", "optIn")]
    assert heard.poll().new == ()
    vtn.events[:] = [event(START, signal("SIMPLE", "level", START, 2), modification_number=1)]
    assert [(each.modification, spans(each)) for each in heard.poll().new] == [(2, [(START, START + HOUR, 2.0)])]
    vtn.events[:] = [event(START, signal("SIMPLE", "level", START, 2), modification_number=2, event_status="cancelled")]
    assert [each.is_withdrawn for each in heard.poll().new] == [True]
    assert bad_rows(store) == []


def test_the_same_words_of_both_versions_are_the_same_signals(vtn: Vtn2, store: Store) -> None:
    vtn.events[:] = [
        event(START, signal("ELECTRICITY_PRICE", "price", START, 0.31), event_id="p"),
        event(START, signal("LOAD_DISPATCH", "setpoint", START, 12), event_id="d"),
    ]
    assert {(each.kind, each.unit, each.refused) for each in listener(vtn.url, store).poll().new} == {
        ("PRICE", "", ""), ("DISPATCH_SETPOINT", "kw", ""),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("of_signal", "changes", "named"),
    [
        (("LOAD_CONTROL", "x-loadControlCapacity"), {}, "LOAD_CONTROL x-loadControlCapacity"),
        (("LOAD_DISPATCH", "delta"), {}, "LOAD_DISPATCH delta"),
        (("SIMPLE", "level"), {"test_event": True}, "test SIMPLE"),
    ],
)
def test_what_is_not_known_or_only_a_test_is_kept_refused_by_name_and_opted_out_of(
    vtn: Vtn2, store: Store, of_signal: tuple[str, str], changes: dict[str, Any], named: str
) -> None:
    vtn.events[:] = [event(START, signal(*of_signal, START, 1), **changes)]
    (only,) = listener(vtn.url, store).poll().new
    assert only.refused == f"payload type {named!r} is not known here; nothing follows from it"
    assert vtn.answers == [("e1", "optOut")]


def test_events_of_other_programmes_and_those_that_are_over_bring_nothing(vtn: Vtn2, store: Store) -> None:
    one = signal("SIMPLE", "level", START, 1)
    vtn.events[:] = [
        event(START, one, market_context="https://other.example"),
        event(LAST_YEAR, signal("SIMPLE", "level", LAST_YEAR, 1)),
    ]
    assert listener(vtn.url, store).poll().new == ()


def test_an_event_without_end_and_one_that_is_spread_are_read_as_published() -> None:
    published = {
        "event_descriptor": {"event_id": 7, "created_date_time": START, "test_event": "false"},
        "active_period": {"dtstart": START, "tolerance": {"tolerate": {"startafter": timedelta(minutes=10)}}},
        "event_signals": [{
            "signal_name": "LOAD_DISPATCH", "signal_type": "setpoint", "measurement": {"unit": "W", "scale": "M"},
            "intervals": [{"duration": timedelta(0), "signal_payload": 2}],
        }],
    }  # fmt: skip
    found = Event.model_validate(body_of(published, CONTEXT))
    (span,) = [each.interval_period for each in found.intervals if each.interval_period]
    assert (found.id, span.duration, found.payload_descriptors) == ("7", None, found.payload_descriptors)
    assert [each.units for each in found.payload_descriptors or ()] == ["MW"]
    assert span.start is not None
    assert span.randomize_start is not None
    assert (span.start - span.randomize_start, span.start + span.randomize_start) == (
        START,
        START + timedelta(minutes=10),
    )


def test_starts_of_a_published_event_with_a_tolerance_are_spread_after_its_own(vtn: Vtn2, store: Store) -> None:
    """As the sample of the 2.0b model of avob/OpenADR writes it: tolerance, tolerate, startafter of three minutes."""
    vtn.events[:] = [event(START, signal("SIMPLE", "level", START, 3, 2, minutes=15))]
    vtn.events[0].active_period.tolerance = {"startafter": timedelta(minutes=3)}
    client, half = Openadr2Client(source(vtn.url)), timedelta(minutes=1.5)
    client.programme()
    (body,) = client.events(CONTEXT)
    first, second = (each["intervalPeriod"] for each in body["intervals"])
    assert (first["start"], first["randomizeStart"]) == (START + half, half)
    assert (second["start"], second["randomizeStart"]) == (START + timedelta(minutes=15) + half, half)


def test_an_event_without_what_an_event_needs_is_stored_as_invalid_beside_the_others(
    vtn: Vtn2, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    vtn.events[:] = [event(START, signal("SIMPLE", "level", START, 1), event_id=each) for each in ("good", "bare")]
    heard = listener(vtn.url, store)
    read = Openadr2Client._checked

    def bare(client: Openadr2Client, content: bytes) -> Any:
        kind, answer = read(client, content)
        for each in answer.get("events", ()):
            if each["event_descriptor"]["event_id"] == "bare":
                del each["event_signals"][0]["intervals"][0]["duration"]
        return kind, answer

    monkeypatch.setattr(Openadr2Client, "_checked", bare)
    assert {each.event_id: each.kind for each in heard.poll().new} == {"good": "SIMPLE", "bare": "INVALID"}


def test_certificates_that_are_not_there_are_named(store: Store) -> None:
    files = {each: f"/nowhere/{each}" for each in ("certificate_file", "key_file", "ca_file")}
    with pytest.raises(BadInput, match="its certificates cannot be read"):
        listener("https://127.0.0.1:1", store, **files, signs=True).poll()


def test_a_server_that_has_forgotten_the_node_registers_it_again(vtn: Vtn2, store: Store) -> None:
    heard = listener(vtn.url, store)
    heard.poll()
    vtn.asks_again = 1
    heard.poll()
    assert vtn.registrations == 2


def test_a_node_that_nobody_registers_and_a_server_that_is_away_are_said_in_one_sentence(store: Store) -> None:
    with Vtn2(ven_id="") as vtn, pytest.raises(BadInput, match="regist"):
        listener(vtn.url, store).poll()
    with pytest.raises(Unreachable, match="does not answer"):
        listener(vtn.url, store).poll()
    assert GridSignals(store).heartbeats("home") == {}


ENTITIES = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'


@pytest.mark.parametrize("body", [b"", b"no message", b"<a/>", ENTITIES])
def test_an_answer_that_is_no_message_is_named_and_binds_nothing(store: Store, body: bytes) -> None:
    class Odd(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Odd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(BadInput, match=r"the answer is no message of OpenADR 2\.0b"):
            listener(f"http://127.0.0.1:{server.server_port}", store).poll()
        server.shutdown()
    assert GridSignals(store).heartbeats("home") == {}


def files_of(made: Certificate, vouching: Certificate) -> dict[str, str]:
    return {"certificate_file": str(made.certificate), "key_file": str(made.key), "ca_file": str(vouching.certificate)}


def test_a_node_is_known_by_its_certificate_and_both_sides_sign(tmp_path: Path, store: Store) -> None:
    servers, own, other = (new_certificate(tmp_path / name) for name in ("vtn", "own", "other"))
    known = certificate_fingerprint(own.certificate.read_text())
    served = (str(servers.certificate), str(servers.key), str(own.certificate))
    with Vtn2(served, cert=str(servers.certificate), key=str(servers.key), fingerprint_lookup=lambda _: known) as vtn:
        vtn.events[:] = [event(START, signal("SIMPLE", "level", START, 1))]
        vouched = certificate_fingerprint(servers.certificate.read_text())
        signed = {**files_of(own, servers), "signs": True, "ven_id": VEN_ID}
        heard = listener(vtn.url, store, **signed, vtn_fingerprint=vouched)
        assert [each.kind for each in heard.poll().new] == ["SIMPLE"]
        assert vtn.answers == [("e1", "optIn")]
        forged = certificate_fingerprint(other.certificate.read_text())
        with pytest.raises(BadInput, match="fingerprint was incorrect"):
            listener(vtn.url, store, **signed, vtn_fingerprint=forged).poll()
        for wrong in (files_of(other, servers), files_of(own, other)):
            with pytest.raises(Unreachable, match="does not answer"):
                listener(vtn.url, store, **wrong).poll()


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("https://vtn.example", {}), ("http://vtn.example", {}), ("http://127.0.0.1:1", {"signs": True}),
        ("http://127.0.0.1:1", {"certificate_file": "/a", "key_file": "/b", "ca_file": "/c"}),
        ("https://vtn.example", {"certificate_file": "/a", "key_file": "/b"}),
    ],
)  # fmt: skip
def test_a_source_without_certificates_is_refused_but_on_this_machine(url: str, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="certificate_file"):
        source(url, **more)


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openleadr", None)
    with pytest.raises(BadInput, match="needs the library openleadr") as refused:
        Openadr2Client(source("http://127.0.0.1:1"))
    assert "meterloom[openadr2]" in refused.value.mend


def test_dr_listen_stores_what_a_server_of_the_older_version_says(vtn: Vtn2, tmp_path: Path) -> None:
    vtn.events[:] = [event(START, signal("SIMPLE", "level", START, 1))]
    plain = "site_id: home\nname: Home\ntime_zone: UTC\ncurrency: EUR\ncountry: DE\nmeters: [{meter_id: main}]\n"
    (tmp_path / "home.yaml").write_text(f"{plain}signal_sources: [{source(vtn.url).model_dump_json()}]\n")
    assert run("init", str(tmp_path / "p"), "--site", str(tmp_path / "home.yaml"))[0] == 0
    code, out, error = run("dr", "listen", "--site", "home", "--once", "--json", folder=tmp_path / "p")
    assert code == 0, error
    answer = json.loads(out)
    assert [(each["kind"], each["programme"]) for each in answer["signals"]] == [("SIMPLE", CONTEXT)]
    assert [each["code"] for each in answer["findings"]] == ["signal_not_planned"]
    assert vtn.answers == [("e1", "optIn")]
