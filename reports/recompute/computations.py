"""The computations that a trace may name: combinations of other figures, and leaves that start from the lake.

A new kind of figure is one function here. Nothing else decides what a traced number means.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal

from assets.kpi.enpi import enpi_result as enpi
from assets.kpi.enpi import savings_band as uncertainty
from assets.kpi.enpi.enpi_result import EnpiResult, EnpiRule, enpi_for
from assets.kpi.from_readings import EXPECTED, KpiQuery
from assets.kpi.running_cost.month_to_date import RunningFigures, running_figures
from assets.sites.organisation import share_of
from data_quality.contracts.baselines.baseline import Baseline, BaselineStatus, BaselineVersion
from data_quality.contracts.errors import OurFault
from data_quality.contracts.reporting.figure import Trace, TraceInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period, parse_instant
from data_quality.contracts.units import ARITHMETIC
from reports.recompute import advice, bill, claims, event, footprint, hours, project
from reports.recompute import dr_event as dr_again
from reports.recompute.covered_area import BY_AREA
from reports.recompute.experiment import BY_ACTS
from reports.recompute.figure_sources import Sources, parse_dates
from reports.recompute.recomputed_kpis import KpiBasis, definition_named, kpi_row, prefetch_kpis, running_rows
from reports.recompute.stated import stated_number

Operand = tuple[str, Decimal | None]


def sum_of(operands: Sequence[Operand]) -> Decimal | None:
    """Exact sum; unknown as soon as one part is."""
    # In our own context: a plain + rounds to 28 digits, and to whatever the thread was set to.
    total = Decimal(0)
    for _, value in operands:
        if value is None:
            return None
        total = ARITHMETIC.add(total, value)
    return total


def max_of(operands: Sequence[Operand]) -> Decimal | None:
    """The largest; unknown as soon as one part is."""
    values = [value for _, value in operands]
    # An unknown month may have been the highest: the known ones alone prove nothing.
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


def difference_of(operands: Sequence[Operand]) -> Decimal | None:
    """First minus second."""
    first, second = _two(operands)
    return None if first is None or second is None else ARITHMETIC.subtract(first, second)


def ratio_of(operands: Sequence[Operand]) -> Decimal | None:
    """First over second; unknown where the second is not above zero."""
    first, second = _two(operands)
    return None if first is None or second is None or second <= 0 else ARITHMETIC.divide(first, second)


def product_of(operands: Sequence[Operand]) -> Decimal | None:
    """First times second: an amount at its price."""
    first, second = _two(operands)
    return None if first is None or second is None else ARITHMETIC.multiply(first, second)


def deviation_of(operands: Sequence[Operand]) -> Decimal | None:
    """100 · (actual - expected) / expected, percent (formulas 5.8)."""
    actual, wanted = _two(operands)
    return None if actual is None or wanted is None else enpi.deviation_percent(actual, wanted)


def percent_of(operands: Sequence[Operand]) -> Decimal | None:
    """100 · first / second; unknown where the second is not above zero."""
    first, second = _two(operands)
    if first is None or second is None or second <= 0:
        return None
    return ARITHMETIC.divide(ARITHMETIC.multiply(Decimal(100), first), second)


def root_sum_of_squares(operands: Sequence[Operand]) -> Decimal | None:
    """Half-width of a sum's band, of parts that err apart from one another; unknown as soon as one part is (5.5)."""
    total = sum_of([(role, value and ARITHMETIC.multiply(value, value)) for role, value in operands])
    return None if total is None else ARITHMETIC.sqrt(total)


def in_gj(operands: Sequence[Operand]) -> Decimal | None:
    """KWh as GJ: 0.0036, exact."""
    return _times(operands, Decimal("0.0036"))


def in_thousands(operands: Sequence[Operand]) -> Decimal | None:
    """KWh as MWh, kg as t: 0.001, exact."""
    return _times(operands, Decimal("0.001"))


def _times(operands: Sequence[Operand], factor: Decimal) -> Decimal | None:
    ((_, value),) = operands
    return None if value is None else ARITHMETIC.multiply(value, factor)


