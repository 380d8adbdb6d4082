"""The page that explains one number: its value recomputed, its formula, what it is made of, readings and versions."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from data_quality.contracts.finding import Finding
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.time import local_day, parse_instant, zone
from reports.figures.trace import TraceReport, VersionChange
from reports.pages.address import TAKES, WHY, Address, why_of
from reports.pages.energy import defused
from reports.pages.numbers import Number, Picture
from reports.pages.page import Cards, Form, Input, Item, Page, Part, Widget
from reports.pages.why_lineage import TITLE, Drawn, SourceFile, called, lineage_of
from reports.pages.why_parts import parts_of, quarters_of
from reports.recompute.bands import band_findings
from reports.report_content import Cell, Column, table
from reports.texts.locales import (
    exact_text,
    format_alike,
    long_date,
    moment,
    named,
    period_text,
    short_date,
    unit_text,
    written,
)
from reports.writer import words

# What a person looks through; whoever wants all of them takes the CSV.
ROWS_A_PAGE = 100
CSV = f"{WHY}/readings.csv"
CSV_COLUMNS = (
    "meter", "register", "start", "start_utc", "minutes", "value", "unit", "quality", "is_synthetic", "source", "line",
    "recorded_utc",
)  # fmt: skip
FORMULAS: Mapping[str, str] = {
    "sum": "The sum of its parts; unknown as soon as one part is.",
    "max": "The largest of its parts; unknown as soon as one part is.",
    "difference": "The first less the second.",
    "ratio": "The first divided by the second.",
    "product": "The first times the second.",
    "deviation_percent": "100 · (actual − expected) / expected",
    "percent_of": "100 · first / second",
    "root_sum_of_squares": "The root of the sum of the squares of its parts, which err apart from one another.",
    "in_gj": "kWh · 0.0036",
    "in_thousands": "A thousandth of it.",
    "seu_assessment": "Over the days of which both the metered and the expected energy are whole.",
    "savings_value": "Over the days that are compared, what was saved at what a kWh of the use cost that day.",
    "project_number": "Over the days of the measure's own boundary that its reporting period holds.",
    "running_figure": "From the local month's first quarter hour to the instant, as the tariff counts it.",
    "bill_number": "As it stands on the bill, or recomputed from the readings and the tariff in force on its dates.",
    "event_number": "As the event is stored: measured, usual then, and the difference at the price of its hours.",
    "event_count": "The stored events that begin in the span.",
    "nothing": "It has no value: the finding beside it says why.",
}


@dataclass(frozen=True)
class Explained:
    """Everything about one number. graph: itself first, then what it is made of. readings: the rows of one page of
    `total`, as their sources had them. titles: KPI -> its name, formula and meaning. kept: whether it is stored;
    until_utc: until when its id is known where it is not. of: what its scope is called by people. parts: of a sum over
    time, its months, days or hours, and quarters: of an hour its quarter hours (why_parts.py). files: those of the
    readings; file: the one that is chosen, of which they are.

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
    until_utc: datetime | None = None
    parts: Sequence[Figure] = ()
    quarters: Sequence[tuple[datetime, Decimal | None]] = ()
    files: Sequence[SourceFile] = ()
    file: str = ""
    is_open: Callable[[Figure], bool] = lambda _: True

    @property
    def figure(self) -> Figure:
        """The number itself."""
        return self.found.figure

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Finding on a recomputed value that differs."""
        if self.found.is_equal:
            return ()
        figure, recomputed = self.figure, self.found.recomputed
        message = f"It reads {exact_text(figure.value, figure.unit)}; recomputed from the readings it is "
        message += f"{exact_text(recomputed, figure.unit)}" + (
            "." if self.found.difference is None else f", {exact_text(self.found.difference, figure.unit)} apart."
        )
        code = "figure_differs" if self.kept else "mart_differs"
        return (Finding(code=code, message=message, scope=figure.scope, severity="blocking"),)


def why_page(shown: Explained, address: Address, *, may_keep: bool = False) -> Page:
    """The page of one number. may_keep: whether whoever looks may store it."""
    figure = shown.figure
    arose, whys = parts_of(figure, shown.parts, address.model_copy(update={"more": ()}), shown.titles, shown.time_zone)
    arose = arose or quarters_of(figure, shown.quarters, shown.time_zone, address.locale)
    facts, readings = _facts(shown, address), _readings(shown, address)
    inputs, links = _inputs(shown, address)
    # Where nothing is known of parts, what it is made of stands first.
    first, last = (inputs, []) if arose is None else (arose, [[inputs]])
    keep = (_keep(address),) if may_keep and not shown.kept and not shown.is_past else ()
    formula = _formula(shown).model_copy(update={"span": 8 if keep else 12})
    rows = [[first.model_copy(update={"span": 8}), facts], [readings], *last, [formula]]
    blocks = (*(Cards(widgets=tuple(row)) for row in rows), *keep)
    is_equal = shown.found.is_equal
    return Page(
        title=Sentence("{0}, {1}", _label(figure, shown, is_head=True), _when(shown, address)),
        address=address,
        parts=(Part(key="calculation", blocks=(_lineage(shown, address), *blocks)),),
        age=Sentence(
            "{0} · {1} · as known at {2}",
            _shown(figure, address),
            named(shown.of),
            f"{moment(figure.trace.as_of_utc, address.locale)} UTC",
        ),
        state=("Recomputed: equal", "good") if is_equal else ("Recomputed: not equal", "bad"),
        findings=shown.findings,
        links=_links(shown, address),
        whys=whys | links,
        is_synthetic=figure.is_synthetic,
    )


def _label(figure: Figure, shown: Explained, *, is_head: bool = False) -> str:
    """Name of the number with its scope; is_head: the name alone, where the scope stands beside it."""
    title = shown.titles.get(figure.kpi, (figure.kpi, "", ""))[0]
    label, of = figure.label.replace(figure.kpi, title), named(shown.of)
    head = label.removesuffix(f" of {figure.scope}")
    if figure.scope in head:
        return label.replace(figure.scope, of)
    return Sentence(head) if is_head else Sentence("{0} of {1}", Sentence(head), of)


def _days(figure: Figure, locale: str, time_zone: str = "") -> Text:
    """The local days in words, with the clock that they are days of where it is given."""
    days = period_text(figure.start, figure.end, locale, is_short=True)
    hour = figure.trace.parameters.get("hour_start_utc") or figure.trace.parameters.get("at_utc")
    if hour:
        return Sentence("{2}, local day {0} of {1}" if time_zone else "{2}, local day {0}", days, time_zone, hour)
    return Sentence("{0} (local days) of {1}" if time_zone else "{0} (local days)", days, time_zone)


def _shown(figure: Figure, address: Address) -> str:
    [text] = format_alike([figure.value], figure.unit, locale=address.locale)
    return f"{text} {unit_text(figure.unit)}".strip()


def _when(shown: Explained, address: Address) -> str:
    """The span in few words: a year, a month, a day, an hour by the site's clock."""
    figure = shown.figure
    at = figure.trace.parameters.get("hour_start_utc") or figure.trace.parameters.get("at_utc")
    if at:
        return moment(parse_instant(at).astimezone(zone(shown.time_zone)), address.locale)
    if (figure.end - figure.start).days == 1:
        return long_date(figure.start, address.locale)
    return period_text(figure.start, figure.end, address.locale)


