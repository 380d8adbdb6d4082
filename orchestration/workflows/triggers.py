"""Triggers of workflows: what sets one off at a site now, each with a name that stays the same at every look."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from data_quality.contracts.reporting.anomaly_event import Cause
from data_quality.contracts.reporting.open_finding import OpenFinding, standing
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from data_quality.contracts.workflow import AnomalyOpen, Daily, Workflow
from orchestration.views.alert_rules.rule_findings import judged
from orchestration.views.anomaly_view import open_anomalies
from orchestration.views.open_findings import Look, bill_findings

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


class Subject(NamedTuple):
    """What sets a workflow off. finding: None for a day; cause: of an anomaly."""

    name: str
    finding: OpenFinding | None = None
    cause: Cause | None = None


def subjects_of(
    workflow: Workflow,
    project: "OpenProject",
    site: Site,
    now_utc: datetime,
    *,
    locale: str = "en",
    with_old: bool = False,
) -> list[Subject]:
    """What meets the trigger of a workflow now, whether or not it has stood for long enough.

    with_old: anomalies too that ended before the newest days of the trigger.
    """
    trigger = workflow.trigger
    if isinstance(trigger, Daily):
        return [Subject(f"{each}") for each in due_days(trigger, site.time_zone, now_utc)]
    if isinstance(trigger, AnomalyOpen):
        causes = {each.event_id: each.cause for each in AnomalyLedger(project.store).standing(site.site_id)}
        found = judged(open_anomalies(project, site, locale=locale), site.alert_rules)
        oldest_utc = now_utc - timedelta(days=trigger.newest_days)
        recent = [each for each in found if with_old or each.at_utc is None or each.at_utc >= oldest_utc]
        found = [each for each in recent if each.severity in trigger.severities]
    else:
        found = judged(bill_findings(Look(project, site, now_utc, locale=locale)), site.alert_rules)
        causes = {}
    acts = AlertEvents(project.store).of_site(site.site_id) if found else {}
    waiting = [
        each for each in found
        if standing(acts.get(each.finding_id, []), at_utc=each.at_utc, now_utc=now_utc)[0] == "open"
    ]  # fmt: skip
    return [Subject(each.finding_id, each, causes.get(each.finding_id)) for each in waiting]


def due_days(trigger: Daily, time_zone: str, now_utc: datetime) -> list[date]:
    """Local days whose time has come, today and those that may be made up, the oldest first.

    By the site's clock: a time that it skips comes with the hour after it, one that it repeats the first time.
    """
    local = zone(time_zone)
    today = now_utc.astimezone(local).date()
    days = [today - timedelta(days=back) for back in range(trigger.made_up_days, -1, -1)]
    return [each for each in days if datetime.combine(each, trigger.at, local) <= now_utc]


def fresh(days: Sequence[Subject], known: Sequence[str]) -> list[Subject]:
    """Of due days those to run: none that ran, none before the first that ever did, and of a new workflow the last."""
    if not known:
        return list(days[-1:])
    return [each for each in days if each.name not in known and each.name > min(known)]
