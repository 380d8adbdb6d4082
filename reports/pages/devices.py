"""The devices of a site: how far they may be commanded, what each does now, its override, last command and fault."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Stored, Text, sentences
from reports.pages.address import Address
from reports.pages.page import Cards, Form, Item, Page, PageBlock, Part, Strip, Widget
from reports.pages.widgets.live_kw import age_words
from reports.report_content import Cell, Column, Paragraph, Table, Tone, table
from reports.texts.locales import format_alike, named, unit_text
from reports.writer import words

PATH = "/devices"
NONE = "–"
# As the agent writes it to the ledger.
_STOP = re.compile(r"(?:STOP: )?emergency stop(?: \((.*)\)(: nothing is written)?|: (.*))")
# The modes as pages name them; commands and files keep the codes.
MODE_WORDS = {
    "SIMULATION": "Simulation", "ADVISORY": "Advice only", "PARTIAL": "Partial control", "FULL": "Full control",
}  # fmt: skip
# What each mode means for the devices, in one sentence.
MODES: dict[str, str] = {
    "SIMULATION": "Plans are calculated. Nothing is sent to devices.",
    "ADVISORY": "Dry run: devices are read and commands are shown. Nothing is sent.",
    "PARTIAL": "Commands are sent within a part of each device's rating.",
    "FULL": "Commands are sent within the whole rating of each device.",
}
# Kinds of device whose code is no word.
KINDS = {
    "pv": "PV", "ev_charger": "car charger", "tank": "hot water", "heating_relay": "room heating",
    "heat_store": "heat store", "sheddable_load": "load that may be shed",
}  # fmt: skip
# States of a command in the words of who reads a page; proofs are worded beside them.
STATES: dict[str, tuple[str, Tone]] = {
    "PROPOSED": ("planned, not sent", "muted"),
    "RELEASED": ("released, not sent yet", "plain"),
    "PENDING": ("about to be sent", "plain"),
    "ISSUED": ("sent", "plain"),
    "ACKED": ("acknowledged", "plain"),
    "VERIFIED": ("in force", "good"),
    "UNKNOWN": ("outcome unknown, being read", "caution"),
    "MISMATCH": ("device reads another value", "caution"),
    "DRIFTED": ("device left the value", "caution"),
    "COMPLETED": ("completed", "good"),
    "ADVISED": ("shown, not sent", "muted"),
    "REJECTED": ("rejected", "bad"),
    "EXPIRED": ("expired before it was sent", "caution"),
    "SUPERSEDED": ("replaced by a newer command", "muted"),
    "BLOCKED": ("blocked by a guard", "caution"),
    "UNVERIFIED": ("not proven, device set to its safe value", "bad"),
    "REVERTED": ("ended, device back at its safe value", "plain"),
    "OVERRIDDEN": ("overridden by hand", "caution"),
}


SWITCHED = {0.0: "off", 1.0: "on"}


class Quantity(Model):
    """A value with its unit. capability: what it is of, as templates spell it."""

    capability: str
    value: float
    unit: str

    def formatted(self, locale: str) -> Text:
        """2.2 kW; of a switch on or off, while other states are numbers that a template means something by."""
        is_switch = self.unit == "state" and self.capability.startswith("set_") and "sg_ready" not in self.capability
        if is_switch and self.value in SWITCHED:
            return Sentence(SWITCHED[self.value])
        [text] = format_alike([self.value], self.unit, locale=locale)
        unit = "" if self.unit == "state" else unit_text(self.unit)
        return f"{text} {unit}".strip()

    @property
    def of(self) -> str:
        """Its name without the verb and the unit: charge power."""
        name = self.capability.partition("_")[2] or self.capability
        return words(name.removesuffix(f"_{self.unit}"))


class StateNow(Quantity):
    """The last value of a device. source: live, or the read-back of a command."""

    at_utc: datetime
    age_s: float
    band: Literal["fresh", "old", "gone"]
    source: Literal["live", "read-back"]


class SentCommand(Quantity):
    """A command of the ledger. at, until: by the site's clock. proof: of it in words; because: why it stands so."""

    at: str
    until: str
    state: str
    proof: str
    because: str = ""


class Override(Model):
    """Override of a device: by whom, until when by the site's clock, why. command: sent under it; None: nothing.
    fresh_of: id of the person who set it a moment ago. is_of_site: every device of the site is held.
    """

    until: str
    who: str
    reason: str
    fresh_of: str = ""
    capability: str = ""
    value: Quantity | None = None
    command: SentCommand | None = None
    is_of_site: bool = False


