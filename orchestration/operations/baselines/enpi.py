"""`meterloom enpi`: EnPI and status of one SEU, its alerts and trend, and what other drivers or products would mean."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any

import polars as pl

from assets.kpi.enpi.alerts import QuarterStatus
from assets.kpi.enpi.enpi_result import USUAL, performance
from data_quality.contracts.baselines.baseline import Baseline, BaselineVersion, StatusRule
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.time import Period, months_of, parse_period
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import Call, Option, operation
from orchestration.operations.options import PeriodOption, SiteOption
from reports.assess import TREND_YEARS, UseRequest, baselines_in_force, enb_of, use_asker
from reports.datasets.base import use_item
from reports.gates import refuse_future, refuse_without_readings
from reports.recompute.claims import claim_of, use_saving_blocker
from reports.recompute.figure_sources import seu_of
from reports.texts.locales import format_alike
from reports.writer import significance, standing_of, words


@operation("enpi", example="--site factory --seu compressors --period 2025-Q1", keeps=True)
def enpi(
    call: Call,
    site: SiteOption,
    seu: Annotated[str, Option("Which significant energy use.")],
    period: PeriodOption,
    baseline_version: Annotated[int | None, Option("Any version; the one in force if left out.")] = None,
    what_if: Annotated[list[str] | None, Option("Or =-2.5, or =12 (a value).", metavar="DRIVER=+10%")] = None,
    mix: Annotated[str | None, Option("Reference mix: PRODUCT=0.6,PRODUCT=0.4.")] = None,
    is_trend: Annotated[bool, Option("Quarters by every approved version too.")] = False,
    years: Annotated[int, Option("Of the trend.", min=1, max=10)] = TREND_YEARS,
) -> Answer:
    """Compare an SEU with its approved baseline: EnPI, deviation, signed status, review flags, alerts."""
    use_query, span = _ask(call, site, seu, period, baseline_version)
    known, use, result = use_query.site, use_query.seu, use_query.assess(span)
    caveats = use_saving_blocker(
        use_query.sources, known, use, use_query.version, end=span.end, as_of_utc=use_query.as_of_utc
    )
    # The saving as far as it may be printed: none, and why, where the gate bars it.
    data = _dumped(result) | _dumped(claim_of(known, use, result, caveats))
    # Put ids that `trace` takes beside the numbers: of the span, and of the months that are whole in it.
    months = {str(each.start): each for each in months_of(span)}
    data["figures"] = _ids(call, use_query, [span], FIGURES)[span]
    shown = {each["start"]: months[each["start"]] for each in data["months"] if each["start"] in months}
    if shown:
        of_months = _ids(call, use_query, list(shown.values()), OF_MONTHS)
        for each in data["months"]:
            if each["start"] in shown:
                each["figures"] = of_months[shown[each["start"]]]
    data["alerts"] = [_dumped(each) for each in use_query.alerts(span)]
    if is_trend:
        every = call.project.baselines.line(enb_of(known, use), as_of_utc=use_query.as_of_utc)
        data["trend"] = _trend_with_ids(call, use_query, every, use_query.trend(every, span.end, years))
    if what_if:
        data["what_if"] = _what_if(use_query, span, what_if)
    if mix is not None:
        data["mix"] = _mix(use_query, span, mix)
    return Answer(data, partial(enpi_parts, data, use=use.name, site=known.site_id, rule=use.status_rule))


# What is printed of the span and of each of its months.
FIGURES = (
    "metered_kwh", "actual_kwh", "expected_kwh", "delta_kwh", "enpi", "deviation_percent", "savings_kwh",
    "uncertainty_kwh", "coverage", "estimated_share",
)  # fmt: skip
OF_MONTHS = FIGURES[1:3] + FIGURES[4:6]


def _ids(call: Call, use: UseRequest, spans: Sequence[Period], measures: Sequence[str]) -> dict[Period, dict[str, str]]:
    """Span -> measure -> id of the numbers of the use against its baseline; empty ids where nothing is kept."""
    ask, _ = use_asker(use, min(each.start for each in spans), max(each.end for each in spans))
    made = {each: {name: ask.measure("enpi", name, use_item(use.seu, each)) for name in measures} for each in spans}
    ids = call.project.store_figures(ask.book.figures(), call.clock)
    return {each: {name: ids.of(figure) for name, figure in figures.items()} for each, figures in made.items()}


def _trend_with_ids(
    call: Call, use_query: UseRequest, versions: Sequence[BaselineVersion], trend: Sequence[QuarterStatus]
) -> list[dict[str, Any]]:
    by_number, found = {each.version: each for each in versions}, []
    for number, rows in groupby(trend, attrgetter("baseline_version")):
        quarters = [
            (each, Period(label=each.label, start=each.start, end=each.end, time_zone=use_query.site.time_zone))
            for each in rows
        ]
        use = replace(use_query, version=by_number[number])
        ids = _ids(call, use, [span for _, span in quarters], OF_MONTHS)
        found += [{**_dumped(each), "figures": ids[span]} for each, span in quarters]
    return found


def _dumped(found: Model) -> dict[str, Any]:
    return found.model_dump(mode="json")


def _ask(call: Call, site: str, seu: str, period: str, number: int | None) -> tuple[UseRequest, Period]:
    project, known = call.project, call.project.site(site)
    use = seu_of(known, seu)
    # One instant for all that follows: readings, baselines and adjustments of one view.
    as_of = call.as_of_or_now
    if number is None:
        version = baselines_in_force(known, project.baselines, as_of_utc=as_of).get(use.seu_id)
    else:
        version = project.baselines.get(enb_of(known, use), number, as_of_utc=as_of)
    span = parse_period(period, known.time_zone)
    refuse_future(span, as_of, name="enpi")
    refuse_without_readings(project.lake, known, span, name="enpi", as_of_utc=as_of)
    return UseRequest(known, use, version, call.sources, as_of), span


def _what_if(use_query: UseRequest, span: Period, changes: list[str]) -> dict[str, Any]:
    from assets.kpi.enpi.what_if import parse_change, what_if

    baseline, days = _model(use_query, span)
    return _dumped(what_if(baseline, days, [parse_change(text) for text in changes]))


def _mix(use_query: UseRequest, span: Period, text: str) -> dict[str, Any]:
    from assets.kpi.enpi.product_mix import at_reference_mix, parse_mix, product_drivers

    baseline, days = _model(use_query, span)
    products = product_drivers(baseline, use_query.site)
    return _dumped(at_reference_mix(baseline, days, products=products, shares=parse_mix(text)))


def _model(use_query: UseRequest, span: Period) -> tuple[Baseline, pl.DataFrame]:
    """The baseline and the days of the span that it is asked about. Raises BadInput (no_baseline)."""
    if use_query.version is None:
        raise BadInput(f"SEU {use_query.seu.seu_id!r} has no baseline to ask", reason="no_baseline")
    days = use_query.sources.days(use_query.site, use_query.seu.seu_id, span, use_query.as_of_utc)
    return use_query.version.baseline, days


KWH = "kwh"


def enpi_parts(data: Mapping[str, Any], *, use: str, site: str, rule: StatusRule = USUAL) -> list[Table | str]:
    """Headline, the saving, the baseline behind it, a table of months, then findings, alerts and what was asked for.

    rule: by which the use is judged.
    """
    parts: list[Table | str] = [_headline(data, use, site), *_energy(data), _behind(data), "", _months(data, rule)]
    flags = [f"look again: {words(flag)}" for flag in data["review_flags"]]
    findings = [f"{each['severity']}: {each['message']}" for each in data["findings"]]
    alerts = [f"alert, {words(each['kind'])}: {each['message']}" for each in data["alerts"]]
    parts += [*flags, *findings, *alerts]
    if "trend" in data:
        shown = Table(
            data["trend"],
            "quarter: {label} | baseline: {version} | EnPI: {enpi:.3f|–} | status: {judged}",
            empty="no quarter of it was read",
            version=lambda each: f"v{each['baseline_version']}",
            judged=lambda each: _standing(each, rule),
        )
        parts += ["", "Quarters by every approved version", shown]
    if "what_if" in data:
        parts += ["", *_supposed(data["what_if"])]
    if "mix" in data:
        parts += ["", *_mixed(data["mix"])]
    return parts


def _headline(data: Mapping[str, Any], use: str, site: str) -> str:
    first, last = data["start"], date.fromisoformat(data["end"]) - timedelta(days=1)
    about = f"{use}, {site}, {first} to {last}"
    if data["status"] == "not_assessable":
        return f"{about}: not assessable, {words(data['reason'])}"
    return f"{about}: EnPI {data['enpi']:.3f}, {words(standing_of(data['status'], data['performance'])).lower()}"


def _energy(data: Mapping[str, Any]) -> list[str]:
    if not data["baseline_id"]:
        return [f"metered {kwh(data['metered_kwh'])} kWh; nothing to compare it with"]
    actual, expected = (kwh(data[key]) for key in ("actual_kwh", "expected_kwh"))
    deviation = "" if data["deviation_percent"] is None else f" ({data['deviation_percent']:+.1f} %)"
    band = data["uncertainty_kwh"]
    within = "" if band is None else f" ± {kwh(band)} kWh at {data['confidence']:.0%}"
    if data["not_claimed"]:
        saved = f"no saving is claimed: {words(data['not_claimed'])}"
    elif data["savings_kwh"] < 0:
        saved = (
            f"used more than expected by {kwh(-data['savings_kwh'])} kWh{within}, {significance(data['significant'])}"
        )
    else:
        saved = f"saved {kwh(data['savings_kwh'])} kWh{within}, {significance(data['significant'])}"
    lines = [f"metered {actual} kWh, expected {expected} kWh{deviation}", saved]
    if data["adjustment_kwh"]:
        lines.append(f"of the expected energy {kwh(data['adjustment_kwh'])} kWh are approved adjustments")
    return lines


def _behind(data: Mapping[str, Any]) -> str:
    days = f"{data['compared_days']} of {data['days']} days compared, {data['coverage']:.1%} read"
    estimated = f", {data['estimated_share']:.1%} estimated" if data["estimated_share"] else ""
    beyond = f", {data['extrapolated_days']} days beyond the range of the baseline" if data["extrapolated_days"] else ""
    made = "; readings are simulated" if data["is_synthetic"] else ""
    by = f"baseline {data['baseline_id']} v{data['baseline_version']}; " if data["baseline_id"] else ""
    return f"{by}{days}{estimated}{beyond}{made}"


def _months(data: Mapping[str, Any], rule: StatusRule) -> Table:
    rows = [{**month, "status_words": _standing(month, rule)} for month in data["months"]]
    for key in ("actual_kwh", "expected_kwh"):
        # Sums over the days that were compared: where there was none they are no energies.
        texts = format_alike([row[key] if row["compared_days"] else None for row in rows], KWH)
        for row, text in zip(rows, texts, strict=True):
            row[key] = text
    return Table(
        rows,
        "month: {start:.7} | metered kWh: {actual_kwh} | expected kWh: {expected_kwh} | EnPI: {enpi:.3f|–} | "
        "deviation %: {deviation_percent:+.1f|–} | status: {status_words} | days compared: {compared_days} of {days}",
    )


def _standing(judged: Mapping[str, Any], rule: StatusRule) -> str:
    """The word that pages and reports have for a span too: its alert level, or that it improved."""
    found = performance(judged["deviation_percent"], warn=rule.warn_percent)
    return words(standing_of(judged["status"], found)).lower()


def _supposed(found: Mapping[str, Any]) -> list[str]:
    low, high = found["interval_kwh"]
    changes = ", ".join(f"{each['driver_id']} {_change(each)}" for each in found["changes"])
    share = "" if found["change_percent"] is None else f" ({found['change_percent']:+.1f} %)"
    outside = found["extrapolated_days"] if found["is_extrapolated"] else 0
    return [
        f"What if {changes}: {kwh(found['what_if_kwh'])} kWh instead of {kwh(found['expected_kwh'])} kWh over "
        f"{found['days']} days",
        f"change {kwh(found['change_kwh'], signed=True)} kWh{share}, {kwh(low, signed=True)} to "
        f"{kwh(high, signed=True)} kWh at {found['confidence']:.0%}",
        *([f"{outside} of the days leave the range of the baseline"] if outside else []),
    ]


def _change(each: Mapping[str, Any]) -> str:
    if each["kind"] == "value":
        return f"at {each['size']:g}"
    return f"{each['size']:+g}{' %' if each['kind'] == 'percent' else ' a day'}"


def _mixed(found: Mapping[str, Any]) -> list[Table | str]:
    rows = [(name, found["actual_shares"].get(name), share) for name, share in found["reference_shares"].items()]
    enpi = "not known" if found["enpi_at_reference_mix"] is None else f"{found['enpi_at_reference_mix']:.3f}"
    return [
        f"At the reference mix: EnPI {enpi}, metered {kwh(found['actual_at_reference_mix_kwh'])} kWh, expected "
        f"{kwh(found['expected_at_reference_mix_kwh'])} kWh; the mix alone made it "
        f"{kwh(found['mix_effect_kwh'], signed=True)} kWh over {found['days']} days",
        Table(rows, "product: {0} | share: {1:.1%} | reference: {2:.1%}"),
    ]


def kwh(value: float | None, *, signed: bool = False) -> str:
    """An energy as people read it."""
    return format_alike([value], KWH, signed=signed)[0]
