"""Packs of a project: what they may be of, the organisation's answers, and which are made each year."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from assets.sites.organisation import known_organisation, load_organisation, named
from assets.stores.published.report_ledger import keep_organisation_version, organisation_version
from assets.stores.trust import signed_acts
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.people import People
from data_quality.contracts.reporting.disclosure import DisclosureAnswer
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.settings import SETTINGS_FILE
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, parse_period
from data_quality.contracts.yaml_file import BadConfiguration, Problem, load_yaml, place_of
from orchestration.views.due_reports import local_days
from reports.content.disclosure_answers import ACT, read_answers
from reports.content.templates import packs_of
from reports.lifecycle.due import due_periods

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject
    from reports.make_report import StoredReport
    from reports.recompute.figure_sources import Sources

YEAR = 12
# Beside organisations, all sites of the project.
EVERY_SITE = "all"


class Subject(NamedTuple):
    """A site, or an organisation with its sites in the order of its file. Its years are those of its first site."""

    subject_id: str
    name: str
    sites: tuple[Site, ...]
    organisation: Organisation | None = None

    @property
    def time_zone(self) -> str:
        """Time zone of its periods."""
        return self.sites[0].time_zone

    @property
    def is_simulated(self) -> bool:
        """One site of it suffices."""
        return any(each.is_simulated for each in self.sites)


def organisation_of(project: "OpenProject", name: str = "", *, as_of_utc: datetime | None = None) -> Organisation:
    """The organisation of that name, or the one there is, now or as its file was kept by an instant. Raises BadInput
    for none, another, or a faulty file.
    """
    file = project.project.organisation_file
    kept = None if as_of_utc is None else organisation_version(project.store, as_of_utc)
    if kept is not None:
        return named(kept.document, name, file)
    return load_organisation(file, name, sites=project.sites, cache=project.cache)


def keep_organisation(project: "OpenProject", clock: Clock) -> None:
    """Keep what organisation.yaml says now, if it is in order: reports as of later instants are made with it."""
    found = known_organisation(project.project.organisation_file)
    if found is not None:
        keep_organisation_version(project.store, found, clock)


def organisations_of(project: "OpenProject") -> dict[str, Organisation]:
    """Organisations by name: one where the project has the file. Raises BadInput for a faulty one."""
    found = [organisation_of(project)] if project.project.organisation_file.exists() else []
    return {each.organisation: each for each in found}


class PackSources(NamedTuple):
    """The instant whose knowledge all packs of one run tell, and what they are read from: once for all of them."""

    sources: "Sources"
    known_at_utc: datetime


def pack_sources(project: "OpenProject", clock: Clock) -> PackSources:
    """The present, for the packs of a run."""
    keep_organisation(project, clock)
    return PackSources(project.sources(), project.store.known_at(clock))


def subjects_of(project: "OpenProject") -> dict[str, Subject]:
    """Sites and organisations that a report may be of. Raises BadInput for a faulty file."""
    return {name: Subject(name, each.name, (each,)) for name, each in project.sites.items()} | groups_of(project)


def groups_of(project: "OpenProject") -> dict[str, Subject]:
    """Organisations alone. Raises as `subjects_of`."""
    found = {}
    for name, each in organisations_of(project).items():
        own = dict.fromkeys(site.site for site in each.sites)
        found[name] = Subject(name, each.name, tuple(project.site(site) for site in own), each)
    return found


def answers_of(project: "OpenProject") -> tuple[DisclosureAnswer, ...]:
    """Answers of the organisation in the project's file. Raises BadInput naming every one that does not fit."""
    # Who has named nobody yet has no answers either: a pack is made all the same.
    people = project.people if project.project.people_file.exists() else People(people=())
    return read_answers(
        project.project.root, packs_of(project.project.reports_dir), people=people,
        sites=[*project.sites, *organisations_of(project)], acts=signed_acts(project.store, ACT),
    )  # fmt: skip


def yearly_packs(project: "OpenProject") -> list[tuple[Subject, ReportTemplate]]:
    """Packs made each year, as the settings say under report.packs. Raises BadConfiguration for an unknown name."""
    stated = project.project.settings.report.packs
    subjects, packs = (subjects_of(project), packs_of(project.project.reports_dir)) if stated else ({}, {})
    for subject, names in stated.items():
        _expect(project, "site or organisation", subject, subjects, subject)
        for name in names:
            _expect(project, "pack", name, packs, subject)
    return [(subjects[subject], packs[name]) for subject, names in stated.items() for name in names]


def _expect(project: "OpenProject", what: str, name: str, known: Collection[str], key: str) -> None:
    if name in known:
        return
    path = project.project.root / SETTINGS_FILE
    line, column = place_of(load_yaml(path), ("report", "packs", key))
    message = f"report.packs: unknown {what} {name!r}; there are {', '.join(known)}"
    raise BadConfiguration([Problem(file=str(path), line=line, column=column, message=message)])


def due_packs(project: "OpenProject", now_utc: datetime) -> list[tuple[date, Subject, ReportTemplate]]:
    """Stated packs that are due and not made, with the first day of the year, the newest first. Raises as above."""
    found = []
    for subject, pack in yearly_packs(project):
        made = project.reports.revisions(subject.subject_id, name=pack.template, with_content=False)
        starts = [parse_period(each.period, subject.time_zone).start for each in made]
        years = due_years(project, subject, now_utc, made=starts)
        found += [(each, subject, pack) for each in years if pack.framework is not None and pack.framework.holds(each)]
    return sorted(found, key=lambda one: one[0], reverse=True)


def due_years(project: "OpenProject", subject: Subject, now_utc: datetime, *, made: Sequence[date]) -> list[date]:
    """First days of the years that are due and not made, by the local time of the subject, newest first."""
    spans = [span for each in subject.sites if (span := local_days(project, each, YEAR)) is not None]
    known = (min(span[0] for span in spans), max(span[1] for span in spans)) if spans else None
    return due_periods(now_utc=now_utc, time_zone=subject.time_zone, months=YEAR, known=known, made=made)


def make_pack(
    project: "OpenProject", subject: Subject, pack: str, year: int, clock: Clock, *, known: PackSources,
    maker: str, answers: Sequence[DisclosureAnswer], language: str = "",
    formats: Sequence[str] = ("pdf", "xlsx", "json"),
    run_versions: dict[str, str] | None = None,
) -> "StoredReport":  # fmt: skip
    """Make, store and render a pack of a year from marts that are fresh. Raises BadInput."""
    from reports.make_group_report import make_group_report
    from reports.make_report import make_report

    span = parse_period(str(year), subject.time_zone)
    for each in subject.sites:
        project.fresh_marts(each.site_id, until=span.end)
    request = project.report_request(clock, known.sources)
    request = replace(
        request, known_at_utc=known.known_at_utc, maker=maker, formats=formats, marts_dir=project.project.marts_dir,
        answers=answers, language=language, run_versions={**(run_versions or {}), **request.run_versions},
    )  # fmt: skip
    if subject.organisation is not None:
        return make_group_report(pack, subject.organisation, span, request)
    return make_report(pack, subject.sites[0], span, request)
