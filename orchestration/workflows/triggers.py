"""Triggers of workflows: what sets one off at a site now, each with a name that stays the same at every look."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from assets.kpi.running_cost.interval_costs import main_meters
from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.ledgers.work_orders import WorkOrders
from data_quality.contracts.reporting.anomaly_event import Cause
from data_quality.contracts.reporting.open_finding import OpenFinding, state_after
from data_quality.contracts.reporting.work_order import WorkOrder
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.alert_rule import peak_rule
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, local_day, months_after, zone
from data_quality.contracts.workflow import AnomalyOpen, Daily, MonthClosed, OrderOpen, PeakForecast, Workflow
from orchestration.views.due_reports import local_days
from orchestration.views.finding_sources import judged, open_anomalies
from orchestration.views.open_findings import FindingsQuery, bill_findings
from reports.pages.tasks import title_text
from reports.texts.locales import moment

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


class At(NamedTuple):
    """A workflow at a site of a project."""

    project: "OpenProject"
    workflow: Workflow
    site: Site
    clock: Clock


class Peak(NamedTuple):
    """[start, end) around the highest P90 of a day, all above the target, and how far at most, kW."""

    start_utc: datetime
    end_utc: datetime
    over_kw: float


class Subject(NamedTuple):
    """Subject of an instance. finding: None for a day; cause: of an anomaly; peak, order: of these triggers.

    what: a sentence about what is no finding, or empty.
    """

    name: str
    finding: OpenFinding | None = None
    cause: Cause | None = None
    what: str = ""
    peak: Peak | None = None
    order: WorkOrder | None = None


def subjects_of(
    workflow: Workflow,
    project: "OpenProject",
    site: Site,
    now_utc: datetime,
    *,
    locale: str = "en",
    with_old: bool = False,
) -> list[Subject]:
    """Subjects that meet the trigger of a workflow now, whether or not it has stood for long enough.

    with_old: anomalies too that ended before the newest days of the trigger.
    """
    trigger = workflow.trigger
    if isinstance(trigger, Daily):
        return [Subject(f"{each}") for each in due_days(trigger, site.time_zone, now_utc)]
    if isinstance(trigger, MonthClosed):
        month, span = closed_month(trigger, site.time_zone, now_utc), local_days(project, site, 1)
        return [Subject(month)] if span is not None and f"{span[1]:%Y-%m}" >= month else []
    if isinstance(trigger, PeakForecast):
        return _peaks(trigger, project, site, now_utc, locale)
    if isinstance(trigger, OrderOpen):
        orders = WorkOrders(project.store).current(site.site_id)
        made = [each for each in orders if each.is_open and each.source_kind in trigger.sources]
        return [Subject(each.order_id, what=title_text(each), order=each) for each in made]
    if isinstance(trigger, AnomalyOpen):
        causes = {each.event_id: each.cause for each in AnomalyLedger(project.store).current(site.site_id)}
        found = judged(open_anomalies(project, site, locale=locale), site.alert_rules)
        oldest_utc = now_utc - timedelta(days=trigger.newest_days)
        recent = [each for each in found if with_old or each.at_utc is None or each.at_utc >= oldest_utc]
        found = [each for each in recent if each.severity in trigger.severities]
    else:
        found = judged(bill_findings(FindingsQuery(project, site, now_utc, locale=locale)), site.alert_rules)
        causes = {}
    acts = AlertEvents(project.store).of_site(site.site_id) if found else {}
    waiting = [
        each for each in found
        if state_after(acts.get(each.finding_id, []), at_utc=each.at_utc, now_utc=now_utc)[0] == "open"
    ]  # fmt: skip
    return [Subject(each.finding_id, each, causes.get(each.finding_id)) for each in waiting]


def closed_month(trigger: MonthClosed, time_zone: str, now_utc: datetime) -> str:
    """The newest month that counts as closed by the site's clock, as 2025-05."""
    first = local_day(now_utc, time_zone).replace(day=1)
    is_closed = datetime.combine(first.replace(day=trigger.day), trigger.at, zone(time_zone)) <= now_utc
    return f"{months_after(first, -1 if is_closed else -2):%Y-%m}"


def _peaks(trigger: PeakForecast, project: "OpenProject", site: Site, now_utc: datetime, locale: str) -> list[Subject]:
    """A subject for each local day to come with steps above the target; none without target or forecast."""
    rule = peak_rule(site.alert_rules)
    target_kw = trigger.target_kw or (None if rule is None else rule.limit)
    mains = main_meters(site)
    if target_kw is None or len(mains) != 1:
        return []
    issued = (project.forecasts.latest(site.site_id, f"meter:{mains[0]}{step}") for step in ("@15min", ""))
    forecast = max((each for each in issued if each), key=lambda each: each.issued_at_utc, default=None)
    if forecast is None:
        return []
    step, local = timedelta(minutes=forecast.step_minutes), zone(site.time_zone)
    scale = timedelta(hours=1) / step if forecast.unit == "kwh" else 1.0
    until_utc = now_utc + timedelta(hours=trigger.hours_ahead)
    days: dict[date, dict[datetime, float]] = {}
    for row in forecast.rows:
        if now_utc < row.time_utc < until_utc and row.p90 * scale > target_kw:
            days.setdefault(local_day(row.time_utc, site.time_zone), {})[row.time_utc] = row.p90 * scale
    found = []
    for day, over in days.items():
        # The unbroken run of steps about the highest one.
        start = end = max(over, key=over.__getitem__)
        while start - step in over:
            start -= step
        while end + step in over:
            end += step
        peak = Peak(start, end + step, max(over.values()) - target_kw)
        times = (f"{moment(each.astimezone(local), locale)}" for each in (peak.start_utc, peak.end_utc))
        highest = f"{target_kw + peak.over_kw:,.1f} kW", f"{target_kw:,.1f} kW"
        what = Sentence("up to {0} expected (P90), target {1}, {2} to {3}", *highest, *times)
        found.append(Subject(f"{day}", what=what, peak=peak))
    return found


def due_days(trigger: Daily, time_zone: str, now_utc: datetime) -> list[date]:
    """Local days whose time has come, today and those that may be made up, the oldest first.

    By the site's clock: a time that it skips comes with the hour after it, one that it repeats the first time.
    """
    local, today = zone(time_zone), local_day(now_utc, time_zone)
    days = [today - timedelta(days=back) for back in range(trigger.made_up_days, -1, -1)]
    return [each for each in days if datetime.combine(each, trigger.at, local) <= now_utc]


def fresh(days: Sequence[Subject], known: Sequence[str]) -> list[Subject]:
    """Of due days those to run: none that ran, none before the first that ever did, and of a new workflow the last."""
    if not known:
        return list(days[-1:])
    return [each for each in days if each.name not in known and each.name > min(known)]
