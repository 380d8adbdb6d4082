"""Numbers of open findings and tasks of a site, for the side bar of every page."""

from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from assets.stores.ledgers.work_orders import WorkOrders
from assets.stores.schema.tables_findings import alert_events, work_orders
from orchestration.views.open_findings import Look, open_findings


class OpenCounts(NamedTuple):
    """Open and acknowledged findings, and tasks that are not done."""

    findings: int
    tasks: int


# Every page asks it, and to put the question costs more than to answer it.
@lru_cache(maxsize=256)
def last_acts(site_id: str) -> sa.Select[Any]:
    """Question for the numbers of the last acts on findings and on tasks: counts hold until there is another."""
    newest = (
        sa.select(sa.func.max(each.c.id)).where(each.c.site_id == site_id) for each in (alert_events, work_orders)
    )
    return sa.select(*(each.scalar_subquery().label(name) for name, each in zip("ft", newest, strict=True)))


def open_counts(look: Look) -> OpenCounts:
    """Counted by a look at every source, which takes some 30 ms."""
    orders = WorkOrders(look.project.store).standing(look.site.site_id)
    findings = sum(each.needs_someone for each in open_findings(look).standing)
    return OpenCounts(findings, sum(each.is_open for each in orders))
