"""Bands of a report's headline figures: what meters, factors and models may be off, as a table and beside each figure.

Only where some of it is stated: a site whose file names no class and no uncertainty has the report that it had.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import Band, Figure
from data_quality.contracts.sentence import Sentence, sentences
from reports.recompute.bands import band_findings, figure_band
from reports.recompute.figure_sources import Sources
from reports.report_content import Cell, Column, FigureBand, Row, Section, Table, Tiles
from reports.texts.locales import format_alike, page_word, unit_text, word
from reports.writer import plain, words

KEY = "uncertainty"


def headline_bands(sections: Iterable[Section], figures: Sequence[Figure], sources: Sources) -> dict[str, Band]:
    """Bands of the figures on tiles by id, in their order; none at all where nothing of any is stated."""
    by_id = {figure.figure_id: figure for figure in figures}
    blocks = [block for section in sections for block in section.blocks if isinstance(block, Tiles)]
    shown = dict.fromkeys(tile.figure_id for block in blocks for tile in block.tiles)
    found = {name: figure_band(by_id[name], sources=sources, lookup=by_id.get) for name in shown}
    return found if any(band.half is not None and _is_stated(band) for band in found.values()) else {}


def _is_stated(band: Band) -> bool:
    # A model's own band stands in the report already, by its own figure.
    return any(not source.startswith("model:") for source in band.shares)


def printed_bands(bands: Mapping[str, Band]) -> tuple[FigureBand, ...]:
    """The bands as the content keeps them."""
    return tuple(
        FigureBand(
            figure_id=name, low=band.low, high=band.high, coverage=band.coverage,
            not_included=tuple(dict.fromkeys(each.code for each in band.left_out)),
        )
        for name, band in bands.items()
        if band.low is not None and band.high is not None
    )  # fmt: skip


def findings_of(bands: Mapping[str, Band]) -> list[Finding]:
    """Findings of what nobody states of these figures, each once."""
    every = [each for band in bands.values() if band.half is not None for each in band_findings(band)]
    return [each for at, each in enumerate(every) if each not in every[:at]]


def uncertainty_sections(
    bands: Mapping[str, Band], figures: Sequence[Figure], language: str, locale: str
) -> list[Section]:
    """A table with a row for each figure: value, what stands behind ±, ends of the band, and what is not in it."""
    if not bands:
        return []
    by_id = {figure.figure_id: figure for figure in figures}
    known = [(by_id[name], band) for name, band in bands.items() if band.half is not None]
    coverage = f"{known[0][1].coverage:.0%}"
    columns = (
        Column(title=word("Figure", language), weight=3), Column(title=word("Unit", language)),
        Column(title=word("Value", language), is_number=True, weight=1.4), Column(title="±", is_number=True),
        Column(title=word("From", language), is_number=True, weight=1.4),
        Column(title=word("To", language), is_number=True, weight=1.4),
        Column(title=word("Not in it", language), weight=3),
    )  # fmt: skip
    title = word("Uncertainty of the headline figures", language)
    note = page_word(Sentence(_NOTE, coverage), language)
    rows = tuple(_row(figure, band, language, locale) for figure, band in known)
    table = Table(key=KEY, title=title, sheet="Uncertainty", columns=columns, rows=rows, note=note)
    return [Section(key=KEY, title=title, blocks=(table,))]


_NOTE = (
    "The true value lies between From and To with a probability of {0}, by the accuracy classes of the meters, the "
    "stated uncertainty of the emission factors and the error of the baseline, first order; a meter or factor has "
    "the same relative error wherever it is used."
)


def _row(figure: Figure, band: Band, language: str, locale: str) -> Row:
    numbers = [figure.value, *(Decimal(repr(each)) for each in (band.half, band.low, band.high) if each is not None)]
    value, *rest = format_alike(numbers, figure.unit, locale=locale)
    codes = dict.fromkeys(each.code for each in band.left_out)
    left_out = page_word(sentences([Sentence(words(each)) for each in codes], ", "), language) if codes else ""
    return Row(
        cells=(
            plain(figure.label), plain(word(unit_text(figure.unit), language)),
            Cell(text=value, figure_id=figure.figure_id, decimals=2), *(plain(each) for each in rest), plain(left_out),
        )
    )  # fmt: skip