def _two(operands: Sequence[Operand]) -> tuple[Decimal | None, Decimal | None]:
    (_, first), (_, second) = operands
    return first, second


COMBINATIONS: dict[str, Callable[[Sequence[Operand]], Decimal | None]] = {
    "sum": sum_of,
    "max": max_of,
    "difference": difference_of,
    "ratio": ratio_of,
    "product": product_of,
    "deviation_percent": deviation_of,
    "percent_of": percent_of,
    "root_sum_of_squares": root_sum_of_squares,
    "net_present_value": advice.net_present_value,
    "in_gj": in_gj,
    "in_thousands": in_thousands,
}


def combine(computation: str, operands: Sequence[Operand]) -> Decimal | None:
    """Apply a named combination. Raises OurFault for an unknown name."""
    if computation not in COMBINATIONS:
        raise OurFault(f"no combination is called {computation!r}; there are {', '.join(COMBINATIONS)}")
    return COMBINATIONS[computation](operands)


def scope_kpi(trace: Trace, sources: Sources) -> Decimal | None:
    """A KPI of a scope, from its readings. parameters: site, scope, kpi, start, end; of one hour hour_start_utc."""
    row = kpi_row(sources, *kpi_of_trace(trace))
    return None if row is None else row.value


def kpi_of_trace(trace: Trace) -> tuple[KpiBasis, KpiQuery]:
    """Basis of a trace of `scope_kpi`, and the KPI that it asks for."""
    named = trace.parameters
    start, end = parse_dates(named)
    hour = parse_instant(named["hour_start_utc"]) if "hour_start_utc" in named else None
    is_compared = named["kpi"] in EXPECTED
    basis = KpiBasis(
        named["site"],
        trace.as_of_utc,
        definition_named(trace),
        seu_id=named["scope"].partition(":")[2] if is_compared else "",
        baseline=version_named(trace) if is_compared else None,
    )
    return basis, KpiQuery(named["kpi"], named["scope"], start, end, hour)


def scope_coverage(trace: Trace, sources: Sources) -> Decimal | None:
    """Share of a site's electricity quarter hours that were read, 0–1. parameters: site, start, end."""
    site = sources.site(trace.parameters["site"])
    period = _period(trace, site.time_zone)
    readings = sources.readings(site, period.start, period.end, trace.as_of_utc)
    return sources.coverage(site, period, readings)


def seu_assessment(trace: Trace, sources: Sources) -> Decimal | None:
    """One number of an SEU's assessment. parameters: site, seu, start, end, field, confidence, min_day_coverage."""
    named, site = trace.parameters, sources.site(trace.parameters["site"])
    period, pinned = _period(trace, site.time_zone), version_named(trace)
    result = enpi_for(
        sources.pairs(site, named["seu"], pinned, period, trace.as_of_utc),
        seu_id=named["seu"],
        version=None if pinned is None else sources.baseline(*pinned),
        period=period,
        # Parameters are texts of repr(): the very same float comes back.
        rule=EnpiRule(min_day_coverage=float(named["min_day_coverage"])),
        confidence=float(named["confidence"]),
    )
    return assessment_field(result, named["field"])


COMPARED_FIELDS = ("actual_kwh", "expected_kwh", "uncertainty_kwh")
ASSESSMENT_FIELDS = (*COMPARED_FIELDS, "claimed_kwh", "metered_kwh", "compared_days", "coverage", "estimated_share")


def assessment_field(result: EnpiResult, field: str) -> Decimal | None:
    """A field of an assessment as an exact number; an energy over no day at all is unknown, not zero.

    Raises OurFault for a field that is not a figure.
    """
    if field not in ASSESSMENT_FIELDS:
        raise OurFault(f"{field!r} of an assessment is not a figure")
    if field in COMPARED_FIELDS and result.compared_days == 0:
        return None
    return to_decimal(getattr(result, field))


