"""A site's chargers: one central system for all of them, opened with the first.

A set-point is a TxDefaultProfile above a permanent one: it has a duration, so the charger falls back by itself, offline
too. Proof is the composite schedule, which is what the charger itself says it will allow.
"""

import json
import math
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from controls.gateways.capabilities import Ack, DeviceRefused, NotSent, ReadBack
from controls.gateways.charge_points.central_system import TIMEOUT_S, CentralSystem, ChargerLink
from controls.gateways.charge_points.charging_profiles import (
    FLOOR_ID,
    FLOOR_LEVEL,
    SET_POINT_ID,
    SET_POINT_LEVEL,
    Composite,
    Version,
    clear_profile,
    composite_of,
    composite_request,
    set_profile,
    trigger_request,
)
from controls.gateways.check_command import checked, plausible
from controls.templates.load_templates import Place, Template
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import OcppSettings
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import Clock

# An identity of OCPP that is also the name of a file, and nothing else than that.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,48}")
# IEC 61851-1: below it a car may not charge at all.
MIN_CURRENT_A = 6.0
VOLTS = 230.0
# Profiles name instants; a charger whose clock is further off would hold a limit too long, or not at all (B.7).
MAX_CLOCK_OFFSET_S = 5.0
# Asked for longer than any set-point may live: what still holds then has no end of ours.
BEYOND_S = 15


