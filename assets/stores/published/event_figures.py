"""Figures of stored reports that quote an anomaly event: what names them in a list of events."""

from collections import defaultdict

import sqlalchemy as sa

from assets.stores.schema.tables_reports import figures, revision_inputs
from assets.stores.transactions import Store


def figures_quoting(store: Store, site_id: str) -> dict[str, list[str]]:
    """Event -> ids of the figures of each report's newest revision that are numbers of it, in their order."""
    newest = sa.func.max(revision_inputs.c.revision).label("newest")
    named = sa.select(revision_inputs.c.report_id, newest)
    is_of_site = revision_inputs.c.id.startswith(f"{site_id}/", autoescape=True)
    named = named.where(revision_inputs.c.role == "event", is_of_site).group_by(revision_inputs.c.report_id)
    wanted = named.subquery()
    is_newest = sa.and_(figures.c.report_id == wanted.c.report_id, figures.c.revision == wanted.c.newest)
    query = sa.select(figures.c.figure_id, figures.c.figure).join(wanted, is_newest).order_by(figures.c.position)
    found: dict[str, list[str]] = defaultdict(list)
    for row in store.rows(query):
        kind, _, event_id = row["figure"]["scope"].partition(":")
        if kind == "event":
            found[event_id].append(row["figure_id"])
    return found
