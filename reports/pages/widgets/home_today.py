"""A figure of the day at a home, with one small picture: cost, solar, and how much of its use it gave itself."""

from datetime import date

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.numbers import Number, Picture
from reports.pages.page import Widget
from reports.pages.widgets.tile import TileFigure, TileInput, nothing, number, tile
from reports.svg.markup import Ring, rings_svg, spark_svg
from reports.texts.locales import MISSING, page_word


class Past(Model):
    """Days or hours before, oldest first, that the spark line is drawn of. said: what they are, in words."""

    values: tuple[float | None, ...] = ()
    said: Text = ""


class HomeDay(TileInput):
    """figure: of the day. beside: others, each with its label. past: of the spark line. energy: whose colour it has.

    day: in words, where it is not today. is_set_up: whether the site has what the figure is of.
    """

    key: str
    title: str
    figure: TileFigure | None = None
    beside: tuple[tuple[Text, TileFigure | None], ...] = ()
    past: Past = Past()
    energy: str = "actual"
    day: str = ""
    is_share: bool = False
    is_set_up: bool = True


def view(given: HomeDay) -> Widget:
    """The tile; a share is a ring, everything else has a line of what was before."""
    if not given.is_set_up:
        return nothing(given.key, given.title, given, "not measured at this site", is_set_up=False)
    more: list[Number] = [number(label, shown, given.locale) for label, shown in given.beside]
    note = Sentence("Last complete day: {0}", given.day) if given.day else "Today so far"
    picture = _ring(given) if given.is_share else _spark(given)
    return tile(given.key, given.title, given, given.figure, note=note, more=more, picture=picture)


def _spark(given: HomeDay) -> Picture | None:
    known = [each for each in given.past.values if each is not None]
    if len(known) < 2:
        return None
    title, caption = page_word(given.title, given.locale), page_word(given.past.said, given.locale)
    svg = spark_svg(title, given.past.values, text=caption, energy=given.energy)
    return Picture(key=given.key, title=given.title, svg=svg, caption=given.past.said)


def _ring(given: HomeDay) -> Picture:
    shown = given.figure
    value = None if shown is None else shown.figure.value
    made = number(given.title, shown, given.locale)
    title = page_word(given.title, given.locale)
    ring = Ring("", None if value is None else float(value), MISSING if value is None else f"{made.text} %")
    svg = rings_svg(title, [ring], energy=given.energy)
    return Picture(key=given.key, title=given.title, svg=svg, caption=given.title)


def spell_of(days: int, last: date) -> Text:
    """The days of a spark line in words."""
    return Sentence("{0} days to {1}", days, last)
