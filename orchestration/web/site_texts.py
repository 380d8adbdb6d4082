"""A site's file as text, found and replaced for whoever may write sites: the same for its page and for the API."""

from pathlib import Path
from typing import NamedTuple

from assets.sites.edit_site import rewritten, text_tag
from assets.sites.load_sites import broken_sites, load_site, site_file, site_sha256
from assets.stores.ledgers.alert_rules import AlertRules
from assets.stores.published.report_ledger import keep_site_version
from assets.tariffs.periods import tariffs_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import BadConfiguration, Problem
from orchestration.operations.project.check import problems_in
from orchestration.operations.signing import edit_record
from orchestration.web.request_context import Context
from orchestration.web.web_call import WebCall


class SiteFile(NamedTuple):
    """A site file. site: None where the file is broken; its id then is the one that its text or its name says."""

    site_id: str
    name: str
    path: Path
    site: Site | None


def save_text(ctx: Context, held: SiteFile, text: str, opened_sha256: str) -> str:
    """Replace the file, whole or not at all, its text before kept. Returns the new tag. Raises BadInput."""
    call, path, text = WebCall(ctx), held.path, text.rstrip("\n") + "\n"

    def checked(copy: Path) -> Site:
        if problems := problems_in(copy, call):
            raise BadConfiguration(problems)
        return load_site(copy)

    with rewritten(path, checked, lambda _: text, edit_record(call, held.site_id), seen=opened_sha256) as site:
        if site.site_id != held.site_id:
            message = f"site_id stays {held.site_id!r}: readings are kept by it"
            raise BadConfiguration([Problem(file="", line=1, column=1, message=message)])
        for carrier in Carrier:
            # Two in force on one day are refused here, not with the first bill.
            tariffs_of(site, carrier)
        store_replaced_versions(ctx, held, site)
    return text_tag(path)


def store_replaced_versions(ctx: Context, held: SiteFile, site: Site) -> None:
    """Keep the versions of the site whose file is replaced. site: as it will be."""
    store = ctx.project.store
    for each in (held.site, site):
        if each is not None:
            keep_site_version(store, each, site_sha256(each), ctx.clock)
    AlertRules(store).record(site, ctx.clock, person_id=ctx.person.person_id)


def site_file_of(ctx: Context, site_id: str) -> SiteFile:
    """The file of a site that the person sees. Raises BadInput (unknown_site)."""
    folder = ctx.project.project.sites_dir
    try:
        site = ctx.of(site=site_id).site()
        return SiteFile(site.site_id, site.name, site_file(folder, site.site_id, ctx.project.cache), site)
    except BadInput:
        # Whose a broken file is, nobody can tell: it is mended by who sees all sites.
        path = None if ctx.person.sites else broken_sites(folder).get(site_id)
        if path is None:
            raise
        return SiteFile(site_id, path.name, path, None)


def texts_folder(ctx: Context, held: SiteFile) -> Path:
    """Folder of the site's replaced texts."""
    return ctx.project.project.site_texts_dir / held.site_id
