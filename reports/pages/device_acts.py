"""Acts on the mode of a site and on its devices, as forms; what a key must sign is signed in the browser."""

import shlex
from collections.abc import Sequence

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from reports.pages.address import Address
from reports.pages.devices import MODE_WORDS, PATH, ListedDevice, ModeNow
from reports.pages.page import Form, Input, PageBlock
from reports.pages.page_states import NO_KEY
from reports.report_content import Paragraph, Tone
from reports.texts.locales import named, unit_text

# How long an override may last, as the operation reads it, and as people do.
SPANS = (
    ("30m", "30 minutes"), ("1h", "1 hour"), ("2h", "2 hours"), ("4h", "4 hours"), ("8h", "8 hours"), ("1d", "1 day"),
)  # fmt: skip
ENDS = (("", "no end"), ("4h", "4 hours"), ("1d", "1 day"), ("7d", "7 days"), ("30d", "30 days"))
_REASON = Input(name="reason", label="Reason", is_required=True)


class OpenRequest(Model):
    """A request for FULL that waits for a second person. until: of the mode, by the site's clock."""

    request_id: int
    person_id: str
    who: str
    reason: str
    until: str
    scope: str = ""


class Actor(Model):
    """Reader of the page, and their rights. seen: the stamp that their forms carry.

    needs_key: people of this project sign, each with the private half of their public_key. is_alone: no other engineer
    is known.
    """

    person_id: str
    may_stop: bool = False
    may_override: bool = False
    may_mode: bool = False
    needs_key: bool = False
    public_key: str = ""
    is_alone: bool = False
    seen: str = ""


def site_acts(
    mode: ModeNow, requests: Sequence[OpenRequest], actor: Actor, address: Address
) -> list[PageBlock]:  # fmt: skip
    """Stop, a change of the mode, open requests for FULL, and the latch of the whole site."""
    found: list[PageBlock] = []
    if actor.may_stop:
        found.append(
            _form("stop", "Stop control", "Stop control", address, actor, note=(
                "Simulation at once. The agent sets every device to its safe value."
            ), fields=(Input(name="reason", label="Reason"),))
        )  # fmt: skip
    if actor.may_mode:
        found += _mode_act(mode, actor, address)
        found += [block for each in requests for block in _request_acts(each, actor, address)]
        if mode.site_fault:
            found += _acknowledge("site", Sentence("Acknowledge fault of the whole site"), actor, address)
    else:
        found += [_said("{0} asks for full control: {1}", named(each.who), named(each.reason)) for each in requests]
        found.append(_said("Engineers change the mode.", tone="muted"))
    return found


def _mode_act(mode: ModeNow, actor: Actor, address: Address) -> list[PageBlock]:
    others = tuple((code, name) for code, name in MODE_WORDS.items() if code != mode.mode)
    fields = (
        Input(name="mode", label="Mode", kind="select", options=others, value=others[0][0]),
        Input(name="expires", label="Until", kind="select", options=ENDS), _REASON,
    )  # fmt: skip
    note = "Full control waits for a second engineer and ends after 30 days at the latest."
    form = _form("mode", "Change mode", "Change mode", address, actor, note=note, fields=fields)
    return [signed(form, f"dispatch mode MODE --site {address.site}", actor)]


def _request_acts(request: OpenRequest, actor: Actor, address: Address) -> list[PageBlock]:
    where = Sentence("for {0}", named(request.scope)) if request.scope else Sentence("for the whole site")
    pattern = "Request {0}: full control {1} until {2}, by {3}: {4}"
    found: list[PageBlock] = [
        _said(pattern, request.request_id, where, request.until, named(request.who), named(request.reason))
    ]
    place = f"requests/{request.request_id}"
    title = Sentence("Approve request {0}", request.request_id)
    if request.person_id == actor.person_id:
        found.append(_said("You requested it: a second engineer must approve full control.", tone="caution"))
        if actor.is_alone:
            found.append(_said("No second engineer is known. Add one in the people file.", tone="bad"))
    else:
        note = "The mode changes at once and is recorded with both names."
        form = _form(f"{place}/approve", title, title, address, actor, note=note, fields=())
        words = f"dispatch approve {request.request_id} --site {address.site}"
        found.append(signed(form, words, actor, has_reason=False))
    withdraw = Sentence("Withdraw request {0}", request.request_id)
    found.append(_form(f"{place}/withdraw", withdraw, withdraw, address, actor, fields=(_REASON,)))
    return found


