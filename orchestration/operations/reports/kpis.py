"""`meterloom kpis`: KPI values with their figure ids; for people months by KPI, rounded, with footnotes."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from string import ascii_lowercase
from typing import Annotated, Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.time import local_midnight_utc, parse_period, zone
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import Call, Option, operation
from orchestration.operations.options import AnySiteOption, PeriodOption, PortfolioOption
from orchestration.warehouse.dbt import kpi_catalogue
from reports.figures.kpi_list import Grain, kpi_list, row_of
from reports.figures.portfolio import kpi_portfolio
from reports.gates import refuse_future, refuse_without_readings
from reports.recompute.bands import band_data, figure_bands
from reports.texts.locales import format_alike, unit_text
from reports.writer import words

_SHOWN = (
    "scope | kpi | from: {since} | value: {value:,.3f} | unit | coverage: {coverage:.1%} | finding: {note} | "
    "figure: {figure_id}"
)


def _since(row: Mapping[str, Any]) -> object:
    return row["hour_start_utc"] or row["start"]


def _finding_text(row: Mapping[str, Any]) -> str:
    return ", ".join(row["findings"]) or str(row["finding"])


KPIS = Table("rows", _SHOWN, since=_since, note=_finding_text)
_WITH_HALF = _SHOWN.replace("unit |", "±: {uncertainty.plus_minus:,.3f|} | unit |")
WITH_BANDS = Table("rows", _WITH_HALF, since=_since, note=_finding_text)


@operation("kpis", example="--site factory --period 2025-Q1 --grain month", writes=True)
def kpis(
    call: Call,
    period: PeriodOption,
    site: AnySiteOption = None,
    portfolio: PortfolioOption = False,
    grain: Annotated[Grain, Option("hour, day, month or year.")] = "month",
    scope: Annotated[str | None, Option("Only this scope, e.g. tenant:law.")] = None,
    is_long: Annotated[bool, Option("A row each: figure id, coverage, codes; three decimals.")] = False,
    uncertainty: Annotated[
        bool, Option("With --json or --long: what meters, factors and baselines may be off.")
    ] = False,
) -> Answer:
    """Show the KPIs of the catalogue per scope; each value can be traced, and a missing one says why."""
    # Equal means both or neither.
    if portfolio == (site is not None):
        raise BadInput("name --site SITE or --portfolio, one of them", reason="no_site")
    known = None if site is None else call.project.site(site)
    # Of all sites together only the dates are asked: each keeps its own local days.
    span = parse_period(period, known.time_zone if known else "UTC")
    sites = list(call.project.sites.values()) if known is None else [known]
    # Told before the marts are made fresh, which may take minutes.
    refuse_future(span, call.project.store.known_at(call.clock), name="kpis")
    if known is not None:
        refuse_without_readings(call.project.lake, known, span, name="kpis", as_of_utc=call.as_of_utc)
    marts_dir, as_of_utc = call.fresh_marts(sites, site or "all sites")
    make = partial(
        kpi_portfolio if known is None else partial(kpi_list, known), span, grain=grain, sources=call.sources,
        marts_dir=marts_dir, as_of_utc=as_of_utc, scope=scope,
    )  # fmt: skip
    # Kept with their traces, so that each can be walked back.
    content = call.kept(lambda revision: make(revision=revision), known)
    figures: Sequence[Figure] = content.figures
    if portfolio:
        # Without what its KPIs were worked out from: figures of sites, and steps between.
        figures = [each for each in figures if each.scope.startswith("portfolio") and each.kpi in kpi_catalogue()]
    by_id = {figure.figure_id: figure for figure in content.figures}
    rows = [row_of(figure, call.sources, by_id) for figure in figures]
    if uncertainty:
        bands = figure_bands(figures, sources=call.sources, lookup=by_id.get)
        rows = [row | {"uncertainty": band_data(band)} for row, band in zip(rows, bands, strict=True)]
    days = f"local days of {known.time_zone if known else 'each site'}"
    if any(
        (grain in ("month", "year") and day.day > 1) or (grain == "year" and day.month > 1)
        for day in (span.start, span.end)
    ):
        days += f"; only {grain}s that lie wholly in {span.label}"
    if is_long:
        return Answer({"rows": rows}, WITH_BANDS if uncertainty else KPIS, days)
    simulated = "; some readings are simulated" if any(row["is_synthetic"] for row in rows) else ""
    shown = partial(kpi_tables, rows, grain=grain, time_zone=known.time_zone if known else "UTC")
    return Answer({"rows": rows}, shown, f"{days}{simulated}; --long gives figure ids and coverage")


# Of a file, and of a terminal that does not say.
WIDTH = 100
# The whole before its parts.
KINDS = ("portfolio", "site", "seu", "building", "zone", "tenant", "asset", "meter")
# What stands below the table for a code that stands beside a number, or in its place.
EXPLAINED = {
    "base_load": "more than a quarter of the energy is there without any weather: the ratio says little",
    "coarse_source": "the meter is read less often than every 15 minutes: the true peak may be higher",
    "coverage": "not all of the period was read; the value is of what was",
    "eui_partial_year": "fewer than twelve whole months were read",
    "export_exceeds_generation": "more was exported than generated: the registers contradict each other",
    "extrapolation": "drivers are outside the range that the baseline was fitted on",
    "gap": "readings are missing; the value is of what was read",
    "implausible_saving": "the saving is implausibly large: look at the readings first",
    "negative_remainder": "the parts exceed their whole: a submeter, a sign or a parent is wrong",
    "no_area": "the site file gives no floor area",
    "no_baseline": "it has no approved baseline ('meterloom baseline list')",
    "no_compared_day": "no day has both a whole reading and an expected value",
    "no_connected_load": "the site file gives no connected_load_kw of the meter",
    "no_contract": "the site file names no contract or certificate",
    "degree_days_undeclared": "the site file declares no premises.degree_days (driver and base temperatures)",
    "no_degree_days": "the period had no degree days of this kind",
    "no_expected_energy": "the baseline expects no energy here",
    "no_export_register": "no register of what is exported is read",
    "no_factor": "some or all of the energy has no emission factor ('meterloom factors list')",
    "no_generation": "no on-site generation is read",
    "no_load": "nothing was used",
    "no_occupants": "the site file gives no headcount of this scope",
    "no_price": "some or all of the energy has no price: the site's price stream, or else its tariffs, have none then",
    "no_product": "no driver counts products",
    "no_products_made": "nothing was produced",
    "no_reactive_energy": "reactive energy (kvarh) is not read of every meter",
    "no_readings": "nothing was read",
    "no_temperature": "no complete day has an outdoor temperature",
    "not_significant": "the saving is smaller than its uncertainty",
    "partial_comparison": "only a part of the days could be compared",
    "partial_scope": "the scope had its members for a part of the period only",
    "provisional": "the baseline is provisional: nobody approved it yet",
    "share_has_no_demand": "a share of a meter has no peak of its own",
    "site_missing": "a site of the portfolio is not known",
    "too_few_days": "too few whole days (20 are needed)",
    "water_excluded": "water is metered in m³ and is in no total of kWh",
    "weak_weather": "the weather explains less than half of it (R² below 0.5)",
}
# Scope -> its KPIs: title, unit, a cell a period.
Lines = dict[str, list[tuple[str, str, list[str]]]]


class Marks:
    """Letters of footnotes, in the order in which a reader meets them."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def of(self, codes: Sequence[str]) -> str:
        """The letters of codes: `ab`."""
        for code in codes:
            # Nobody has seen more than a dozen; beyond the alphabet a number is a mark as well.
            count = len(self._letters)
            self._letters.setdefault(code, ascii_lowercase[count : count + 1] or f"({count + 1})")
        return "".join(map(self._letters.__getitem__, codes))

    def lines(self) -> list[str]:
        """A line of words for each."""
        return [f"{letter}  {EXPLAINED.get(code, words(code))}" for code, letter in self._letters.items()]


