"""A sum over a span of days beside the span that it is compared with: use, cost or carbon of a scope, and its share."""

from data_quality.contracts.sentence import Text
from reports.pages.numbers import Number, Picture
from reports.pages.page import Widget
from reports.pages.widgets.tile import TileFigure, TileInput, number, tile
from reports.svg.markup import spark_svg
from reports.texts.locales import page_word

_CHANGE = "deviation_percent"


class Compared(TileInput):
    """now, before: of the span and of the one compared with; change: in percent. against: that span, in words; of: what
    is compared with it, where that is a part of its own span. months: values of each month of the span, None where one
    is not known.
    """

    key: str
    title: str
    label: Text
    span: Text = ""
    now: TileFigure | None = None
    before: TileFigure | None = None
    change: TileFigure | None = None
    against: Text = ""
    of: Text = ""
    months: tuple[float | None, ...] = ()
    more: tuple[tuple[str, TileFigure | None, str], ...] = ()


def view(given: Compared) -> Widget:
    """The tile."""
    numbers: list[Number] = []
    if given.against:
        numbers.append(number(given.against, given.before, given.locale))
        numbers.append(number("Change", given.change, given.locale, signed=True, note=given.of))
    numbers += [
        # A change has a sign, a share has none.
        number(
            label,
            shown,
            given.locale,
            note=note,
            signed=shown is not None and shown.figure.trace.computation == _CHANGE,
        )
        for label, shown, note in given.more
    ]
    if given.now is None and any(shown is not None for _, shown, _ in given.more):
        # Sites that no sum may hold stand side by side.
        return Widget(
            key=given.key, title=given.title, state="finding" if given.findings else "value", reason=given.reason,
            numbers=tuple(numbers), findings=given.findings, link=given.link, is_synthetic=given.is_synthetic,
        )  # fmt: skip
    return tile(
        given.key, given.title, given, given.now, label=given.label, note=given.span, more=numbers,
        picture=_by_month(given),
    )  # fmt: skip


def _by_month(given: Compared) -> Picture | None:
    # Two months make no course.
    if sum(each is not None for each in given.months) < 3:
        return None
    title = page_word(given.title, given.locale)
    svg = spark_svg(title, given.months, text=page_word(given.span, given.locale))
    return Picture(key=given.key, title=given.title, svg=svg, caption=given.span)