def device_acts(device: ListedDevice, actor: Actor, address: Address) -> list[PageBlock]:
    """Override and back to plan, and the latch of the device; none of a device that takes no command."""
    if device.commands is None:
        return []
    found: list[PageBlock] = []
    if device.fault and actor.may_mode:
        found += _acknowledge(device.device_id, "Acknowledge fault", actor, address)
    if not actor.may_override:
        return [*found, _said("Operators and engineers override devices.")]
    if device.override is not None and device.override.is_of_site:
        return [*found, _said("The plan of the whole site is paused: resume it on Home or on Plan and devices.")]
    if device.override is not None:
        # What is sent by hand is given back by its own act (hand_acts.py).
        return [*found, *([] if device.override.command else _back(device, actor, address))]
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
        title = "Record what was set"
        found.append(
            _form(f"{device.device_id}/take", title, title, address, actor, note=_by_hand(device),
                  fields=(value, span, _REASON))
        )  # fmt: skip
    note = "No command of the plan reaches it until then. The device keeps its own control."
    pause = Sentence("Pause {0}", device.called)
    return [
        *found, _form(f"{device.device_id}/pause", pause, pause, address, actor, note=note, fields=(span, _REASON)),
    ]  # fmt: skip


def _by_hand(device: ListedDevice) -> str:
    if device.mode in ("SIMULATION", "ADVISORY"):
        pattern = "Set it at the device: nothing is sent in mode {0}. Commands are sent from mode {1} on."
        return Sentence(pattern, Sentence(MODE_WORDS[device.mode]), Sentence(MODE_WORDS["PARTIAL"]))
    return "Set it at the device: this records the value, and no command of the plan reaches it until then."


def _back(device: ListedDevice, actor: Actor, address: Address) -> list[PageBlock]:
    note = "Commands of the plan reach the device again."
    place = f"{device.device_id}/release"
    form = _form(place, "Back to plan", "Back to plan", address, actor, note=note, fields=(_REASON,))
    words = f"dispatch override --give-back --site {address.site} --device {device.device_id}"
    return [signed(form, words, actor)]


def _acknowledge(device_id: str, title: str, actor: Actor, address: Address) -> list[PageBlock]:
    note = "Commands may reach the device again. Write what was found and repaired."
    form = _form(f"{device_id}/acknowledge", title, title, address, actor, note=note, fields=(_REASON,))
    return [signed(form, f"dispatch ack {device_id} --site {address.site}", actor)]


def command_of(words: str, actor: Actor, *, has_reason: bool = True) -> str:
    """Command that a person runs where their key is."""
    reason = " --reason TEXT" if has_reason else ""
    return f"meterloom {words} --as {shlex.quote(actor.person_id)}{reason}"


def signed(form: Form, words: str, actor: Actor, *, has_reason: bool = True) -> PageBlock:
    """The form, signed where this project signs; a sentence to who has no key."""
    if not actor.needs_key:
        return form
    if not actor.public_key:
        return _said(NO_KEY, named(actor.person_id), tone="caution")
    command = command_of(words, actor, has_reason=has_reason)
    return form.model_copy(update={"public_key": actor.public_key, "command": command})


def _said(pattern: str, *given: object, tone: Tone = "plain") -> Paragraph:
    return Paragraph(text=Sentence(pattern, *given), tone=tone)


def _form(
    place: str, title: str, submit: str, address: Address, actor: Actor, *, fields: tuple[Input, ...], note: str = ""
) -> Form:
    seen = Input(name="seen", label="", kind="hidden", value=actor.seen)
    return Form(
        key=place.replace("/", "-"), title=title, action=address.href(f"{PATH}/{place}", site=address.site),
        method="post", fields=(seen, *fields), submit=submit, note=note,
    )  # fmt: skip
