"""Pages behind the front page of the EnPI report: months, data quality, method, register of figures."""

from collections.abc import Mapping
from datetime import date, timedelta

from assets.kpi.enpi import EnpiResult
from data_quality.contracts.baseline import BaselineVersion
from data_quality.contracts.site import Seu
from reports.content.enpi_figures import STATISTICS, as_number, month_key
from reports.content.enpi_findings import named_batches
from reports.content.inputs import SITE_KPIS, EnpiInputs
from reports.content.model import Block, Chart, Column, Paragraph, Row, Section, Series, Table
from reports.content.writer import Writer, energy_decimals, plain, status_cell, words
from reports.figures import FigureBook
from reports.texts.numbers import unit_text

COMPARISON = ("actual_kwh", "expected_kwh", "delta_kwh", "savings_kwh")


def months_section(book: FigureBook, given: EnpiInputs, results: Mapping[str, EnpiResult], write: Writer) -> Section:
    """Per SEU: its months with the total, and metered against expected energy by day."""
    blocks: list[Block] = []
    for seu in given.seus:
        blocks.extend((_month_table(book, given, seu, results[seu.seu_id], write), _day_chart(given, seu)))
    return Section(key="months", title="Monthly breakdown", blocks=tuple(blocks), starts_page=True)


def _month_table(book: FigureBook, given: EnpiInputs, seu: Seu, result: EnpiResult, write: Writer) -> Table:
    path = f"seu/{seu.seu_id}"
    decimals = energy_decimals([book.at(f"{path}/{name}").value for name in COMPARISON])
    rows = []
    for month, part in zip(given.month_periods, result.months, strict=True):
        at = f"{path}/{month_key(month)}"
        rows.append(
            Row(
                cells=(
                    plain(f"{month.start:%B %Y}"),
                    *(
                        write.number(book.at(f"{at}/{name}"), decimals, signed=name == "delta_kwh")
                        for name in COMPARISON
                    ),
                    write.number(book.at(f"{at}/enpi"), 3),
                    write.number(book.at(f"{at}/deviation_percent"), 1, signed=True),
                    write.number(book.at(f"{at}/compared_days"), 0),
                    status_cell(part.status),
                )
            )
        )
    total = Row(
        cells=(
            plain("Period"),
            *(write.number(book.at(f"{path}/{name}"), decimals, signed=name == "delta_kwh") for name in COMPARISON),
            write.number(book.at(f"{path}/enpi"), 3),
            write.number(book.at(f"{path}/deviation_percent"), 1, signed=True),
            write.number(book.at(f"{path}/compared_days"), 0),
            status_cell(result.status),
        ),
        is_total=True,
    )
    return Table(
        key=f"months/{seu.seu_id}",
        title=seu.name,
        sheet="Months",
        columns=(
            Column(title="Month", weight=1.5),
            Column(title="Actual", unit="kWh", is_number=True, weight=1.2),
            Column(title="Expected", unit="kWh", is_number=True, weight=1.2),
            Column(title="Difference", unit="kWh", is_number=True, weight=1.2),
            Column(title="Savings", unit="kWh", is_number=True, weight=1.2),
            Column(title="EnPI", is_number=True, weight=0.8),
            Column(title="Deviation", unit="%", is_number=True, weight=1.0),
            Column(title="Days", unit="compared", is_number=True, weight=0.9),
            Column(title="Status", weight=1.3),
        ),
        rows=(*rows, total),
    )


def _day_chart(given: EnpiInputs, seu: Seu) -> Chart:
    pairs = [p for p in given.pairs.get(seu.seu_id, ()) if given.period.start <= p.local_date < given.period.end]
    return Chart(
        key=f"days/{seu.seu_id}",
        title=f"{seu.name}: energy per day",
        unit="kWh per day",
        shape="lines",
        categories=tuple(pair.local_date.isoformat() for pair in pairs),
        series=(
            Series(name="Actual", role="actual", values=tuple(as_number(pair.actual_kwh) for pair in pairs)),
            Series(name="Expected", role="expected", values=tuple(as_number(pair.expected_kwh) for pair in pairs)),
        ),
        locale=given.site.locale,
    )