def savings_value(trace: Trace, sources: Sources) -> Decimal | None:
    """Money that a use saved, each day at its price. parameters: site, seu, start, end, min_day_coverage."""
    named, site = trace.parameters, sources.site(trace.parameters["site"])
    period, scope = _period(trace, site.time_zone), f"seu:{trace.parameters['seu']}"
    pairs = sources.pairs(site, named["seu"], version_named(trace), period, trace.as_of_utc)
    # Parameters are texts of repr(): the very same float comes back.
    days = claims.days_compared(pairs, period, EnpiRule(min_day_coverage=float(named["min_day_coverage"])))
    basis = KpiBasis(site.site_id, trace.as_of_utc, definition_named(trace))
    prefetch_kpis(sources, basis, [each for day in days for each in claims.prices_of_day(scope, day.local_date)])
    return claims.worth(days, scope, lambda each: kpi_row(sources, basis, each))


def baseline_number(trace: Trace, sources: Sources) -> Decimal | None:
    """A statistic or coefficient of a stored baseline version. parameters: name, e.g. r2 or production.ci_low."""
    pinned = version_named(trace)
    if pinned is None:
        raise OurFault("a baseline's number without the baseline among its inputs")
    return number_of(sources.baseline(*pinned).baseline, trace.parameters["name"])


def number_of(baseline: Baseline, name: str) -> Decimal | None:
    """A statistic by field name, or `<coefficient>:<field>`. Raises OurFault for an unknown one."""
    term, separator, field = name.rpartition(":")
    if not separator:
        return to_decimal(getattr(baseline.statistics, name))
    found = next((each for each in baseline.coefficients if each.name == term), None)
    if found is None:
        raise OurFault(f"baseline of {baseline.seu_id} has no coefficient {term!r}")
    return to_decimal(getattr(found, field))


def batch_count(trace: Trace, sources: Sources) -> Decimal | None:
    """A count over the batches that brought the span's readings. parameters: site, start, end, field."""
    site = sources.site(trace.parameters["site"])
    period = _period(trace, site.time_zone)
    return sources.batch_count(site, period, trace.as_of_utc, trace.parameters["field"])


def reading_count(trace: Trace, sources: Sources) -> Decimal | None:
    """Quarter hours of consumption of a scope. parameters: site, scope, start, end, kind: expected, read, estimated."""
    named, site = trace.parameters, sources.site(trace.parameters["site"])
    period = _period(trace, site.time_zone)
    return counted(named["kind"], site, named["scope"], period, sources, trace.as_of_utc)


def counted(kind: str, site: Site, scope: str, period: Period, sources: Sources, as_of_utc: datetime) -> Decimal | None:
    """Number that `reading_count` counts. Raises OurFault for an unknown kind."""
    meters = sources.meters(site, scope)
    if kind == "expected":
        # Hours of the local span, so days of 23 and 25 hours count as what they are.
        return Decimal(int(period.hours * 60 / CANONICAL_MINUTES) * len(meters))
    if kind not in {"read", "estimated"}:
        raise OurFault(f"{kind!r} readings are not counted")
    read, estimated = sources.counts(site, meters, period, as_of_utc)
    return Decimal(read if kind == "read" else estimated)


DETECTABLE_DAYS = 365
DETECTABLE = ("detectable_kwh", "detectable_percent")


def detectable_saving(trace: Trace, sources: Sources) -> Decimal | None:
    """The smallest saving of a year that a baseline can tell. parameters: name of DETECTABLE, confidence."""
    pinned = version_named(trace)
    if pinned is None:
        raise OurFault("a detectable saving without the baseline among its inputs")
    named = trace.parameters
    return detectable(sources.baseline(*pinned).baseline, named["name"], float(named["confidence"]))


def detectable(baseline: Baseline, name: str, confidence: float) -> Decimal | None:
    """The half-width of the saving's interval over 365 days like the baseline's (formulas 5.5), kWh or percent.

    The mean day is RMSE over CV(RMSE), both with n - p degrees of freedom. None where the fit leaves no spread.
    """
    fit = baseline.statistics
    # No degree of freedom is left: the band would have a width that means nothing.
    if fit.cvrmse_g14 <= 0 or fit.n <= fit.p:
        return None
    year_kwh = fit.rmse_dof / fit.cvrmse_g14 * DETECTABLE_DAYS
    half = uncertainty.savings_uncertainty_kwh(
        expected_kwh=year_kwh,
        cvrmse=fit.cvrmse_g14,
        rho1=fit.rho1,
        n=fit.n,
        m=DETECTABLE_DAYS,
        months=12,
        confidence=confidence,
        n_params=fit.p,
    )
    return to_decimal(half if name == "detectable_kwh" else 100.0 * half / year_kwh)


