"""`meterloom enpi`: EnPI and status of one SEU, its alerts and trend, and what other drivers or products would mean."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from assets.kpi.enpi_of_use.enpi_result import EnpiResult
from assets.stores.ledgers.baselines import baseline_id_of
from data_quality.contracts.baselines.baseline import BaselineType, BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period, parse_period
from orchestration.cli.answer import Answer
from orchestration.cli.baselines.enpi_told import enpi_parts
from orchestration.cli.frame import Call, command
from orchestration.cli.options import PeriodOption, SiteOption
from reports.again.claims import against_use, claim_of
from reports.again.figure_sources import Sources, seu_of
from reports.assess import assess_seu
from reports.enpi_life import TREND_YEARS, alerts_for, trend
from reports.gates import refuse_future
from reports.make_report import baselines_in_force
from reports.readings_gate import refuse_without_readings


@dataclass(frozen=True)
class _Asked:
    """One use and period, with the version that it is compared with."""

    site: Site
    use: Seu
    span: Period
    as_of_utc: datetime
    sources: Sources
    version: BaselineVersion | None


@command("enpi", example="--site factory --seu compressors --period 2025-Q1")
def enpi(
    call: Call,
    site: SiteOption,
    seu: Annotated[str, typer.Option("--seu", help="Which significant energy use.")],
    period: PeriodOption,
    baseline_version: Annotated[
        int | None, typer.Option("--baseline-version", help="Any version; the one in force if left out.")
    ] = None,
    what_if: Annotated[
        list[str] | None, typer.Option("--what-if", metavar="DRIVER=+10%", help="Or =-2.5, or =12 (a value).")
    ] = None,
    mix: Annotated[str | None, typer.Option("--mix", help="Reference mix: PRODUCT=0.6,PRODUCT=0.4.")] = None,
    is_trend: Annotated[bool, typer.Option("--trend", help="Quarters by every approved version too.")] = False,
    years: Annotated[int, typer.Option("--years", min=1, max=10, help="Of the trend.")] = TREND_YEARS,
) -> Answer:
    """Compare an SEU with its approved baseline: EnPI, deviation, signed status, review flags, alerts."""
    asked = _ask(call, site, seu, period, baseline_version)
    versions = {} if asked.version is None else {asked.use.seu_id: asked.version}
    result = assess_seu(
        asked.site,
        asked.use.seu_id,
        asked.span,
        sources=asked.sources,
        versions=versions,
        as_of_utc=asked.as_of_utc,
    )
    data = result.model_dump(mode="json") | _claim(asked, result)
    data["alerts"] = _alerts(asked)
    if is_trend:
        data["trend"] = _trend(call, asked, years)
    if what_if:
        data["what_if"] = _what_if(asked, what_if)
    if mix is not None:
        data["mix"] = _mix(asked, mix)
    return Answer(data, enpi_parts(data, use=asked.use.name, site=asked.site.site_id, rule=asked.use.status_rule))


def _ask(call: Call, site: str, seu: str, period: str, number: int | None) -> _Asked:
    project, known = call.project, call.project.site(site)
    use = seu_of(known, seu)
    # One instant for all that follows: readings, baselines and adjustments of one view.
    as_of = call.as_of_utc or project.reports.known_at(call.clock)
    if number is None:
        version = baselines_in_force(known, project.baselines, as_of_utc=as_of).get(use.seu_id)
    else:
        name = baseline_id_of(known.site_id, use.seu_id, BaselineType.ENB)
        version = project.baselines.get(name, number, as_of_utc=as_of)
    span = parse_period(period, known.time_zone)
    refuse_future(span, as_of, name="enpi")
    refuse_without_readings(project.lake, known, span, name="enpi", as_of_utc=as_of)
    return _Asked(known, use, span, as_of, call.sources, version)


def _claim(asked: _Asked, result: EnpiResult) -> dict[str, Any]:
    """The saving as far as it may be printed: none, and why, where the gate bars it."""
    if asked.version is None:
        return {"savings_kwh": None, "claimed_kwh": None, "not_claimed": result.reason, "findings": []}
    against = against_use(
        asked.sources, asked.site, asked.use, asked.version, end=asked.span.end, as_of_utc=asked.as_of_utc
    )
    return claim_of(asked.site, asked.use, result, against).model_dump(mode="json")


def _alerts(asked: _Asked) -> list[dict[str, Any]]:
    if asked.version is None:
        return []
    found = alerts_for(asked.site, asked.version, asked.span, sources=asked.sources, as_of_utc=asked.as_of_utc)
    return [each.model_dump(mode="json") for each in found]


def _trend(call: Call, asked: _Asked, years: int) -> list[dict[str, Any]]:
    name = baseline_id_of(asked.site.site_id, asked.use.seu_id, BaselineType.ENB)
    every = call.project.baselines.versions(asked.site.site_id, asked.use.seu_id, as_of_utc=asked.as_of_utc)
    found = trend(
        asked.site,
        [each for each in every if each.baseline_id == name],
        end=asked.span.end,
        sources=asked.sources,
        as_of_utc=asked.as_of_utc,
        years=years,
    )
    return [each.model_dump(mode="json") for each in found]


def _what_if(asked: _Asked, changes: list[str]) -> dict[str, Any]:
    from assets.kpi.enpi_of_use.what_if import parse_change, what_if

    days = asked.sources.days(asked.site, asked.use.seu_id, asked.span, asked.as_of_utc)
    return what_if(_model(asked).baseline, days, [parse_change(text) for text in changes]).model_dump(mode="json")


def _mix(asked: _Asked, text: str) -> dict[str, Any]:
    from assets.kpi.enpi_of_use.product_mix import at_reference_mix, parse_mix, product_drivers

    baseline = _model(asked).baseline
    days = asked.sources.days(asked.site, asked.use.seu_id, asked.span, asked.as_of_utc)
    found = at_reference_mix(baseline, days, products=product_drivers(baseline, asked.site), shares=parse_mix(text))
    return found.model_dump(mode="json")


def _model(asked: _Asked) -> BaselineVersion:
    if asked.version is None:
        raise BadInput(f"SEU {asked.use.seu_id!r} has no baseline to ask", reason="no_baseline")
    return asked.version
