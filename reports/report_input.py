"""Inputs of a report: its subject, found by its id, baselines in force, answers, and its language."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from assets.kpi.claims.mv_savings import project_of
from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.ledgers.experiments import ExperimentStore
from assets.stores.transactions import Store
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.control.experiment import Experiment
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.disclosure import DisclosureAnswer
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period
from reports.assess import baselines_in_force, project_baselines
from reports.datasets.base import ReportInput
from reports.recompute.figure_sources import Sources, seu_of
from reports.texts.locales import language_of, languages

_ABOUT = {"site": "a site", "seu": "a use", "project": "an M&V project", "dr_event": "an event of demand response",
          "experiment": "an experiment"}  # fmt: skip


def report_input_of(
    template: ReportTemplate,
    site: Site,
    period: Period,
    *,
    sources: Sources,
    known_at_utc: datetime,
    seu_id: str | None = None,
    project_id: str | None = None,
    event_id: str | None = None,
    marts_dir: Path | None = None,
    names: Mapping[str, str] | None = None,
    language: str = "",
    answers: Sequence[DisclosureAnswer] = (),
) -> ReportInput:
    """Subject and sources of a report of the template; parameters as of `ReportRequest`. Raises BadInput."""
    versions = baselines_in_force(site, sources.baselines, as_of_utc=known_at_utc)
    seu = subject_seu(template, site, seu_id)
    return ReportInput(
        site=site,
        period=period,
        as_of_utc=known_at_utc,
        sources=sources,
        seu=seu,
        project=subject_project(template, site, project_id),
        dr_event=subject_event(template, sources.lake.store, site, event_id, as_of_utc=known_at_utc),
        experiment=subject_experiment(template, sources.lake.store, site, event_id, as_of_utc=known_at_utc),
        versions=versions if seu is None else {k: v for k, v in versions.items() if k == seu.seu_id},
        marts_dir=marts_dir,
        project_versions=project_baselines(site, sources.baselines, as_of_utc=known_at_utc),
        names=names or {},
        language=other_language(language, site),
        answers=answers,
    )


def other_language(language: str, site: Site) -> str:
    """The language that was asked for; empty where it is the site's. Raises BadInput for one that is not there."""
    if language and language not in languages():
        known = ", ".join(languages())
        raise BadInput(f"unknown language {language!r}; there are {known}", reason="unknown_language")
    return "" if language == language_of(site.locale) else language


def subject_seu(template: ReportTemplate, site: Site, seu_id: str | None) -> Seu | None:
    """The use that the report is about. Raises BadInput where it needs one, or is about none."""
    if template.subject != "seu":
        if seu_id is not None:
            about = _ABOUT[template.subject]
            raise BadInput(f"report {template.template!r} is about {about}, not about one use", reason="bad_subject")
        return None
    if seu_id is None:
        known = ", ".join(seu.seu_id for seu in site.seus) or "none"
        raise BadInput(
            f"report {template.template!r} is about one energy use; the site has {known}",
            reason="no_subject",
            mend="name it with --seu",
        )
    return seu_of(site, seu_id)


def subject_project(template: ReportTemplate, site: Site, project_id: str | None) -> MvProject | None:
    """The project that the report is about; the site's only one needs no name. Raises BadInput as above."""
    if template.subject != "project":
        if project_id is not None:
            about = _ABOUT[template.subject]
            raise BadInput(
                f"report {template.template!r} is about {about}, not about an M&V project", reason="bad_subject"
            )
        return None
    if project_id is None and len(site.projects) != 1:
        known = ", ".join(each.project_id for each in site.projects)
        raise BadInput(
            f"report {template.template!r} is about one M&V project; site {site.site_id!r} has {known or 'none'}",
            reason="no_subject",
            mend="name it with --mv-project" if known else "give its site file a block `projects`",
        )
    return site.projects[0] if project_id is None else project_of(site, project_id)


def subject_event(
    template: ReportTemplate, store: Store, site: Site, event_id: str | None, *, as_of_utc: datetime | None
) -> DrEvent | None:
    """The event of demand response that the report is about, by how its id starts. Raises BadInput."""
    if template.subject != "dr_event":
        if event_id is not None and template.subject != "experiment":
            about = _ABOUT[template.subject]
            raise BadInput(f"report {template.template!r} is about {about}, not about an event", reason="bad_subject")
        return None
    if event_id is None:
        message = f"report {template.template!r} is about one event of demand response"
        raise BadInput(message, reason="no_subject", mend="name it with --event; meterloom dr event list shows them")
    event = DrEvents(store).named(event_id, as_of_utc=as_of_utc)
    if event.site_id != site.site_id:
        raise BadInput(f"event {event.event_id} is of site {event.site_id!r}, not {site.site_id!r}", reason="no_event")
    return event


def subject_experiment(
    template: ReportTemplate, store: Store, site: Site, experiment_id: str | None, *, as_of_utc: datetime | None
) -> Experiment | None:
    """The experiment that the report is about, by how its id starts; the newest needs no name. Raises BadInput."""
    if template.subject != "experiment":
        return None
    return ExperimentStore(store).named(site.site_id, experiment_id or "", as_of_utc=as_of_utc)
