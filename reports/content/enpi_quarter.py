"""The quarterly EnPI report (ISO 50001, 9.1): given inputs become typed content. Pure; other periods fit as well."""

from collections.abc import Mapping

from assets.kpi.enpi import EnpiResult
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Period, months_of
from reports.content.draft import draft_mark
from reports.content.enpi_figures import add_figures, as_number, month_key, summed_seus
from reports.content.enpi_findings import in_order, report_findings
from reports.content.enpi_pages import method_section, months_section, quality_section, site_table
from reports.content.findings_table import findings_table
from reports.content.inputs import EnpiInputs
from reports.content.model import (
    Block,
    Cell,
    Chart,
    Column,
    Paragraph,
    ReportContent,
    Row,
    Section,
    Series,
    Table,
    Tiles,
)
from reports.content.references import with_references
from reports.content.register import register_section
from reports.content.standing import standing, with_marks
from reports.content.writer import Writer, energy_decimals, plain, status_cell, words
from reports.figures import FigureBook
from reports.texts.numbers import MISSING

NAME = "enpi_quarter"


def enpi_quarter(given: EnpiInputs, *, revision: int = 0) -> ReportContent:
    """The report's content under a revision number. Raises BadInput for a period that cuts a month."""
    _refuse_part_months(given.period)
    site, report_id = given.site, f"{NAME}/{given.site.site_id}/{given.period.label}"
    book = FigureBook(
        report_id=report_id, revision=revision, as_of_utc=given.as_of_utc, is_synthetic=given.is_synthetic
    )
    results = add_figures(book, given)
    write = Writer(site.locale)
    written = [
        _front(book, given, results, write),
        _charts(book, given, write),
        months_section(book, given, results, write),
        quality_section(book, given, write),
        method_section(book, given, write),
    ]
    figures = book.figures()
    told = report_findings(given, results)
    findings = in_order([*told, *standing(written, figures, told)])
    front, *rest = with_marks(written, figures, "en")
    framed = (*draft_mark(findings, "en"), *front.blocks, findings_table(findings, "en", sheet="Summary"))
    sections = [front.model_copy(update={"blocks": framed}), *rest]
    numbers = {figure.figure_id: number for number, figure in enumerate(figures, start=1)}
    sections = [*(with_references(section, numbers) for section in sections), register_section(figures)]
    return ReportContent(
        report_id=report_id,
        name=NAME,
        title="Energy performance report",
        site_id=site.site_id,
        site_name=site.name,
        period=given.period.label,
        start=given.period.start,
        end=given.period.end,
        time_zone=site.time_zone,
        locale=site.locale,
        currency=site.currency,
        revision=revision,
        as_of_utc=given.as_of_utc,
        status="draft" if any(finding.is_blocking for finding in findings) else "final",
        is_synthetic=given.is_synthetic,
        findings=findings,
        versions={f"calendar/{each.id}": each.value for each in given.calendar} | dict(given.run_versions),
        sections=tuple(sections),
        figures=figures,
    )


def _refuse_part_months(period: Period) -> None:
    if period.start.day != 1 or any(month.end.day != 1 for month in months_of(period)):
        raise BadInput(
            f"period {period.label!r} cuts a month; an EnPI report covers whole calendar months", reason="bad_period"
        )


def _front(
    book: FigureBook,
    given: EnpiInputs,
    results: Mapping[str, EnpiResult],
    write: Writer,
) -> Section:
    blocks: list[Block] = [*_headlines(book, given, write)]
    blocks.append(_tiles(book, write))
    if given.seus:
        blocks.append(_summary_table(book, given, results, write))
    return Section(key="summary", title="Summary", blocks=tuple(blocks))


def _headlines(book: FigureBook, given: EnpiInputs, write: Writer) -> list[Paragraph]:
    found = []
    for carrier, seus in summed_seus(given).items():
        at = f"total/{carrier}"
        deviation, delta = book.at(f"{at}/deviation_percent"), book.at(f"{at}/delta_kwh")
        actual = book.at(f"{at}/actual_kwh")
        if deviation.value is None or delta.value is None:
            continue
        decimals = energy_decimals([actual.value])
        direction = "less" if delta.value < 0 else "more"
        found.append(
            Paragraph(
                text=f"{len(seus)} significant {carrier.replace('_', ' ')} uses took {write.text(actual, decimals)} on "
                f"comparable days, {write.text(delta, decimals, is_size=True)} "
                f"({write.text(deviation, 1, is_size=True)}) {direction} than their baselines expect.",
                figure_ids=(actual.figure_id, delta.figure_id, deviation.figure_id),
            )
        )
    return found


