"""Saved energy over the uses of sites that share no meter, with its band and what it is worth."""

from collections.abc import Sequence

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text, sentences
from reports.pages.chart import PARTS, Chart, ChartRow
from reports.pages.page import Widget
from reports.pages.widgets.tile import TileFigure, TileInput, cell, nothing, number, priced_cell, tile, value_of
from reports.report_content import table
from reports.texts.locales import named
from reports.writer import words

# Months without a saving that are named.
MONTHS = 3


class Use(Model):
    """One use: what it saved, the model's band, the deviation from expected in percent, what the saving is worth."""

    name: str
    saving: TileFigure | None = None
    band: TileFigure | None = None
    off: TileFigure | None = None
    worth: TileFigure | None = None


class Savings(TileInput):
    """total: sum over the uses that add up; band: its half-width; worth: in money, or no_worth why not.

    left_out: uses that no sum may hold.
    """

    total: TileFigure | None = None
    band: TileFigure | None = None
    worth: TileFigure | None = None
    no_worth: str = ""
    uses: tuple[Use, ...] = ()
    left_out: tuple[str, ...] = ()
    span: str = ""

    @property
    def verdict(self) -> str:
        """Word for the sum: beyond what the models cannot tell, or within it."""
        saved, band = (None if each is None else each.figure.value for each in (self.total, self.band))
        if saved is None or band is None:
            return ""
        # Strictly above: a saving as large as its own band is not significant.
        return "significant" if abs(saved) > band else "not significant: within the band"


def view(given: Savings) -> Widget:
    """The tile; a saving below zero is more use than expected and says so."""
    columns = [("Use", ""), ("Saved", "kWh"), ("±", "kWh"), ("Deviation from expected", "%"), ("Worth", "")]
    rows = [
        (
            named(each.name), cell(each.saving, given.locale, signed=True), cell(each.band, given.locale),
            cell(each.off, given.locale, signed=True), priced_cell(each.worth, given.locale, signed=True),
        )
        for each in given.uses
    ]  # fmt: skip
    content = table("savings", "Energy uses", columns, rows) if rows else None
    more = []
    if given.total is not None:
        band = number("Band, ±", given.band, given.locale, note="" if given.band else "no model says how sure it is")
        worth = number("Worth", given.worth, given.locale, signed=True, note=given.no_worth or "at daily prices")
        more = [band, worth]
    left_out = Sentence("not in the sum: {0}", ", ".join(given.left_out)) if given.left_out else ""
    note = sentences((given.span, Sentence(given.verdict)))
    if content is not None:
        content = content.model_copy(update={"note": left_out})
    return tile("savings", "Savings against baseline", given, given.total, label="Saved", note=note,
                more=more, content=content, signed=True)  # fmt: skip


def by_use(given: Savings) -> Widget:
    """Savings of each use with its band, the largest first."""
    key, title = "savings_uses", "Savings by energy use"
    known_uses = [each for each in given.uses if value_of(each.saving) is not None]
    # A whole beside its parts would be counted twice by the eye.
    parts = [each for each in known_uses if each.name not in given.left_out]
    known = sorted(parts or known_uses, key=_saved, reverse=True)
    if not known:
        return nothing(key, title, given, given.reason or "no use is compared with a baseline", is_set_up=False)
    values, bands = [_saved(each) for each in known], [value_of(each.band) for each in known]
    edges = [
        tuple(None if band is None else value + sign * band for value, band in zip(values, bands, strict=True))
        for sign in (-1, 1)
    ]
    ids = tuple(tuple("" if shown is None else shown.figure.figure_id for shown in each)
                for each in ((use.saving for use in known), (use.band for use in known)))  # fmt: skip
    has_band = any(band is not None for band in bands)
    saved = ChartRow(label="Saved", role="saved", values=tuple(values), is_signed=True, figures=ids[0],
                     low=edges[0] if has_band else (), high=edges[1] if has_band else ())  # fmt: skip
    rows = (saved, ChartRow(label="±", style="none", values=tuple(bands), figures=ids[1]))
    site, names = of_one_site([each.name for each in known])
    chart = Chart(
        kind="ranked", key=key, title=title, unit="kwh", x=tuple(map(named, names)),
        x_title="Use", rows=rows[: 1 + has_band], locale=given.locale,
    )  # fmt: skip
    return Widget(key=key, title=title, state="value", chart=chart, hint=site, is_synthetic=given.is_synthetic)


def of_one_site(names: Sequence[str]) -> tuple[Text, list[str]]:
    """The site of uses or measures where all are of one, as a hint with the unit, and their names without it."""
    parts = [each.partition(": ") for each in names]
    if len({site for site, *_ in parts}) > 1 or not all(mark for _, mark, _ in parts):
        return "", list(names)
    return sentences((named(parts[0][0]), "kWh"), " · "), [name for *_, name in parts]


def _saved(use: Use) -> float:
    return value_of(use.saving) or 0.0


class SavedMonths(TileInput):
    """months: their first days. uses: name of each use, its place among all, which says its colour, and its saving in
    each month.
    """

    months: tuple[Text, ...] = ()
    uses: tuple[tuple[str, int, tuple[TileFigure | None, ...]], ...] = ()


def by_month(given: SavedMonths) -> Widget:
    """Savings of each month, a part a use; below zero is more than expected."""
    key, title = "savings_months", "Savings by month"
    if not given.uses:
        return nothing(key, title, given, given.reason or "no use is compared with a baseline", is_set_up=False)
    site, names = of_one_site([name for name, *_ in given.uses])
    rows = tuple(
        ChartRow(
            label=named(name), role=PARTS[place % len(PARTS)], values=tuple(map(value_of, saved)), is_signed=True,
            figures=tuple("" if each is None else each.figure.figure_id for each in saved),
        )
        for name, (_, place, saved) in zip(names, given.uses, strict=True)
    )  # fmt: skip
    chart = Chart(
        kind="stack", key=key, title=title, unit="kwh", x=given.months, x_title="Month", rows=rows,
        note=_undetermined(given, names), locale=given.locale,
    )  # fmt: skip
    return Widget(key=key, title=title, state="value", chart=chart, hint=site, is_synthetic=given.is_synthetic)


def _undetermined(given: SavedMonths, names: Sequence[str]) -> Text:
    """Months with uses that were read and have no part in the bars, by the reason of it; empty where all have one."""
    found: dict[str, dict[Text, list[Text]]] = {}
    for name, (*_, saved) in zip(names, given.uses, strict=True):
        for month, each in zip(given.months, saved, strict=True):
            if each is not None and each.figure.value is None:
                found.setdefault(words(each.figure.status), {}).setdefault(month, []).append(named(name))
    said = []
    for why, months in found.items():
        first = [Sentence("{0} ({1})", month, sentences(uses, ", ")) for month, uses in list(months.items())[:MONTHS]]
        listed, more = sentences(first, ", "), len(months) - len(first)
        listed = Sentence("{0} and {1} more", listed, more) if more else listed
        said.append(Sentence("no saving of {0} can be determined: {1}", listed, Sentence(why)))
    return sentences(said)