def kpi_tables(rows: Sequence[Mapping[str, Any]], *, grain: str, time_zone: str) -> list[Table | str]:
    """Tables of rows of `kpis`: periods as columns where all fit the terminal, else as rows; then the footnotes."""
    marks, catalogue = Marks(), kpi_catalogue()
    order = {kpi: place for place, kpi in enumerate(catalogue)}
    periods = sorted({_when(row) for row in rows})
    by_scope: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_scope.setdefault(row["scope"], []).append(row)
    lines: Lines = {}
    for scope, of_scope in sorted(by_scope.items(), key=lambda each: _place(each[0])):
        # By unit too: the cost of a portfolio is one of each currency.
        kinds = {(row["kpi"], row["unit"]) for row in of_scope}
        for kpi, unit in sorted(kinds, key=lambda each: (order.get(each[0], len(order)), *each)):
            known = {_when(row): row for row in of_scope if (row["kpi"], row["unit"]) == (kpi, unit)}
            cells = _cells([known.get(period) for period in periods], unit, marks)
            title = catalogue[kpi]["title"] if kpi in catalogue else words(kpi)
            lines.setdefault(scope, []).append((title, unit_text(unit), cells))
    heads = [_label(period, grain, time_zone) for period in periods]
    lines = _aligned(lines)
    tables = _across(lines, heads) or _down(lines, heads)
    return [*tables, "", *marks.lines()]


