"""Acts on the mode of a site and on its devices, as forms: by hand, paused, given back; also of the car on Home."""

from collections.abc import Sequence

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.devices import MODE_WORDS, PATH, ListedDevice, ModeNow, Quantity, override_text
from reports.pages.page import REASON, Act, Form, Input, PageBlock
from reports.pages.signers import Signer, command_of, signed
from reports.report_content import Paragraph, Tone
from reports.texts.locales import named, unit_text

# How long an override may last, as the operation reads it, and as people do.
SPANS = (
    ("30m", "30 minutes"), ("1h", "1 hour"), ("2h", "2 hours"), ("4h", "4 hours"), ("8h", "8 hours"), ("1d", "1 day"),
)  # fmt: skip
ENDS = (("", "no end"), ("4h", "4 hours"), ("1d", "1 day"), ("7d", "7 days"), ("30d", "30 days"))


class OpenRequest(Model):
    """A request for FULL that waits for a second person. until: of the mode, by the site's clock."""

    request_id: int
    person_id: str
    who: str
    reason: str
    until: str
    scope: str = ""


class Actor(Signer):
    """Reader of the page, and their rights. seen: the stamp that their forms carry. is_alone: no other engineer is
    known.
    """

    may_stop: bool = False
    may_override: bool = False
    may_mode: bool = False
    is_alone: bool = False
    seen: str = ""


def site_acts(
    mode: ModeNow, requests: Sequence[OpenRequest], actor: Actor, address: Address
) -> list[PageBlock]:  # fmt: skip
    """Stop, a change of the mode, open requests for FULL, and the latch of the whole site."""
    found: list[PageBlock] = []
    if actor.may_stop:
        found.append(
            act_form("stop", "Stop control", address, actor.seen, Input(name="reason", label="Reason"),
                     note="Simulation at once. The agent sets every device to its safe value.")
        )  # fmt: skip
    if actor.may_mode:
        found += _mode_act(mode, actor, address)
        found += [block for each in requests for block in _request_acts(each, actor, address)]
        if mode.site_fault:
            found += _acknowledge("site", Sentence("Acknowledge fault of the whole site"), actor, address)
    else:
        found += [_note("{0} asks for full control: {1}", named(each.who), named(each.reason)) for each in requests]
        found.append(_note("Engineers change the mode.", tone="muted"))
    return found


def _mode_act(mode: ModeNow, actor: Actor, address: Address) -> list[PageBlock]:
    others = tuple((code, name) for code, name in MODE_WORDS.items() if code != mode.mode)
    mode_field = Input(name="mode", label="Mode", kind="select", options=others, value=others[0][0])
    until = Input(name="expires", label="Until", kind="select", options=ENDS)
    note = "Full control waits for a second engineer and ends after 30 days at the latest."
    form = act_form("mode", "Change mode", address, actor.seen, mode_field, until, REASON, note=note)
    return [signed(form, f"dispatch mode MODE --site {address.site}", actor)]


def _request_acts(request: OpenRequest, actor: Actor, address: Address) -> list[PageBlock]:
    where = Sentence("for {0}", named(request.scope)) if request.scope else Sentence("for the whole site")
    pattern = "Request {0}: full control {1} until {2}, by {3}: {4}"
    found: list[PageBlock] = [
        _note(pattern, request.request_id, where, request.until, named(request.who), named(request.reason))
    ]
    place = f"requests/{request.request_id}"
    title = Sentence("Approve request {0}", request.request_id)
    if request.person_id == actor.person_id:
        found.append(_note("You requested it: a second engineer must approve full control.", tone="caution"))
        if actor.is_alone:
            found.append(_note("No second engineer is known. Add one in the people file.", tone="bad"))
    else:
        note = "The mode changes at once and is recorded with both names."
        form = act_form(f"{place}/approve", title, address, actor.seen, note=note)
        words = f"dispatch approve {request.request_id} --site {address.site}"
        found.append(signed(form, words, actor, ending=""))
    withdraw = Sentence("Withdraw request {0}", request.request_id)
    found.append(act_form(f"{place}/withdraw", withdraw, address, actor.seen, REASON))
    return found


