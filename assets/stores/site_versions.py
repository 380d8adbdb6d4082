"""Site files as reports were made with them, by their hash: a trace recomputes with the version that it names."""

import sqlalchemy as sa

from assets.stores.seals import append_row
from assets.stores.tables_reports import site_versions
from assets.stores.transactions import Store, next_recorded_at
from data_quality.contracts.site import Site
from data_quality.contracts.time import Clock


def keep_site_version(store: Store, site: Site, sha256: str, clock: Clock) -> None:
    """Keep the site as it is under its hash (assets/sites/load.py: site_sha256), once."""
    with store.begin() as connection:
        known = connection.execute(sa.select(site_versions.c.sha256).where(site_versions.c.sha256 == sha256)).first()
        if known is None:
            append_row(
                connection,
                site_versions,
                sha256=sha256,
                site_id=site.site_id,
                site=site.model_dump(mode="json"),
                recorded_at_utc=next_recorded_at(connection, clock.now_utc()),
            )


def site_version(store: Store, sha256: str) -> Site | None:
    """The site of that hash, or None where none was kept."""
    rows = store.rows(sa.select(site_versions.c.site).where(site_versions.c.sha256 == sha256))
    return Site.model_validate(rows[0]["site"]) if rows else None