def _verdict(shown: Explained, address: Address) -> str:
    if shown.found.is_equal:
        seen = "as known then, from the readings alone" if shown.is_past else "from the readings"
        return Sentence(f"Recomputed EQUAL {seen}: {{0}}.", _exact(shown.figure, address))
    return f"Recomputed NOT EQUAL. {shown.findings[0].message}"


def _exact(figure: Figure, address: Address) -> str:
    return written(exact_text(figure.value, figure.unit), address.locale)


def _share(share: float, address: Address) -> str:
    return written(f"{share:.1%}", address.locale)


# Of mart_site__day_projection, its one method.
PROJECTION = "month to date plus weekday averages of the last 28 days"


def _facts(shown: Explained, address: Address) -> Widget:
    """Caveats of the number, and changes since that would alter it today."""
    figure = shown.figure
    with_care = sentences([Sentence(words(code)) for code in figure.findings], ", ")
    read, estimated, given = figure.coverage, figure.estimated_share, figure.trace.parameters
    facts: list[tuple[Text, Text]] = [
        ("Scope", named(shown.of)),
        ("Period", _days(figure, address.locale, shown.time_zone)),
        ("Exact value", _exact(figure, address)),
        ("Coverage", "" if read is None else Sentence("{0} of readings", _share(read, address))),
        ("Estimated", Sentence("{0} of what was read", _share(estimated, address)) if estimated else ""),
        *_uncertainty(shown, address),
        ("Projection", PROJECTION if str(given.get("field")).startswith("projected_") else ""),
        ("To be read with", with_care),
        ("Readings", "simulated, none of them was measured" if figure.is_synthetic else ""),
        ("Since calculated", "" if shown.changes else "No change"),
        ("Figure", _kept(shown, address)),
    ]
    numbers = tuple(Number(label=label, text=text) for label, text in facts if text)
    changed = tuple(
        Item(text=Sentence("Changed: {0}", Sentence(words(each.kind))), tone="caution", icon="triangle-alert",
             detail=Sentence("{0} is {1}, was {2}", each.id, each.now[:16] or "gone", each.then[:16]))
        for each in shown.changes
    )  # fmt: skip
    return Widget(key="facts", title="What to know", state="value", numbers=numbers, items=changed, span=4)


