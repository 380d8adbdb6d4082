"""Reports of the sites that a person sees, made and due, each with its life and what changed under it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from assets.stores.published.publications import PublicationStore
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import months_after, period_key
from orchestration.open_project import OpenProject
from orchestration.views.due_reports import MARKS, due_starts
from orchestration.views.pack_subjects import due_packs
from orchestration.web.request_context import Context
from reports.content.templates import read_template, template_files
from reports.evidence.lifecycle import revision_states_at
from reports.figures.trace import stale_revisions
from reports.pages.report_library import NO_REPORTS, ReportLine, ReportRequest
from reports.texts.locales import chosen, span_text
from reports.writer import words

Titles = Mapping[str, Mapping[str, str]]


def report_lines(ctx: Context) -> list[ReportLine]:
    """Every revision of the sites and organisations that are asked for, newest first, and after them what is due."""
    project, as_of = ctx.project, ctx.address.as_of_utc
    sites = ctx.selected_subjects()
    found = [
        each
        for each in project.reports.revisions(as_of_utc=as_of, with_content=False)
        if each.name not in NO_REPORTS and each.site_id in sites
    ]
    keys = [(each.report_id, each.revision) for each in found]
    lives = revision_states_at(PublicationStore(project.store), keys, project.names, as_of_utc=as_of)
    # All at once: revisions share their inputs, and each is looked at once.
    changed = stale_revisions(project.reports, project.sources(keeps=False), as_of_utc=as_of, only=keys)
    newest = {each.report_id: each.revision for each in found}
    titles = _titles(project)
    lines = []
    for each, key in zip(reversed(found), reversed(keys), strict=True):
        title = _title(titles, each.name, ctx.address.locale)
        time_zone = sites[each.site_id].time_zone
        span = span_text(each.period, time_zone, ctx.address.locale)
        is_newest = newest[each.report_id] == each.revision
        line = ReportLine(title, each.site_id, span, each, lives[key], changed.get(key, ()), is_newest)
        lines.append(line._replace(time_zone=time_zone))
    lines += [line for each in sites.values() if each.organisation is None for line in _due(ctx, each.sites[0], titles)]
    # What the settings state wrongly is told by the schedule, and by `check`.
    with suppress(BadInput):
        for first, of, pack in due_packs(project, ctx.as_of_or_now):
            if of.subject_id in sites:
                span = span_text(str(first.year), of.time_zone, ctx.address.locale)
                title = _title(titles, pack.template, ctx.address.locale)
                asks = ReportRequest(pack.template, of.subject_id, str(first.year))
                lines.append(ReportLine(title, of.subject_id, span, asks=asks))
    return lines


def _due(ctx: Context, site: Site, titles: Titles) -> Iterator[ReportLine]:
    for report, months in MARKS.items():
        if report == "enpi_quarter" and not site.seus:
            continue
        for start in due_starts(ctx.project, site, ctx.as_of_or_now, report=report, months=months):
            period = period_key(start, months_after(start, months))
            title = _title(titles, report, ctx.address.locale)
            span = span_text(period, site.time_zone, ctx.address.locale)
            yield ReportLine(title, site.site_id, span, asks=ReportRequest(report, site.site_id, period))


def may_make(ctx: Context) -> bool:
    """Whether the person may have a report made on this page; not on one of the past."""
    return may(ctx.person, Permission.REPORT_RUN) and ctx.address.as_of_utc is None


def report_title(ctx: Context, name: str) -> str:
    """Title of the reports of that name, in the language of the page."""
    return _title(_titles(ctx.project), name, ctx.address.locale)


def _titles(project: OpenProject) -> Titles:
    """Titles by language of the templates, as long as none of their files changes."""
    files = template_files(project.project.reports_dir)
    key = tuple((path, path.stat().st_mtime_ns) for path in files.values())
    return project.cache.once(
        "report_titles", key, lambda: {name: read_template(path).titles for name, path in files.items()}
    )


def _title(titles: Titles, name: str, locale: str) -> str:
    """Title of a report; the words of its name where its template is gone."""
    return chosen(titles[name], locale) if name in titles else words(name)
