"""Shared frame of tiles: a figure with its why, and which of the four states it is in."""

from collections.abc import Sequence

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Text
from reports.pages.address import Address
from reports.pages.chart import Chart
from reports.pages.numbers import Number, Picture
from reports.pages.page import Widget
from reports.report_content import Cell, Table, Tone
from reports.svg.markup import bullet_svg
from reports.texts.locales import MISSING, format_alike, page_word, unit_text
from reports.writer import words

# Codes whose words alone say too little.
SAID = {"gap": "some readings are missing"}


class TileFigure(Model):
    """A figure, and the address that explains it."""

    figure: Figure
    why: str


class TileInput(Model):
    """Input of every widget: the state of the page, how old what it shows is, and why there is nothing.

    reason: a sentence, where whoever read found nothing. next: as of Widget. link: where more of it stands.
    """

    address: Address
    age: Text = ""
    reason: Text = ""
    next: tuple[Text, str] | None = None
    link: str = ""
    is_synthetic: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def locale(self) -> str:
        """Locale of its numbers."""
        return self.address.locale


def number(
    label: str, shown: TileFigure | None, locale: str, *, note: str = "", signed: bool = False, tone: Tone = "plain"
) -> Number:
    """A figure as a number; of none, a dash. Shares are in percent."""
    if shown is None:
        return Number(label=label, text=MISSING, note=note or "no data for this period")
    figure = shown.figure
    value, unit = figure.value, figure.unit
    if unit == "ratio" and value is not None:
        # For display only: the figure stays a share.
        value, unit = value * 100, "percent"
    [text] = format_alike([value], unit, locale=locale, signed=signed)
    why = note if figure.value is not None else words(figure.status) or note
    return Number(
        label=label, text=text, unit=unit_text(unit), note=why, why=shown.why, tone=tone, figure_id=figure.figure_id
    )


def value_of(shown: TileFigure | None) -> float | None:
    """The value for a chart; a gap where it is not known."""
    return None if shown is None or shown.figure.value is None else float(shown.figure.value)


def cell(shown: TileFigure | None, locale: str, *, signed: bool = False) -> Cell:
    """A figure as a cell of a table."""
    if shown is None:
        return Cell(text=MISSING)
    made = number("", shown, locale, signed=signed)
    return Cell(text=made.text, figure_id=made.figure_id)


def priced_cell(shown: TileFigure | None, locale: str, *, signed: bool = False) -> Cell:
    """The same of money with its own currency beside it, where no head of a column holds for all rows."""
    made = cell(shown, locale, signed=signed)
    if shown is None or made.text == MISSING:
        return made
    return made.model_copy(update={"text": f"{made.text}\N{NO-BREAK SPACE}{unit_text(shown.figure.unit)}"})


def tile(
    key: str,
    title: str,
    given: TileInput,
    main: TileFigure | None,
    *,
    label: str = "",
    note: str = "",
    more: Sequence[Number] = (),
    findings: Sequence[Finding] = (),
    content: Table | None = None,
    picture: Picture | None = None,
    chart: Chart | None = None,
    signed: bool = False,
) -> Widget:
    """A tile of one main figure: a value, a value with findings, or none with its reason. Missing is never zero."""
    found = (*given.findings, *findings)
    common = {name: getattr(given, name) for name in ("age", "link", "is_synthetic", "next")} | {
        "key": key, "title": title,
    }  # fmt: skip
    if main is None or main.figure.value is None:
        why = "" if main is None else words(main.figure.status)
        first = found[0].message if found else ""
        reason = given.reason or first or why or "no data for this period"
        explained = None if main is None else number(label or title, main, given.locale)
        return Widget(
            **common, state="none", reason=reason, value=explained, numbers=tuple(more), findings=found, table=content,
            chart=chart,
        )  # fmt: skip
    shown_codes = {each.code for each in found}
    codes = [code for code in main.figure.findings if code not in shown_codes]
    found = (*found, *(Finding(code=code, message=SAID.get(code, words(code)), severity="info") for code in codes))
    value = number(label or title, main, given.locale, note=note, signed=signed)
    state = "finding" if found else "value"
    return Widget(
        **common, state=state, value=value, numbers=tuple(more), findings=found, table=content, picture=picture,
        chart=chart,
    )  # fmt: skip


def bullet(
    key: str,
    title: str,
    given: TileInput,
    shown: TileFigure | None,
    *,
    projected: TileFigure | None = None,
    target: float | None = None,
    caption: Text,
) -> Picture | None:
    """Progress of a figure on its way: to a target, or to what the whole period comes to."""
    far, ahead = value_of(shown), value_of(projected)
    whole = max((each for each in (far, ahead, target) if each is not None), default=0.0)
    if far is None or whole <= 0 or (ahead is None and target is None):
        return None
    # A target stands within the picture, and not on its edge.
    room = whole * (1.0 if target is None else 1.06)
    svg = bullet_svg(
        page_word(title, given.locale), far / room, text=page_word(caption, given.locale),
        projected=None if ahead is None else ahead / room, target=None if target is None else target / room,
    )  # fmt: skip
    return Picture(key=key, title=title, svg=svg, caption=caption)


def nothing(key: str, title: str, given: TileInput, reason: str, *, is_set_up: bool = True) -> Widget:
    """A tile without anything, and why; what the site file does not have is not set up."""
    return Widget(
        key=key, title=title, state="none" if is_set_up else "not_set_up", reason=reason, age=given.age,
        link=given.link, findings=given.findings, is_synthetic=given.is_synthetic, next=given.next,
    )  # fmt: skip