def bill_number(trace: Trace, sources: Sources) -> Decimal | None:
    """A number of a stored bill or of the same bill recomputed. parameters: site, bill, field, line."""
    named, site = trace.parameters, sources.site(trace.parameters["site"])
    return bill.number(sources, site, named["bill"], trace.as_of_utc, field=named["field"], line=named["line"])


def event_number(trace: Trace, sources: Sources) -> Decimal | None:
    """A number of a stored anomaly event. parameters: site, event, field."""
    named = trace.parameters
    return event.number(sources, named["site"], named["event"], trace.as_of_utc, named["field"])


def event_count(trace: Trace, sources: Sources) -> Decimal | None:
    """Number of stored anomaly events that begin in a span. parameters: site, start, end."""
    site = sources.site(trace.parameters["site"])
    events = event.events_of(sources, site.site_id, trace.as_of_utc)
    return Decimal(len(event.events_in(events, _period(trace, site.time_zone))))


def dr_event_number(trace: Trace, sources: Sources) -> Decimal | None:
    """A number of an event of demand response. parameters: site, start, end, event, part (rule, a step), field."""
    named, site = trace.parameters, sources.site(trace.parameters["site"])
    place = {"part": named["part"], "field": named["field"]}
    return dr_again.number(sources, site, named["event"], trace.as_of_utc, **place)


def footprint_number(trace: Trace, sources: Sources) -> Decimal | None:
    """A number of the site's greenhouse gas inventory, from the account of a year so far.

    parameters: site, start, end, account_start, account_end, field, carrier; left_out where sites of an organisation
    deliver to it.
    """
    named, site = trace.parameters, sources.site(trace.parameters["site"])
    period, account = _period(trace, site.time_zone), _account(trace, site.time_zone)
    place = {"field": named["field"], "carrier": named["carrier"], "left_out": named.get("left_out", "")}
    return footprint.number(sources, site, period, account, trace.as_of_utc, **place)


def hours_number(trace: Trace, sources: Sources) -> Decimal | None:
    """Electricity by the hour. parameters: site, start, end, account_start, account_end, field."""
    site = sources.site(trace.parameters["site"])
    period, account = _period(trace, site.time_zone), _account(trace, site.time_zone)
    return hours.number(sources, site, period, account, trace.as_of_utc, trace.parameters["field"])


def project_number(trace: Trace, sources: Sources) -> Decimal | None:
    """A number of an M&V project. parameters: site, project, start, end, field, adjustment, baseline's status."""
    pinned = version_named(trace)
    named = trace.parameters
    if pinned is None:
        return None
    site = sources.site(named["site"])
    # As it was: a baseline that somebody approves later claims nothing in a report that was made before.
    version = sources.baseline(*pinned).model_copy(update={"status": BaselineStatus(named["status"])})
    return project.number(
        sources,
        site,
        named["project"],
        version,
        _period(trace, site.time_zone),
        trace.as_of_utc,
        field=named["field"],
        adjustment_id=named["adjustment"],
        member=named.get("member", ""),
    )


def nothing(_trace: Trace, _sources: Sources) -> Decimal | None:
    """A sum of no part: unknown, never zero."""
    return None


# Fields of the running figures that are figures, with their units.
RUNNING = {
    "import_kwh": "kwh",
    "cost": "currency",
    "energy_cost": "currency",
    "other_cost": "currency",
    "emission_kgco2e": "kgco2e",
    "peak_kw": "kw",
    "block_demand_kw": "kw",
    "projected_import_kwh": "kwh",
    "projected_cost": "currency",
    "projected_emission_kgco2e": "kgco2e",
    "projected_peak_kw": "kw",
}


