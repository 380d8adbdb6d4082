"""A client of one OpenADR 2.0b server (VTN) by pull: its events in the form of OpenADR 3, which one reader reads.

Messages are made and checked by `openleadr` (extra `openadr2`), against the published schema; they travel by our own
fetch, which follows nobody elsewhere and reads no more than its limit.
"""

import ssl
from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from assets.feeds.fetch import Question, fetch
from assets.readings.readers.xml_safe import check
from controls.programmes.openadr3 import Programme, Report
from controls.programmes.vtn_client import PATIENCE
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.live_source import Openadr2Source
from data_quality.contracts.text import one_line

# Signals of 2.0b and the payload of 3 that means the same; all others are kept and refused by their name.
_KINDS = {
    ("simple", "level"): "SIMPLE", ("electricity_price", "price"): "PRICE", ("energy_price", "price"): "PRICE",
    ("load_dispatch", "setpoint"): "DISPATCH_SETPOINT",
}  # fmt: skip
_SCALES = {"none": "", "k": "K", "M": "M"}
_OPTS = {"NORMAL": "optIn", "ERROR": "optOut"}
_OK, _OVER = 200, ("cancelled", "completed")


class Openadr2Client:
    """Asks the server that the site file names. Raises BadInput (no_library) where `openleadr` is not installed."""

    def __init__(self, source: Openadr2Source) -> None:
        if find_spec("openleadr") is None:
            raise BadInput(
                f"signal source {source.source_id!r}: kind openadr2 needs the library openleadr, not installed here",
                reason="no_library", mend="install meterloom with its extra: meterloom[openadr2]",
            )  # fmt: skip
        self.source, self._ven_id, self._is_registered = source, source.ven_id, False
        self._modifications: dict[str, int] = {}
        self._trust: ssl.SSLContext | None = None

    def programme(self) -> Programme:
        """The programme of the source, which 2.0b lists nowhere. Raises BadInput, Unreachable."""
        self.register()
        return Programme(id=self.source.programme, programme_name=self.source.programme)

    def events(self, programme_id: str) -> list[dict[str, Any]]:
        """Bodies of the programme's events that are not over, as OpenADR 3 has them. Raises BadInput, Unreachable."""
        if self._answer("OadrPoll", "oadrPoll")[0] == "oadrRequestReregistration":
            self._is_registered = False
            self.register()
        kind, answer = self._answer("EiEvent", "oadrRequestEvent", request_id=uuid4().hex)
        found = answer.get("events", []) if kind == "oadrDistributeEvent" else []
        mine = [each for each in found if _is_for(each, self._ven_id, programme_id)]
        self._modifications = {_id_of(each): int(each["event_descriptor"]["modification_number"]) for each in mine}
        return [_body(each, programme_id) for each in mine]

    def register(self) -> str:
        """Make this node known where it is not; its venID. Raises BadInput (not_registered), Unreachable."""
        if not self._is_registered:
            _, answer = self._answer(
                "EiRegisterParty", "oadrCreatePartyRegistration", request_id=uuid4().hex,
                ven_name=self.source.ven_name, http_pull_model=True, xml_signature=self.source.signs,
                report_only=False, profile_name="2.0b", transport_name="simpleHttp", transport_address=None,
            )  # fmt: skip
            if not answer.get("ven_id") or not answer.get("registration_id"):
                raise BadInput(f"{self.source.url} does not register {self.source.ven_name!r}", reason="not_registered")
            self._ven_id, self._is_registered = str(answer["ven_id"]), True
        return self._ven_id

    def report(self, report: Report) -> None:
        """Answer an event: opt in where it is understood, else opt out. Raises BadInput, Unreachable."""
        state = str(report.resources[0].intervals[0].payloads[0].values[0])
        response = {"response_code": _OK, "response_description": "OK", "request_id": uuid4().hex}
        number = self._modifications.get(report.event_id, 0)
        one = {**response, "event_id": report.event_id, "modification_number": number, "opt_type": _OPTS[state]}
        self._answer("EiEvent", "oadrCreatedEvent", response=response, event_responses=[one])

    def _answer(self, service: str, kind: str, **given: Any) -> tuple[str, dict[str, Any]]:
        """Type and content of the answer. Raises BadInput (refused, bad_body), Unreachable."""
        from openleadr.messaging import create_message

        source, trust = self.source, self._trusted()
        own = {"cert": _read(source.certificate_file), "key": _read(source.key_file)} if source.signs else {}
        message = create_message(kind, ven_id=self._ven_id or None, **own, **given)
        headers = {"Content-Type": "application/xml", "Accept": "application/xml"}
        named = f"signal_sources ({source.source_id})"
        question = Question(source.url, f"/{service}", {}, headers, message.encode(), named=named)
        answer_kind, answer = self._checked(fetch(question, patience=PATIENCE, trust=trust))
        response = answer.get("response") or {}
        if response.get("response_code", _OK) != _OK:
            why = one_line(str(response.get("response_description", "")), 200)
            raise BadInput(f"{source.url} refuses {kind} with {response['response_code']}: {why}", reason="refused")
        return answer_kind, answer

    def _checked(self, content: bytes) -> tuple[str, dict[str, Any]]:
        """An answer against the schema, and its signature where one is asked for."""
        from openleadr.messaging import parse_message, validate_xml_schema, validate_xml_signature

        try:
            check(content)
            tree = validate_xml_schema(content)
            if self.source.vtn_fingerprint:
                validate_xml_signature(tree, cert_fingerprint=self.source.vtn_fingerprint)
            found: tuple[str, dict[str, Any]] = parse_message(content)
        # The library raises what its parsers, its signatures and its own reading raise; all of it is the sender's.
        except Exception as fault:
            reason = one_line(str(fault) or type(fault).__name__, 200)
            raise BadInput(
                f"{self.source.url}: the answer is no message of OpenADR 2.0b: {reason}", reason="bad_body"
            ) from fault
        return found

    def _trusted(self) -> ssl.SSLContext | None:
        if self._trust is None and self.source.certificate_file:
            try:
                self._trust = ssl.create_default_context(cafile=self.source.ca_file)
                self._trust.load_cert_chain(self.source.certificate_file, self.source.key_file)
            except OSError as fault:
                named = f"signal source {self.source.source_id!r}"
                raise BadInput(f"{named}: its certificates cannot be read: {fault}", reason="bad_ca_file") from fault
        return self._trust


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


