"""The devices of a site as pages show them: asked of its live store, its ledger and its modes, holds and latches."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from assets.stores.live.live_store import LiveReader
from assets.stores.schema.tables_control import command_events, fault_events, hold_events, mode_events
from assets.stores.transactions import read_rows
from controls.ledger.by_hand import LONGEST
from controls.ledger.device_faults import Fault
from controls.ledger.device_holds import Hold
from controls.ledger.modes import mode_history
from controls.ledger.rows import LedgerRow, read_commands
from controls.ledger.two_people import ModeRequest
from controls.templates.load_templates import Template, load_template
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.live.live_value import LiveValue, band_of
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.live_source import poll_intervals_s
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import clock_of, next_clock, parse_instant, zone
from orchestration.views.ledger_view import WORDS
from orchestration.views.site_control import manual_limit, site_control, value_range
from reports.pages.address import is_fresh
from reports.pages.device_acts import OpenRequest
from reports.pages.devices import (
    Change,
    ListedDevice,
    ModeNow,
    Override,
    PowerRange,
    Quantity,
    SentCommand,
    StateNow,
    act_text,
)
from reports.pages.widgets.live_kw import age_words
from reports.texts.locales import moment, named

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

SHOWN = timedelta(hours=24)
# A value that was read back stands for the quarter hour of its command.
READ_BACK_S = 900.0
NOT_PROVEN = "none"
# How many acts a page shows, and who acts where no person did.
LAST, AGENT = 8, "meterloom agent"


@dataclass(frozen=True)
class Devices:
    """One look at a site's devices. locale: of dates. Raises Unreachable where the store does not answer."""

    project: "OpenProject"
    site: Site
    now_utc: datetime
    locale: str = "en"

    @cached_property
    def control(self) -> dict[str, Any]:
        """Modes, latches, holds, requests, lease and plan (site_control.py)."""
        return site_control(self.project.store, self.site, now_utc=self.now_utc)

    @cached_property
    def listed(self) -> tuple[ListedDevice, ...]:
        """Devices in the order of the site file, with a template first."""
        order = sorted(self.site.assets, key=lambda each: not each.template)
        return tuple(self._listed(each) for each in order)

    def device(self, device_id: str) -> ListedDevice:
        """One device of the site file."""
        return self._listed(next(each for each in self.site.assets if each.asset_id == device_id))

    @property
    def mode(self) -> ModeNow:
        """The mode of the site and who set it."""
        of_site = [each for each in mode_history(self.project.store, self.site.site_id) if not each["device_id"]]
        control, last = self.control, of_site[-1] if of_site else None
        until_utc = next(each["until_utc"] for each in control["modes"] if each["device"] is None)
        plan = control["plan"]
        return ModeNow(
            mode=control["mode"],
            who="" if last is None else self.name_of(last["person_id"]),
            since="" if last is None else self.local(last["recorded_at_utc"]),
            reason="" if last is None else last["reason"],
            until="" if until_utc is None else self.local(until_utc),
            agent=self._agent(),
            is_agent_gone=control["lease"] is None or control["lease"]["is_over"],
            plan="" if plan is None else self._plan(plan),
            is_plan_bad=plan is not None and plan["finding"] is not None,
            site_fault=self._fault(""),
        )

    @property
    def requests(self) -> tuple[OpenRequest, ...]:
        """Requests for FULL that a second person may approve."""
        found: list[ModeRequest] = self.control["requests"]
        return tuple(
            OpenRequest(
                request_id=each.request_id, person_id=each.person_id, who=self.name_of(each.person_id),
                reason=each.reason, until=self.local(each.expires_utc),
                scope=" ".join(filter(None, (each.device_id, each.capability))),
            )
            for each in found
        )  # fmt: skip

    def changes(self, device_id: str = "") -> tuple[Change, ...]:
        """The last acts on modes, holds and latches, newest first; on one device those on it and the whole site."""
        found = [
            row
            for table in (mode_events, hold_events, fault_events)
            for row in read_rows(self.project.store, self._newest(table, device_id))
        ]
        found.sort(key=lambda row: (row["recorded_at_utc"], row["id"]), reverse=True)
        return tuple(map(self._change, found[:LAST]))

    def _newest(self, table: Any, device_id: str) -> Any:
        query = table.select().where(table.c.site_id == self.site.site_id).order_by(table.c.id.desc()).limit(LAST)
        return query.where(table.c.device_id.in_(("", device_id))) if device_id else query

    def _change(self, row: Mapping[str, Any]) -> Change:
        who = named(self.name_of(row["person_id"]) if row["person_id"] else AGENT)
        second, until_utc = row.get("approved_by"), row.get("until_utc")
        called = {"": self.site.name} | {each.asset_id: each.name or each.asset_id for each in self.site.assets}
        place, end = named(called.get(row["device_id"], row["device_id"])), self.local(until_utc) if until_utc else ""
        what = act_text(row, who, place, end, named(self.name_of(second)) if second else "")
        return Change(at=self.local(row["recorded_at_utc"]), what=what, reason=row["reason"])

    def local(self, at_utc: datetime) -> str:
        """An instant by the site's clock; of today the time alone."""
        at, today = (each.astimezone(zone(self.site.time_zone)) for each in (at_utc, self.now_utc))
        return clock_of(at) if at.date() == today.date() else moment(at, self.locale)

    def name_of(self, person_id: str) -> str:
        """The name of a person of the people file, else the id."""
        return self.project.names.get(person_id, person_id)

    def _agent(self) -> str:
        lease = self.control["lease"]
        if lease is None:
            return Sentence("No control agent has run at this site. Start it: {0}", named("meterloom up"))
        if lease["is_over"]:
            message = "The control agent does not run, last sign of life {0} ago. Start it: {1}"
            return Sentence(message, Sentence(age_words(lease["age_s"])), named("meterloom up"))
        return "The control agent runs."

    def _plan(self, plan: Mapping[str, Any]) -> str:
        if plan["finding"] is not None:
            return str(plan["finding"].message)
        made, until = self.local(plan["created_at_utc"]), self.local(plan["sets_until_utc"])
        return Sentence("Plan {0} of {1} sets devices until {2}.", plan["version"], made, until)

    def _fault(self, device_id: str) -> str:
        faults: list[Fault] = self.control["faults"]
        return next((each.reason for each in faults if each.device_id == device_id), "")

    def _listed(self, asset: Asset) -> ListedDevice:
        template = load_template(asset.template) if asset.template else None
        is_commanded = template is not None and bool(template.settable)
        rows = self._commands.get(asset.asset_id, [])
        modes = [each["mode"] for each in self.control["modes"] if each["device"] == asset.asset_id]
        lease, power = self.control["lease"], power_of(self.site, asset.asset_id) if is_commanded else None
        if power is not None:
            most = manual_limit(self.site, asset.asset_id, power.capability, Mode[modes[0]])
            power = power.model_copy(update={"most": most})
        return ListedDevice(
            device_id=asset.asset_id,
            name=asset.name,
            kind=asset.kind,
            template=asset.template,
            mode=modes[0] if modes else "",
            points=tuple(self._points(asset, template, rows)),
            override=self._override(asset, template, rows),
            commands=tuple(self._sent_command(each) for each in rows) if is_commanded else None,
            fault=self._fault(asset.asset_id),
            power=power,
            is_asked=lease is not None and not lease["is_over"] and modes[:1] in (["PARTIAL"], ["FULL"]),
            leaves_at=self._leaves_at(asset),
        )

    def _leaves_at(self, asset: Asset) -> datetime | None:
        departure = asset.params.get("departure") if asset.kind == "ev_charger" else None
        if not isinstance(departure, str | dict):
            return None
        clock = departure if isinstance(departure, str) else {day: str(at) for day, at in departure.items()}
        try:
            leaves_utc = next_clock(clock, self.now_utc, self.site.time_zone)
        except ValueError:
            # Plans name the fault and its line; the device is shown all the same.
            return None
        if leaves_utc is None or leaves_utc > self.now_utc + LONGEST:
            return None
        return leaves_utc.astimezone(zone(self.site.time_zone))

    def _points(self, asset: Asset, template: Template | None, rows: list[LedgerRow]) -> list[StateNow]:
        """Live values of the device, then the last read-back of each set-point."""
        found = [self._live(*each) for each in self._values if each[0] == asset.asset_id]
        known = set[str]()
        for row in rows:
            value, at = row.facts.get("readback_value"), row.facts.get("readback_at_utc")
            if row.command.capability in known or not isinstance(value, int | float) or not isinstance(at, str):
                continue
            known.add(row.command.capability)
            at_utc = parse_instant(at)
            age_s = max(0.0, (self.now_utc - at_utc).total_seconds())
            band = "fresh" if age_s <= READ_BACK_S else "gone"
            found.append(
                StateNow(
                    capability=row.command.capability, value=value, unit=row.command.unit, at_utc=at_utc, age_s=age_s,
                    band=band, source="read-back",
                )
            )  # fmt: skip
        return found

    def _live(self, _: str, value: LiveValue, every_s: float) -> StateNow:
        age_s = value.age_s(self.now_utc)
        return StateNow(
            capability=f"read_{value.point}", value=value.value, unit=value.unit, at_utc=value.at_utc, age_s=age_s,
            band=band_of(age_s, every_s), source="live",
        )  # fmt: skip

    def _override(self, asset: Asset, template: Template | None, rows: list[LedgerRow]) -> Override | None:
        holds: list[Hold] = self.control["holds"]
        # Its own before that of the whole site.
        held = sorted(holds, key=lambda each: not each.device_id)
        hold = next((each for each in held if each.device_id in ("", asset.asset_id)), None)
        if hold is None:
            return None
        of = template.capabilities.get(hold.capability) if template else None
        return Override(
            until=Sentence("acknowledged by a person") if hold.until_utc is None else self.local(hold.until_utc),
            who=self.name_of(hold.person_id) if hold.person_id else asset.name or asset.asset_id,
            reason=hold.reason,
            fresh_of=hold.person_id or "" if is_fresh(parse_instant(hold.since_utc), self.now_utc) else "",
            capability=hold.capability,
            is_of_site=not hold.device_id and hold.person_id is not None,
            command=next((self._sent_command(each) for each in rows if each.command.command_id == hold.sends), None),
            value=None
            if of is None or hold.value is None
            else Quantity(capability=hold.capability, value=hold.value, unit=of.unit),
        )

    def _sent_command(self, row: LedgerRow) -> SentCommand:
        order = row.command
        return SentCommand(
            capability=order.capability, value=order.value, unit=order.unit, at=self.local(order.valid_from_utc),
            until=self.local(order.valid_until_utc), state=row.state.value,
            proof=NOT_PROVEN if row.evidence_grade is None else WORDS[row.evidence_grade],
            because="" if row.state is CommandState.PROPOSED else self._reasons.get(order.command_id, ""),
        )  # fmt: skip

    @cached_property
    def _commands(self) -> Mapping[str, list[LedgerRow]]:
        """Of the last 24 hours by device, newest first; a plan's are shown from their time on."""
        found = defaultdict(list)
        rows = read_commands(self.project.store, self.site.site_id, ended_after_utc=self.now_utc - SHOWN)
        for row in reversed(rows):
            if row.command.valid_from_utc <= self.now_utc:
                found[row.command.device_id].append(row)
        return found

    @cached_property
    def _reasons(self) -> dict[str, str]:
        """Reason of the last event, by command."""
        events = command_events.c
        query = command_events.select().where(
            events.site_id == self.site.site_id, events.at_utc >= self.now_utc - SHOWN - timedelta(hours=1)
        )
        rows = read_rows(self.project.store, query.order_by(events.position))
        return {each["command_id"]: each["reason"] for each in rows}

    @cached_property
    def _values(self) -> list[tuple[str, LiveValue, float]]:
        """Live values with the device that they are of and the beat of their source; none where nobody can be asked.
        Of a source without a device: that of the device whose meter it is alone.
        """
        devices = {each.source_id: getattr(each, "asset", None) for each in self.site.sources}
        shared = Counter(each.meter for each in self.site.assets)
        metered = {each.meter: each.asset_id for each in self.site.assets if each.meter and shared[each.meter] == 1}
        every_s = poll_intervals_s(self.site)
        try:
            values = LiveReader(self.project.project.live_dir).values(self.site.site_id)
        except Unreachable:
            return []
        return [
            (device, each, every_s.get(each.source_id, 0.0))
            for each in values
            if (device := devices.get(each.source_id) or metered.get(each.stream))
        ]


def power_of(site: Site, device_id: str) -> PowerRange | None:
    """The set-point of a device that is its power, with its limits at this site; None for one that has none."""
    template = next((each.template for each in site.assets if each.asset_id == device_id), "")
    known = load_template(template) if template else None
    for name in known.settable if known else ():
        if known and known.capabilities[name].unit == "kw":
            low, high, unit = value_range(site, device_id, name)
            return PowerRange(capability=name, low=low, high=high, unit=unit)
    return None