class PowerRange(Model):
    """The set-point of a device that is a power, and the least and the greatest value that it takes. most: the greatest
    that a person may set in its mode.
    """

    capability: str
    low: float
    high: float
    unit: str
    most: float = 0.0


class ListedDevice(Model):
    """One device. commands: of the last 24 hours, newest first; None: it takes none. fault: why it is latched.

    power: the set-point that a person would set by hand; None: it has none. is_asked: the control agent reads it now.
    leaves_at: when its car departs, by the site's clock, where what a person sets may last until then.
    """

    device_id: str
    name: str
    kind: str
    template: str = ""
    mode: str = ""
    points: tuple[StateNow, ...] = ()
    override: Override | None = None
    commands: tuple[SentCommand, ...] | None = None
    fault: str = ""
    power: PowerRange | None = None
    is_asked: bool = False
    leaves_at: datetime | None = None

    @property
    def is_heard(self) -> bool:
        """A value of it is young enough."""
        return any(each.band != "gone" for each in self.points)

    @property
    def called(self) -> str:
        """Name for people: that of the site file, else the id."""
        return named(self.name or self.device_id)


# Acts by the ledger's row, and whether they are about one device.
_ACTS = {
    ("paused", True): "{0} paused {1} until {2}", ("paused", False): "{0} paused the plan of {1} until {2}",
    ("value", True): "{0} set {1} by hand until {2}", ("seen", True): "{0} found {1} set by hand until {2}",
    ("back", True): "{0} gave {1} back to the plan", ("back", False): "{0} resumed the plan of {1}",
    ("latched", True): "{0} latched a fault of {1}", ("latched", False): "{0} latched a fault of {1}",
    ("fault", True): "{0} acknowledged the fault of {1}", ("fault", False): "{0} acknowledged the fault of {1}",
}  # fmt: skip


def act_text(row: Mapping[str, Any], who: str, place: str, end: str, second: str = "") -> Text:
    """The sentence of an act on a device or a site. row: of modes, holds or faults; end: until when; second: who
    approved it.
    """
    if "mode" in row:
        mode = Sentence(MODE_WORDS[row["mode"]])
        if second:
            return Sentence("{0} set mode {1}, approved by {2}: {3}", who, mode, second, place)
        return Sentence("{0} set mode {1}: {2}", who, mode, place)
    is_set, is_hold = row["is_set"], "until_utc" in row
    kind = ("paused" if is_set else "back") if is_hold else "latched" if is_set else "fault"
    if is_hold and is_set and row["device_id"]:
        kind = "value" if row["value"] is not None else kind if row["person_id"] else "seen"
    return Sentence(_ACTS[kind, bool(row["device_id"])], who, place, end)


class Change(Model):
    """Change by a person or the agent: when by the site's clock, the act in a sentence, and why."""

    at: str
    what: Text
    reason: str


class ModeNow(Model):
    """The mode of the site: who set it, when and until when by the site's clock, and what else stands in the way."""

    mode: str
    who: str = ""
    since: str = ""
    until: str = ""
    reason: str = ""
    agent: Text = ""
    is_agent_gone: bool = False
    plan: Text = ""
    is_plan_bad: bool = False
    site_fault: str = ""


def devices_page(
    devices: Sequence[ListedDevice], mode: ModeNow, address: Address, *, plan: Sequence[Widget], run: Form | None,
    acts: Sequence[PageBlock], changes: Sequence[Change], is_synthetic: bool,
) -> Page:  # fmt: skip
    """All devices of a site, below its mode and its plan. plan: its tiles; run: the button that has one made."""
    listed = Part(key="devices", blocks=tuple(_listed(devices, address)))
    if not (devices or plan or changes):
        # Nothing can be planned, sent or stopped.
        return Page(
            title="Plan and devices", address=address, parts=(listed,), lacks="device", is_synthetic=is_synthetic
        )
    # Of no plan a sentence, where the button does not hold it.
    blocks: list[PageBlock] = [Cards(widgets=tuple(plan))] if plan else []
    if not plan and (mode.plan or run is None):
        text = mode.plan or "No plan yet. Operators and engineers make one."
        blocks.append(Paragraph(text=text, tone="caution" if mode.is_plan_bad else "plain"))
    parts = [
        Part(key="mode", blocks=tuple(mode_blocks(mode))),
        Part(key="plan", blocks=(*blocks, *([] if run is None else [run]))),
        listed,
    ]
    if acts:
        parts.append(Part(key="acts", title="Acts", blocks=tuple(acts)))
    parts.append(Part(key="changes", blocks=(_changes(changes),)))
    return Page(
        title="Plan and devices", address=address, parts=tuple(parts), is_synthetic=is_synthetic,
        chips={"devices": 2},
    )  # fmt: skip


