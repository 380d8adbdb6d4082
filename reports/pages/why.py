"""The page that explains one number: its value made again, its formula, what it is made of, readings and versions."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from data_quality.contracts.finding import Finding
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.reporting.figure import Figure, TraceInput
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.time import zone
from reports.figures.trace import TraceReport, VersionChange
from reports.pages.address import Address
from reports.pages.energy import defused
from reports.pages.page import Form, Input, Number, Numbers, Page, PageBlock, Part, Picture, Steps
from reports.pages.why_links import TAKES, WHY, why_of
from reports.pages.why_parts import parts_of
from reports.recompute.figure_sources import DEFINITION_ID
from reports.report_content import Cell, Column, Paragraph, Row, Table
from reports.svg.lineage import Node, lineage_svg
from reports.texts.locales import named, page_word, period_text, rules_of
from reports.texts.numbers import exact_text, unit_text, written
from reports.writer import format_alike, words

# More nodes than this nobody reads as a list: the others stand in a table below it.
MOST_NODES = 60
# What a person looks through; whoever wants all of them takes the CSV.
ROWS_A_PAGE = 100
CSV = f"{WHY}/readings.csv"
CSV_COLUMNS = (
    "meter", "register", "start", "start_utc", "minutes", "value", "unit", "quality", "is_synthetic", "source", "line",
    "recorded_utc",
)  # fmt: skip
_SHA256 = 64
FORMULAS: Mapping[str, str] = {
    "sum": "the sum of its parts; unknown as soon as one part is",
    "max": "the largest of its parts; unknown as soon as one part is",
    "difference": "the first less the second",
    "ratio": "the first divided by the second",
    "product": "the first times the second",
    "deviation_percent": "100 · (actual − expected) / expected",
    "percent_of": "100 · first / second",
    "root_sum_of_squares": "the root of the sum of the squares of its parts, which err apart from one another",
    "in_gj": "kWh · 0.0036",
    "in_thousands": "a thousandth of it",
    "seu_assessment": "over the days of which both the metered and the expected energy are whole",
    "savings_value": "over the days that are compared, what was saved at what a kWh of the use cost that day",
    "project_number": "over the days of the measure's own boundary that its reporting period holds",
    "running_figure": "from the local month's first quarter hour to the instant, as the tariff counts it",
    "bill_number": "as it stands on the bill, or made again from the readings and the tariff in force on its dates",
    "nothing": "it has no value: the finding beside it says why",
}


@dataclass(frozen=True)
class Explained:
    """Everything about one number. graph: itself first, then what it is made of. readings: the rows of one page of
    `total`, as their sources had them. titles: KPI -> its name, formula and meaning. kept: whether it is stored. of:
    what its scope is called by people. parts: of a sum over time, its months or days (why_parts.py).

    is_open: whether who looks may see more of a figure that it is made of than its value.
    """

    found: TraceReport
    graph: Sequence[Figure]
    changes: Sequence[VersionChange]
    readings: Sequence[Mapping[str, Any]]
    total: int
    page: int
    time_zone: str
    titles: Mapping[str, tuple[str, str, str]]
    kept: bool
    of: str
    is_past: bool = False
    parts: Sequence[Figure] = ()
    is_open: Callable[[Figure], bool] = lambda _: True

    @property
    def figure(self) -> Figure:
        """The number itself."""
        return self.found.figure

    @property
    def findings(self) -> tuple[Finding, ...]:
        """That the value made again is another one."""
        if self.found.is_equal:
            return ()
        figure, again = self.figure, self.found.recomputed
        message = f"It reads {exact_text(figure.value, figure.unit)}; made again from the readings it is "
        message += f"{exact_text(again, figure.unit)}" + (
            "." if self.found.difference is None else f", {exact_text(self.found.difference, figure.unit)} apart."
        )
        code = "figure_differs" if self.kept else "mart_differs"
        return (Finding(code=code, message=message, scope=figure.scope, severity="blocking"),)


def why_page(told: Explained, address: Address, *, may_keep: bool = False) -> Page:
    """The page of one number. may_keep: whether whoever looks may store it."""
    figure = told.figure
    arose, whys = parts_of(figure, told.parts, address.model_copy(update={"more": ()}), told.titles)
    parts = [
        Part(key="value", blocks=(_headline(told, address), _verdict(told, address))),
        *([arose] if arose else []),
        Part(key="facts", blocks=(_facts(told, address),)),
        Part(key="formula", title="Formula", blocks=_formula(told)),
        Part(key="inputs", title="Made of", blocks=_inputs(told, address)),
        Part(key="readings", title="Readings behind it", blocks=_readings(told, address)),
        Part(key="versions", title="Versions behind it", blocks=(_versions(told),)),
        Part(key="changes", title="What changed since", blocks=_changes(told)),
    ]
    if may_keep and not told.kept and not told.is_past:
        parts.append(Part(key="keep", title="Keep it", blocks=(_keep(address),)))
    return Page(
        title=Sentence("Calculation: {0}", _label(figure, told)),
        address=address,
        parts=tuple(parts),
        age=Sentence("as known at {0}", f"{figure.trace.as_of_utc:%Y-%m-%d %H:%M:%S}Z"),
        findings=told.findings,
        links=_links(told, address),
        whys=whys,
        is_synthetic=figure.is_synthetic,
    )


def _label(figure: Figure, told: Explained) -> str:
    title = told.titles.get(figure.kpi, (figure.kpi, "", ""))[0]
    label, of = figure.label.replace(figure.kpi, title), named(told.of)
    head = label.removesuffix(f" of {figure.scope}")
    return label.replace(figure.scope, of) if figure.scope in head else Sentence("{0} of {1}", Sentence(head), of)


def _days(figure: Figure, time_zone: str = "") -> str:
    """First and last local day, with the clock that they are days of where it is given."""
    last = figure.end - timedelta(days=1)
    hour = figure.trace.parameters.get("hour_start_utc") or figure.trace.parameters.get("at_utc")
    days = (figure.start,) if last == figure.start else (figure.start, last)
    span = "{0} to {1}" if len(days) > 1 else "{0}"
    of = f" of {{{len(days)}}}" if time_zone else ""
    if hour:
        return Sentence(f"{{{len(days) + 1}}}, local day {span}{of}", *days, time_zone, hour)
    return Sentence(f"{span} (local days){of}", *days, time_zone)


def _headline(told: Explained, address: Address) -> Numbers:
    figure = told.figure
    [text] = format_alike([figure.value], figure.unit, locale=address.locale)
    tone = "bad" if told.findings else "plain"
    number = Number(
        label=_label(figure, told), text=text, unit=unit_text(figure.unit), note=_days(figure), tone=tone,
        figure_id=figure.figure_id,
    )  # fmt: skip
    return Numbers(numbers=(number,))


def _verdict(told: Explained, address: Address) -> Paragraph:
    if told.found.is_equal:
        seen = "as known then, from the readings alone" if told.is_past else "from the readings"
        return Paragraph(text=Sentence(f"Recomputed EQUAL {seen}: {{0}}.", _exact(told.figure, address)), tone="good")
    return Paragraph(text=f"Recomputed NOT EQUAL. {told.findings[0].message}", tone="bad")


def _exact(figure: Figure, address: Address) -> str:
    return written(exact_text(figure.value, figure.unit), address.locale)


def _share(share: float, address: Address) -> str:
    return written(f"{share:.1%}", address.locale)


# Of mart_site__day_projection, its one method.
PROJECTION = "month to date plus weekday averages of the last 28 days"


def _facts(told: Explained, address: Address) -> Steps:
    figure = told.figure
    with_care = sentences([Sentence(words(code)) for code in figure.findings], ", ")
    read, estimated, given = figure.coverage, figure.estimated_share, figure.trace.parameters
    facts = [
        ("Scope", named(figure.scope if told.of == figure.scope else f"{told.of} ({figure.scope})"), ""),
        ("Period", _days(figure, told.time_zone), ""),
        ("Exact value", _exact(figure, address), ""),
        ("Coverage", "" if read is None else Sentence("{0} of readings", _share(read, address)), ""),
        ("Estimated", f"{_share(estimated, address)} of what was read" if estimated else "", ""),
        ("Projection", PROJECTION if str(given.get("field")).startswith("projected_") else "", ""),
        ("To be read with", with_care, ""),
        ("Readings", "simulated, none of them was measured" if figure.is_synthetic else "", ""),
        ("Figure", figure.figure_id if told.kept else "not kept: it is made anew when it is asked for", ""),
    ]
    return Steps(title="What it is", steps=tuple(each for each in facts if each[1]))


def _formula(told: Explained) -> tuple[PageBlock, ...]:
    figure, computation = told.figure, told.figure.trace.computation
    named = dict.fromkeys(each.kpi for each in told.graph)
    blocks: list[PageBlock] = []
    if computation in FORMULAS:
        blocks.append(Paragraph(text=f"{words(figure.kpi).capitalize()}: {FORMULAS[computation]}."))
    for title, formula, meaning in (told.titles[kpi] for kpi in named if kpi in told.titles):
        blocks.append(Paragraph(text=f"{title}: {formula}. {meaning}"))
    return tuple(blocks) or (Paragraph(text=f"Computed by {words(computation)}."),)


def _inputs(told: Explained, address: Address) -> tuple[PageBlock, ...]:
    """Figures first, then what they rest on; each figure that is kept leads to its own page."""
    steps: list[tuple[str, str, str]] = [
        (
            words(figure.trace.computation),
            Sentence("{0}, {1}: {2}", _label(figure, told), _days(figure), _exact(figure, address)),
            _reason_of(figure, told, address),
        )
        for figure in told.graph[1:]
    ]
    steps += [(words(each.role), _input_text(each), "") for each in told.found.inputs if each.kind != "figure"]
    blocks: list[PageBlock] = [_lineage(told, address)] if steps else []
    blocks.append(Steps(title=Sentence("{0} inputs", len(steps)), steps=tuple(steps[:MOST_NODES])))
    if rest := steps[MOST_NODES:]:
        rows = [Row(cells=(Cell(text=word), Cell(text=text))) for word, text, _ in rest]
        columns = (Column(title="What"), Column(title="Which", weight=4))
        blocks.append(
            Table(
                key="others",
                title=Sentence("{0} others", len(rest)),
                sheet="others",
                columns=columns,
                rows=tuple(rows),
            )
        )
    return tuple(blocks)


def _lineage(told: Explained, address: Address) -> Picture:
    """The graph of what it is made of; the list below says the same, and names what is not drawn."""
    nodes = [
        Node(
            key=figure.figure_id,
            kind=page_word(_label(figure, told), address.locale),
            text=f"{_shown(figure, address)} · {period_text(figure.start, figure.end, address.locale, is_short=True)}",
            made_of=tuple(_node_key(each) for each in figure.trace.inputs),
            href=_reason_of(figure, told, address) if at else "",
        )
        for at, figure in enumerate(told.graph)
    ]
    sources = {_node_key(each): each for each in told.found.inputs if each.kind != "figure"}
    nodes += [
        Node(
            key=key, kind=page_word(words(each.role), address.locale), text=_called(each) or each.value, is_source=True
        )
        for key, each in sources.items()
    ]
    title = page_word("What it is made of", address.locale)
    caption = "From the number to what it rests on; the list below says the same."
    svg = lineage_svg(
        title,
        page_word(caption, address.locale),
        nodes,
        others=lambda count: page_word(Sentence("and {0} others", count), address.locale),
        is_mirrored=rules_of(address.locale).is_right_to_left,
    )
    return Picture(key="lineage", title="What it is made of", svg=svg, caption=caption)


def _node_key(each: TraceInput) -> str:
    return each.id if each.kind == "figure" else f"{each.role}|{each.id}"


def _shown(figure: Figure, address: Address) -> str:
    [text] = format_alike([figure.value], figure.unit, locale=address.locale)
    return f"{text} {unit_text(figure.unit)}".strip()


def _reason_of(figure: Figure, told: Explained, address: Address) -> str:
    return address_of(figure.figure_id, address) if told.kept else _reason(figure, told, address)


def _reason(figure: Figure, told: Explained, address: Address) -> str:
    """Where a figure that is not kept is explained; nowhere, where only its value may be told."""
    if not told.is_open(figure):
        return ""
    return why_of(figure, address.model_copy(update={"more": ()}), {each.figure_id: each for each in told.graph}.get)


def _input_text(each: TraceInput) -> str:
    return named(" ".join(part for part in (_called(each), each.sha256[:16], each.value) if part))


def _called(each: TraceInput) -> str:
    # The one id that the program gave; all others people did.
    return words(each.id) if each.id == DEFINITION_ID else each.id


def _readings(told: Explained, address: Address) -> tuple[PageBlock, ...]:
    if not told.total:
        return (Paragraph(text="It rests on no reading."),)
    first = told.page * ROWS_A_PAGE
    columns = (
        Column(title="Meter", weight=2), Column(title="Register"), Column(title="From", unit=told.time_zone, weight=2),
        Column(title="Minutes", is_number=True), Column(title="Value", is_number=True, weight=2), Column(title="Unit"),
        Column(title="Quality", weight=2), Column(title="File and line", weight=4),
        Column(title="Recorded", unit="UTC", weight=2),
    )  # fmt: skip
    rows = tuple(Row(cells=tuple(Cell(text=text) for text in _reading(row, told.time_zone))) for row in told.readings)
    table = Table(
        key="rows",
        title=Sentence("{0} readings", written(f"{told.total:,}", address.locale)),
        sheet="readings",
        columns=columns,
        rows=rows,
        note=Sentence(
            "{0} to {1}, as their sources had them",
            *(written(f"{each:,}", address.locale) for each in (first + 1, first + len(rows))),
        ),
    )
    return (table,)


def _reading(row: Mapping[str, Any], time_zone: str) -> tuple[str, ...]:
    # An edit stands in no line: its source is the person and the reason.
    source = ":".join(str(each) for each in (row["source_name"], row["source_line"]) if each is not None)
    quality = Sentence(words(QualityCode(row["quality_code"]).name.lower()))
    return (
        named(row["meter_id"]),
        row["register"],
        row["start_utc"].astimezone(zone(time_zone)).strftime("%Y-%m-%d %H:%M %Z"),
        str(row["minutes"]),
        f"{Decimal(repr(round(row['value'], 6))):,f}",
        unit_text(row["unit"]),
        Sentence("{0}, simulated", quality) if row["is_synthetic"] else quality,
        named(source),
        f"{row['recorded_at_utc']:%Y-%m-%d %H:%M:%S}",
    )


def why_csv(readings: Iterable[Mapping[str, Any]], time_zone: str) -> str:
    """Readings as their sources had them, unrounded, one line each under a line of names."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\r\n")
    lines.writerow(CSV_COLUMNS)
    local = zone(time_zone)
    for row in readings:
        texts = [row[name] for name in ("meter_id", "register", "source_name")]
        meter, register, source = (defused(each or "") for each in texts)
        start, quality = row["start_utc"], QualityCode(row["quality_code"]).name.lower()
        lines.writerow([
            meter, register, start.astimezone(local).isoformat(), f"{start:%Y-%m-%dT%H:%M:%SZ}", row["minutes"],
            repr(row["value"]), row["unit"], quality, str(row["is_synthetic"]).lower(), source, row["source_line"],
            f"{row['recorded_at_utc']:%Y-%m-%dT%H:%M:%S.%fZ}",
        ])  # fmt: skip
    return out.getvalue()