def running_figure(trace: Trace, sources: Sources) -> Decimal | None:
    """A running figure of a site's supply. parameters: site, at_utc, field of RUNNING; start, end: months behind it."""
    named = trace.parameters
    if named["field"] not in RUNNING:
        raise OurFault(f"{named['field']!r} is no running figure")
    at_utc = parse_instant(named["at_utc"])
    found: RunningFigures = sources.keep(
        ("running", named["site"], at_utc, trace.as_of_utc, definition_named(trace)),
        lambda: running_figures(named["site"], *running_rows(trace, sources), at_utc=at_utc),
    )
    return to_decimal(getattr(found, named["field"]))


LEAVES: dict[str, Callable[[Trace, Sources], Decimal | None]] = {
    "scope_kpi": scope_kpi,
    hours.QUARTER: hours.scope_quarter,
    "scope_coverage": scope_coverage,
    "seu_assessment": seu_assessment,
    "savings_value": savings_value,
    "baseline_number": baseline_number,
    "batch_count": batch_count,
    "reading_count": reading_count,
    "detectable_saving": detectable_saving,
    "bill_number": bill_number,
    "event_number": event_number,
    "event_count": event_count,
    "dr_event_number": dr_event_number,
    **BY_ACTS,
    "advice_number": advice.advice_number,
    "measure_number": advice.measure_number,
    "footprint_number": footprint_number,
    "group_share": lambda trace, _: share_of(trace.parameters["share"], trace.parameters["rate"]),
    "hours_number": hours_number,
    "project_number": project_number,
    "running_figure": running_figure,
    **BY_AREA,
    "stated_number": stated_number,
    "nothing": nothing,
}


# A computation that answers otherwise than before is another version; renamed or moved code is not. Golden values hold
# each (tests/golden/computations.json), and their recorder refuses other values under a version that it has.
VERSIONS: dict[str, int] = dict.fromkeys([*COMBINATIONS, *LEAVES], 1) | {"footprint_number": 2}


def code_sha256(computation: str, version: int | None = None) -> str:
    """Hash that names a version of a computation, by default today's. Raises OurFault for an unknown name."""
    if computation not in VERSIONS:
        raise OurFault(f"no computation is called {computation!r}")
    return hashlib.sha256(f"{computation}@{version or VERSIONS[computation]}".encode()).hexdigest()


def version_of(computation: str, sha256: str) -> str:
    """`version N` of the hash in a trace; of traces from before versions, the hash of the source that made them.

    Raises OurFault for an unknown name.
    """
    known = {code_sha256(computation, number): number for number in range(1, VERSIONS.get(computation, 1) + 1)}
    return f"version {known[sha256]}" if sha256 in known else f"source {sha256[:16]}"


def to_decimal(value: float | int | Decimal | None) -> Decimal | None:
    """The shortest decimal that reads back as the same float: exact text of a measured or fitted number."""
    if value is None or isinstance(value, Decimal):
        return value
    return Decimal(repr(value))


def baseline_input(version: BaselineVersion) -> TraceInput:
    """A baseline version as an input: id `baseline_id@version`, the model's checksum, its MLflow run."""
    return TraceInput(
        kind="version",
        id=f"{version.baseline_id}@{version.version}",
        role="baseline",
        sha256=version.model_checksum,
        value=version.mlflow_run_id,
    )


def version_named(trace: Trace) -> tuple[str, int] | None:
    """The baseline version that the trace pins; None where it pins none."""
    for each in trace.inputs:
        if each.kind == "version" and each.role == "baseline":
            # From the right: only the last @ is the version's.
            baseline_id, _, version = each.id.rpartition("@")
            return baseline_id, int(version)
    return None


def _period(trace: Trace, time_zone: str) -> Period:
    start, end = parse_dates(trace.parameters)
    return Period(label="", start=start, end=end, time_zone=time_zone)


def _account(trace: Trace, time_zone: str) -> Period:
    start, end = (date.fromisoformat(trace.parameters[name]) for name in ("account_start", "account_end"))
    return Period(label="", start=start, end=end, time_zone=time_zone)
