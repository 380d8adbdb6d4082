"""Periods that are closed: a published report stands for them."""

import sqlalchemy as sa

from assets.stores.tables import report_revisions
from assets.stores.transactions import Store
from data_quality.contracts.model import Model
from data_quality.contracts.site import Site
from data_quality.contracts.time import Period, parse_period

PUBLISHED = "published"


class ClosedPeriod(Model):
    """The period of a published report."""

    report_id: str
    revision: int
    period: Period


def closed_periods(store: Store, site: Site) -> list[ClosedPeriod]:
    """Periods of the site's published reports, the newest published revision of each, by report."""
    table = report_revisions
    query = (
        sa.select(table.c.report_id, table.c.period, sa.func.max(table.c.revision).label("revision"))
        .where(table.c.site_id == site.site_id, table.c.status == PUBLISHED)
        .group_by(table.c.report_id, table.c.period)
        .order_by(table.c.report_id)
    )
    return [
        ClosedPeriod(
            report_id=row["report_id"],
            revision=row["revision"],
            period=parse_period(row["period"], site.time_zone),
        )
        for row in store.rows(query)
    ]