def _id_of(event: Mapping[str, Any]) -> str:
    return str(event["event_descriptor"]["event_id"])


def _is_for(event: Mapping[str, Any], ven_id: str, programme: str) -> bool:
    """False for an event of another programme or node, and for one that is over or was called off."""
    descriptor = event["event_descriptor"]
    nodes = [str(each["ven_id"]) for each in event.get("targets") or () if "ven_id" in each]
    context = (descriptor.get("market_context") or programme, descriptor["event_status"])
    return context[0] == programme and context[1] not in _OVER and (not nodes or ven_id in nodes)


def _body(event: Mapping[str, Any], programme_id: str) -> dict[str, Any]:
    """As body_of; of an event without what an event must have, its id alone, which is refused as one of 3 would be."""
    try:
        return body_of(event, programme_id)
    except (KeyError, TypeError):
        return {"id": _id_of(event)}


def body_of(event: Mapping[str, Any], programme_id: str) -> dict[str, Any]:
    """An event of 2.0b, as `openleadr` reads it, in the published form of OpenADR 3.

    A length of zero is one without end. tolerance: starts are spread after the time that is named, never before.
    A test event asks for nothing: its payloads are named as such, and are refused by that name. Raises KeyError and
    TypeError where the schema lets something be left out that no event is understood without.
    """
    descriptor, period = event["event_descriptor"], event["active_period"]
    is_test = str(descriptor.get("test_event") or False).lower() not in ("false", "0", "")
    after = ((period.get("tolerance") or {}).get("tolerate") or {}).get("startafter") or timedelta(0)
    intervals, units = list[dict[str, Any]](), list[dict[str, str]]()
    for signal in event["event_signals"]:
        kind = _kind(signal, is_test=is_test)
        units.append({"payloadType": kind, "units": _unit(signal)})
        for start, lasts, value in _spans(signal, period):
            spread = {"randomizeStart": after / 2} if after else {}
            span = {"start": start + after / 2, **({"duration": lasts} if lasts else {}), **spread}
            payload = {"type": kind, "values": [value]}
            intervals.append({"id": len(intervals), "intervalPeriod": span, "payloads": [payload]})
    return {
        "id": _id_of(event), "programID": programme_id, "payloadDescriptors": units, "intervals": intervals,
        "createdDateTime": descriptor["created_date_time"],
    }  # fmt: skip


def _kind(signal: Mapping[str, Any], *, is_test: bool) -> str:
    name, of_type = str(signal["signal_name"]), str(signal["signal_type"])
    kind = _KINDS.get((name.lower(), of_type), f"{name} {of_type}")
    return one_line(f"test {kind}" if is_test else kind, 128)


def _unit(signal: Mapping[str, Any]) -> str:
    """KW, or what the signal names; empty where it names none."""
    item = signal.get("measurement") or {}
    unit, scale = str(item.get("unit") or item.get("item_units") or ""), str(item.get("scale") or "none")
    return f"{_SCALES.get(scale, scale)}{unit.upper() if unit.upper() == 'W' else unit}"


def _spans(signal: Mapping[str, Any], period: Mapping[str, Any]) -> Iterator[tuple[Any, timedelta, Any]]:
    """Start, length and value of each interval: one follows the other from the start of the event."""
    at = period["dtstart"]
    for each in signal["intervals"]:
        lasts = each["duration"]
        yield each.get("dtstart") or at, lasts, each["signal_payload"]
        at = (each.get("dtstart") or at) + lasts
