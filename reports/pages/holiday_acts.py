"""Holiday of a household: its sentence on a board, and the acts that set, move and end it."""

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.devices import PATH
from reports.pages.page import Act, Form, Input
from reports.texts.locales import named

# At what hour they are back; a date alone is its first instant.
_HOURS = tuple((each, each) for each in ("00:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"))
_ENDS = "By itself, at the time of return or with End holiday."


class HolidayNow(Model):
    """Whether a holiday holds at a site, and what a person may do about it.

    until: of the one that holds, in words; empty: none. kept: of each device what it keeps meanwhile. mode: of the
    site; is_sent: whether commands are sent in it. seen: the stamp that the forms carry.
    """

    until: Text = ""
    who: str = ""
    reason: str = ""
    kept: tuple[tuple[str, Text], ...] = ()
    mode: str = ""
    is_sent: bool = False
    may_act: bool = False
    seen: str = ""


def holiday_told(now: HolidayNow) -> Text:
    """Until when it is; empty without one."""
    return Sentence("Holiday until {0}", now.until) if now.until else ""


def holiday_acts(now: HolidayNow, address: Address) -> tuple[Act, ...]:
    """Set a holiday, or end the one that holds; none to who may not, nor where no device keeps anything else then."""
    if not now.may_act or not (now.kept or now.until):
        return ()
    return (_end(now, address),) if now.until else (_set(now, address),)


def _set(now: HolidayNow, address: Address) -> Act:
    facts: list[tuple[Text, Text]] = [(named(name), said) for name, said in now.kept]
    facts += [("From the return on", "Usual comfort: the plan heats and charges in time for it."), ("Ends", _ENDS)]
    fields = (
        Input(name="until", label="Date of return", kind="date", is_required=True),
        Input(name="at", label="Time of return", kind="select", options=_HOURS, value="00:00"),
        Input(name="reason", label="Reason", value="holiday", is_required=True),
    )
    return Act(
        label="Set holiday", question="Set a holiday?", about=_sent(now), facts=tuple(facts),
        form=_form("Set holiday", now, address, fields), note="Every limit of the devices stays as it is.",
    )  # fmt: skip


def _end(now: HolidayNow, address: Address) -> Act:
    told = Sentence("{0}, by {1}: {2}", holiday_told(now), named(now.who), named(now.reason))
    fields = (
        Input(name="end", label="", kind="hidden", value="1"),
        Input(name="reason", label="Reason", value="back early", is_required=True),
    )
    return Act(
        label="End holiday", question="End the holiday now?", about=_sent(now),
        facts=(("Now", told), ("After this", "The next plan has the usual comfort again.")),
        form=_form("End holiday", now, address, fields), note="It stands in the ledger with your name.",
    )  # fmt: skip


def _sent(now: HolidayNow) -> Text:
    if now.is_sent:
        return Sentence("Mode {0}: the next plan keeps to it, within minutes.", now.mode)
    return Sentence("Mode {0}: the next plan keeps to it, and nothing is sent.", now.mode)


def _form(title: str, now: HolidayNow, address: Address, fields: tuple[Input, ...]) -> Form:
    hidden = (
        Input(name="seen", label="", kind="hidden", value=now.seen),
        Input(name="from", label="", kind="hidden", value="home"),
    )
    action = address.href(f"{PATH}/holiday", site=address.site, scope=None, period=None, as_of=None)
    return Form(key="holiday", title=title, action=action, method="post", fields=(*hidden, *fields), submit=title)
