"""Report of an organisation from start to files: its sites by share instead of one site."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from assets.sites.load_sites import site_sha256
from assets.sites.organisation import deliveries_text, parts_of
from assets.stores.published.report_ledger import keep_site_version
from data_quality.contracts.errors import BadInput
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.disclosure import DisclosureAnswer
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.assess import project_baselines
from reports.content.group_queries import GroupQueries, Member, members_table
from reports.content.template_report import Group, datasets_for, report_language, template_report
from reports.content.templates import load_edition
from reports.datasets.base import ReportInput
from reports.gates import refuse_future
from reports.make_report import ReportRequest, StoredReport
from reports.recompute.figure_sources import Sources
from reports.report_content import ReportContent
from reports.report_input import other_language


def make_group_report(name: str, organisation: Organisation, period: Period, request: ReportRequest) -> StoredReport:
    """As `make_report`, of an organisation. Raises BadInput for a template that is not of whole sites, a site that the
    project has not, days without an approach, and money without a rate.
    """
    template = load_edition(name, request.templates_dir, period=period, edition=request.edition)
    inputs = request.inputs()
    refuse_future(period, inputs["known_at_utc"], name=f"report {template.template!r}")
    given, members = group_report_input(template, organisation, period, **inputs)
    for each in members:
        keep_site_version(request.reports.store, each.given.site, site_sha256(each.given.site), request.clock)
    versions = {**request.run_versions, "organisation": f"{organisation.organisation}@{organisation.sha256[:16]}"}

    def build(revision: int) -> ReportContent:
        return group_report(template, given, members, revision=revision, run_versions=versions)

    return request.stored(build)


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
