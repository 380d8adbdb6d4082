"""`meterloom enpi`: EnPI and status of one SEU, its alerts and trend, and what other drivers or products would mean."""

from typing import Annotated, Any

import polars as pl

from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.time import Period, parse_period
from orchestration.operations.answer import Answer
from orchestration.operations.baselines.enpi_told import enpi_parts
from orchestration.operations.operation import Call, operation
from orchestration.operations.options import PeriodOption, SiteOption
from orchestration.operations.question import Option
from reports.assess import TREND_YEARS, AskedUse, enb_of
from reports.gates import refuse_future
from reports.make_report import baselines_in_force
from reports.readings_gate import refuse_without_readings
from reports.recompute.claims import against_use, claim_of
from reports.recompute.figure_sources import seu_of


@operation("enpi", example="--site factory --seu compressors --period 2025-Q1")
def enpi(
    call: Call,
    site: SiteOption,
    seu: Annotated[str, Option("--seu", help="Which significant energy use.")],
    period: PeriodOption,
    baseline_version: Annotated[
        int | None, Option("--baseline-version", help="Any version; the one in force if left out.")
    ] = None,
    what_if: Annotated[
        list[str] | None, Option("--what-if", metavar="DRIVER=+10%", help="Or =-2.5, or =12 (a value).")
    ] = None,
    mix: Annotated[str | None, Option("--mix", help="Reference mix: PRODUCT=0.6,PRODUCT=0.4.")] = None,
    is_trend: Annotated[bool, Option("--trend", help="Quarters by every approved version too.")] = False,
    years: Annotated[int, Option("--years", min=1, max=10, help="Of the trend.")] = TREND_YEARS,
) -> Answer:
    """Compare an SEU with its approved baseline: EnPI, deviation, signed status, review flags, alerts."""
    asked, span = _ask(call, site, seu, period, baseline_version)
    known, use, result = asked.site, asked.seu, asked.assess(span)
    against = against_use(asked.sources, known, use, asked.version, end=span.end, as_of_utc=asked.as_of_utc)
    # The saving as far as it may be printed: none, and why, where the gate bars it.
    data = _dumped(result) | _dumped(claim_of(known, use, result, against))
    data["alerts"] = [_dumped(each) for each in asked.alerts(span)]
    if is_trend:
        every = call.project.baselines.line(enb_of(known, use), as_of_utc=asked.as_of_utc)
        data["trend"] = [_dumped(each) for each in asked.trend(every, span.end, years)]
    if what_if:
        data["what_if"] = _what_if(asked, span, what_if)
    if mix is not None:
        data["mix"] = _mix(asked, span, mix)
    return Answer(data, enpi_parts(data, use=use.name, site=known.site_id, rule=use.status_rule))


def _dumped(found: Model) -> dict[str, Any]:
    return found.model_dump(mode="json")


def _ask(call: Call, site: str, seu: str, period: str, number: int | None) -> tuple[AskedUse, Period]:
    project, known = call.project, call.project.site(site)
    use = seu_of(known, seu)
    # One instant for all that follows: readings, baselines and adjustments of one view.
    as_of = call.as_of_utc or project.reports.known_at(call.clock)
    if number is None:
        version = baselines_in_force(known, project.baselines, as_of_utc=as_of).get(use.seu_id)
    else:
        version = project.baselines.get(enb_of(known, use), number, as_of_utc=as_of)
    span = parse_period(period, known.time_zone)
    refuse_future(span, as_of, name="enpi")
    refuse_without_readings(project.lake, known, span, name="enpi", as_of_utc=as_of)
    return AskedUse(known, use, version, call.sources, as_of), span


def _what_if(asked: AskedUse, span: Period, changes: list[str]) -> dict[str, Any]:
    from assets.kpi.enpi.what_if import parse_change, what_if

    baseline, days = _model(asked, span)
    return _dumped(what_if(baseline, days, [parse_change(text) for text in changes]))


def _mix(asked: AskedUse, span: Period, text: str) -> dict[str, Any]:
    from assets.kpi.enpi.product_mix import at_reference_mix, parse_mix, product_drivers

    baseline, days = _model(asked, span)
    products = product_drivers(baseline, asked.site)
    return _dumped(at_reference_mix(baseline, days, products=products, shares=parse_mix(text)))


def _model(asked: AskedUse, span: Period) -> tuple[Baseline, pl.DataFrame]:
    """The baseline and the days of the span that it is asked about. Raises BadInput (no_baseline)."""
    if asked.version is None:
        raise BadInput(f"SEU {asked.seu.seu_id!r} has no baseline to ask", reason="no_baseline")
    days = asked.sources.days(asked.site, asked.seu.seu_id, span, asked.as_of_utc)
    return asked.version.baseline, days
