"""Holiday of a household: its sentence on a board, and the acts that set, change and end it."""

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.devices import MODE_WORDS, PATH
from reports.pages.page import Act, Form, Input
from reports.texts.locales import named

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
        form=_form("Set holiday", now, address, _dates(now, "holiday")), note=_LIMITS,
    )  # fmt: skip


def _change(now: HolidayNow, address: Address) -> Act:
    """Another return in the place of the one that holds, in one act."""
    return Act(
        label="Change holiday", question="Change the holiday?", about=_sent(now),
        facts=(("Now", _sentence(now)), *_facts(now)),
        form=_form("Change holiday", now, address, _dates(now, now.reason)), note=_LIMITS,
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
    fields = (
        Input(name="end", label="", kind="hidden", value="1"),
        Input(name="reason", label="Reason", value="back early", is_required=True),
    )
    return Act(
        label="End holiday", question="End the holiday now?", about=_sent(now),
        facts=(("Now", _sentence(now)), ("After this", "The next plan has the usual comfort again.")),
        form=_form("End holiday", now, address, fields, key="holiday-end"),
        note="It is recorded with your name.",
    )  # fmt: skip


def _sent(now: HolidayNow) -> Text:
    mode = Sentence(MODE_WORDS.get(now.mode, now.mode))
    if now.is_sent:
        return Sentence("Mode {0}: the next plan keeps to it, within minutes.", mode)
    return Sentence("Mode {0}: the next plan keeps to it, and nothing is sent.", mode)


def _form(
    title: str, now: HolidayNow, address: Address, fields: tuple[Input, ...], *, key: str = "holiday"
) -> Form:  # fmt: skip
    hidden = (
        Input(name="seen", label="", kind="hidden", value=now.seen),
        Input(name="from", label="", kind="hidden", value="home"),
    )
    action = address.href(f"{PATH}/holiday", site=address.site, scope=None, period=None, as_of=None)
    return Form(key=key, title=title, action=action, method="post", fields=(*hidden, *fields), submit=title)
