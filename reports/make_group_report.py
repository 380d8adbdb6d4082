"""Report of an organisation from start to files: its sites by share instead of one site."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from assets.sites.load_sites import site_sha256
from assets.sites.organisation import deliveries_text, parts_of
from assets.stores.published.report_ledger import ReportStore, keep_site_version
from data_quality.contracts.errors import BadInput
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.disclosure import DisclosureAnswer
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, Period
from reports.assess import project_baselines
from reports.content.group_queries import GroupQueries, Member, members_table
from reports.content.template_report import Group, datasets_for, report_language, template_report
from reports.content.templates import load_edition
from reports.datasets.base import ReportInput
from reports.gates import refuse_future
from reports.lifecycle.revise import store_revision
from reports.make_report import StoredReport, render_now
from reports.recompute.figure_sources import Sources
from reports.report_content import ReportContent
from reports.report_input import other_language


def make_group_report(
    name: str,
    organisation: Organisation,
    period: Period,
    *,
    sources: Sources,
    reports: ReportStore,
    clock: Clock,
    out_dir: Path,
    formats: Sequence[str] = ("pdf", "xlsx", "json"),
    marts_dir: Path | None = None,
    as_of_utc: datetime | None = None,
    known_at_utc: datetime | None = None,
    templates_dir: Path | None = None,
    run_versions: Mapping[str, str] | None = None,
    maker: str = "",
    names: Mapping[str, str] | None = None,
    edition: str = "",
    language: str = "",
    answers: Sequence[DisclosureAnswer] = (),
) -> StoredReport:
    """As `make_report`, of an organisation. Raises BadInput for a template that is not of whole sites, a site that the
    project has not, days without an approach, and money without a rate.
    """
    template = load_edition(name, templates_dir, period=period, edition=edition)
    known_at = as_of_utc or known_at_utc or reports.store.known_at(clock)
    refuse_future(period, known_at, name=f"report {template.template!r}")
    given, members = group_report_input(
        template, organisation, period, sources=sources, known_at_utc=known_at,
        marts_dir=marts_dir if as_of_utc is None else None, names=names or {}, language=language, answers=answers,
    )  # fmt: skip
    for each in members:
        keep_site_version(reports.store, each.given.site, site_sha256(each.given.site), clock)
    versions = dict(run_versions or {}) | {"organisation": f"{organisation.organisation}@{organisation.sha256[:16]}"}

    def build(revision: int) -> ReportContent:
        return group_report(template, given, members, revision=revision, run_versions=versions)

    content, is_new = store_revision(build, reports, clock, maker=maker)
    shown, files = render_now(content, reports, out_dir, formats, clock, names or {})
    return StoredReport(content=shown, is_new=is_new, files=files)


def group_report(
    template: ReportTemplate,
    given: ReportInput,
    members: Sequence[Member],
    *,
    revision: int = 0,
    run_versions: Mapping[str, str] | None = None,
) -> ReportContent:
    """The content of an organisation's report. given, members: of `group_report_input`."""
    group = Group(
        organisation=members[0].organisation,
        givens=[each.given for each in members],
        asker=lambda book: GroupQueries(given, book, members, language=report_language(template, given)),
        table=members_table,
    )
    datasets = members[0].datasets
    return template_report(
        template, given, revision=revision, datasets=datasets, run_versions=run_versions, group=group
    )


def group_report_input(
    template: ReportTemplate,
    organisation: Organisation,
    period: Period,
    *,
    sources: Sources,
    known_at_utc: datetime,
    marts_dir: Path | None = None,
    names: Mapping[str, str] | None = None,
    language: str = "",
    answers: Sequence[DisclosureAnswer] = (),
) -> tuple[ReportInput, list[Member]]:
    """Subject and sources of the organisation's report, and its sites over their spans. Raises BadInput as above."""
    if template.framework is None:
        raise BadInput(
            f"report {template.template!r} is of one site",
            reason="bad_subject",
            mend="packs of 'disclosure list' are of organisations too",
        )
    parts = [part for part in parts_of(organisation, period) if part.share > 0]
    if not parts:
        raise BadInput(f"{organisation.organisation!r} has no site in {period.label}", reason="no_site")
    first = sources.site(parts[0].site_id)
    group = ReportInput(
        site=_stand_in(organisation, first),
        period=period,
        as_of_utc=known_at_utc,
        sources=sources,
        versions={},
        names=names or {},
        language=other_language(language, first),
        answers=answers,
        organisation=organisation,
    )
    members = []
    for part in parts:
        site = sources.site(part.site_id)
        own = replace(
            group,
            site=site,
            organisation=None,
            period=part.period.model_copy(update={"time_zone": site.time_zone}),
            marts_dir=marts_dir,
            project_versions=project_baselines(site, sources.baselines, as_of_utc=known_at_utc),
            since=part.since,
            left_out=deliveries_text(part.left_out),
        )
        members.append(Member(organisation, part, own, datasets_for(template, own)))
    return group, members


def _stand_in(organisation: Organisation, site: Site) -> Site:
    """The organisation where content has a site: its name and currency, with zone and language of its first site."""
    named = {"site_id": organisation.organisation, "name": organisation.name, "currency": organisation.currency}
    return site.model_copy(update=named)