def _kept(shown: Explained, address: Address) -> Text:
    """The figure's id, and until when `trace` takes it."""
    figure_id = shown.figure.figure_id
    if shown.kept:
        return figure_id
    if shown.until_utc is None:
        return "not stored: it is calculated on request"
    until = long_date(local_day(shown.until_utc, shown.time_zone), address.locale)
    return Sentence("{0}, kept until {1}", figure_id, until)


def _uncertainty(shown: Explained, address: Address) -> list[tuple[Text, Text]]:
    """The number's band, and what of it nobody states."""
    band = shown.found.band
    if band is None or shown.figure.value is None:
        return []
    # One sentence for each kind: a site of many meters has many without a class.
    codes = dict.fromkeys(each.code for each in band_findings(band))
    left_out = sentences([Sentence(words(each)) for each in codes], ", ")
    if band.half is None or band.low is None or band.high is None:
        return [("Uncertainty", Sentence("not known: {0}", left_out))] if codes else []
    numbers = [Decimal(repr(each)) for each in (band.half, band.low, band.high)]
    half, low, high = format_alike(numbers, shown.figure.unit, locale=address.locale)
    at = Sentence("± {0}: {1} to {2}, at {3}", half, low, high, _share(band.coverage, address))
    return [("Uncertainty", at), ("Not in it", left_out if codes else "")]


def _formula(shown: Explained) -> Widget:
    """Formula of the number, and the meaning of the KPIs that it is made of."""
    figure, computation = shown.figure, shown.figure.trace.computation
    known = [shown.titles[kpi] for kpi in dict.fromkeys(each.kpi for each in shown.graph) if kpi in shown.titles]
    items = [
        Item(text=title, detail=Sentence("{0}. {1}", Sentence(formula), Sentence(meaning)), icon="activity")
        for title, formula, meaning in known
    ]
    if computation in FORMULAS:
        name = Sentence(words(figure.kpi).capitalize())
        items.insert(0, Item(text=name, detail=FORMULAS[computation], icon="git-branch"))
    reason = "" if items else Sentence("Computed by {0}.", Sentence(words(computation)))
    return Widget(
        key="formula",
        title="Formula",
        state="value",
        items=tuple(items),
        reason=reason,
    )


def _inputs(shown: Explained, address: Address) -> tuple[Widget, dict[str, str]]:
    """Inputs of the number with digests and versions; figures first, each leads to its own page."""
    rows: list[tuple[Cell | Text, ...]] = []
    links = {}
    for figure in shown.graph[1:]:
        links[figure.figure_id] = _reason_of(figure, shown, address)
        which = Sentence("{0}, {1}", _label(figure, shown), _days(figure, address.locale))
        value = Cell(text=_exact(figure, address), figure_id=figure.figure_id)
        rows.append((Sentence(words(figure.trace.computation)), which, value))
    for each in shown.found.inputs:
        if each.kind != "figure":
            version = " ".join(part for part in (each.sha256[:16], each.value) if part)
            rows.append((Sentence(words(each.role)), called(each, address.locale), version))
    for name, number in sorted(shown.found.versions.items()):
        if name.startswith("code/"):
            rows.append(("code", words(name.removeprefix("code/")), number))
    made = table("inputs", "Inputs and versions", ("Input", "Name", "Value, digest or version"), rows)
    widget = Widget(key="inputs", title=made.title, state="value", table=made, span=12)
    return widget, {name: href for name, href in links.items() if href}


def _lineage(shown: Explained, address: Address) -> Picture:
    """The way from the number to the files; the table of inputs says the same, and names what is not drawn."""
    computation = shown.figure.trace.computation
    title = shown.titles.get(shown.figure.kpi, ("", "", ""))
    drawn = Drawn(
        found=shown.found, graph=shown.graph, files=shown.files, file=shown.file,
        formula=FORMULAS.get(computation, "") or title[1],
        labels={each.figure_id: _label(each, shown) for each in shown.graph},
        hrefs={each.figure_id: _reason_of(each, shown, address) for each in shown.graph[1:]},
        when=_when(shown, address), is_kept=shown.kept, time_zone=shown.time_zone,
    )  # fmt: skip
    asks = "Select a file to see its readings." if len(shown.files) > 1 else ""
    caption = sentences((_verdict(shown, address), Sentence(asks)), " ")
    return Picture(key="lineage", title=TITLE, svg=lineage_of(drawn, address, asks or TITLE), caption=caption)