class OcppReader:
    """Reads one connector. It has no way to write."""

    def __init__(
        self,
        template: Template,
        *,
        link: ChargerLink,
        connector: int,
        phases: int,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        if template.protocol != link.version:
            raise BadInput(f"template {template.template!r} speaks {template.protocol}, not {link.version}")
        self.template = template
        self._link, self._connector, self._phases = link, connector, phases
        self._clock, self._timeout_s = clock, timeout_s

    @property
    def _version(self) -> Version:
        return self._link.version

    def read_back(self, capability: str) -> ReadBack:
        """The limit that the charger applies now, by its own composite schedule. Raises DeviceSilent, DeviceRefused.

        Without any limit that is the rating. revert_remaining_s: seconds until it changes; 0 where no end is in sight.
        """
        rule = self.template.read_back[capability]
        _, high = self.template.limits(capability)
        composite, raw = self._composite(capability)
        if composite is None:
            return ReadBack(value=high, raw=raw, at_utc=self._clock.now_utc(), revert_remaining_s=0.0)
        now = composite.periods[0]
        value = now.limit * self._scale(rule, now.phases)
        # A charger that knows no limit states its own largest one.
        return ReadBack(
            value=min(value, high),
            raw=raw,
            at_utc=self._clock.now_utc(),
            revert_remaining_s=float(composite.ends_s or 0),
        )

    def read(self, name: str) -> float:
        """One measured value, asked for now, else stated ten seconds ago at most. Raises DeviceSilent, BadInput."""
        capability = self.template.capability(name)
        measurand = capability.field_name or ""
        message = "StatusNotification" if measurand == "status" else "MeterValues"
        counter = self._link.times_stated(self._connector, measurand)
        try:
            self._accepted("TriggerMessage", trigger_request(self._version, self._connector, message))
        except DeviceRefused:
            # Remote triggers are an option of 1.6: such a charger states its values when it likes.
            value = self._link.stated(self._connector, measurand)
        else:
            value = self._link.wait_for(self._connector, measurand, after=counter, timeout_s=self._timeout_s)
        return plausible(value * capability.scale, capability, name=name, device=self._link.where)

    def close(self) -> None:
        """The charger keeps its connection: it is the server's, not ours."""

    def _composite(self, capability: str) -> tuple[Composite | None, str]:
        unit = self.template.read_back[capability].field_name or ""
        longest_s = math.ceil(self.template.capabilities[capability].expires_s or 0) + BEYOND_S
        question = composite_request(self._version, self._connector, unit=unit, duration_s=longest_s)
        answer = self._accepted("GetCompositeSchedule", question)
        raw = json.dumps(answer, sort_keys=True, default=str)
        try:
            composite = composite_of(self._version, answer)
        except (BadInput, KeyError, TypeError, ValueError) as error:
            raise DeviceRefused(
                f"{self._link.where} answered with an unreadable schedule", code="unreadable"
            ) from error
        if composite is not None and composite.unit != unit:
            raise DeviceRefused(f"{self._link.where} answers in {composite.unit}, {unit} was asked", code="wrong_unit")
        return composite, raw

    def _accepted(self, action: str, payload: dict[str, Any], *, also: tuple[str, ...] = ()) -> dict[str, Any]:
        answer = self._link.ask(action, payload, timeout_s=self._timeout_s)
        status = str(answer.get("status"))
        if status not in ("Accepted", *also):
            raise DeviceRefused(f"{self._link.where} answered {action} with {ascii(status)[1:-1][:40]}", code=status)
        return answer

    def _scale(self, place: Place, phases: int | None = None) -> float:
        """The capability's unit for one A or W: amperes are per phase."""
        return place.scale * (phases or self._phases if place.field_name == "A" else 1)


class OcppDevice(OcppReader):
    """Reads and commands one connector."""

    def __init__(self, template: Template, *, device_id: str, **given: Any) -> None:
        super().__init__(template, **given)
        self._device_id = device_id

    def write(self, command: Command) -> Ack:
        """Set the limit, once; the safe default takes ours away instead. Raises NotSent, DeviceRefused, DeviceSilent.

        Before it comes the question what holds now: its answer tells the charger's clock. And the permanent limit,
        where the charger was not given it since its start: without one, nothing is set that could end.
        """
        now_utc = self._clock.now_utc()
        place, ttl_s = checked(command, self.template, device_id=self._device_id, now_utc=now_utc)
        limit = self._limit(command.capability, command.value)
        behind_s = self._behind_s(command.capability)
        self._lay_floor(command.capability)
        if command.value == self.template.safe_default[command.capability]:
            clear = clear_profile(self._version, SET_POINT_ID + 10 * self._connector)
            # "Unknown" says that there was nothing of ours, which is what we want.
            answer = self._accepted("ClearChargingProfile", clear, also=("Unknown",))
        else:
            # From its own now on and never later; a charger whose clock is ahead ends a little early instead.
            start_utc = now_utc - timedelta(seconds=max(behind_s, 0.0) + 1.0)
            profile = self._profile(place, limit, SET_POINT_ID, SET_POINT_LEVEL, start_utc=start_utc)
            profile |= {"duration_s": ttl_s, "valid_to_utc": command.valid_until_utc}
            answer = self._accepted("SetChargingProfile", set_profile(self._version, self._connector, **profile))
        return Ack(code=str(answer["status"]), applied_value=None, at_utc=self._clock.now_utc())

    def close(self) -> None:
        """From now on nothing is written any more, the permanent limit neither."""
        self._link.floors.pop(self._connector, None)

    def _limit(self, capability: str, value: float) -> float:
        """In A or W, downwards to what the protocol can say: never more than asked. Raises NotSent."""
        place = self.template.capabilities[capability]
        scale = self._scale(place)
        fine = 10.0 if place.field_name == "A" else 1.0
        limit = math.floor(value / scale * fine + 1e-6) / fine
        least = MIN_CURRENT_A if place.field_name == "A" else MIN_CURRENT_A * VOLTS * self._phases
        # The template's largest is that of three phases.
        most = self.template.limits(capability)[1] * self._phases / 3
        if value > most * (1 + 1e-9):
            raise NotSent(f"{self._link.where}: {value:g} is more than {most:g}, which {self._phases} phases carry")
        if 0 < limit < least:
            raise NotSent(
                f"{self._link.where}: {value:g} is {limit:g} {place.field_name}, and a car charges with 0 or with "
                f"at least {least:g} {place.field_name} on {self._phases} phases"
            )
        return limit

    def _behind_s(self, capability: str) -> float:
        """Lag of the charger's clock behind ours, seconds. Raises NotSent where that is unknown or too much."""
        composite, _ = self._composite(capability)
        if composite is None:
            return 0.0
        if composite.start_utc is None:
            raise NotSent(f"{self._link.where} does not say its time, and a limit names instants")
        behind_s = (self._clock.now_utc() - composite.start_utc).total_seconds()
        if abs(behind_s) > MAX_CLOCK_OFFSET_S:
            raise NotSent(
                f"{self._link.where}: its clock differs by {-behind_s:+.0f} s; expected {MAX_CLOCK_OFFSET_S:g} s"
            )
        return behind_s

    def _lay_floor(self, capability: str) -> None:
        link, place = self._link, self.template.capabilities[capability]
        starts = link.starts
        if self._connector in link.floors and link.laid.get(self._connector) == starts:
            return
        limit = self._limit(capability, self.template.safe_default[capability])
        start_utc = self._clock.now_utc() - timedelta(days=1)
        given = self._profile(place, limit, FLOOR_ID, FLOOR_LEVEL, start_utc=start_utc)
        floor = set_profile(self._version, self._connector, **given)
        self._accepted("SetChargingProfile", floor)
        link.floors[self._connector], link.laid[self._connector] = floor, starts

    def _profile(self, place: Place, limit: float, profile_id: int, level: int, **given: Any) -> dict[str, Any]:
        unit = place.field_name or ""
        # Two connectors of one charger have profiles of their own.
        number = profile_id + 10 * self._connector
        return {"profile_id": number, "level": level, "unit": unit, "limit": limit, "phases": self._phases, **given}


class Chargers:
    """Opens connectors of charge points. A reader may be replaced by a writer: the charger stays connected."""

    def __init__(self, settings: OcppSettings, *, root: Path, clock: Clock) -> None:
        self.system = CentralSystem(host=settings.host, port=settings.port, clock=clock)
        self._keys, self._clock = root / settings.keys, clock

    def open_reader(self, asset: Asset, template: Template) -> OcppReader:
        """A connector that can be read and not written. Raises BadInput (address, key file)."""
        return OcppReader(template, **self._given(asset, template))

    def open_device(self, asset: Asset, template: Template) -> OcppDevice:
        """A connector that can be read and written. Raises BadInput (address, key file)."""
        return OcppDevice(template, device_id=asset.asset_id, **self._given(asset, template))

    def close(self) -> None:
        """Let go of every charger."""
        self.system.stop()

    def _given(self, asset: Asset, template: Template) -> dict[str, Any]:
        charger_id, connector = charger_address(asset)
        tags = asset.params.get("id_tags")
        file = self._keys / f"{charger_id}.key"
        if os.name == "posix" and file.is_file() and file.stat().st_mode & 0o077:
            raise BadInput(
                f"the password of charge point {charger_id!r} can be read by others",
                file=str(file),
                reason="open_key",
                mend=f"chmod 600 {file}",
            )
        try:
            password = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadInput(
                f"charge point {charger_id!r} has no password: cannot read {file}", reason="no_key"
            ) from error
        if not password:
            raise BadInput(f"charge point {charger_id!r} has no password: {file} is empty", reason="no_key")
        link = self.system.expect(
            charger_id,
            "ocpp16" if template.protocol == "ocpp16" else "ocpp201",
            password=password,
            id_tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        )
        self.system.listen()
        # Three where the site does not say: fewer amperes for the same power is the harmless mistake.
        phases = int(asset.numbers.get("phases", 3))
        return {"link": link, "connector": connector, "phases": phases, "clock": self._clock}


def charger_address(asset: Asset) -> tuple[str, int]:
    """Name and connector (from 1) from `NAME/connector`; without an address the asset's own name. Raises BadInput."""
    name, _, connector = (asset.address or asset.asset_id).partition("/")
    if not _NAME.fullmatch(name) or name.startswith(".") or (connector and not re.fullmatch(r"[1-9]\d?", connector)):
        raise BadInput(
            f"asset {asset.asset_id!r}: cannot read address {asset.address!r}; expected NAME/connector",
            reason="bad_address",
        )
    return name, int(connector or 1)