def site_table(book: FigureBook, given: EnpiInputs, write: Writer) -> Table:
    """The site's electricity by month: consumption, peak, load factor, cost, emissions."""
    decimals = {
        kpi: energy_decimals([book.at(f"site/{kpi}").value, *(month.values[kpi] for month in given.months)])
        for kpi in SITE_KPIS
    } | {"load_factor": 3}

    def row(title: str, at: str, *, is_total: bool = False) -> Row:
        cells = [write.number(book.at(f"{at}/{kpi}"), decimals[kpi]) for kpi in SITE_KPIS]
        return Row(cells=(plain(title), *cells, write.percent(book.at(f"{at}/coverage"))), is_total=is_total)

    return Table(
        key="site",
        title="Site electricity",
        sheet="Site",
        columns=(
            Column(title="Month", weight=1.5),
            Column(title="Consumption", unit="kWh", is_number=True),
            Column(title="Peak, 15 min", unit="kW", is_number=True),
            Column(title="Load factor", is_number=True),
            Column(title="Energy cost", unit=unit_text(given.site.currency), is_number=True),
            Column(title="Emissions", unit="kg CO2e", is_number=True),
            Column(title="Coverage", unit="of readings", is_number=True),
        ),
        rows=(
            *(row(f"{month.start:%B %Y}", f"site/{month_key(month)}") for month in given.months),
            row("Period", "site", is_total=True),
        ),
        note="Cost is energy price times consumption, without fixed or demand charges. Emissions are "
        "location-based with the dated factors of the site file. A dash means that a price, a factor or readings are "
        "missing. Site totals hold everything that was read, so they exceed compared days where days are incomplete.",
    )


def quality_section(book: FigureBook, given: EnpiInputs, write: Writer) -> Section:
    """How complete the data are, and what was left out."""
    decimals = energy_decimals([book.at(f"seu/{seu.seu_id}/metered_kwh").value for seu in given.seus])
    rows = []
    for seu in given.seus:
        at = f"seu/{seu.seu_id}"
        rows.append(
            Row(
                cells=(
                    plain(seu.name),
                    write.number(book.at(f"{at}/metered_kwh"), decimals),
                    write.number(book.at(f"{at}/actual_kwh"), decimals),
                    write.number(book.at(f"{at}/compared_days"), 0),
                    write.percent(book.at(f"{at}/coverage")),
                    write.percent(book.at(f"{at}/estimated_share")),
                )
            )
        )
    table = Table(
        key="quality",
        title="Completeness by energy use",
        sheet="Data quality",
        columns=(
            Column(title="Energy use", weight=2),
            Column(title="Metered", unit="kWh", is_number=True),
            Column(title="Compared", unit="kWh", is_number=True),
            Column(title="Days", unit=f"of {given.period.days}", is_number=True),
            Column(title="Coverage", unit="of readings", is_number=True),
            Column(title="Estimated", unit="of readings", is_number=True),
        ),
        rows=tuple(rows),
        note="A day is compared only where every quarter hour of every meter was read and every driver is known: a "
        "day with a hole would look like a saving. Nothing is filled in or scaled up.",
    )
    left_out = Table(
        key="left_out",
        title="Days that are not compared",
        sheet="Data quality",
        columns=(Column(title="Energy use", weight=1.5), Column(title="Days (first to last) and why", weight=6)),
        rows=tuple(Row(cells=(plain(seu.name), plain(days_left_out(given, seu)))) for seu in given.seus),
    )
    batches = Table(
        key="batches",
        title="Meter files behind this period",
        sheet="Data quality",
        columns=(Column(title="Count", weight=3), Column(title="Value", is_number=True)),
        rows=tuple(
            Row(cells=(plain(title), write.number(book.at(f"quality/{name}"), 0)))
            for name, title in (
                ("files", "Accepted files"),
                ("accepted_rows", "Rows accepted from them"),
                ("rejected_rows", "Rows rejected, kept in quarantine"),
            )
        ),
        note="Rows are counted over the whole files, which may reach beyond the period." + _simulated(given),
    )
    return Section(key="quality", title="Data quality", blocks=(table, left_out, batches), starts_page=True)


