"""`meterloom report`: build, store and render a report."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.disclosure import DisclosureAnswer, completeness_of, gaps_of
from data_quality.contracts.settings import SETTINGS_FILE
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, parse_period
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import READS_AND_ACTS, Argument, Call, Option, operation
from orchestration.operations.options import AnyOrganisationOption, AnySiteOption, organisation_span
from orchestration.views.pack_subjects import answers_of, keep_organisation
from reports.content.template_periods import check_period
from reports.content.templates import load_edition, load_template, read_template, template_files
from reports.datasets.dr_events import day_of
from reports.datasets.experiments import days_of
from reports.gates import publishable, refuse_future
from reports.make_report import ReportRequest, StoredReport, make_report, refuse_empty, refuse_unknown
from reports.render.render_json import figure_rows
from reports.report_content import ReportContent
from reports.report_input import subject_event, subject_experiment, subject_project
from reports.texts.locales import chosen

LIST = "templates"
LanguageOption = Annotated[str, Option("en, de, …: of words and numbers; else the site's.")]
EditionOption = Annotated[str, Option("Of a pack of data points; else the period chooses it.")]
TEMPLATES = Table("templates", "report: {name} | periods | about: {subject} | what it says: {description}")


def _listed() -> list[tuple[str, str]]:
    """Name and one sentence of the reports that come with the program; those of a project are in `report templates`."""
    found = [read_template(path) for path in template_files(None).values()]
    return sorted((each.template, each.descriptions["en"]) for each in found)


@operation(
    "report",
    takes=READS_AND_ACTS,
    example="enpi_quarter --site factory --period 2025-Q1",
    lists=("Reports", _listed),
)
def report(
    call: Call,
    name: Annotated[str, Argument("enpi_quarter, or another; 'report templates' lists all.", metavar="NAME")],
    site: AnySiteOption = None,
    period: Annotated[str | None, Option("2025, 2025-Q1, 2025-03.")] = None,
    seu: Annotated[str | None, Option("Which energy use, for a report about one.")] = None,
    mv_project: Annotated[str | None, Option("Which M&V project, for a report about one.")] = None,
    event: Annotated[
        str | None, Option("Which event of demand response; or which experiment, else the newest.", "--event")
    ] = None,
    out: Annotated[Path | None, Option("Folder of the files.")] = None,
    formats: Annotated[str, Option("pdf,xlsx,json,print: a PDF without register", "--format")] = "pdf,xlsx",
    language: LanguageOption = "",
    edition: EditionOption = "",
    organisation: AnyOrganisationOption = None,
) -> Answer:
    """Make a report: what it prints can be traced, what is missing is said on page one."""
    if name == LIST:
        return _templates(call, language)
    keep_organisation(call.project, call.clock)
    if organisation is not None:
        return _of_organisation(call, name, organisation, period, formats, edition, language, out)
    if site is None:
        raise _incomplete("--site" if period is not None else "--site and --period")
    project, known = call.project, call.project.site(site)
    # Told before the marts are made fresh, which may take minutes.
    span = _period(call, name, known, period, mv_project, event)
    refuse_future(span, call.as_of_or_now, name=f"report {name!r}")
    template = load_edition(name, project.project.reports_dir, period=span, edition=edition)
    if template.framework is not None:
        # Before marts are made for it.
        check_period(template, span)
    refuse_empty(template, project.lake, known, span, as_of_utc=call.as_of_utc)
    answers = answers_of(call.project) if template.framework is not None else ()
    request = _request(call, formats, edition, language, out, answers)
    _freshen(call, name, site, span)
    made = make_report(name, known, span, request, seu_id=seu, project_id=mv_project, event_id=event)
    return _answer(made, call.then(known.site_id))


def _of_organisation(
    call: Call, name: str, organisation: str, period: str | None, formats: str, edition: str, language: str,
    out: Path | None,
) -> Answer:  # fmt: skip
    from reports.make_group_report import make_group_report

    if period is None:
        raise _incomplete("--period")
    found, span = organisation_span(call, organisation, period)
    request = _request(call, formats, edition, language, out, answers_of(call.project))
    _freshen(call, name, organisation, span)
    return _answer(make_group_report(name, found, span, request), "")


def _request(
    call: Call, formats: str, edition: str, language: str, out: Path | None, answers: Sequence[DisclosureAnswer]
) -> ReportRequest:
    """The request of the options. Raises BadInput for an unknown format."""
    project = call.project
    wanted = [part.strip() for part in formats.split(",") if part.strip()]
    refuse_unknown(wanted)
    return replace(
        project.report_request(call.clock, call.sources), formats=wanted, edition=edition, language=language,
        out_dir=out or project.project.reports_dir, marts_dir=published_marts(project.project.marts_dir),
        as_of_utc=call.as_of_utc, maker=call.known_person().person_id if call.person else "", answers=answers,
    )  # fmt: skip


def _freshen(call: Call, name: str, about: str, span: Period) -> None:
    from orchestration.warehouse.fresh import freshen_marts

    if call.as_of_utc is None:
        call.doing(f"{about}: looking for what changed", is_brief=True)
        freshen_marts(call.project, clock=call.clock, doing=call.doing)
    call.doing(f"making the report {name} of {about}, {span.label or f'{span.start}/{span.end}'}")


def _period(
    call: Call, name: str, site: Site, text: str | None, project_id: str | None, event_id: str | None
) -> Period:  # fmt: skip
    """The period asked for; without one a project's report is of its reporting period, that of an event or
    experiment of its days.
    """
    folder = call.project.project.reports_dir
    template = load_template(name, folder)
    event = subject_event(template, call.project.store, site, event_id, as_of_utc=call.as_of_utc)
    experiment = subject_experiment(template, call.project.store, site, event_id, as_of_utc=call.as_of_utc)
    project = subject_project(template, site, project_id)
    if text is not None:
        return parse_period(text, site.time_zone)
    if event is not None:
        return day_of(event, site.time_zone)
    if experiment is not None:
        return days_of(experiment, site.time_zone)
    if project is None:
        raise _incomplete("--period")
    start, end = project.reporting_period
    return Period(label="", start=start, end=end, time_zone=site.time_zone)


def _incomplete(what: str) -> BadInput:
    return BadInput(f"a report needs {what}", reason="incomplete", mend=f"'report {LIST}' lists reports")


def _answer(made: StoredReport, then: str) -> Answer:
    content = made.content
    lines = [f"{content.title} of {content.site_name}, {content.period}, revision {content.revision}"]
    lines.append(f"  {content.life.sentence()}")
    lines += [f"  {path}" for path in made.files.values()]
    lines += [f"  {finding.severity}: {finding.message}" for finding in content.findings]
    result = {
        "revision": content.revision,
        "report_id": content.report_id,
        "status": content.life.status,
        "life": content.life,
        "files": list(made.files.values()),
        "figures": figure_rows(content),
        "findings": content.findings,
        "against_publication": [finding.code for finding in publishable(content)],
    }
    if content.data:
        result |= pack_data(content)
    return Answer(result, text="\n".join([*lines, then]))


def pack_data(content: ReportContent) -> dict[str, object]:
    """Data points, gaps and completeness of a pack, as commands say them."""
    return {
        "data": content.data,
        "gaps": gaps_of(content.data),
        "completeness": completeness_of(content.data),
    }


def published_marts(marts_dir: Path) -> Path | None:
    """The marts, where any were published."""
    # An empty folder is no marts: the report then says what is missing, instead of reading no rows.
    return marts_dir if any(marts_dir.glob("mart_seu__day_enpi/*")) else None


def _templates(call: Call, language: str) -> Answer:
    """Reports with the spans that each is for, English without a language; a broken template is refused by line."""
    # Without a project the templates that come with the program are still worth a list.
    folder = call.project.project.reports_dir if (call.folder / SETTINGS_FILE).exists() else None
    found = []
    for path in template_files(folder).values():
        template = read_template(path)
        found.append(
            {
                "name": template.template,
                "title": chosen(template.titles, language or "en"),
                "description": chosen(template.descriptions, language or "en"),
                "periods": list(template.periods),
                "subject": template.subject,
                "file": str(path),
            }
        )
    found.sort(key=lambda each: str(each["name"]))
    return Answer({"templates": found}, TEMPLATES)
