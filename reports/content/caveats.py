"""Caveats of printed figures, as findings of the report: a code on a figure is a sentence on page one."""

from collections.abc import Iterable, Mapping, Sequence

from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence
from reports.report_content import Block, Cell, Chart, Paragraph, Section, Table, Tile, Tiles
from reports.texts.locales import word
from reports.writer import words

# A code of the figures that a report tells with more facts under a name of its own.
REPORTED_AS: Mapping[str, str] = {"gap": "gaps", "no_price": "price_gap", "no_factor": "factor_gap"}
NOTES = frozenset({"estimated"})
ESTIMATES = "e: rests in part on estimated readings."
Codes = Mapping[str, Sequence[str]]
SENTENCES: Mapping[str, str] = {
    "coarse_source": (
        "The source reads less often than every 15 minutes: the highest quarter hour may have been higher, "
        "the load factor lower."
    ),
    "gap": "Readings are missing: sums are of what was read, and a missing quarter hour may have been the highest.",
    "partial_scope": "What is measured was there on part of the days only.",
    "negative_remainder": "What its parts leave of a meter is below zero: the parts measure more than the whole.",
    "estimated": "Some readings are estimates.",
    "no_readings": "Nothing was read.",
    "no_price": "Energy at times without a known price is in no cost.",
    "no_factor": "Energy at times without an emission factor is in no emission.",
    "provisional": "The baseline is provisional: nobody has approved it.",
    "no_baseline": "There is no baseline to compare with.",
    "coverage": "Too few days are complete and comparable.",
    "not_assessable": "Without an approved baseline and enough complete days nothing is judged.",
    "not_significant": "The saving does not exceed its uncertainty.",
    "not_metered": "No meter of the site counts it.",
    "not_counted_fuel": "No meter of the site counts fuel.",
    "not_counted_electricity": "No meter of the site counts bought electricity.",
    "missing": "There are no values to add up.",
    "no_cost": "Its cost is not stated.",
    "no_lifetime": "Its lifetime is not stated.",
    "no_discount_rate": "The site file states no discount rate that holds.",
    "unpriced_saving": "The price of hours that it saves is not known.",
    "not_of_a_year": "It was found in readings of another span than a year.",
    "no_target": "No target that holds in the year is stated.",
    "no_floor_area": "The site file states no floor area.",
    "no_water_meter": "No meter of the site counts water.",
    "water_not_read": "Less than 99 % of the period's water was read.",
    "no_organisation": "The project names no organisation, and so no peers.",
    "organisation_faulty": "The file of the organisation is not in order, and so no peers are known.",
    "no_approach": "The file of the organisation states no approach of consolidation on days of the period.",
    "not_owned_through": "The organisation did not own the site through the whole period.",
    "no_use": "The file of the organisation states no use (subsector) of the site: no peers are known.",
    "no_hours": "The file of the organisation states no opening hours of the site.",
    "too_few_peers": "Fewer than five usable sites of the organisation have its use: no rank.",
    "no_energy": "Its meter has no reading above zero in the period.",
    "negative_energy": "Its meter has readings below zero.",
    "reading_out_of_line": "Its meter has single readings far above the usual.",
    "unit_change_suspected": "Its meter has a month far off its other months.",
    "too_little_read": "It was read in less than half of the period.",
    "floor_area_unusable": "The site file states no floor area.",
    "out_of_line_with_peers": "It is so far off its peers that its unit or its floor area is wrong.",
    "of_one_site": "It is reported per site; it cannot be added over several.",
}


def printed_ids(sections: Iterable[Section]) -> list[str]:
    """Ids of the figures that a tile, a sentence, a cell or a chart shows, as a reader meets them."""
    met: dict[str, None] = {}
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Tiles):
                met |= dict.fromkeys(tile.figure_id for tile in block.tiles)
            elif isinstance(block, Paragraph | Chart):
                met |= dict.fromkeys(block.figure_ids)
            elif isinstance(block, Table):
                met |= dict.fromkeys(cell.figure_id for row in block.rows for cell in row.cells if cell.figure_id)
    return list(met)


