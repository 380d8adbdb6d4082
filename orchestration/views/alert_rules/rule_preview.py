"""Past firings of a rule: its excursions in the marts, or what the source of its kind kept of the past."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.kpi.alert_rules.rule_rows import excursions, rule_rows
from assets.kpi.enpi.alerts import mart_alerts
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.ledgers.bill_ledger import BillStore
from assets.stores.ledgers.flags import latest_validations
from assets.stores.ledgers.job_outcomes import failed_spans
from assets.stores.warehouse.marts import if_published, read_mart
from controls.ledger.device_faults import fault_spans
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.alert_rule import AlertRule, LimitRule, SourceRule
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day, local_midnight_utc, months_after
from orchestration.views.alert_rules.stale_history import stale_spans
from orchestration.views.finding_sources import amounts_of

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

_HOUR = timedelta(hours=1)


class Fired(Model):
    """One time that a rule would have fired. value: the farthest from the limit; end_utc: None while it lasts.

    scope: the meter, use or device, where the rule is of several. limit: None where the rule has none.
    """

    start_utc: datetime
    end_utc: datetime | None
    value: float | None
    limit: float | None
    unit: str
    scope: str = ""


@dataclass(frozen=True)
class Preview:
    """Result of a rule over local days [start, end) of the past. findings: why there is less than that, or nothing."""

    start: date
    end: date
    fired: tuple[Fired, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Span:
    """Local days [start, end) of a site, as instants too."""

    project: "OpenProject"
    site: Site
    start: date
    end: date

    @property
    def utc(self) -> tuple[datetime, datetime]:
        """Begin and end."""
        start, end = (local_midnight_utc(each, self.site.time_zone) for each in (self.start, self.end))
        return start, end


@dataclass(frozen=True)
class _Case:
    """Finding of a source, with its amounts by unit. start_utc: None where no time of it is kept."""

    start_utc: datetime | None
    end_utc: datetime | None
    amounts: Mapping[str, float]
    scope: str = ""


# None: the source keeps nothing that could have been found.
_Cases = list[_Case] | None


def preview(project: "OpenProject", site: Site, rule: AlertRule, *, months: int, now_utc: datetime) -> Preview:
    """Firings that the rule as it stands would have had in the months before now."""
    end = local_day(now_utc, site.time_zone) + timedelta(days=1)
    span = _Span(project, site, months_after(end, -months), end)

    def judge() -> tuple[list[Fired], list[Finding]]:
        return _of_limit(rule, span) if isinstance(rule, LimitRule) else _of_source(rule, span)

    fired, findings = if_published(judge, lambda message: ([], [_none(site, message)]))
    return Preview(span.start, span.end, tuple(fired), tuple(findings))


def _of_limit(rule: LimitRule, span: _Span) -> tuple[list[Fired], list[Finding]]:
    rows = rule_rows(rule, span.site, partial(read_mart, span.project.project.marts_dir), span.start, span.end)
    if not rows:
        return [], [_none(span.site, Sentence("no published values of the last months"))]
    fired = [
        Fired(start_utc=each.start_utc, end_utc=each.end_utc if each.is_over else None, value=each.value,
              limit=rule.limit, unit=rule.unit)
        for each in excursions(rows, rule)
    ]  # fmt: skip
    first, last = min(each.start_utc for each in rows), max(each.end_utc for each in rows)
    known, whole = (edge - first for edge in (last, span.utc[1])), span.utc[1] - span.utc[0]
    days = next(known).days
    if days >= whole.days - 31:
        return fired, []
    message = Sentence("values of {0} days are published, of {1}", days, whole.days)
    facts: dict[str, Any] = {"days_found": days, "days_wanted": whole.days, "first_utc": first.isoformat()}
    return fired, [
        Finding(code="short_history", message=message, severity="info", scope=span.site.site_id, facts=facts)
    ]


def _of_source(rule: SourceRule, span: _Span) -> tuple[list[Fired], list[Finding]]:
    since, until = span.utc
    cases = _HISTORIES[rule.kind](span)
    if cases is None:
        return [], [_none(span.site, Sentence("nothing is kept of these months"))]
    timed = [(each.start_utc, each) for each in cases if each.start_utc is not None]
    inside = [
        (start, each) for start, each in timed if start < until and (each.end_utc is None or each.end_utc > since)
    ]
    # A rule that is not enabled yet is tried as if it were.
    tried = rule.model_copy(update={"enabled": True})
    passing = [each for each in inside if tried.is_of(rule.kind, (each[1].scope,)) and rule.passes(each[1].amounts)]
    fired = [_fired(rule, *each) for each in sorted(passing, key=lambda each: (each[0], each[1].scope))]
    if untimed := len(cases) - len(timed):
        message = Sentence("{0} are so since a time that is not kept", untimed)
        return fired, [Finding(code="short_history", message=message, severity="info", scope=span.site.site_id)]
    return fired, []


def _fired(rule: SourceRule, start_utc: datetime, case: _Case) -> Fired:
    unit = rule.unit or next(iter(case.amounts), "")
    value = case.amounts.get(unit)
    return Fired(start_utc=start_utc, end_utc=case.end_utc, value=value, limit=rule.limit, unit=unit, scope=case.scope)


def _none(site: Site, message: str) -> Finding:
    return Finding(code="no_history", message=message, severity="info", scope=site.site_id)


def _anomalies(span: _Span) -> _Cases:
    events = AnomalyLedger(span.project.store).current(span.site.site_id)
    cases = [_Case(each.start_utc, each.end_utc, amounts_of(each), f"meter:{each.meter_id}") for each in events]
    return cases or None


def _bills(span: _Span) -> _Cases:
    books, cases, currency = (
        BillStore(span.project.project.data_dir / "bills", span.project.store),
        list[_Case](),
        span.site.currency,
    )
    bills = books.bills(span.site.site_id)
    for bill in bills:
        audits, days = books.audits(bill["bill_id"]), (bill["period_start"], bill["period_end"])
        if audits and audits[-1]["verdict"] == "differs" and None not in days:
            start, end = (local_midnight_utc(day, span.site.time_zone) for day in days)
            delta = float(abs(Decimal(audits[-1]["delta_total"])))
            cases.append(_Case(start, end, {currency: delta}, f"bill:{bill['bill_id']}"))
    return cases if bills else None


def _quality(span: _Span) -> _Cases:
    grouped: dict[tuple[str, str, str], list[tuple[datetime, datetime]]] = {}
    since, until = span.utc
    months = latest_validations(span.project.store, span.site.site_id)
    for each in (finding for month in months for finding in month.findings):
        if each.start_utc < until and each.end_utc > since:
            grouped.setdefault((each.meter, each.rule, each.action), []).append((each.start_utc, each.end_utc))
    cases = []
    for (meter, _, _), times in grouped.items():
        starts, ends = zip(*times, strict=True)
        cases.append(_Case(min(starts), max(ends), {"cases": len(times)}, f"meter:{meter}"))
    return cases if months else None


def _gaps(span: _Span) -> _Cases:
    """Hours without a reading between hours with some, of each meter."""
    at, meter = pl.col("hour_start_utc"), pl.col("meter_id")
    hours = read_mart(
        span.project.project.marts_dir, "mart_meter__hour_energy", site_id=span.site.site_id,
        years=range(span.start.year, span.end.year + 1),
        where=(pl.col("covered_minutes") > 0) & pl.col("local_date").is_between(span.start, span.end, closed="left"),
    )  # fmt: skip
    known = hours.select(meter, at).unique().sort("meter_id", "hour_start_utc")
    after = known.with_columns(next_utc=at.shift(-1).over("meter_id")).filter(pl.col("next_utc") - at > _HOUR)
    cases = []
    for meter_id, before_utc, end_utc in after.iter_rows():
        start_utc = before_utc + _HOUR
        cases.append(_Case(start_utc, end_utc, {"h": (end_utc - start_utc) / _HOUR}, f"meter:{meter_id}"))
    return None if known.is_empty() else cases


def _enpis(span: _Span) -> _Cases:
    project, cases = span.project, list[_Case]()
    found = mart_alerts(span.site, marts_dir=project.project.marts_dir, baselines=project.baselines, with_earlier=True)
    for seu, alerts in found.items():
        for each in (one for one in alerts if one.kind == "critical"):
            year, quarter = each.quarter.split("-Q")
            first = date(int(year), 3 * int(quarter) - 2, 1)
            start, end = (local_midnight_utc(day, span.site.time_zone) for day in (first, months_after(first, 3)))
            cases.append(_Case(start, end, {"percent": float(each.deviation_percent)}, f"seu:{seu}"))
    return cases if found else None


def _faults(span: _Span) -> _Cases:
    spans = fault_spans(span.project.store, span.site.site_id)
    return [_Case(since_utc, until_utc, {}, f"asset:{device}") for device, since_utc, until_utc in spans]


def _plans(span: _Span) -> _Cases:
    spans = failed_spans(span.project.store, span.site.site_id, "plan")
    return [_Case(since_utc, until_utc, {}) for since_utc, until_utc in spans]


def _reports(span: _Span) -> _Cases:
    days = [span.start + timedelta(days=n) for n in range((span.end - span.start).days + 1)]
    found = stale_spans(span.project, span.site, [local_midnight_utc(day, span.site.time_zone) for day in days])
    cases = [_Case(each.start_utc, each.end_utc, {}, f"report:{each.report_id}") for each in found or ()]
    return None if found is None else cases


_HISTORIES: Mapping[str, Callable[[_Span], _Cases]] = {
    "anomaly": _anomalies, "bill_variance": _bills, "quality": _quality, "freshness": _gaps, "enpi": _enpis,
    "device": _faults, "plan_infeasible": _plans, "stale_report": _reports,
}  # fmt: skip