def device_page(
    device: ListedDevice, mode: ModeNow, address: Address, *, acts: Sequence[PageBlock], changes: Sequence[Change],
    is_synthetic: bool,
) -> Page:  # fmt: skip
    """One device: its state, what was sent to it, and what people can do with it."""
    facts = Sentence("{0} · template {1}", Sentence(kind_of(device.kind)), named(device.template or NONE))
    top: list[PageBlock] = [
        Paragraph(text=facts, tone="muted"),
        *_hindrances(device, mode, address),
        _points(device, address),
    ]
    parts = [Part(key="state", blocks=tuple(top))]
    if acts:
        parts.append(Part(key="acts", title="Acts", blocks=tuple(acts)))
    if device.commands is not None:
        commands = _commands(device.commands, address.locale)
        parts.append(Part(key="commands", blocks=(commands, _changes(changes))))
    back = ("All devices", address.href(PATH))
    return Page(title=device.called, address=address, parts=tuple(parts), links=(back,), is_synthetic=is_synthetic)


def address_of(device_id: str, address: Address) -> str:
    """Address of the page of one device."""
    return address.href(f"{PATH}/{device_id}", site=address.site, scope=None, period=None, as_of=None)


def kind_of(code: str) -> str:
    """A kind of device as people call it."""
    return KINDS.get(code, words(code))


def mode_blocks(mode: ModeNow) -> list[PageBlock]:
    """The mode as a strip, and below it what stands in its way."""
    lines = [Sentence(MODES[mode.mode])]
    if mode.who:
        lines.append(Sentence("Set by {0}, {1}: {2}.", named(mode.who), mode.since, named(mode.reason)))
    lines.append(Sentence("Until {0}.", mode.until) if mode.until else Sentence("No end."))
    found: list[PageBlock] = [Strip(label=MODE_WORDS[mode.mode], text=sentences(lines, " "), tone=_tone_of(mode.mode))]
    if mode.agent:
        found.append(Paragraph(text=mode.agent, tone="caution" if mode.is_agent_gone else "muted"))
    if mode.site_fault:
        told_fault = Sentence("The whole site is latched: {0}", named(mode.site_fault))
        found.append(Paragraph(text=told_fault, tone="bad"))
    return found


def _tone_of(mode: str) -> Tone:
    return "good" if mode in ("PARTIAL", "FULL") else "plain"


def _hindrances(device: ListedDevice, mode: ModeNow, address: Address) -> list[PageBlock]:
    """The mode, an override, a latch and silence: whatever decides whether a command reaches the device."""
    found: list[tuple[str, Tone]] = []
    if device.mode:
        found.append(
            (Sentence("Mode {0}: {1}", Sentence(MODE_WORDS[device.mode]), Sentence(MODES[device.mode])), "plain")
        )
    if device.fault:
        message = "Fault latched: {0} No command is sent until an engineer acknowledges it."
        found.append((Sentence(message, named(device.fault + ".")), "bad"))
    elif mode.site_fault:
        found.append((Sentence("The whole site is latched: {0}", named(mode.site_fault)), "bad"))
    if device.override is not None:
        found.append((override_text(device.override, address.locale), "caution"))
    if device.commands is not None and not device.is_heard:
        message = "The device has not answered lately. Commands are blocked until it does; check its connection."
        idle = "Neither a live source nor the control agent reads the device now."
        found.append((message, "caution") if device.is_asked else (idle, "muted"))
    return [Paragraph(text=text, tone=tone) for text, tone in found]


def override_text(override: Override, locale: str) -> str:
    """Its words: Override by Otto until 14:00 at 7.4 kW: guests charge; and what came of the command that it sends."""
    who, reason = named(override.who), named(override.reason)
    if override.command is not None:
        pattern = "Set to {0} by {1} until {2}: {3}. Command: {4}, {5}"
        state, proof = state_text(override.command), Sentence(override.command.proof)
        value = override.command.formatted(locale)
        return Sentence(pattern, value, who, override.until, reason, state, proof)
    if override.value is None:
        return Sentence("Override by {0} until {1}: {2}", who, override.until, reason)
    return Sentence(
        "Override by {0} until {1} at {2}: {3}", who, override.until, override.value.formatted(locale), reason
    )


def state_text(command: SentCommand) -> Text:
    """State of a command in words; of one that expired, when."""
    if command.state == "EXPIRED":
        return Sentence("expired {0} before it was sent", command.until)
    return Sentence(STATES[command.state][0])