def _reason_of(figure: Figure, shown: Explained, address: Address) -> str:
    return address_of(figure.figure_id, address) if shown.kept else _reason(figure, shown, address)


def _reason(figure: Figure, shown: Explained, address: Address) -> str:
    """Address of the explanation of a figure that is not kept; empty where only its value may be shown."""
    if not shown.is_open(figure):
        return ""
    return why_of(figure, address.model_copy(update={"more": ()}), {each.figure_id: each for each in shown.graph}.get)


def _readings(explained: Explained, address: Address) -> Widget:
    if not explained.total:
        return Widget(key="readings", title="Readings", state="value", reason="It rests on no reading.", span=12)
    first = explained.page * ROWS_A_PAGE
    columns = (
        "Meter", "Register", Column(title="From", unit=explained.time_zone), Column(title="Minutes", is_number=True),
        Column(title="Value", is_number=True), "Unit", "Quality", "File and line",
        Column(title="Recorded", unit="UTC"),
    )  # fmt: skip
    rows = [_reading(each, explained.time_zone, address.locale) for each in explained.readings]
    count = written(f"{explained.total:,}", address.locale)
    title = (
        Sentence("{0} readings of {1}", count, named(explained.file))
        if explained.file
        else Sentence("{0} readings", count)
    )
    shown = (written(f"{each:,}", address.locale) for each in (first + 1, first + len(rows)))
    hint = Sentence("{0} to {1}, as their sources had them", *shown)
    made = table("rows", title, columns, rows)
    return Widget(key="readings", title=title, hint=hint, state="value", table=made, span=12)


def _reading(row: Mapping[str, Any], time_zone: str, locale: str) -> tuple[str, ...]:
    start, recorded = row["start_utc"].astimezone(zone(time_zone)), row["recorded_at_utc"]
    # An edit stands in no line: its source is the person and the reason.
    source = ":".join(str(each) for each in (row["source_name"], row["source_line"]) if each is not None)
    quality = Sentence(words(QualityCode(row["quality_code"]).name.lower()))
    return (
        named(row["meter_id"]),
        row["register"],
        named(f"{short_date(start.date(), locale)}, {start:%H:%M %Z}"),
        str(row["minutes"]),
        written(f"{Decimal(repr(round(row['value'], 6))):,f}", locale),
        unit_text(row["unit"]),
        Sentence("{0}, simulated", quality) if row["is_synthetic"] else quality,
        named(source),
        named(f"{short_date(recorded.date(), locale)}, {recorded:%H:%M:%S}"),
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


def _keep(address: Address) -> Form:
    known = {"site": address.site, "scope": address.scope, "period": address.period, "grain": address.grain or ""}
    fields = {**known, **{name: address.part(name) for name in TAKES}}
    return Form(
        title="Keep as a figure",
        action="/why/keep",
        fields=tuple(
            Input(name=name, label=name, kind="hidden", value=value) for name, value in fields.items() if value
        ),
        submit="Keep this number",
        note="It is stored with its trace under an id that never changes, and can be cited and verified.",
    )


def _links(shown: Explained, address: Address) -> tuple[tuple[str, str], ...]:
    links = [("Link to this number", address.href())]
    if shown.total:
        own = {**dict(address.more), "page": None}
        links.append(("All readings, CSV", address.href(CSV, **own)))
    if not shown.is_past and not shown.kept:
        links.append(
            ("As known at that time", address.href(as_of=f"{shown.figure.trace.as_of_utc:%Y-%m-%dT%H:%M:%S.%fZ}"))
        )
    if shown.file:
        links.append(("Readings of all files", address.href(file=None, page=None)))
    if shown.page:
        links.append(("Previous readings", address.href(page=str(shown.page) if shown.page > 1 else None)))
    if (shown.page + 1) * ROWS_A_PAGE < shown.total:
        links.append(("Next readings", address.href(page=str(shown.page + 2))))
    if shown.kept:
        base = f"/api/v1/ems/figures/{shown.figure.figure_id}"
        links += [("JSON", base), ("All readings", f"{base}/rows"), ("Versions", f"{base}/versions")]
    return tuple(links)


def address_of(figure_id: str, address: Address) -> str:
    """Address of the explanation of a kept figure."""
    return Address(path=WHY, locale=address.locale, more=(("figure", figure_id),)).href()
