"""A VTN of OpenADR 2.0b for tests: the server side of `openleadr` in a loop of its own, over TLS where it has files."""

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Self

from openleadr import OpenADRServer
from openleadr.objects import ActivePeriod, Event, EventDescriptor, EventSignal, Interval, Target

from controls.gateways.ports import free_port

VEN_ID, CONTEXT = "ven-77", "https://programmes.example/peaks"


class Vtn2:
    """Serves the events of `self.events`, and keeps the answers. files: certificate, key and CA."""

    def __init__(self, files: tuple[str, str, str] | None = None, ven_id: str = VEN_ID, **given: Any) -> None:
        self._files, self._given, self._ven_id = files, given, ven_id
        self.port, self.events, self.answers, self.asks_again = free_port(), list[Event](), list[tuple[str, str]](), 0
        self.registrations = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """Base address."""
        return f"http{'s' if self._files else ''}://localhost:{self.port}/OpenADR2/Simple/2.0b"

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._serve())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        cert, key, ca = self._files or (None, None, None)
        self._server = OpenADRServer(
            vtn_id="vtn", http_port=self.port, http_host="localhost", http_cert=cert, http_key=key, http_ca_file=ca,
            show_fingerprint=False, **self._given,
        )  # fmt: skip
        handlers: dict[str, Callable[..., Any]] = {
            "on_create_party_registration": self._registered, "on_poll": self._poll,
            "on_request_event": lambda ven_id: self.events or None,
            "on_created_event": lambda ven_id, event_id, opt_type: self.answers.append((event_id, opt_type)),
        }  # fmt: skip
        for name, handler in handlers.items():
            self._server.add_handler(name, handler)
        self._server.services["event_service"].polling_method = "external"
        await self._server.run()

    def _registered(self, _: Any) -> Any:
        self.registrations += 1
        return (self._ven_id, "registration-1") if self._ven_id else False

    def _poll(self, ven_id: str) -> Any:
        if self.asks_again:
            self.asks_again -= 1
            return "oadrRequestReregistration", {"ven_id": ven_id}
        return None

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


def event(start: datetime, *signals: EventSignal, **more: Any) -> Event:
    """An event of one node."""
    fields = {"event_id": "e1", "modification_number": 0, "market_context": CONTEXT, "event_status": "far",
            "created_date_time": start - timedelta(hours=4), "priority": 0} | more  # fmt: skip
    lasts = sum((each.duration for each in signals[0].intervals), timedelta(0))
    made = Event(
        event_descriptor=EventDescriptor(**fields), event_signals=list(signals), response_required="always",
        active_period=ActivePeriod(dtstart=start, duration=lasts), targets=[Target(ven_id=VEN_ID)],
    )  # fmt: skip
    if more.get("event_status") == "cancelled":
        # The library tells all else by its clock.
        made.event_descriptor.event_status = "cancelled"
    return made


def signal(name: str, of_type: str, start: datetime, *values: float, minutes: int = 60, **more: Any) -> EventSignal:
    """One signal; each value holds for so many minutes."""
    lasts = timedelta(minutes=minutes)
    intervals = [
        Interval(dtstart=start + number * lasts, duration=lasts, uid=number, signal_payload=each)
        for number, each in enumerate(values)
    ]
    return EventSignal(signal_id=f"s-{name}", signal_name=name, signal_type=of_type, intervals=intervals, **more)