def _cells(rows: Sequence[Mapping[str, Any] | None], unit: str, marks: Marks) -> list[str]:
    """One KPI of one scope over the periods: equal decimals, the marks beside them."""
    texts = format_alike([None if row is None else row["value"] for row in rows], unit)
    marks_of = ["" if row is None else marks.of(_codes(row)) for row in rows]
    # An absent row is nothing; a value that cannot be known is a dash with its reason.
    cells = ["" if row is None else text for row, text in zip(rows, texts, strict=True)]
    return [f"{cell} {mark}".rstrip() for cell, mark in zip(cells, marks_of, strict=True)]


def _aligned(lines: Lines) -> Lines:
    """The marks of all cells as wide as the widest, so that numbers stand below numbers."""
    every = [cell for members in lines.values() for _, _, cells in members for cell in cells]
    width = max(len(cell.partition(" ")[2]) for cell in every)
    if not width:
        return lines

    def padded(cell: str) -> str:
        number, _, mark = cell.partition(" ")
        return f"{number} {mark.ljust(width)}"

    return {
        scope: [(title, unit, [*map(padded, cells)]) for title, unit, cells in members]
        for scope, members in lines.items()
    }


def _codes(row: Mapping[str, Any]) -> list[str]:
    codes = list(row["findings"]) or ([row["finding"]] if row["finding"] else [])
    is_partial = row["value"] is not None and row["coverage"] is not None and row["coverage"] < 1
    return [*codes, *(["coverage"] if is_partial and not {"gap", "coverage"} & set(codes) else [])]


def _when(row: Mapping[str, Any]) -> tuple[Any, str]:
    # By the end: twelve months belong to the month that they end with. An hour by its day.
    hour = str(row["hour_start_utc"])
    return row["start" if hour else "end"], hour


def _label(period: tuple[Any, str], grain: str, time_zone: str) -> str:
    day, hour = period
    if hour:
        # Where local midnight lies inside a UTC hour, the second of its two days begins at midnight.
        start = max(datetime.fromisoformat(hour), local_midnight_utc(day, time_zone))
        return f"{start.astimezone(zone(time_zone)):%m-%d %H:%M}"
    last = day - timedelta(days=1)
    return f"{last:%Y}" if grain == "year" else f"{last:%Y-%m}" if grain == "month" else f"{last}"


def _place(scope: str) -> tuple[int, str]:
    kind = scope.partition(":")[0]
    return KINDS.index(kind) if kind in KINDS else len(KINDS), scope


def _across(lines: Lines, heads: Sequence[str]) -> list[Table | str]:
    """One table with a column a period, a heading a scope; nothing where it is wider than the terminal."""
    rows: list[list[str]] = []
    for scope, members in lines.items():
        rows += [[""] * (2 + len(heads))] if rows else []
        rows += [[scope, "", *[""] * len(heads)], *([f"  {title}", unit, *cells] for title, unit, cells in members)]
    columns = ["", "unit", *heads]
    widths = [max(len(title), *(len(row[place]) for row in rows)) for place, title in enumerate(columns)]
    if sum(widths) + 2 * (len(widths) - 1) > _width():
        return []
    return [Table(rows, {title: f"{{{place}}}" for place, title in enumerate(columns)})]


def _down(lines: Lines, heads: Sequence[str]) -> list[Table | str]:
    """A heading and a table or more a scope, with a row a period, as many KPIs beside each other as fit."""
    parts: list[Table | str] = []
    for scope, members in lines.items():
        parts += ["", scope] if parts else [scope]
        titled = [(f"{title}, {unit}" if unit else title, cells) for title, unit, cells in members]
        while titled:
            taken, room = 0, _width() - len(heads[0])
            for title, cells in titled:
                room -= 2 + max(*map(len, cells), *map(len, title.split()))
                if room < 0 and taken:
                    break
                taken += 1
            band, titled = titled[:taken], titled[taken:]
            rows = list(zip(heads, *(cells for _, cells in band), strict=True))
            names = ["", *(title for title, _ in band)]
            # A blank line between the bands of a scope, none behind the last.
            parts += [Table(rows, {title: f"{{{place}}}" for place, title in enumerate(names)}), *([""] * bool(titled))]
    return parts


def _width() -> int:
    return shutil.get_terminal_size((WIDTH, 24)).columns