def _simulated(given: EnpiInputs) -> str:
    """Which files brought simulated rows: whoever asks for their readings needs the name."""
    named = named_batches(given)
    return f" Simulated rows came with {named}." if named else ""


def days_left_out(given: EnpiInputs, seu: Seu) -> str:
    """Stretches of days that are not compared, with the reason, at most twelve of them."""
    known = {pair.local_date: pair for pair in given.pairs.get(seu.seu_id, ())}
    stretches: list[tuple[date, date, str]] = []
    for offset in range(given.period.days):
        day = given.period.start + timedelta(days=offset)
        pair = known.get(day)
        if pair is not None and pair.is_compared(given.rule):
            continue
        reason = "readings missing" if pair is None or pair.coverage < given.rule.min_day_coverage else "driver unknown"
        if stretches and stretches[-1][1] == day - timedelta(days=1) and stretches[-1][2] == reason:
            stretches[-1] = (stretches[-1][0], day, reason)
        else:
            stretches.append((day, day, reason))
    if not stretches:
        return "none"
    texts = [f"{first}{f' to {last}' if last > first else ''} ({reason})" for first, last, reason in stretches[:12]]
    more = f"; and {len(stretches) - 12} more stretches" if len(stretches) > 12 else ""
    return "; ".join(texts) + more


def method_section(book: FigureBook, given: EnpiInputs, write: Writer) -> Section:
    """How every number was made: model form, coefficients, statistics, versions, the status rule."""
    blocks: list[Block] = [Paragraph(text=text) for text in _method_texts(given)]
    versions = [given.versions[seu.seu_id] for seu in given.seus if seu.seu_id in given.versions]
    if versions:
        blocks.extend(
            (
                _version_table(versions),
                _statistics_table(book, versions, write),
                _coefficient_table(book, versions, write),
            )
        )
    return Section(key="method", title="Method", blocks=tuple(blocks), starts_page=True)


def _method_texts(given: EnpiInputs) -> list[str]:
    rule, level = given.rule, f"{given.confidence:.0%}"
    return [
        "Expected energy is the baseline model at the drivers of this period (forecast direction): per local day the "
        "intercept plus each coefficient times its driver, summed over the compared days. Drivers of a day are summed "
        "or averaged as the site file says; a day without a driver is not compared.",
        "EnPI = actual / expected; below 1 is better than the baseline. Deviation = 100 · (actual - expected) / "
        "expected. Difference = actual - expected (ISO 50001 view); savings = expected - actual (M&V view). Energy is "
        "avoided energy at this period's conditions; nothing is annualised.",
        f"Status ({rule.policy} rule, unrounded, bounds inclusive): compliant up to +{rule.warn_percent:g} % "
        f"deviation, warning up to +{rule.crit_percent:g} %, critical above; savings are compliant. Without an "
        f"approved baseline, or with fewer than {rule.min_days_share:.0%} of the days comparable, it is not "
        "assessable. These are the organisation's own alert levels; ISO 50001 sets none. Review flags never change the "
        "status.",
        f"A difference is significant where it exceeds the {level} uncertainty of the model: exact algebra of least "
        "squares over the compared days with autocorrelation, held to 1.1 times the ASHRAE Guideline 14 form where the "
        "two agree. It covers the model's error only, not the meters'.",
        "Totals add unrounded month figures; rounding happens in print only. Each figure stands in the register with "
        "its identifier: meterloom trace IDENTIFIER recomputes it from the readings.",
    ]


