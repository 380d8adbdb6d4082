"""Are the rows on which safety, money and approval rest those that the program wrote? Doctor and a daily check ask."""

from pathlib import Path

import sqlalchemy as sa

from assets.stores.audit import bad_rows
from assets.stores.schema.tables_control import command_events, commands
from assets.stores.transactions import Store
from controls.ledger.chain import verify_chain
from controls.ledger.chain_marks import anchored_sites


def distrusted(store: Store, anchors: Path | None = None) -> list[str]:
    """A sentence for every row, seal, signature, command and event that is not as it was written; empty: all are.

    anchors: folder of what was written down outside the database.
    """
    found = [*([] if store.anchors is None else store.anchors.findings()), *map(str, bad_rows(store))]
    for site_id in chained_sites(store, anchors):
        # What the rows' seals say was said above.
        found += [f"site {site_id}: {each}" for each in verify_chain(store, site_id, anchors) if each not in found]
    return found


def chained_sites(store: Store, anchors: Path | None = None) -> list[str]:
    """Sites with a chain of commands; one that the store lacks and that was anchored is one that it lost."""
    query = sa.union(sa.select(command_events.c.site_id), sa.select(commands.c.site_id)).subquery()
    sites = {str(row["site_id"]) for row in store.rows(sa.select(query.c.site_id))}
    return sorted(sites | (anchored_sites(anchors) if anchors is not None else set()))
