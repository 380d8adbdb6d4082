"""Pause of a site's plan, and holiday of a household: the sentence of each, and the acts that begin and end it."""

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.device_acts import SPANS, Actor, act_form
from reports.pages.devices import MODE_WORDS
from reports.pages.page import REASON, Act, Form, Input
from reports.pages.page_states import NO_KEY
from reports.pages.signers import signed
from reports.texts.locales import named

# Field of the acts that end what holds.
_END = Input(name="end", kind="hidden", value="1")


class PauseNow(Model):
    """Pause of a site in force, and who looks at it; actor None: nobody who may act.

    until: of the one that holds, by the site's clock; empty: none. devices: those that take commands. place: the board
    that forms lead back to; empty: the devices.
    """

    until: str = ""
    who: str = ""
    reason: str = ""
    devices: tuple[str, ...] = ()
    mode: str = ""
    is_sent: bool = False
    actor: Actor | None = None
    place: str = ""


def pause_text(now: PauseNow) -> Text:
    """Until when the plan is paused, by whom and why; empty where it is not."""
    return (
        Sentence("Plan paused until {0} by {1}: {2}", now.until, named(now.who), named(now.reason)) if now.until else ""
    )


def pause_acts(now: PauseNow, address: Address) -> tuple[Act, ...]:
    """Pause the plan, or resume it; none to who may not, nor where no device takes commands."""
    if now.actor is None or not now.actor.may_override or not now.devices:
        return ()
    return (_resume(now, now.actor, address) if now.until else _pause(now, now.actor, address),)


def _pause(now: PauseNow, actor: Actor, address: Address) -> Act:
    span = Input(name="for", label="For how long", kind="select", options=SPANS, value="2h")
    sent: Text = Sentence("No command of the plan reaches them. Each keeps its own control.")
    if not now.is_sent:
        sent = Sentence("Mode {0}: nothing is sent now either.", Sentence(MODE_WORDS.get(now.mode, now.mode)))
    return Act(
        label="Pause plan", question="Pause the plan?", about=", ".join(now.devices),
        facts=(("Meanwhile", sent), ("Ends", "By itself at its end, or with Resume plan.")),
        form=act_form("pause", "Pause plan", address, actor.seen, span, REASON, key="plan-pause", board=now.place),
        icon="clock",
        note="It is recorded with your name. To stop control at once, use Stop control on Plan and devices.",
    )  # fmt: skip


def _resume(now: PauseNow, actor: Actor, address: Address) -> Act:
    reason = Input(name="reason", label="Reason", value="back to plan", is_required=True)
    form = act_form("pause", "Resume plan", address, actor.seen, _END, reason, key="plan-resume", board=now.place)
    shown = signed(form, f"dispatch override --give-back --site {address.site}", actor)
    facts: tuple[tuple[Text, Text], ...] = (
        ("Now", pause_text(now)),
        ("After this", "Commands of the plan are sent again."),
    )
    return Act(
        label="Resume plan", question="Resume the plan now?", about=", ".join(now.devices), facts=facts,
        form=shown if isinstance(shown, Form) else None, icon="calendar-clock", is_first=True,
        note="It is recorded with your name." if isinstance(shown, Form) else NO_KEY,
    )  # fmt: skip


# At what hour they are back; a date alone is its first instant.
_HOURS = ("00:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00")
_ENDS = "By itself, at the time of return or with End holiday."
_LIMITS = "Every limit of the devices stays as it is."


class HolidayNow(Model):
    """Holiday of a site in force, and the acts that a person has.

    until: of the one that holds, in words; empty: none. day, at: the same as a form has them. kept: of each device what
    it keeps meanwhile. mode: of the site; is_sent: whether commands are sent in it. seen: the stamp that forms carry.
    """

    until: Text = ""
    day: str = ""
    at: str = ""
    who: str = ""
    reason: str = ""
    kept: tuple[tuple[str, Text], ...] = ()
    mode: str = ""
    is_sent: bool = False
    may_act: bool = False
    seen: str = ""


def holiday_text(now: HolidayNow) -> Text:
    """Until when it is; empty without one."""
    return Sentence("Holiday until {0}", now.until) if now.until else ""


def holiday_acts(now: HolidayNow, address: Address) -> tuple[Act, ...]:
    """Set a holiday, or change or end the one that holds; none to who may not, nor where no device keeps anything else
    then.
    """
    if not now.may_act or not (now.kept or now.until):
        return ()
    return (_change(now, address), _end(now, address)) if now.until else (_set(now, address),)


def _set(now: HolidayNow, address: Address) -> Act:
    return Act(
        label="Set holiday", question="Set a holiday?", about=_sent(now), facts=_facts(now),
        form=_holiday_form("Set holiday", now, address, *_dates(now, "holiday")), note=_LIMITS,
    )  # fmt: skip


def _change(now: HolidayNow, address: Address) -> Act:
    """Another return in the place of the one that holds, in one act."""
    return Act(
        label="Change holiday", question="Change the holiday?", about=_sent(now),
        facts=(("Now", _sentence(now)), *_facts(now)),
        form=_holiday_form("Change holiday", now, address, *_dates(now, now.reason)), note=_LIMITS,
    )  # fmt: skip


def _facts(now: HolidayNow) -> tuple[tuple[Text, Text], ...]:
    kept: list[tuple[Text, Text]] = [(named(name), sentence) for name, sentence in now.kept]
    return (*kept, ("From the return on", "Usual comfort: the plan heats and charges in time for it."), ("Ends", _ENDS))


def _dates(now: HolidayNow, reason: str) -> tuple[Input, ...]:
    hours = sorted({*_HOURS, now.at or _HOURS[0]})
    return (
        Input(name="until", label="Date of return", kind="date", value=now.day, is_required=True),
        Input(name="at", label="Time of return", kind="select", options=tuple((each, each) for each in hours),
              value=now.at or _HOURS[0]),
        Input(name="reason", label="Reason", value=reason, is_required=True),
    )  # fmt: skip


def _sentence(now: HolidayNow) -> Text:
    return Sentence("{0}, by {1}: {2}", holiday_text(now), named(now.who), named(now.reason))


def _end(now: HolidayNow, address: Address) -> Act:
    reason = Input(name="reason", label="Reason", value="back early", is_required=True)
    return Act(
        label="End holiday", question="End the holiday now?", about=_sent(now),
        facts=(("Now", _sentence(now)), ("After this", "The next plan has the usual comfort again.")),
        form=_holiday_form("End holiday", now, address, _END, reason, key="holiday-end"),
        note="It is recorded with your name.",
    )  # fmt: skip


def _sent(now: HolidayNow) -> Text:
    mode = Sentence(MODE_WORDS.get(now.mode, now.mode))
    if now.is_sent:
        return Sentence("Mode {0}: the next plan keeps to it, within minutes.", mode)
    return Sentence("Mode {0}: the next plan keeps to it, and nothing is sent.", mode)


def _holiday_form(title: str, now: HolidayNow, address: Address, *fields: Input, key: str = "") -> Form:
    return act_form("holiday", title, address, now.seen, *fields, key=key, board="home")
