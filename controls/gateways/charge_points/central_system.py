"""The central system: a WebSocket server that charge points connect to, in a thread with a loop of its own.

Whoever controls a charger holds its `ChargerLink` and asks it from any thread; every question ends within its time. A
charger is let in by name and password (OCPP security profile 1) and in the version that its template names.
"""

import asyncio
import base64
import binascii
import hmac
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import ocpp.v16
import ocpp.v201
from ocpp.exceptions import OCPPError, UnknownCallErrorCodeError
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.charge_points.charging_profiles import Version, sampled, stamp
from data_quality.contracts.time import Clock

SUBPROTOCOLS: dict[Version, Subprotocol] = {"ocpp16": Subprotocol("ocpp1.6"), "ocpp201": Subprotocol("ocpp2.0.1")}
_MODULES: dict[Version, Any] = {"ocpp16": ocpp.v16, "ocpp201": ocpp.v201}
# A charger may be a mobile router away; the agent's cycle waits for none longer.
TIMEOUT_S = 2.0
# A peer that answers no ping for so long is gone, whatever TCP believes: noticed within ten seconds.
PING_S = 4.0
HEARTBEAT_S = 30
# A value that was measured longer ago is history from the charger's queue, and nothing about now.
LATE_S = 10.0
# A charger that refuses its fallback limit gets it again, and not without end in a row.
_FLOOR_PAUSE_S = 5.0
# So is a port that another program holds.
_RELISTEN_S = 5.0
_MAX_MESSAGE_BYTES = 1 << 18
_START_S = 10.0
# 1.6 says what the cable does, 2.0.1 only whether there is one.
_PLUGGED_IN = {"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Occupied"}
# Told to us, and of no consequence: refusing them would fill the charger's log.
_HEARD = (
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "NotifyChargingLimit",
    "NotifyEvent",
    "NotifyReport",
    "ReportChargingProfiles",
    "SecurityEventNotification",
)
logger = logging.getLogger("meterloom.ocpp")
# The library logs every message, and every odd one with a traceback; our own sentences have the essentials.
_library_logger = logging.getLogger("meterloom.ocpp.library")
_library_logger.setLevel(logging.CRITICAL)


