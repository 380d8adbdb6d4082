"""Set a device by hand, and give it back: the acts of a device's page, and of the car on Home."""

from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.device_acts import SPANS, Actor, command_of
from reports.pages.devices import MODE_WORDS, PATH, ListedDevice, ModeNow, Quantity, override_text
from reports.pages.page import Act, Form, Input
from reports.texts.locales import named, unit_text

# The operation ends it after 8 h at the latest.
_SPANS = tuple(each for each in SPANS if each[0] != "1d")
_ENDS = "By itself at its end, at a limit of the device, or with Back to plan."
Facts = list[tuple[Text, Text]]


def hand_acts(
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
        form = _form(device, "set", title, actor, address, place, _fields(device, is_car=is_car))
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
    form = _form(
        device,
        "release",
        "Back to plan",
        actor,
        address,
        place,
        (Input(name="reason", label="Reason", value="back to plan", is_required=True),),
    )
    if device.override.fresh_of == actor.person_id and device.override.value is not None:
        value = device.override.value.told(address.locale)
        form = form.model_copy(update={"undoes": Sentence("Set to {0} until {1}.", value, device.override.until)})
    return Act(
        label="Back to plan", question=Sentence("Give {0} back to the plan?", device.called), about=device.called,
        facts=tuple(facts), form=form, is_first=True, icon="calendar-clock",
        note="It is recorded with your name.",
    )  # fmt: skip


def _form(
    device: ListedDevice, act: str, title: Text, actor: Actor, address: Address, place: str, fields: tuple[Input, ...]
) -> Form:
    hidden = (("seen", actor.seen), ("from", place))
    kept = tuple(Input(name=name, label="", kind="hidden", value=value) for name, value in hidden if value)
    action = address.href(f"{PATH}/{device.device_id}/{act}", site=address.site, scope=None, period=None, as_of=None)
    return Form(
        key=f"{device.device_id}-{act}", title=title, action=action, method="post", fields=(*kept, *fields),
        submit=title,
    )  # fmt: skip


def _most(device: ListedDevice, locale: str) -> str:
    assert device.power is not None, "asked before"  # noqa: S101 - narrows the type
    return Quantity(capability="", value=device.power.most, unit=device.power.unit).told(locale)
