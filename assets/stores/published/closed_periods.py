"""Periods that are closed: a published report stands for them."""

from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_reports import report_decisions
from assets.stores.transactions import Store
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, parse_period

# Of two revisions of one period the newest counts.
_DECISIONS = AppendOnly(report_decisions, dict, order=("report_id", "revision"), is_proven=True)


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
        for row in _DECISIONS.all_as_of(store, "report_id", "period", site_id=site.site_id, step="published")
    ]
