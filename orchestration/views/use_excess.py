"""Excess cost a day of a use over a quarter, as a figure: lists hold its value, and pages lead to it."""

from datetime import datetime
from typing import TYPE_CHECKING

from assets.kpi.enpi.alerts import EnpiAlert
from assets.stores.warehouse.marts import MartReader, mart_stamp
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_period

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


def excess_questions(alert: EnpiAlert) -> tuple[str, str]:
    """Expressions of the excess cost a day, and of the days that it is of: those that were compared.

    Excess energy a compared day, at the mean price of the use's own energy in the quarter.
    """
    quarter = parse_period(alert.quarter, "UTC")
    at = f"seu:{alert.seu_id}@{quarter.start}/{quarter.end}"
    cost, energy, excess = (f"sum({kpi}@{at}@month)" for kpi in ("cost", "consumption_kwh", "delta_kwh"))
    days = f"compared_days@{at}@assessment"
    return f"product(ratio({cost},{energy}),ratio({excess},{days}))", days


def excess_cost(
    project: "OpenProject", site: Site, alert: EnpiAlert, as_of_utc: datetime
) -> tuple[float | None, int | None]:
    """Cost a day in the site's currency and its days, as the figures say; None where the marts lack a month, or where
    it is no loss. Made once until marts or baseline are others.
    """

    def figures() -> tuple[float | None, int | None]:
        # Only a use over its limit waits for what makes figures.
        from reports.assess import Asking
        from reports.figures.answer import figures_of
        from reports.figures.query import read_question

        marts_dir, sources = project.project.marts_dir, project.sources(keeps=False)
        asking = Asking(site, sources, marts_dir, MartReader(marts_dir), as_of_utc)
        try:
            a_day, days = (figures_of(read_question(each), asking)[0].value for each in excess_questions(alert))
        except BadInput as fault:
            if fault.reason not in ("no_number", "nothing_in_period", "unknown_scope", "mart_missing"):
                raise
            return None, None
        return (float(a_day), int(days)) if a_day and days and a_day > 0 else (None, None)

    version = (alert.quarter, alert.baseline_id, alert.baseline_version, site.currency)
    key = (site.site_id, mart_stamp(project.project.marts_dir, site.site_id), alert.seu_id, version)
    return project.cache.once("use_excess", key, figures)