def _versions(told: Explained) -> Table:
    shown = {name: value[:16] if len(value) == _SHA256 else value for name, value in told.found.versions.items()}
    # The one that the program named; all others people did.
    names = {f"definition/{DEFINITION_ID}": words(DEFINITION_ID)}
    rows = [Row(cells=(Cell(text=names.get(name, name)), Cell(text=value))) for name, value in sorted(shown.items())]
    columns = (Column(title="Version", weight=3), Column(title="Digest or number", weight=2))
    return Table(key="versions", title="Versions", sheet="versions", columns=columns, rows=tuple(rows))


def _changes(told: Explained) -> tuple[PageBlock, ...]:
    if not told.changes:
        return (Paragraph(text="Nothing: made today it would be the same.", tone="good"),)
    steps = [(each.kind, f"{each.id} is {each.now[:16] or 'gone'}, was {each.then[:16]}", "") for each in told.changes]
    return (Steps(title="Made today it may differ", steps=tuple(steps)),)


def _keep(address: Address) -> Form:
    known = {"site": address.site, "scope": address.scope, "period": address.period, "grain": address.grain or ""}
    fields = {**known, **{name: address.part(name) for name in TAKES}}
    return Form(
        key="keep",
        title="Keep as a figure",
        action="/why/keep",
        method="post",
        fields=tuple(
            Input(name=name, label=name, kind="hidden", value=value) for name, value in fields.items() if value
        ),
        submit="Keep this number",
        note="It is stored with its trace under an id that never changes, and can be cited and verified.",
    )


def _links(told: Explained, address: Address) -> tuple[tuple[str, str], ...]:
    links = [("Link to this number", address.href())]
    if told.total:
        own = {**dict(address.more), "page": None}
        links.append(("All readings, CSV", address.href(CSV, **own)))
    if not told.is_past and not told.kept:
        links.append(
            ("The same as of then", address.href(as_of=f"{told.figure.trace.as_of_utc:%Y-%m-%dT%H:%M:%S.%fZ}"))
        )
    if told.page:
        links.append(("Readings before", address.href(page=str(told.page) if told.page > 1 else None)))
    if (told.page + 1) * ROWS_A_PAGE < told.total:
        links.append(("Readings after", address.href(page=str(told.page + 2))))
    if told.kept:
        base = f"/api/v1/ems/figures/{told.figure.figure_id}"
        links += [("JSON", base), ("All readings", f"{base}/rows"), ("Versions", f"{base}/versions")]
    return tuple(links)


def address_of(figure_id: str, address: Address) -> str:
    """Where a kept figure is explained."""
    return Address(path=WHY, locale=address.locale, more=(("figure", figure_id),)).href()