def device_acts(device: ListedDevice, actor: Actor, address: Address) -> list[PageBlock]:
    """Override and back to plan, and the latch of the device; none of a device that takes no command."""
    if device.commands is None:
        return []
    found: list[PageBlock] = []
    if device.fault and actor.may_mode:
        found += _acknowledge(device.device_id, "Acknowledge fault", actor, address)
    if not actor.may_override:
        return [*found, _note("Operators and engineers override devices.")]
    if device.override is not None and device.override.is_of_site:
        return [*found, _note("The plan of the whole site is paused: resume it on Home or on Plan and devices.")]
    if device.override is not None:
        # What is sent by hand is given back by its own act (manual_acts).
        return [*found, *([] if device.override.command else _to_plan(device, actor, address))]
    return [*found, *_overrides(device, actor, address)]


def _overrides(device: ListedDevice, actor: Actor, address: Address) -> list[PageBlock]:
    span = Input(name="for", label="For how long", kind="select", options=SPANS, value="2h")
    found: list[PageBlock] = []
    if device.power is not None:
        low, high, unit = device.power.low, device.power.high, unit_text(device.power.unit)
        value = Input(
            name="value", label=Sentence("Power set at the device, {0}", unit), kind="number", is_required=True,
            hint=Sentence("{0} to {1} {2}", f"{low:g}", f"{high:g}", unit),
        )  # fmt: skip
        take = act_form(
            f"{device.device_id}/take", "Record what was set", address, actor.seen, value, span, REASON,
            note=_by_hand(device),
        )  # fmt: skip
        found.append(take)
    note = "No command of the plan reaches it until then. The device keeps its own control."
    pause = Sentence("Pause {0}", device.called)
    return [*found, act_form(f"{device.device_id}/pause", pause, address, actor.seen, span, REASON, note=note)]


def _by_hand(device: ListedDevice) -> str:
    if device.mode in ("SIMULATION", "ADVISORY"):
        pattern = "Set it at the device: nothing is sent in mode {0}. Commands are sent from mode {1} on."
        return Sentence(pattern, Sentence(MODE_WORDS[device.mode]), Sentence(MODE_WORDS["PARTIAL"]))
    return "Set it at the device: this records the value, and no command of the plan reaches it until then."


def _to_plan(device: ListedDevice, actor: Actor, address: Address) -> list[PageBlock]:
    note = "Commands of the plan reach the device again."
    place = f"{device.device_id}/release"
    form = act_form(place, "Back to plan", address, actor.seen, REASON, note=note)
    words = f"dispatch override --give-back --site {address.site} --device {device.device_id}"
    return [signed(form, words, actor)]


def _acknowledge(device_id: str, title: str, actor: Actor, address: Address) -> list[PageBlock]:
    note = "Commands may reach the device again. Write what was found and repaired."
    form = act_form(f"{device_id}/acknowledge", title, address, actor.seen, REASON, note=note)
    return [signed(form, f"dispatch ack {device_id} --site {address.site}", actor)]


def _note(pattern: str, *given: object, tone: Tone = "plain") -> Paragraph:
    return Paragraph(text=Sentence(pattern, *given), tone=tone)


def act_form(
    place: str, title: Text, address: Address, seen: str, *fields: Input, note: Text = "", key: str = "",
    board: str = "",
) -> Form:  # fmt: skip
    """Form of an act on a site's devices. place: below their address; seen: the stamp of what the person looks at;
    board: that it leads back to, empty for the devices.
    """
    kept = tuple(
        Input(name=name, kind="hidden", value=value) for name, value in (("seen", seen), ("from", board)) if value
    )
    action = address.href(f"{PATH}/{place}", site=address.site, scope=None, period=None, as_of=None)
    return Form(key=key or place.replace("/", "-"), title=title, action=action, fields=(*kept, *fields), note=note)


# The operation ends it after 8 h at the latest.
_SPANS = tuple(each for each in SPANS if each[0] != "1d")
_ENDS = "By itself at its end, at a limit of the device, or with Back to plan."
Facts = list[tuple[Text, Text]]


def manual_acts(
    device: ListedDevice, mode: ModeNow, actor: Actor, address: Address, *, place: str = ""
) -> tuple[Act, ...]:
    """One act at most: to set the device, or to give it back. place: where the form leads back to; empty: the device.

    None where it takes no power, somebody keeps hands off it, or the person may not.
    """
    if device.power is None or not actor.may_override:
        return ()
    if device.override is not None:
        return (_back(device, actor, address, place),) if device.override.command is not None else ()
    return (_set(device, mode, actor, address, place),)


