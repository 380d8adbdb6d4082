"""Periods that are closed: a published report stands for them."""

from assets.stores.publications import published_periods
from assets.stores.transactions import Store
from data_quality.contracts.model import Model
from data_quality.contracts.site import Site
from data_quality.contracts.time import Period, parse_period


class ClosedPeriod(Model):
    """The period of a published report."""

    report_id: str
    revision: int
    period: Period


def closed_periods(store: Store, site: Site) -> list[ClosedPeriod]:
    """Periods of the site's published reports, the newest published revision of each, by report."""
    return [
        ClosedPeriod(
            report_id=row["report_id"],
            revision=row["revision"],
            period=parse_period(row["period"], site.time_zone),
        )
        for row in published_periods(store, site.site_id)
    ]