def _version_table(versions: list[BaselineVersion]) -> Table:
    def approval(version: BaselineVersion) -> str:
        if version.approved_by is None or version.approved_at_utc is None:
            return "not approved"
        return f"{version.approved_by}, {version.approved_at_utc:%Y-%m-%d}"

    return Table(
        key="baselines",
        title="Baselines",
        sheet="Method",
        columns=(
            Column(title="Energy use", weight=1.3),
            Column(title="Baseline", weight=2.2),
            Column(title="Model", weight=1.1),
            Column(title="Trained on", weight=1.9),
            Column(title="Status", weight=1.1),
            Column(title="Approved by", weight=1.6),
            Column(title="Data digest", weight=1.2),
        ),
        rows=tuple(
            Row(
                cells=(
                    plain(version.baseline.seu_id),
                    plain(f"{version.baseline_id} v{version.version}"),
                    plain(version.baseline.model),
                    plain(f"{version.baseline.train_start} to {version.baseline.train_end}"),
                    plain(words(version.status.value).replace("baseline is ", "")),
                    plain(approval(version)),
                    plain(version.baseline.dataset_digest[:12]),
                )
            )
            for version in versions
        ),
        note="Training periods are local dates, the end is exclusive.",
    )


def _statistics_table(book: FigureBook, versions: list[BaselineVersion], write: Writer) -> Table:
    titles = {
        "n": ("Days", ""),
        "r2": ("R²", ""),
        "r2_adj": ("R² adj.", ""),
        "cvrmse_n": ("CV(RMSE)", "n"),
        "cvrmse_g14": ("CV(RMSE)", "G14"),
        "cvrmse_caltrack": ("CV(RMSE)", "CalTRACK"),
        "cvrmse_out_of_sample": ("CV(RMSE)", "held out"),
        "nmbe_out_of_sample": ("NMBE", "held out"),
        "rho1": ("Autocorr.", "lag 1"),
    }
    return Table(
        key="statistics",
        title="Fit of the daily models",
        sheet="Method",
        columns=(
            Column(title="Energy use", weight=1.6),
            *(Column(title=titles[name][0], unit=titles[name][1], is_number=True) for name in STATISTICS),
        ),
        rows=tuple(
            Row(
                cells=(
                    plain(version.baseline.seu_id),
                    *(
                        write.number(book.at(f"baseline/{version.baseline.seu_id}/{name}"), 0 if name == "n" else 4)
                        for name in STATISTICS
                    ),
                )
            )
            for version in versions
        ),
        note="CV(RMSE) and NMBE are shares of the mean daily energy; held out: blocked by month.",
    )


def _coefficient_table(book: FigureBook, versions: list[BaselineVersion], write: Writer) -> Table:
    rows = []
    for version in versions:
        for term in version.baseline.coefficients:
            at = f"baseline/{version.baseline.seu_id}/{term.name}"
            rows.append(
                Row(
                    cells=(
                        plain(version.baseline.seu_id),
                        plain(term.name),
                        *(write.number(book.at(f"{at}/{field}"), 5) for field in ("value", "ci_low", "ci_high")),
                        write.probability(book.at(f"{at}/p_value")),
                    )
                )
            )
    levels = sorted({f"{version.baseline.confidence:.0%}" for version in versions})
    return Table(
        key="coefficients",
        title=f"Coefficients with {' / '.join(levels)} confidence intervals",
        sheet="Method",
        columns=(
            Column(title="Energy use", weight=1.6),
            Column(title="Term", weight=2),
            Column(title="Value", unit="kWh/day per unit", is_number=True, weight=1.3),
            Column(title="Low", is_number=True),
            Column(title="High", is_number=True),
            Column(title="p", is_number=True, weight=0.8),
        ),
        rows=tuple(rows),
    )