def _set(device: ListedDevice, mode: ModeNow, actor: Actor, address: Address, place: str) -> Act:
    is_car = device.kind == "ev_charger"
    most = _most(device, address.locale)
    facts, command = _hindrance(device, mode, actor, address)
    title = Sentence("Charge car now") if is_car else Sentence("Set {0} now", device.called)
    form = None
    if not facts:
        facts = [("Power at most", Sentence("{0}, by mode {1}", most, Sentence(MODE_WORDS[device.mode])))]
        facts += [("Ends", _ENDS), ("The plan", "It waits meanwhile, and controls the device again afterwards.")]
        fields = _fields(device, is_car=is_car)
        form = act_form(f"{device.device_id}/set", title, address, actor.seen, *fields, board=place)
    return Act(
        label=title, question="Charge the car now?" if is_car else Sentence("Set {0} by hand?", device.called),
        about=device.called, facts=tuple(facts), form=form, command=command, is_first=True, icon="zap",
        note="Every guard checks the command before it is sent, and the device is read back.",
    )  # fmt: skip


def _hindrance(device: ListedDevice, mode: ModeNow, actor: Actor, address: Address) -> tuple[Facts, str]:
    """Facts of an override that would not be sent now, and the command that changes it; empty where it would be."""
    would: Facts = [("Would be sent", Sentence("{0} for {1}", _most(device, address.locale), device.called))]
    if device.mode not in ("PARTIAL", "FULL"):
        would += [("Mode", Sentence("{0}: nothing is sent.", Sentence(MODE_WORDS.get(device.mode, device.mode))))]
        would += [("Next step", "An engineer sets the mode to partial control, on this server or with this command:")]
        return would, command_of(f"dispatch mode PARTIAL --site {address.site}", actor)
    if device.fault or mode.site_fault:
        step = "An engineer acknowledges the fault, on the device's page or with this command:"
        of = device.device_id if device.fault else "site"
        return [*would, ("Fault latched", named(device.fault or mode.site_fault)), ("Next step", step)], command_of(
            f"dispatch ack {of} --site {address.site}", actor
        )
    if mode.is_agent_gone:
        would += [("Control agent", "It does not run: nothing is sent."), ("Next step", "Start it with this command:")]
        return would, "meterloom up"
    return [], ""


def _fields(device: ListedDevice, *, is_car: bool) -> tuple[Input, ...]:
    assert device.power is not None, "asked before"  # noqa: S101 - narrows the type
    low, most, unit = device.power.low, device.power.most, unit_text(device.power.unit)
    power = Input(
        name="value", label=Sentence("Power, {0}", unit), kind="number", value=f"{most:g}" if is_car else "",
        is_required=True, hint=Sentence("{0} to {1} {2}", f"{low:g}", f"{most:g}", unit),
    )  # fmt: skip
    leaves = device.leaves_at
    by_then = () if leaves is None else ((leaves.isoformat(), Sentence("Until departure, {0}", f"{leaves:%H:%M}")),)
    span = Input(name="for", label="For how long", kind="select", options=(*by_then, *_SPANS), value="2h")
    energy = Input(name="kwh", label="Or until, kWh", kind="number", hint="As long as this energy takes at that power.")
    reason = Input(name="reason", label="Reason", value="charge now" if is_car else "set by hand", is_required=True)
    return (power, span, *((energy,) if is_car else ()), reason)


def _back(device: ListedDevice, actor: Actor, address: Address, place: str) -> Act:
    assert device.override is not None, "asked before"  # noqa: S101 - narrows the type
    facts: Facts = [("Now", override_text(device.override, address.locale))]
    facts += [("After this", "The agent ends the set-point, and takes the command of the plan.")]
    reason = Input(name="reason", label="Reason", value="back to plan", is_required=True)
    form = act_form(f"{device.device_id}/release", "Back to plan", address, actor.seen, reason, board=place)
    if device.override.fresh_of == actor.person_id and device.override.value is not None:
        value = device.override.value.formatted(address.locale)
        form = form.model_copy(update={"undoes": Sentence("Set to {0} until {1}.", value, device.override.until)})
    return Act(
        label="Back to plan", question=Sentence("Give {0} back to the plan?", device.called), about=device.called,
        facts=tuple(facts), form=form, is_first=True, icon="calendar-clock",
        note="It is recorded with your name.",
    )  # fmt: skip


def _most(device: ListedDevice, locale: str) -> str:
    assert device.power is not None, "asked before"  # noqa: S101 - narrows the type
    return Quantity(capability="", value=device.power.most, unit=device.power.unit).formatted(locale)
