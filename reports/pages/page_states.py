"""Empty states of a page: why nothing is there, and what to do next. Never an empty box, never a zero."""

from collections.abc import Sequence
from typing import NamedTuple

from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import Period
from reports.pages.address import Address
from reports.pages.page import Form
from reports.report_content import Paragraph
from reports.texts.locales import period_text

NO_KEY = "Acts of this project are signed, and you have no key yet. Make one on your profile."


class State(NamedTuple):
    """Sentences, or a button, in place of what is not there, and where to go from here: text, address."""

    paragraphs: tuple[Paragraph | Form, ...]
    links: tuple[tuple[str, str], ...] = ()


def no_readings(site_id: str) -> State:
    """State of a site without any reading."""
    return _state(
        Sentence("No readings of site {0} yet.", site_id),
        Sentence("Upload the meters' first file, or put it into the folder landing/{0}.", site_id),
    )


def no_marts(run: Form | None) -> State:
    """There are readings, and no numbers made of them. run: the button that has them made."""
    if run is not None:
        return State((run,))
    why = "There are readings, and nothing is calculated of them yet."
    return _state(why, "It is calculated by itself after readings came in; engineers can start it on this page.")


def nothing_in(address: Address, period: Period, nearest: str) -> State:
    """The period has no reading. nearest: the month with readings that is nearest to it, or nothing."""
    message = Sentence("No data for this scope: {0}.", period_text(period.start, period.end, address.locale))
    if not nearest:
        return _state(message, "No other month of it has readings either.")
    links = ((Sentence("The nearest month with readings: {0}", nearest), address.href(period=nearest, grain=None)),)
    return _state(message, Sentence("The nearest month with readings is {0}.", nearest), links=links)


def too_fine(address: Address, grain: str, days: int, most: int, coarser: Sequence[str]) -> State:
    """A chart of that many days by so short intervals shows nothing that anybody could see."""
    links = tuple((f"By {each}", address.href(grain=each)) for each in coarser)
    return _state(
        f"{days} days are more than a chart by {grain} holds: {most} at most.",
        "Choose longer intervals or a shorter period.",
        links=links,
    )


def no_hours(address: Address, scope: str) -> State:
    """A scope that is given shares of meters has days, and no hours."""
    return _state(
        f"{scope} is given shares of meters by days: it has no hours of its own.",
        "Choose days or months.",
        links=(("By day", address.href(grain="day")), ("By month", address.href(grain="month"))),
    )


def _state(why: str, mend: str, *, links: tuple[tuple[str, str], ...] = ()) -> State:
    return State((Paragraph(text=why, tone="caution"), Paragraph(text=mend)), links)
