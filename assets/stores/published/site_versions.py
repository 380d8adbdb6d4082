"""Site files as reports were made with them, by their hash: a trace recomputes with the version that it names."""

from assets.stores.journal import AppendOnly, document_in
from assets.stores.schema.tables_reports import site_versions
from assets.stores.transactions import Store
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

_VERSIONS = AppendOnly(site_versions, document_in("site", Site))


def keep_site_version(store: Store, site: Site, sha256: str, clock: Clock) -> None:
    """Keep the site as it is under its hash (assets/sites/load_sites.py: site_sha256), once."""
    row = {"sha256": sha256, "site_id": site.site_id, "site": site.model_dump(mode="json")}
    _VERSIONS.add_once(store, clock, row)


def site_version(store: Store, sha256: str) -> Site | None:
    """The site of that hash, or None where none was kept."""
    return _VERSIONS.latest(store, sha256=sha256)
