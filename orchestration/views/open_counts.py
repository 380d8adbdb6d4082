"""How many findings and tasks of a site wait for somebody, for the side bar of every page."""

from typing import NamedTuple

from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.ledgers.work_orders import WorkOrders
from orchestration.views.open_findings import Look, open_findings


class OpenCounts(NamedTuple):
    """Open and acknowledged findings, and tasks that are not done."""

    findings: int
    tasks: int


def open_counts(look: Look) -> OpenCounts:
    """Counted once a minute, and again as soon as somebody acted on a finding or a task."""
    store, site_id = look.project.store, look.site.site_id
    task = WorkOrders.rows.newest(store, "id", site_id=site_id)
    acts = (AlertEvents(store).last_act(site_id), task and task["id"])
    key = (site_id, look.with_every_site, int(look.now_utc.timestamp() // 60), acts)
    return look.project.cache.once("open_counts", key, lambda: _counted(look))


def _counted(look: Look) -> OpenCounts:
    orders = WorkOrders(look.project.store).standing(look.site.site_id)
    findings = sum(each.needs_someone for each in open_findings(look).standing)
    return OpenCounts(findings, sum(each.is_open for each in orders))