class ChargerLink:
    """One charge point: what it said last, and the line to it while it is connected."""

    def __init__(
        self,
        charger_id: str,
        version: Version,
        *,
        password: str,
        id_tags: tuple[str, ...],
        clock: Clock,
        listen: Callable[[], str],
    ) -> None:
        self.charger_id, self.version = charger_id, version
        self.password, self.id_tags = password, id_tags
        self.where = f"charge point {charger_id!r}"
        # Why it is not there, where that is known.
        self.refusal = ""
        # Counted up with every connection and every boot: earlier limits may be forgotten.
        self.starts = 0
        # By connector, while somebody may write: the limit that it falls back to, and the start at which it got it.
        self.floors: dict[int, dict[str, Any]] = {}
        self.laid: dict[int, int] = {}
        self._clock, self._listen = clock, listen
        self._point: Any = None
        self._connection: ServerConnection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = threading.Condition()
        # Each with when it was stated, monotonic.
        self._values: dict[tuple[int, str], tuple[float, float]] = {}
        self._stated: dict[tuple[int, str], int] = {}
        self._transactions: dict[tuple[Any, ...], int] = {}
        # From the seconds of this start: a transaction's number must not come again after a restart.
        self._numbers = itertools.count(int(clock.now_utc().timestamp()))

    @property
    def is_connected(self) -> bool:
        """True while a connection is open; it may be half-open for PING_S more."""
        return self._point is not None

    def ask(self, action: str, payload: dict[str, Any], *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """Ask the charger and wait. Raises DeviceSilent (no line, no answer in time), DeviceRefused (CALLERROR)."""
        point, loop = self._point, self._loop
        if point is None or loop is None:
            why = self._listen() or self.refusal
            raise DeviceSilent(f"{self.where} is not connected{': ' if why else ''}{why}")
        future = asyncio.run_coroutine_threadsafe(self._call(point, action, payload, timeout_s), loop)
        try:
            return future.result(timeout_s + 1.0)
        except TimeoutError as error:
            future.cancel()
            # A line on which one answer is missing is not trusted with the next question; the charger comes back.
            self._drop(f"no answer to {action}")
            raise DeviceSilent(f"{self.where} gave no answer to {action} within {timeout_s:g} s") from error
        except ConnectionClosed as error:
            raise DeviceSilent(f"{self.where} broke the connection during {action}") from error
        except (OCPPError, UnknownCallErrorCodeError) as error:
            code = str(getattr(error, "code", "") or type(error).__name__)
            text = ascii(getattr(error, "description", None) or str(error))[1:-1][:80]
            raise DeviceRefused(f"{self.where} answered {action} with {code}: {text}", code=code) from error
        # What the charger sent passed its schema and still is not what the library expects.
        except (TypeError, ValueError, AttributeError) as error:
            raise DeviceRefused(f"{self.where} sent an unreadable answer to {action}", code="unreadable") from error

    async def _call(self, point: Any, action: str, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        request = getattr(_MODULES[self.version].call, action)(**payload)
        # Around the library's own limit, which begins only once it may send: another question may be before us.
        answer = await asyncio.wait_for(point.call(request, suppress=False), timeout_s)
        return dict(vars(answer))

    def times_stated(self, connector: int, name: str) -> int:
        """Number of times that a value was stated so far, as a mark to wait from."""
        with self._changed:
            return self._stated.get((connector, name), 0)

    def wait_for(self, connector: int, name: str, *, after: int, timeout_s: float = TIMEOUT_S) -> float:
        """The value, once it was stated more often than `after`. Raises DeviceSilent."""
        key = (connector, name)
        with self._changed:
            if not self._changed.wait_for(lambda: self._stated.get(key, 0) > after, timeout=timeout_s):
                raise DeviceSilent(f"{self.where} did not state {name} within {timeout_s:g} s")
            return self._values[key][0]

    def stated(self, connector: int, name: str) -> float:
        """The value that the charger stated by itself, if that is not long ago. Raises DeviceSilent."""
        with self._changed:
            value, at_s = self._values.get((connector, name), (math.nan, -math.inf))
        age_s = time.monotonic() - at_s
        if age_s > LATE_S:
            when = f"{age_s:.0f} s ago" if math.isfinite(age_s) else "never"
            raise DeviceSilent(f"{self.where} states {name} only by itself, last {when}")
        return value

    def _state(self, connector: int, name: str, value: float) -> None:
        with self._changed:
            self._values[connector, name] = (value, time.monotonic())
            self._stated[connector, name] = self._stated.get((connector, name), 0) + 1
            self._changed.notify_all()

    def _drop(self, why: str) -> None:
        connection, loop, self._point = self._connection, self._loop, None
        self.refusal = why
        if connection is not None and loop is not None and not loop.is_closed():
            asyncio.run_coroutine_threadsafe(connection.close(1011, why), loop)

    async def serve(self, connection: ServerConnection) -> None:
        """Talk to the charger until it goes; a second connection of the same name ends the first one."""
        former, self._connection = self._connection, connection
        if former is not None:
            await former.close(1008, "connected anew")
        point = _MODULES[self.version].ChargePoint(
            self.charger_id, connection, response_timeout=TIMEOUT_S, logger=_library_logger
        )
        # Filled by hand instead of by decorators: one set of handlers serves both versions.
        point.route_map = {action: {"_on_action": self._answering(action, reply)} for action, reply in self._replies()}
        self._loop, self._point = asyncio.get_running_loop(), point
        self.starts, self.refusal = self.starts + 1, ""
        keeping = asyncio.create_task(self._keep_floor(point))
        try:
            await point.start()
        except ConnectionClosed as closed:
            logger.info("%s left: %s", self.where, closed)
        except Exception:
            # One charger's nonsense must not end the server for the others.
            logger.exception("%s: its connection ends", self.where)
        finally:
            keeping.cancel()
            if self._point is point:
                self._point, self._connection = None, None
                self.refusal = self.refusal or "it broke the connection"

    async def _keep_floor(self, point: Any) -> None:
        """Give the fallback limit to a charger that may have forgotten it, before anybody asks for more."""
        while True:
            await asyncio.sleep(0.2)
            starts = self.starts
            for connector, floor in list(self.floors.items()):
                if self.laid.get(connector) == starts:
                    continue
                try:
                    answer = await self._call(point, "SetChargingProfile", floor, TIMEOUT_S)
                except (OCPPError, UnknownCallErrorCodeError, TimeoutError, ConnectionClosed) as error:
                    logger.warning("%s did not take its fallback limit: %s", self.where, error)
                    await asyncio.sleep(_FLOOR_PAUSE_S)
                    continue
                if answer.get("status") == "Accepted":
                    self.laid[connector] = starts

    def _answering(self, action: str, reply: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
        result = getattr(_MODULES[self.version].call_result, action)
        return lambda **payload: result(**reply(**payload))

    def _replies(self) -> list[tuple[str, Callable[..., dict[str, Any]]]]:
        """Replies to each message that this version knows."""
        replies: dict[str, Callable[..., dict[str, Any]]] = {
            "BootNotification": self._on_boot,
            "Heartbeat": lambda **_: {"current_time": stamp(self._clock.now_utc())},
            "StatusNotification": self._on_status,
            "MeterValues": self._on_meter_values,
            "Authorize": self._on_authorize,
            "StartTransaction": self._on_start,
            "StopTransaction": lambda **_: {"id_tag_info": {"status": "Accepted"}},
            "TransactionEvent": self._on_event,
            "DataTransfer": lambda **_: {"status": "UnknownVendorId"},
        }
        for action in _HEARD:
            replies[action] = lambda **_: {}
        known = _MODULES[self.version].call_result
        return [(action, reply) for action, reply in replies.items() if hasattr(known, action)]

    def _on_boot(self, **_: Any) -> dict[str, Any]:
        self.starts += 1
        logger.info("%s started", self.where)
        return {"current_time": stamp(self._clock.now_utc()), "interval": HEARTBEAT_S, "status": "Accepted"}

    def _on_status(self, *, connector_id: int, evse_id: int | None = None, **given: Any) -> dict[str, Any]:
        status = given.get("status") or given.get("connector_status")
        self._state(connector_id if evse_id is None else evse_id, "status", float(status in _PLUGGED_IN))
        return {}

    def _on_meter_values(
        self,
        *,
        meter_value: list[dict[str, Any]],
        connector_id: int | None = None,
        evse_id: int | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        self._take_values(connector_id if evse_id is None else evse_id, meter_value)
        return {}

    def _take_values(self, connector: int | None, meter_value: list[dict[str, Any]]) -> None:
        now_utc = self._clock.now_utc()
        for name, (value, at_utc) in sampled(meter_value).items():
            # Replayed after an outage: the lake may want it, control may not.
            if abs((now_utc - at_utc).total_seconds()) <= LATE_S:
                self._state(connector or 0, name, value)

    def _tag(self, tag: object) -> str:
        return "Accepted" if not self.id_tags or tag in self.id_tags else "Invalid"

    def _on_authorize(self, *, id_tag: str = "", id_token: dict[str, Any] | None = None, **_: Any) -> dict[str, Any]:
        if id_token is None:
            return {"id_tag_info": {"status": self._tag(id_tag)}}
        return {"id_token_info": {"status": self._tag(id_token.get("id_token"))}}

    def _on_start(
        self, *, connector_id: int, id_tag: str, meter_start: int, timestamp: str, **_: Any
    ) -> dict[str, Any]:
        # A charger that missed our answer says the same again: it is the same transaction.
        key = (connector_id, id_tag, meter_start, timestamp)
        if key not in self._transactions:
            self._transactions[key] = next(self._numbers)
        return {"transaction_id": self._transactions[key], "id_tag_info": {"status": self._tag(id_tag)}}

    def _on_event(self, *, evse: dict[str, Any] | None = None, meter_value: Any = None, **given: Any) -> dict[str, Any]:
        if meter_value and not given.get("offline"):
            self._take_values((evse or {}).get("id"), meter_value)
        token = given.get("id_token")
        return {} if token is None else {"id_token_info": {"status": self._tag(token.get("id_token"))}}


class CentralSystem:
    """The server and the charge points that it lets in. Port 0 takes a free one; `port` says which after `start`."""

    def __init__(self, *, host: str, port: int, clock: Clock) -> None:
        self.host, self.port = host, port
        self._clock = clock
        self._links: dict[str, ChargerLink] = {}
        self._one_at_a_time = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_up = threading.Event()
        self._failure, self._tried_s = "", -math.inf
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None

    def listen(self) -> str:
        """Listen, unless that is so already; why it cannot, or nothing. Tried again after a while."""
        with self._one_at_a_time:
            is_alive = self._thread is not None and self._thread.is_alive()
            if is_alive or time.monotonic() - self._tried_s < _RELISTEN_S:
                return self._failure
            self._failure, self._tried_s = "", time.monotonic()
            self._is_up.clear()
            self._thread = threading.Thread(target=self._run, name="ocpp", daemon=True)
            self._thread.start()
            if not self._is_up.wait(_START_S):
                self._failure = f"cannot listen for charge points on {self.host}:{self.port}: no answer"
            return self._failure

    def stop(self) -> None:
        """Close every connection and the port; safe to call twice."""
        thread, loop, ending = self._thread, self._loop, self._ending
        if thread is not None and thread.is_alive() and loop is not None and ending is not None:
            loop.call_soon_threadsafe(ending.set)
            thread.join(_START_S)

    def expect(self, charger_id: str, version: Version, *, password: str, id_tags: tuple[str, ...] = ()) -> ChargerLink:
        """Let a charge point in from now on. Asked again it answers the same link, with the newest password."""
        link = self._links.get(charger_id)
        if link is None or link.version != version:
            link = ChargerLink(
                charger_id, version, password=password, id_tags=id_tags, clock=self._clock, listen=self.listen
            )
            self._links[charger_id] = link
        link.password, link.id_tags = password, id_tags
        return link

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (RuntimeError, OSError) as error:
            self._failure = f"cannot listen for charge points on {self.host}:{self.port}: {error}"
            self._is_up.set()

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        server: Server = await serve(
            self._connected,
            self.host,
            self.port,
            process_request=self._admit,
            select_subprotocol=self._speak,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            close_timeout=1.0,
            max_size=_MAX_MESSAGE_BYTES,
        )
        self.port = next(iter(server.sockets)).getsockname()[1]
        self._is_up.set()
        async with server:
            await self._ending.wait()

    async def _connected(self, connection: ServerConnection) -> None:
        link = self._link_of(connection)
        if link is not None:
            await link.serve(connection)

    def _link_of(self, connection: ServerConnection) -> ChargerLink | None:
        path = connection.request.path if connection.request else ""
        folder, _, name = path.split("?")[0].rpartition("/")
        return self._links.get(unquote(name)) if folder == "/ocpp" else None

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """None for a charger that is expected and says its password; else the refusal, with a sentence."""
        link = self._link_of(connection)
        if link is None:
            return connection.respond(404, "No charge point of that name is expected here.\n")
        if not _is_password(request.headers.get("Authorization", ""), link):
            link.refusal = "it came with a wrong name or password"
            logger.warning("%s was refused: %s", link.where, link.refusal)
            refused = connection.respond(401, "The name or the password of this charge point is wrong.\n")
            refused.headers["WWW-Authenticate"] = 'Basic realm="charge points"'
            return refused
        return None

    def _speak(self, connection: ServerConnection, offered: Any) -> Subprotocol | None:
        link = self._link_of(connection)
        if link is None or SUBPROTOCOLS[link.version] not in offered:
            wanted = SUBPROTOCOLS[link.version] if link else "nothing"
            if link is not None:
                link.refusal = f"it speaks {', '.join(offered) or 'no protocol'}, its template {wanted}"
                logger.warning("%s was refused: %s", link.where, link.refusal)
            raise NegotiationError(f"this charge point is expected to speak {wanted}")
        return SUBPROTOCOLS[link.version]


def _is_password(header: str, link: ChargerLink) -> bool:
    kind, _, encoded = header.partition(" ")
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    # Both in one, and in constant time: the answer must not tell which part was right.
    given, known = f"{name}:{password}".encode(), f"{link.charger_id}:{link.password}".encode()
    return kind.lower() == "basic" and bool(link.password) and hmac.compare_digest(given, known)