def state_cell(device: ListedDevice, locale: str) -> Cell:
    """The last value with its age."""
    if not device.points:
        return Cell(text=NONE, tone="muted")
    now = device.points[0]
    value = now.formatted(locale)
    if now.capability.endswith("_limit_kw"):
        value = Sentence("{0} {1}", Sentence(now.of), value)
    text = Sentence("{0}, {1} old", value, Sentence(age_words(now.age_s)))
    return Cell(text=text, tone="plain" if now.band == "fresh" else "muted")


def health_cell(device: ListedDevice) -> Cell:
    """A latch, silence, or nothing wrong."""
    if device.fault:
        return Cell(text="fault latched", tone="bad")
    if device.commands is None:
        return Cell(text="not commanded", tone="muted")
    if not device.is_heard:
        return Cell(text="no answer", tone="caution") if device.is_asked else Cell(text="not read", tone="muted")
    return Cell(text="healthy", tone="good")


def _listed(devices: Sequence[ListedDevice], address: Address) -> list[PageBlock]:
    """Devices that are read or commanded as a table; of all others their names alone are known."""
    linked = [each for each in devices if each.points or each.commands is not None]
    others = [each for each in devices if each not in linked]
    if not linked or len(others) < 2:
        return [_table(devices, address)]
    items = tuple(
        Item(text=each.called, detail=kind_of(each.kind), icon="plug", href=address_of(each.device_id, address))
        for each in others
    )
    headline = Sentence("{0} devices, not commanded and not read", len(others))
    folded = Item(text=headline, detail=sentences([each.called for each in others], ", "), icon="plug", parts=items)
    more = Widget(key="others", title="More devices", state="value", items=(folded,), span=12)
    return [_table(linked, address), Cards(widgets=(more,))]


def _table(devices: Sequence[ListedDevice], address: Address) -> Table:
    locale = address.locale
    columns = ("Device", "State now", "Health", "Override", "Last command", "Kind")
    rows = [
        (
            Cell(text=each.called, href=address_of(each.device_id, address)),
            state_cell(each, locale), health_cell(each),
            Cell(text=Sentence("until {0}", each.override.until), tone="caution") if each.override
            else Cell(text=NONE, tone="muted"),
            _last(each, locale), kind_of(each.kind),
        )
        for each in devices
    ]  # fmt: skip
    note = "" if rows else "The site file names no device. Add one under 'assets'."
    return table("devices", "Devices", columns, rows, note=note)


def _last(device: ListedDevice, locale: str) -> Cell:
    if not device.commands:
        return Cell(text=NONE if device.commands is None else "none in 24 h", tone="muted")
    # Hundreds are planned beforehand: what was decided on says more.
    last = next((each for each in device.commands if each.state != "PROPOSED"), device.commands[0])
    text = Sentence("{0} at {1}: {2}", last.formatted(locale), last.at, state_text(last))
    return Cell(text=text, tone=STATES[last.state][1])


def _points(device: ListedDevice, address: Address) -> Table:
    rows = [
        (
            each.of, Cell(text=each.formatted(address.locale), tone="plain" if each.band == "fresh" else "muted"),
            Cell(text=age_words(each.age_s), tone="caution" if each.band == "gone" else "plain"), each.source,
        )
        for each in device.points
    ]  # fmt: skip
    note = "" if rows else "No value received. Set a live source for it, or see Connections."
    columns = ("Value", Column(title="Now", is_number=True), "Age", "Source")
    return table("points", "State now", columns, rows, note=note)


def _commands(commands: Sequence[SentCommand], locale: str) -> Table:
    columns = ("From", "Until", "What", Column(title="Value", is_number=True), "State", "Evidence", "Reason")
    rows = [
        (
            each.at, each.until, each.of, each.formatted(locale),
            Cell(text=STATES[each.state][0], tone=STATES[each.state][1]), each.proof,
            Cell(text=_because(each.because) if each.because else NONE, tone="muted"),
        )
        for each in commands
    ]  # fmt: skip
    note = "" if rows else "No command in the last 24 hours."
    return table("commands", "Commands of the last 24 hours", columns, rows, note=note)


def _because(reason: str) -> str:
    """The ledger's reason in words; of an emergency stop the words of whoever pulled it as they are."""
    if not (stop := _STOP.fullmatch(reason)):
        return Stored(reason)
    pattern = "emergency stop ({0}): nothing is written" if stop[2] else "emergency stop ({0})"
    return Sentence(pattern, named(stop[1] or stop[3]))


def _changes(changes: Sequence[Change]) -> Table:
    rows = [(each.at, each.what, named(each.reason)) for each in changes]
    note = "" if rows else "Nobody has acted yet."
    return table("changes", "Last acts", ("When", "What", "Reason"), rows, note=note)
