"""The EnPI pages: all energy uses in one list, and one use in seven panels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assets.kpi.enpi.alerts import EnpiAlert
from assets.kpi.enpi.enpi_result import EnpiResult
from assets.kpi.enpi.use_register import SeuLine
from data_quality.contracts.baselines.adjustment import AdjustmentRecord
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import person_text
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period
from reports.pages.address import Address
from reports.pages.chart import Chart, ChartRow, Limit, Role, ticks_of
from reports.pages.page import Choice, Number, Numbers, Option, Page, PageBlock, Part, Steps
from reports.pages.use_days import UseDays, day_charts
from reports.pages.why_links import WHY
from reports.report_content import Cell, Column, Paragraph, Row, Table, Tone
from reports.texts.locales import named
from reports.texts.numbers import unit_text, written
from reports.writer import TONES, format_alike, significance, standing_of, words

ENPI, _DEVIATION = "/enpi", "deviation_percent"
NONE = Cell(text="–", tone="muted")
# Of a use's quarter: measure of the dataset enpi -> title and unit of its column.
SHOWN: Mapping[str, tuple[str, str]] = {
    "actual_kwh": ("Actual", "kwh"),
    "expected_kwh": ("Expected", "kwh"),
    "deviation_percent": ("Deviation", "percent"),
    "enpi_index": ("Index", "percent"),
    "uncertainty_kwh": ("Uncertainty ±", "kwh"),
}


@dataclass(frozen=True)
class Quarter:
    """One quarter of one use by one version. figures: by measure of SHOWN."""

    period: Period
    result: EnpiResult
    figures: Mapping[str, Figure]

    @property
    def standing(self) -> str:
        """The one code of how the use stands."""
        return standing_of(self.result.status, self.result.performance)

    @property
    def tone(self) -> Tone:
        """That of its standing."""
        return TONES.get(self.standing, "plain")

    @property
    def name(self) -> str:
        """Which quarter of a year it is: Q1."""
        return self.period.label[-2:]

    def why(self, address: Address, site_id: str, measure: str) -> str:
        """The address that explains one of its numbers."""
        result = self.result
        version = f"{result.baseline_id}@{result.baseline_version}" if result.baseline_id else ""
        return why_measure(address, site_id, result.seu_id, measure, self.period, version)


@dataclass(frozen=True)
class UseTold:
    """One energy use. quarters: of the asked span by `version`, oldest first. newest: the newest assessable quarter of
    all that was read. before: actual energy of the training year's quarters, by their name. trend: by version.
    days: of the span. names: of people by person_id.
    """

    site: Site
    seu: Seu
    version: BaselineVersion | None
    versions: Sequence[BaselineVersion]
    span: Period
    quarters: Sequence[Quarter]
    newest: Quarter | None
    before: Mapping[str, Figure]
    trend: Mapping[int, Sequence[Quarter]]
    adjustments: Sequence[AdjustmentRecord]
    alerts: Sequence[EnpiAlert]
    reviews: Sequence[Finding]
    days: UseDays
    names: Mapping[str, str] = field(default_factory=dict)

    def person(self, person_id: str) -> str:
        """Somebody as pages show them."""
        return person_text(person_id, self.names.get(person_id))

    def fitter(self, version: BaselineVersion) -> str:
        """Who fitted a version, and when."""
        return f"{self.person(version.fitted_by)} on {version.fitted_at_utc:%Y-%m-%d}"

    def approval(self, version: BaselineVersion) -> str:
        """Who approved a version, when and why; empty where nobody did."""
        if not (version.approved_by and version.approved_at_utc):
            return ""
        return f"{self.person(version.approved_by)} on {version.approved_at_utc:%Y-%m-%d}: {version.reason}"


def use_address(address: Address, site_id: str, seu_id: str, **changes: str | None) -> str:
    """Where one use is shown."""
    return address.href(f"{ENPI}/{site_id}/{seu_id}", **{"site": None, "scope": None, **changes})


def why_measure(address: Address, site_id: str, seu_id: str, measure: str, span: Period, baseline: str) -> str:
    """The address that explains a number of a use against a version of its baseline."""
    asked = {"site": site_id, "scope": f"seu:{seu_id}", "kpi": measure, "period": f"{span.start}/{span.end}"}
    kept = {"grain": None, "compare": None}
    return address.href(WHY, **kept, **asked, of="assessment", baseline=baseline or None)


def enpi_list(lines: Sequence[tuple[SeuLine, Quarter | None]], address: Address, *, sites: Mapping[str, str]) -> Page:
    """Every use with its baseline and how it stood in the newest quarter that can be assessed. sites: names by id."""
    columns = (
        Column(title="Energy use", weight=3), Column(title="Site"), Column(title="Source"),
        Column(title="Baseline", weight=3), Column(title="Newest quarter"),
        Column(title="Deviation", unit="%", is_number=True), Column(title="Status", weight=2),
        Column(title="Last report"),
    )  # fmt: skip
    rows = tuple(
        Row(
            cells=(
                *_line_cells(line, sites[line.site]),
                *_standing_cells(newest, address.locale),
                Cell(text=line.last_report) if line.last_report else NONE,
            )
        )
        for line, newest in lines
    )
    whys = {
        newest.figures[_DEVIATION].figure_id: newest.why(address, line.site, _DEVIATION)
        for line, newest in lines
        if newest is not None
    }
    whys |= {f"{line.site}/{line.id}": use_address(address, line.site, line.id) for line, _ in lines}
    block: PageBlock = Table(key="uses", title="Energy uses", sheet="uses", columns=columns, rows=rows)
    if not lines:
        named_sites = ", ".join(sites.values()) or "yours"
        block = Paragraph(text=Sentence("No site file of {0} names a significant energy use.", named_sites))
    return Page(
        title="Energy performance", address=address, parts=(Part(key="uses", blocks=(block,)),), whys=whys,
        hints={name: site_id for site_id, name in sites.items()},
        is_synthetic=any(each is not None and each.result.is_synthetic for _, each in lines),
    )  # fmt: skip


def _line_cells(line: SeuLine, site: str) -> tuple[Cell, ...]:
    # Its id is that of the use.
    number, _, status = (line.baseline or "none yet").rpartition("/enb ")[2].partition(" ")
    baseline = Sentence(f"{{0}} {status}", number) if line.baseline else "none yet"
    tone = "plain" if line.has_approved_baseline else "muted"
    name = Cell(text=named(line.name), figure_id=f"{line.site}/{line.id}")
    return (name, Cell(text=named(site)), Cell(text=words(line.source)), Cell(text=baseline, tone=tone))


def _standing_cells(quarter: Quarter | None, locale: str) -> tuple[Cell, ...]:
    if quarter is None:
        return (NONE, NONE, Cell(text=words("not_assessable"), tone="muted"))
    deviation = quarter.figures[_DEVIATION]
    [text] = format_alike([deviation.value], "percent", locale=locale, signed=True)
    number = Cell(text=text, figure_id=deviation.figure_id, decimals=1)
    return (Cell(text=quarter.period.label), number, Cell(text=words(quarter.standing), tone=quarter.tone))


def use_page(told: UseTold, address: Address) -> Page:
    """One use: selection, standing, bars, days, quarters, index over three years, formula; what else must be known."""
    parts = [
        Part(key="selection", blocks=_selection(told, address)),
        Part(key="standing", title="How it stands", blocks=_standing(told, address)),
        Part(key="bars", title="Expected and actual", blocks=_bars(told, address.locale)),
        *_days(told, address.locale),
        Part(
            key="quarters",
            title="Quarters",
            blocks=(_table(told.quarters, "quarters", told.span.label, address.locale),),
        ),
        Part(key="index", title="Index over three years", blocks=_index(told, address.locale)),
        Part(key="model", title="The baseline", blocks=_model(told, address)),
        Part(key="care", title="What else must be known", blocks=_care(told)),
    ]
    path = f"/enpi/{told.site.site_id}/{told.seu.seu_id}/quarters.csv"
    return Page(
        title=named(f"{told.seu.name}, {told.site.name}"),
        address=address,
        parts=tuple(parts),
        links=(("CSV of the quarters", address.href(path)), ("All uses", address.href(ENPI, period=None))),
        whys=_whys(told, address),
        is_synthetic=any(each.result.is_synthetic for each in told.quarters) or told.site.is_simulated,
    )


def _selection(told: UseTold, address: Address) -> tuple[PageBlock, ...]:
    site, chosen = told.site, None if told.version is None else told.version.version
    uses = [
        (named(each.name), use_address(address, site.site_id, each.seu_id, baseline=None), each.seu_id)
        for each in site.seus
    ]
    versions = [
        (
            _version(each),
            address.href(baseline=str(each.version)),
            each.version,
        )
        for each in told.versions
    ]
    known = {each.baseline.train_start.year for each in told.versions} | {told.span.start.year}
    years = [(str(year), address.href(period=str(year)), str(year)) for year in range(min(known), max(known) + 2)]
    source, meters = Sentence(words(told.seu.carrier.value)), sentences([*map(site.stream_name, told.seu.meters)], ", ")
    text = Sentence("{0}: {1} of {2}, {3}, against no baseline.", told.seu.name, source, meters, told.span.label)
    if told.version is not None:
        pattern = "{0}: {1} of {2}, {3}, against baseline version {4} ({5})."
        text = Sentence(pattern, *text.given, chosen, Sentence(told.version.status.value))
    choices = [_choice("Energy use", uses, told.seu.seu_id), _choice("Year", years, told.span.label)]
    choices.append(_choice("Energy source", [(source, address.href(), "")], ""))
    if versions:
        choices.append(_choice("Baseline", versions, chosen))
    return (*choices, Paragraph(text=text))


def _version(version: BaselineVersion) -> str:
    return Sentence(f"{{0}} {version.status.value}", f"v{version.version}")


def _choice(label: str, options: Sequence[tuple[str, str, str | int]], chosen: str | int | None) -> Choice:
    """options: text, address and what it stands for."""
    every = tuple(Option(text=text, href=href, is_chosen=what == chosen) for text, href, what in options)
    return Choice(label=label, options=every)


def _standing(told: UseTold, address: Address) -> tuple[PageBlock, ...]:
    newest = told.newest
    if newest is None:
        reasons = ", ".join(dict.fromkeys(words(each.result.reason) for each in told.quarters if each.result.reason))
        text = f"No quarter can be assessed{f': {reasons}' if reasons else ''}."
        return (Paragraph(text=text, tone="muted"),)
    result = newest.result
    sure = significance(result.significant)
    deviation, index = newest.figures["deviation_percent"], newest.figures["enpi_index"]
    numbers = tuple(
        Number(
            label=Sentence(f"{SHOWN[figure.kpi][0]}, {{0}}", newest.period.label),
            text=format_alike([figure.value], figure.unit, locale=address.locale, signed=figure is deviation)[0],
            unit="%" if figure is deviation else "",
            note=note,
            tone=newest.tone,
            figure_id=figure.figure_id,
            why=newest.why(address, told.site.site_id, figure.kpi),
        )
        for figure, note in ((deviation, sure), (index, "expected is 100"))
    )
    rule = told.seu.status_rule
    text = Sentence(
        "{0}: {1}, by baseline version {2}. Above {3} % a warning, above {4} % critical ({5}).",
        Sentence(words(newest.standing)), newest.period.label, result.baseline_version, f"{rule.warn_percent:g}",
        f"{rule.crit_percent:g}", rule.policy,
    )  # fmt: skip
    return (Paragraph(text=text, tone=newest.tone), Numbers(numbers=numbers))


def _bars(told: UseTold, locale: str) -> tuple[PageBlock, ...]:
    if not told.quarters:
        return (Paragraph(text=f"No whole quarter of {told.span.label} was read.", tone="muted"),)
    before = [told.before.get(each.name) for each in told.quarters]
    rows = [
        ChartRow(
            label="Actual", values=_values(told.quarters, "actual_kwh"), figures=_ids(told.quarters, "actual_kwh")
        ),
        ChartRow(
            label="Expected", role="expected", style="steps", values=_values(told.quarters, "expected_kwh"),
            figures=_ids(told.quarters, "expected_kwh"),
        ),
    ]  # fmt: skip
    if any(before):
        year = "" if told.version is None else told.version.baseline.train_start.year
        label = Sentence("Actual in {0}, the training", year)
        rows.append(ChartRow(label=label, role="third", values=tuple(map(_value, before))))
    chart = Chart(
        kind="bars",
        key="bars",
        title="Actual against expected",
        unit="kwh",
        hint="expected at the conditions of each quarter",
        x=tuple(each.period.label for each in told.quarters),
        x_title="Quarter",
        rows=tuple(rows),
        events=_events(told),
        locale=locale,
        note="Of days that can be compared; the year of the training stands beside it as it was metered.",
    )
    return (chart,)


def _days(told: UseTold, locale: str) -> tuple[Part, ...]:
    """Every day of the span, where it has any."""
    events = [(str(each.adjustment.start), named(each.adjustment.reason)) for each in told.adjustments]
    charts = day_charts(told.days, events, locale)
    return (Part(key="days", title="Day by day", blocks=charts),) if charts else ()


def _events(told: UseTold) -> tuple[tuple[int, Text], ...]:
    """Adjustments, where the quarter begins in which they do."""
    starts = [(each.adjustment.start, each.adjustment.reason) for each in told.adjustments]
    return tuple(
        (at, named(reason))
        for at, each in enumerate(told.quarters)
        for start, reason in starts
        if each.period.start <= start < each.period.end
    )


def _ids(quarters: Sequence[Quarter], measure: str) -> tuple[str, ...]:
    return tuple(each.figures[measure].figure_id for each in quarters)


def _value(figure: Figure | None) -> float | None:
    return None if figure is None or figure.value is None else float(figure.value)


def _values(quarters: Sequence[Quarter], measure: str) -> tuple[float | None, ...]:
    return tuple(_value(each.figures[measure]) for each in quarters)


def _table(quarters: Sequence[Quarter], key: str, title: str, locale: str) -> Table:
    columns = (
        Column(title="Quarter"),
        *(Column(title=name, unit=unit_text(unit), is_number=True) for name, unit in SHOWN.values()),
        Column(title="Status", weight=2), Column(title="Significant"), Column(title="Days compared"),
        Column(title="Flags", weight=3),
    )  # fmt: skip
    texts = {
        name: format_alike(
            [each.figures[name].value for each in quarters], unit, locale=locale, signed=name == "deviation_percent"
        )
        for name, (_, unit) in SHOWN.items()
    }
    rows = []
    for at, each in enumerate(quarters):
        result = each.result
        cells = [Cell(text=texts[name][at], figure_id=each.figures[name].figure_id) for name in SHOWN]
        status = words(each.standing) + (f": {words(result.reason)}" if result.reason else "")
        sure = {True: "yes", False: "no", None: "–"}[result.significant]
        flags = ", ".join(map(words, result.review_flags))
        rows.append(
            Row(
                cells=(
                    Cell(text=each.period.label), *cells, Cell(text=status, tone=each.tone),
                    Cell(text=sure), Cell(text=f"{result.compared_days} / {result.days}"), Cell(text=flags or "none"),
                )
            )
        )  # fmt: skip
    return Table(key=key, title=title, sheet=key, columns=columns, rows=tuple(rows))


def _index(told: UseTold, locale: str) -> tuple[PageBlock, ...]:
    """One series a version; 100 is what the version expects."""
    labels = sorted({each.period.label for quarters in told.trend.values() for each in quarters})
    if not labels:
        return (Paragraph(text="No approved baseline has a quarter with readings.", tone="muted"),)
    roles: tuple[Role, ...] = ("measured", "third", "fourth")
    # More versions than a chart has kinds of line stand in the table alone, the newest are drawn.
    drawn = sorted(told.trend, reverse=True)[: len(roles)]
    rows = []
    for number, role in zip(sorted(drawn), roles, strict=False):
        known = {each.period.label: each.figures["enpi_index"] for each in told.trend[number]}
        rows.append(ChartRow(label=f"v{number}", role=role, values=tuple(_value(known.get(each)) for each in labels)))
    chart = Chart(
        kind="line", key="index", title="EnPI index", unit="", hint="100 · actual / expected", x=tuple(labels),
        x_title="Quarter", rows=tuple(rows), ticks=ticks_of(labels), limit=Limit(label="100, as expected", value=100.0),
        locale=locale, note="Quarters of a version's own training lie near 100 by construction.",
    )  # fmt: skip
    tables = [
        _table(told.trend[number], f"index_v{number}", Sentence("Version {0}", number), locale)
        for number in sorted(told.trend)
    ]
    return (chart, *tables)


def _model(told: UseTold, address: Address) -> tuple[PageBlock, ...]:
    version, locale = told.version, address.locale
    if version is None:
        mend = f"meterloom baseline fit --site {told.site.site_id} --seu {told.seu.seu_id}"
        return (Paragraph(text=f"There is none yet: {mend}; another person approves it.", tone="muted"),)
    fit, stats = version.baseline, version.baseline.statistics
    trained = (fit.train_start, fit.train_end, stats.n, stats.p)
    held_out = [written(f"{share:.2%}", locale) for share in (stats.cvrmse_g14, stats.cvrmse_out_of_sample)]
    approved = told.approval(version) or "nobody: it is provisional, and no report claims by it"
    facts = (
        ("Version", Sentence(f"{{0}} {version.status.value}", f"{version.baseline_id} v{version.version},"), ""),
        ("Trained", Sentence("{0} to {1} (end excluded), {2} days, {3} parameters", *trained), ""),
        ("R²", written(f"{stats.r2:.4f}", locale), ""),
        ("RMSE", written(f"{stats.rmse_dof:,.3f} kWh/day", locale), ""),
        ("CV(RMSE)", Sentence("{0}, held out {1}", *held_out), ""),
        ("Fitted by", told.fitter(version), ""),
        ("Approved by", approved, ""),
    )
    drivers = tuple(
        (named(told.site.stream_name(each.driver_id)), named(each.justification), "") for each in told.seu.drivers
    )
    formula = Paragraph(text=written(formula_of(version), locale))
    blocks: tuple[PageBlock, ...] = (formula, Steps(title="What it is", steps=facts))
    if drivers:
        blocks = (*blocks, Steps(title="Why these drivers", steps=drivers))
    return (*blocks, Steps(title="Its versions", steps=tuple(_step(told, each, address) for each in told.versions)))


def _step(told: UseTold, version: BaselineVersion, address: Address) -> tuple[str, str, str]:
    """A version in the life of the baseline: what it was trained on, and whose word it rests on."""
    fit, approval = version.baseline, told.approval(version)
    text = f"{version.status.value}, trained on {fit.train_start} to {fit.train_end} (end excluded), fitted by "
    text += told.fitter(version) + (f", approved by {approval}" if approval else "")
    return f"v{version.version}", text, address.href(baseline=str(version.version))


def formula_of(version: BaselineVersion) -> str:
    """The model in one line, kWh a day."""
    terms = [
        f"{term.value:.6g}" if term.name == "intercept" else f"{term.value:.6g}*{term.name}"
        for term in version.baseline.coefficients
    ]
    return f"Energy [kWh/day] = {' + '.join(terms)}".replace("+ -", "- ")


def _care(told: UseTold) -> tuple[PageBlock, ...]:
    steps = []
    for each in told.adjustments:
        given, by = each.adjustment, told.person(each.proposed_by)
        size = f"{given.kwh_per_day} kWh a day" if given.percent is None else f"{given.percent} %"
        text = f"{given.start} to {given.end}: {size}, {given.reason} (proposed by {by})"
        steps.append((f"Adjustment, {each.status.value}", text, ""))
    flags = dict.fromkeys(flag for each in told.quarters for flag in each.result.review_flags)
    steps += [("Look again", words(flag), "") for flag in flags]
    steps += [(f"Review: {words(one.code)}", one.message, "") for one in told.reviews]
    steps += [(f"Alert, {words(one.kind)}", one.message, "") for one in told.alerts]
    if not steps:
        return (Paragraph(text="No adjustment, flag, alert, or reason to review the baseline."),)
    return (Steps(title="Adjustments, flags, reviews, alerts", steps=tuple(steps)),)


def _whys(told: UseTold, address: Address) -> dict[str, str]:
    every = [*told.quarters, *(each for quarters in told.trend.values() for each in quarters)]
    return {
        figure.figure_id: each.why(address, told.site.site_id, name)
        for each in every
        for name, figure in each.figures.items()
    }


def quarters_csv(quarters: Sequence[Quarter]) -> list[list[str]]:
    """The quarters unrounded, head first."""
    head = ["quarter", "start", "end", *SHOWN, "status", "reason", "significant", "baseline_id", "baseline_version"]
    rows = []
    for each in quarters:
        result = each.result
        numbers = ["" if each.figures[name].value is None else str(each.figures[name].value) for name in SHOWN]
        sure = "" if result.significant is None else str(result.significant).lower()
        rows.append([
            each.period.label, str(each.period.start), str(each.period.end), *numbers, result.status, result.reason,
            sure, result.baseline_id, str(result.baseline_version or ""),
        ])  # fmt: skip
    return [head, *rows]
