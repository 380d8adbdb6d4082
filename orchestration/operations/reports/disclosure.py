"""`meterloom disclosure`: packs of data points, the gaps of one, and answers of the organisation."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ValidationError

from assets.stores.transactions import site_transaction
from assets.stores.whole_file import write_whole
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import sentence_of
from data_quality.contracts.reporting.disclosure import DisclosureAnswer
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.time import Period, parse_period
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import PROJECT, Argument, Call, Option, operation
from orchestration.operations.options import (
    AnyOrganisationOption,
    AnySiteOption,
    PeriodOption,
    SiteOption,
    number_or_none,
    organisation_span,
)
from orchestration.operations.reports.report import (
    EditionOption,
    LanguageOption,
    pack_data,
    published_marts,
)
from orchestration.operations.signing import Actor, actor
from orchestration.views.pack_subjects import answers_of, subjects_of
from reports.content.disclosure_answers import (
    ACT,
    ANSWERS,
    DISCLOSURE_FILE,
    evidence_sha256,
    misfits,
    signed_answer,
    with_answer,
)
from reports.content.template_periods import check_period
from reports.content.template_report import template_report
from reports.content.templates import load_edition, packs_of
from reports.gates import refuse_future
from reports.make_group_report import group_report, group_report_input
from reports.make_report import refuse_empty
from reports.report_input import report_input_of

PackArgument = Annotated[str, Argument("A name of 'disclosure list'.", metavar="PACK")]
PACKS = Table(
    "packs",
    "pack: {name} | framework | edition | applies from: {applies_from} | before: {until} | data points: {data} "
    "| identifiers compared: {checked}",
)
GAPS = Table(
    "gaps",
    "id | to be added: {what} | by whom: {who} | until: {by} | required | the year before: {offered}",
    empty="no data point is missing",
)


@operation("disclosure list", takes=PROJECT)
def packs(call: Call) -> Answer:
    """List packs of data points, those of the project among them, and the answers of the organisation."""
    found = [
        {
            "name": name,
            "framework": framework.name,
            "edition": framework.edition,
            "applies_from": framework.applies_from,
            "until": framework.until,
            "checked": None if framework.checked is None else framework.checked.on,
            "source": "" if framework.checked is None else framework.checked.source,
            "data": len(pack.points),
        }
        for name, pack in packs_of(call.project.project.reports_dir).items()
        if (framework := pack.framework) is not None
    ]
    return Answer({"packs": found, "answers": answers_of(call.project)}, PACKS)


@operation("disclosure gaps", example="PACK --site factory --period 2025", keeps=True)
def gaps(
    call: Call, pack: PackArgument, period: PeriodOption, site: AnySiteOption = None,
    organisation: AnyOrganisationOption = None, edition: EditionOption = "", language: LanguageOption = "",
) -> Answer:  # fmt: skip
    """Say what a pack still lacks: what is to be added, by whom, until when. Nothing is stored."""
    if (site is None) == (organisation is None):
        raise BadInput("name --site SITE or --organisation ORGANISATION, one of them", reason="no_site")
    project = call.project
    as_of = call.as_of_or_now
    shared: dict[str, Any] = {
        "sources": call.sources, "known_at_utc": as_of, "names": project.names, "language": language,
        "answers": answers_of(project),
        "marts_dir": published_marts(project.project.marts_dir) if call.as_of_utc is None else None,
    }  # fmt: skip
    if organisation is not None:
        found, span = organisation_span(call, organisation, period)
        template = _pack_of(call, pack, span, edition, as_of)
        content = group_report(template, *group_report_input(template, found, span, **shared))
    else:
        known = project.site(site or "")
        span = parse_period(period, known.time_zone)
        template = _pack_of(call, pack, span, edition, as_of)
        refuse_empty(template, project.lake, known, span, as_of_utc=call.as_of_utc)
        content = template_report(template, report_input_of(template, known, span, **shared))
    # Ids that `trace` takes for a while: no revision of it is stored.
    ids = project.store_figures(content.figures, call.clock)
    named = {each.figure_id: ids.of(each) for each in content.figures}
    data = tuple(each.model_copy(update={"figure_id": named.get(each.figure_id, "")}) for each in content.data)
    document = pack_data(content.model_copy(update={"data": data}))
    return Answer({"pack": template.template, **document, "findings": content.findings}, GAPS)


def _pack_of(call: Call, pack: str, span: Period, edition: str, as_of_utc: datetime) -> ReportTemplate:
    """The pack for a period that is over. Raises BadInput."""
    template = load_edition(pack, call.project.project.reports_dir, period=span, edition=edition)
    if template.framework is None:
        mend = "'disclosure list' has them"
        raise BadInput(f"report {pack!r} is no pack of data points", reason="no_pack", mend=mend)
    check_period(template, span)
    refuse_future(span, as_of_utc, name=f"pack {template.template!r}")
    return template


@operation(
    "disclosure answer",
    takes=(*PROJECT, "person_"),
    example="305-1-f --pack PACK --site factory --year 2025 --text operational_control --as ben",
)
def answer(
    call: Call,
    point: Annotated[str, Argument("Data point of 'disclosure gaps'.", metavar="ID")],
    pack: Annotated[str, Option("Which pack.")],
    site: SiteOption,
    year: Annotated[int, Option("Reporting year.")],
    value: Annotated[str | None, Option("A number, with --unit.")] = None,
    unit: Annotated[str, Option("Its unit.")] = "",
    text: Annotated[str, Option("Words, or one of the choices.")] = "",
    not_applicable: Annotated[str, Option("Why it does not apply.")] = "",
    evidence: Annotated[str, Option("A file below the project's folder.")] = "",
) -> Answer:
    """Answer a data point in somebody's name: it is added to the project's disclosure.yaml; earlier answers stay."""
    who, project = actor(call, ANSWERS), call.project
    number = number_or_none(value, "--value")
    made = _answer_of(
        pack=pack, id=point, site=site, year=year, value=number, unit=unit, text=text, not_applicable=not_applicable,
        author=who.person.person_id, at=call.clock.now_utc().date(), evidence=evidence,
        evidence_sha256=evidence_sha256(call.folder, evidence) if evidence else "",
    )  # fmt: skip
    packs = packs_of(project.project.reports_dir)
    wrong = next(misfits(made, call.folder, packs, sites=subjects_of(project), people=project.people), None)
    if wrong is not None:
        raise BadInput(f"{wrong[0]}: {wrong[1]}", reason="bad_answer")
    is_signed = _written(call, who, made)
    mine = [each for each in answers_of(project) if (each.pack, each.site, each.id) == (pack, site, point)]
    signed = "" if is_signed else ", without a signature: no person of this project has a key"
    text = f"{point} of {pack}, {site}, {year}: {made.answer_text}{signed}\nwritten to {call.folder / DISCLOSURE_FILE}"
    return Answer({"answers": mine}, text=text)


def _written(call: Call, who: Actor, made: DisclosureAnswer) -> bool:
    """Add the answer to the file, and sign it: both or neither. False where nobody signs."""
    project, store = call.project, call.project.store
    # Several add at once: the file is read and replaced in a transaction that waits for every other one of its name.
    with store.together(), site_transaction(store, DISCLOSURE_FILE):
        # What stands there already must hold, or the last answer could not be told.
        answers_of(project)
        # The store first: its text may only be asked for, and then nothing is written.
        is_signed = who.sign(ACT, f"{made.pack}/{made.site}/{made.year}/{made.id}", answer=made.stated)
        kept = signed_answer(made) if is_signed else made
        write_whole(call.folder / DISCLOSURE_FILE, with_answer(call.folder, kept).encode())
    return is_signed


def _answer_of(**fields: Any) -> DisclosureAnswer:
    """The answer of these fields. Raises BadInput with one sentence."""
    try:
        return DisclosureAnswer(**fields)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"]).replace("_", "-")
        raise BadInput(f"{f'--{where}: ' if where else ''}{sentence_of(first)}", reason="bad_answer") from fault
