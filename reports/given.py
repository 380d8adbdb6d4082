"""Inputs of a report: subject, baselines in force, answers, and the language in which it is written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from assets.stores.ledgers.baselines import BaselineStore
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.disclosure import DisclosureAnswer
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.assess import baselines_in_force, project_baselines
from reports.datasets.base import Given
from reports.recompute.figure_sources import Sources
from reports.subjects import subject_event, subject_experiment, subject_project, subject_seu
from reports.texts.locales import language_of, languages


def given_of(
    template: ReportTemplate,
    site: Site,
    period: Period,
    *,
    sources: Sources,
    baselines: BaselineStore,
    known_at_utc: datetime,
    seu_id: str | None = None,
    project_id: str | None = None,
    event_id: str | None = None,
    marts_dir: Path | None = None,
    names: Mapping[str, str] | None = None,
    language: str = "",
    answers: Sequence[DisclosureAnswer] = (),
) -> Given:
    """Subject and sources of a report of the template; parameters as of `make_report`. Raises BadInput."""
    versions = baselines_in_force(site, baselines, as_of_utc=known_at_utc)
    seu = subject_seu(template, site, seu_id)
    return Given(
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
        project_versions=project_baselines(site, baselines, as_of_utc=known_at_utc),
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
