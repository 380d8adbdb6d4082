"""Makes a revision: the same content over the same inputs keeps its number, anything else gets the next one."""

import hashlib
import json
import re
from collections.abc import Callable

from assets.sites.load_sites import site_sha256
from assets.stores.published.report_ledger import ReportStore, RevisionDraft, Stamped, keep_site_version
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from reports.report_content import ReportContent

_ID = re.compile(r"\b[0-9a-f]{16}\b")


def content_sha256(content: ReportContent) -> str:
    """Hash of what the content says and rests on; free of revision number, ids, as-of and run names."""
    # Ids hold the revision's number: put back to paths, or no two revisions would ever say the same.
    ids, digest = {figure.figure_id: figure.path for figure in content.figures}, hashlib.sha256()

    def take(text: str) -> None:
        renamed = _ID.sub(lambda found: json.dumps(ids[found[0]])[1:-1] if found[0] in ids else found[0], text)
        digest.update(renamed.encode())

    dumped = content.model_copy(update={"revision": 0, "versions": {}, "figures": ()}).model_dump(mode="json")
    del dumped["as_of_utc"]
    # The JSON of all, keys in order, figure by figure: the text of a hundred thousand would be half a gigabyte.
    for place, name in enumerate(sorted(dumped)):
        take(f"{', ' if place else '{'}{json.dumps(name)}: ")
        if name != "figures":
            take(json.dumps(dumped[name], sort_keys=True, ensure_ascii=False))
            continue
        for at, figure in enumerate(content.figures):
            one = figure.model_dump(mode="json")
            del one["trace"]["as_of_utc"]
            take(f"{', ' if at else '['}{json.dumps(one, sort_keys=True, ensure_ascii=False)}")
        take("]" if content.figures else "[]")
    take("}")
    return digest.hexdigest()


def store_revision(
    build: Callable[[int], ReportContent],
    reports: ReportStore,
    clock: Clock,
    *,
    site: Site | None = None,
    maker: str = "",
    is_as_built: bool = False,
) -> tuple[ReportContent, bool]:
    """Store what `build(revision)` says, unless the newest revision says so already.

    site: kept as it is now, so that a trace recomputes with this version after the site file changed. maker: who made
    it, who therefore neither reviews nor publishes it; kept with a new revision. is_as_built: one that is stored
    already is not read again: it says the same as of another instant.
    Returns the stored content and whether it is new.
    """
    if site is not None:
        keep_site_version(reports.store, site, site_sha256(site), clock)
    # Most revisions are their report's first: that guess is stored as it is, any other number is built again.
    first = build(1)
    draft = _draft(first)
    made = {1: first}
    # One at a time: a list of KPIs may have a hundred thousand figures.
    del first

    def stamp(number: int) -> Stamped:
        if number not in made:
            made.clear()
            made[number] = build(number)
        return made[number].model_dump(mode="json", exclude={"figures"}), made[number].figures

    number, is_new = reports.add_revision(draft, stamp, clock, maker=maker)
    if is_new or is_as_built:
        return made.get(number) or build(number), is_new
    made.clear()
    return stored_content(reports, draft.report_id, number), False


def unstored(build: Callable[[int], ReportContent], reports: ReportStore) -> ReportContent:
    """Revision that `store_revision` would store where nothing can be written, as built."""
    first = build(1)
    number, _ = reports.next_number(_draft(first))
    return first if number == 1 else build(number)


def _draft(content: ReportContent) -> RevisionDraft:
    return RevisionDraft(
        report_id=content.report_id,
        name=content.name,
        site_id=content.site_id,
        period=content.period,
        status=content.status,
        content_sha256=content_sha256(content),
        as_of_utc=content.as_of_utc,
    )


def stored_content(reports: ReportStore, report_id: str, revision: int) -> ReportContent:
    """A stored revision with its figures and traces. Raises BadInput."""
    kept = reports.get(report_id, revision)
    return ReportContent.model_validate({**kept.content, "figures": reports.figures(report_id, revision)})
