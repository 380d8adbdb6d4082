"""The device side of OCPP: a charge point on the library, described by a template, with a car at its cable.

It keeps its profiles as the specification says (the highest level that holds now, under the station's own largest
limit), also while it is offline. The car takes what it may. Faults can be switched on.
"""

import asyncio
import base64
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal

import ocpp.v16
import ocpp.v201
from ocpp.exceptions import InternalError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from controls.gateways.charge_points.charging_profiles import Version, stamp
from controls.templates.load_templates import Template
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.time import Clock, parse_instant

Fault = Literal["none", "silent", "refuse", "error", "apply_then_silent", "ignore", "no_end"]
_START_S = 10.0
_AGAIN_S = 0.2
_MIN_A, _VOLTS = 6.0, 230.0
_logger = logging.getLogger("meterloom.ocpp.library")


class ServedCharger:
    """One charge point with one connector. `profiles` is what it holds, `writes` what reached it."""

    def __init__(
        self,
        template: Template,
        *,
        url: str,
        charger_id: str,
        password: str,
        clock: Clock,
        phases: int = 3,
        car_kw: float = 11.0,
    ) -> None:
        # One of our own making, whatever hardware its template describes.
        self.template = template.model_copy(update={"is_synthetic": True})
        self.charger_id, self.password = charger_id, password
        self.phases, self.car_kw = phases, car_kw
        self.fault: Fault = "none"
        self.is_plugged_in = True
        self.clock_ahead_s = 0.0
        self.profiles: dict[int, dict[str, Any]] = {}
        self.writes: list[tuple[str, dict[str, Any]]] = []
        self.boots, self.refusal = 0, ""
        self._url, self._clock = f"{url}/ocpp/{charger_id}", clock
        self._version: Version = "ocpp16" if template.protocol == "ocpp16" else "ocpp201"
        self._module: Any = ocpp.v16 if self._version == "ocpp16" else ocpp.v201
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._point: Any = None
        self._connection: Any = None
        self._is_up, self._is_over = threading.Event(), threading.Event()

    def start(self, *, is_awaited: bool = True) -> "ServedCharger":
        """Connect, boot, and connect again whenever that ends. Raises Unreachable where it is not let in."""
        self._is_over.clear()
        self._is_up.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="served-charger", daemon=True)
        self._thread.start()
        if is_awaited and not self._is_up.wait(_START_S):
            self.stop()
            raise Unreachable(f"charge point {self.charger_id!r} cannot connect to {self._url}: {self.refusal}")
        return self

    def stop(self) -> None:
        """Hang up, and stay away; its set-points stay. Safe to call twice."""
        self._is_over.set()
        self.hang_up()
        if self._thread is not None:
            self._thread.join(_START_S)

    def hang_up(self) -> None:
        """End the connection; a running charger connects anew."""
        if self._connection is not None and self._loop is not None and not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._connection.close(), self._loop)

    def reboot(self, *, forgets: bool = True) -> None:
        """Lose power: the connection breaks off without a word, then boot anew, with or without the profiles."""
        if forgets:
            self.profiles.clear()
        if self._connection is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._connection.transport.abort)

    def __enter__(self) -> "ServedCharger":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def now_utc(self) -> datetime:
        """By the charger's own clock."""
        return self._clock.now_utc() + timedelta(seconds=self.clock_ahead_s)

    def limit(self, at_utc: datetime | None = None) -> tuple[float | None, str]:
        """Limit at an instant: A per phase or W, by the highest level that holds then; None: no limit."""
        at_utc = at_utc or self.now_utc()
        holding = [each for each in self.profiles.values() if _limit_of(each, at_utc) is not None]
        if not holding:
            return None, "A"
        profile = max(holding, key=lambda each: int(each["stack_level"]))
        return _limit_of(profile, at_utc), _schedule(profile)["charging_rate_unit"]

    def power_kw(self) -> float:
        """Present power of the car: what it wants and may, and nothing below 6 A."""
        limit, unit = self.limit()
        per_ampere = _VOLTS * self.phases / 1000.0
        allowed = 32.0 * per_ampere if limit is None else limit * (per_ampere if unit == "A" else 0.001)
        is_enough = allowed >= _MIN_A * per_ampere - 1e-9
        return min(allowed, self.car_kw) if self.is_plugged_in and is_enough else 0.0

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        name = Subprotocol("ocpp1.6" if self._version == "ocpp16" else "ocpp2.0.1")
        basic = base64.b64encode(f"{self.charger_id}:{self.password}".encode()).decode()
        while not self._is_over.is_set():
            try:
                async with connect(
                    self._url, subprotocols=[name], additional_headers={"Authorization": f"Basic {basic}"}, proxy=None
                ) as connection:
                    self._connection = connection
                    await self._talk(connection)
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError) as error:
                self.refusal = str(error)
            if not self._is_over.is_set():
                await asyncio.sleep(_AGAIN_S)

    async def _talk(self, connection: Any) -> None:
        point = self._module.ChargePoint(self.charger_id, connection, response_timeout=5, logger=_logger)
        point.route_map = {
            "SetChargingProfile": {"_on_action": self._answering("SetChargingProfile", self._set)},
            "ClearChargingProfile": {"_on_action": self._answering("ClearChargingProfile", self._clear)},
            "GetCompositeSchedule": {"_on_action": self._answering("GetCompositeSchedule", self._composite)},
            "TriggerMessage": {"_on_action": self._answering("TriggerMessage", self._trigger)},
        }
        self._point = point
        listening = asyncio.create_task(point.start())
        try:
            self.boots += 1
            await self._say("BootNotification", self._boot())
            await self._say("StatusNotification", self._status())
            self._is_up.set()
            await listening
        finally:
            listening.cancel()
            self._point = None

    async def _say(self, action: str, payload: dict[str, Any]) -> Any:
        return await self._point.call(getattr(self._module.call, action)(**payload))

    def _answering(self, action: str, reply: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
        result = getattr(self._module.call_result, action)
        is_write = action in ("SetChargingProfile", "ClearChargingProfile")

        async def answer(**payload: Any) -> Any:
            if is_write:
                self.writes.append((action, payload))
            if self.fault == "silent":
                await self._connection.wait_closed()
            if self.fault == "error":
                raise InternalError(description="relay stuck")
            if is_write and self.fault == "refuse":
                return result(status="Rejected")
            fields = {"status": "Accepted"} if is_write and self.fault == "ignore" else reply(**payload)
            if is_write and self.fault == "apply_then_silent":
                await self._connection.wait_closed()
            return result(**fields)

        return answer

    def _set(self, **payload: Any) -> dict[str, Any]:
        profile = payload.get("cs_charging_profiles") or payload["charging_profile"]
        number = int(profile.get("charging_profile_id", profile.get("id", 0)))
        level = int(profile["stack_level"])
        # One profile a level: a new one takes the place of the old one (3.13.2).
        self.profiles = {
            key: each for key, each in self.profiles.items() if key != number and int(each["stack_level"]) != level
        } | {number: profile}
        return {"status": "Accepted"}

    def _clear(self, **payload: Any) -> dict[str, Any]:
        number = payload.get("id", payload.get("charging_profile_id"))
        return {"status": "Unknown" if self.profiles.pop(int(number or 0), None) is None else "Accepted"}

    def _composite(self, *, duration: int, charging_rate_unit: str, **where: Any) -> dict[str, Any]:
        now_utc = self.now_utc()
        periods: list[dict[str, Any]] = []
        for second in range(duration):
            limit, unit = self.limit(now_utc + timedelta(seconds=second))
            if self.fault == "no_end":
                limit, unit = self.limit(now_utc)
            if limit is None or unit != charging_rate_unit:
                # Without a limit the cable is one.
                limit = 32.0 if charging_rate_unit == "A" else 32.0 * _VOLTS * self.phases
            if not periods or periods[-1]["limit"] != limit:
                periods.append({"start_period": second, "limit": limit, "number_phases": self.phases})
        schedule = {"charging_rate_unit": charging_rate_unit, "charging_schedule_period": periods, "duration": duration}
        if self._version == "ocpp16":
            connector = where["connector_id"]
            answer = {"connector_id": connector, "schedule_start": stamp(now_utc), "charging_schedule": schedule}
            return {"status": "Accepted", **answer}
        whole = {"evse_id": where["evse_id"], "schedule_start": stamp(now_utc), **schedule}
        return {"status": "Accepted", "schedule": whole}

    def _trigger(self, *, requested_message: str, **_: Any) -> dict[str, Any]:
        payloads = {"StatusNotification": self._status, "MeterValues": self._meter_values}
        if requested_message not in payloads:
            return {"status": "NotImplemented"}
        # After the answer to the question: the library reads the next message only once this one is answered.
        reported = asyncio.get_running_loop().create_task(self._say(requested_message, payloads[requested_message]()))
        reported.add_done_callback(lambda task: task.cancelled() or task.exception())
        return {"status": "Accepted"}

    def _boot(self) -> dict[str, Any]:
        model, vendor = self.template.template[:20], "Simulator"
        if self._version == "ocpp16":
            return {"charge_point_model": model, "charge_point_vendor": vendor}
        return {"charging_station": {"model": model, "vendor_name": vendor}, "reason": "PowerUp"}

    def _status(self) -> dict[str, Any]:
        now = stamp(self.now_utc())
        if self._version == "ocpp16":
            status = "Charging" if self.power_kw() > 0 else "SuspendedEVSE" if self.is_plugged_in else "Available"
            return {"connector_id": 1, "error_code": "NoError", "status": status, "timestamp": now}
        status = "Occupied" if self.is_plugged_in else "Available"
        return {"timestamp": now, "connector_status": status, "evse_id": 1, "connector_id": 1}

    def _meter_values(self) -> dict[str, Any]:
        watts, now = round(1000.0 * self.power_kw()), stamp(self.now_utc())
        measurand = "Power.Active.Import"
        if self._version == "ocpp16":
            sample: dict[str, Any] = {"value": str(watts), "measurand": measurand, "unit": "W"}
            return {"connector_id": 1, "meter_value": [{"timestamp": now, "sampled_value": [sample]}]}
        sample = {"value": watts / 1000.0, "measurand": measurand, "unit_of_measure": {"unit": "kW"}}
        return {"evse_id": 1, "meter_value": [{"timestamp": now, "sampled_value": [sample]}]}


def _schedule(profile: dict[str, Any]) -> dict[str, Any]:
    found: Any = profile["charging_schedule"]
    return dict(found[0] if isinstance(found, list) else found)


def _limit_of(profile: dict[str, Any], at_utc: datetime) -> float | None:
    """Limit of a profile at an instant; None before it begins, after it ends, and past its duration."""
    schedule = _schedule(profile)
    valid_to = profile.get("valid_to")
    if valid_to is not None and at_utc >= parse_instant(valid_to):
        return None
    since_s = (at_utc - parse_instant(schedule["start_schedule"])).total_seconds()
    if since_s < 0 or since_s >= schedule.get("duration", float("inf")):
        return None
    begun = [each for each in schedule["charging_schedule_period"] if each["start_period"] <= since_s]
    return float(begun[-1]["limit"])