def _tiles(book: FigureBook, write: Writer) -> Tiles:
    def decimals(kpi: str) -> int:
        return energy_decimals([book.at(f"site/{kpi}").value])

    return Tiles(
        tiles=tuple(
            write.tile(book.at(f"site/{kpi}"), 3 if kpi == "load_factor" else decimals(kpi), label=label)
            for kpi, label in (
                ("consumption_kwh", "Site electricity"),
                ("peak_15min_kw", "Highest 15-min load"),
                ("load_factor", "Load factor"),
                ("cost", "Energy cost"),
                ("emission_kgco2e", "Emissions"),
            )
        )
    )


def _summary_table(book: FigureBook, given: EnpiInputs, results: Mapping[str, EnpiResult], write: Writer) -> Table:
    paths = [f"seu/{seu.seu_id}" for seu in given.seus]
    decimals = energy_decimals([book.at(f"{path}/actual_kwh").value for path in paths])
    rows = []
    for seu in given.seus:
        result, at = results[seu.seu_id], f"seu/{seu.seu_id}"
        rows.append(
            Row(
                cells=(
                    plain(seu.name),
                    *_comparison_cells(book, at, decimals, write),
                    write.number(book.at(f"{at}/uncertainty_kwh"), decimals),
                    status_cell(result.status),
                    _performance_cell(result),
                )
            )
        )
    for carrier, seus in summed_seus(given).items():
        rows.append(
            Row(
                cells=(
                    plain(f"Sum of {len(seus)}, {carrier.replace('_', ' ')}"),
                    *_comparison_cells(book, f"total/{carrier}", decimals, write),
                    plain(MISSING),
                    plain(""),
                    plain(""),
                ),
                is_total=True,
            )
        )
    return Table(
        key="summary",
        title="Significant energy uses against their baselines",
        sheet="Summary",
        columns=(
            Column(title="Energy use", weight=2.1),
            Column(title="Actual", unit="kWh", is_number=True),
            Column(title="Expected", unit="kWh", is_number=True),
            Column(title="Difference", unit="kWh", is_number=True),
            Column(title="Savings", unit="kWh", is_number=True),
            Column(title="EnPI", is_number=True, weight=0.75),
            Column(title="Deviation", unit="%", is_number=True, weight=0.95),
            Column(title="± model", unit=f"kWh, {given.confidence:.0%}", is_number=True, weight=0.95),
            Column(title="Status", weight=1.35),
            Column(title="Performance", weight=1.5),
        ),
        rows=tuple(rows),
        note="Energy of days that can be compared. Totals add uses of one carrier that share no meter; uses without "
        "comparable days and aggregates are left out.",
    )


def _comparison_cells(book: FigureBook, at: str, decimals: int, write: Writer) -> tuple[Cell, ...]:
    return (
        write.number(book.at(f"{at}/actual_kwh"), decimals),
        write.number(book.at(f"{at}/expected_kwh"), decimals),
        write.number(book.at(f"{at}/delta_kwh"), decimals, signed=True),
        write.number(book.at(f"{at}/savings_kwh"), decimals),
        write.number(book.at(f"{at}/enpi"), 3),
        write.number(book.at(f"{at}/deviation_percent"), 1, signed=True),
    )


def _performance_cell(result: EnpiResult) -> Cell:
    if result.reason:
        return plain(words(result.reason), "muted")
    cell = status_cell(result.performance)
    if result.significant is None:
        return cell
    return plain(f"{cell.text}, {'significant' if result.significant else 'not significant'}", cell.tone)


def _charts(book: FigureBook, given: EnpiInputs, write: Writer) -> Section:
    blocks: list[Block] = []
    for carrier in summed_seus(given):
        months = [month_key(month) for month in given.month_periods]
        blocks.append(
            Chart(
                key=f"months/{carrier}",
                title=f"{carrier.replace('_', ' ').capitalize()} of all uses: actual against expected by month",
                unit="kWh",
                shape="bars",
                categories=tuple(f"{month.start:%b %Y}" for month in given.month_periods),
                series=tuple(
                    Series(
                        name=name,
                        role=role,
                        values=tuple(as_number(book.at(f"total/{carrier}/{m}/{role}_kwh").value) for m in months),
                    )
                    for name, role in (("Actual", "actual"), ("Expected by the baselines", "expected"))
                ),
                locale=given.site.locale,
                figure_ids=tuple(
                    book.at(f"total/{carrier}/{m}/{role}_kwh").figure_id
                    for role in ("actual", "expected")
                    for m in months
                ),
            )
        )
    return Section(key="site", title="Months and site", blocks=(*blocks, site_table(book, given, write)))