def unreported_findings(
    sections: Sequence[Section], figures: Sequence[Figure], reported: Iterable[Finding]
) -> list[Finding]:
    """One finding for each code on a printed figure that the report does not tell already."""
    by_id = {figure.figure_id: figure for figure in figures}
    known = {(finding.code, finding.scope) for finding in reported}
    behind: dict[str, list[Figure]] = {}
    for figure in (by_id[each] for each in printed_ids(sections)):
        # Told of the whole report, or of the thing itself, it is told of the thing's parts.
        scopes = ("", figure.scope.partition("/")[0])
        for code in figure.findings:
            if not known & {(each, scope) for each in (code, REPORTED_AS.get(code, code)) for scope in scopes}:
                behind.setdefault(code, []).append(figure)
    return [_finding(code, found) for code, found in behind.items()]


def with_marks(sections: Iterable[Section], figures: Iterable[Figure], locale: str) -> list[Section]:
    """The sections with a mark at every printed number that has findings, and the codes beside it."""
    codes = {figure.figure_id: figure.findings for figure in figures if figure.findings and figure.value is not None}
    return [
        section.model_copy(update={"blocks": tuple(_marked(block, codes, locale) for block in section.blocks)})
        for section in sections
    ]


def _marked(block: Block, codes: Codes, locale: str) -> Block:
    if isinstance(block, Tiles):
        return Tiles(tiles=tuple(_marked_tile(tile, codes, locale) for tile in block.tiles))
    if isinstance(block, Paragraph):
        named = _named(codes, block.figure_ids, locale)
        return block.model_copy(update={"text": f"{block.text} [{named}]"}) if named else block
    return _marked_table(block, codes, locale) if isinstance(block, Table) else block


def _marked_tile(tile: Tile, codes: Codes, locale: str) -> Tile:
    named = [*filter(None, [tile.note, _named(codes, [tile.figure_id], locale)])]
    return tile.model_copy(update={"note": "; ".join(named)})


def _marked_table(table: Table, codes: Codes, locale: str) -> Table:
    shown = [cell.figure_id for row in table.rows for cell in row.cells if cell.figure_id in codes]
    if not shown:
        return table
    rows = tuple(
        row.model_copy(update={"cells": tuple(_marked_cell(cell, codes) for cell in row.cells)}) for row in table.rows
    )
    notes = [table.note, word(ESTIMATES, locale) if any(NOTES & set(codes[each]) for each in shown) else ""]
    named = _named(codes, shown, locale, without=NOTES)
    notes += [f"f: {word('see findings', locale)}: {named}."] if named else []
    return table.model_copy(update={"rows": rows, "note": " ".join(filter(None, notes))})


def _marked_cell(cell: Cell, codes: Codes) -> Cell:
    found = set(codes.get(cell.figure_id, ()))
    letters = ("e" if NOTES & found else "") + ("f" if found - NOTES else "")
    return cell.model_copy(update={"mark": letters + cell.mark}) if letters else cell


def _named(codes: Codes, ids: Iterable[str], locale: str, *, without: frozenset[str] = frozenset()) -> str:
    found = dict.fromkeys(code for each in ids for code in codes.get(each, ()) if code not in without)
    return ", ".join(word(words(code), locale) for code in found)


def _finding(code: str, figures: Sequence[Figure]) -> Finding:
    # Backwards: of several figures of one KPI the first gives the label.
    labels = list({figure.kpi: figure.label for figure in reversed(figures)}.values())[::-1]
    named = "; ".join(labels[:3])
    concerned = Sentence("{0} and {1} more", named, len(labels) - 3) if len(labels) > 3 else named
    sentence = SENTENCES.get(code, f"{words(code)[:1].upper()}{words(code)[1:]}.")
    return Finding(
        code=code,
        message=Sentence("{0} Concerned: {1}.", Sentence(sentence), concerned),
        severity="info" if code in NOTES else "warning",
        facts={"printed_figures": len(figures)},
    )
