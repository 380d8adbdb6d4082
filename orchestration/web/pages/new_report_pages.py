"""/reports/new: make a report of a site or organisation and a period, as `meterloom report` does."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.sentence import Sentence, Stored
from data_quality.contracts.time import parse_period
from orchestration.views.due_reports import MARKS, last_whole
from orchestration.web.draw import draw
from orchestration.web.pages.job_pages import job, waiting
from orchestration.web.request_context import Context, requires
from orchestration.web.work import work_of
from reports.content.template_periods import MONTHS, check_period
from reports.content.templates import read_template, template_files
from reports.gates import refuse_future
from reports.make_report import refuse_empty
from reports.pages.page import Page
from reports.pages.report_library import NEW, ReportRequest, new_report_page
from reports.texts.locales import chosen

router = APIRouter()
_FORMATS = "pdf,xlsx,json"
_SHARED = ("site", "period", "locale")


@router.get(NEW, response_class=HTMLResponse)
def new(ctx: Context = requires(Permission.REPORT_RUN, takes=("report", "job"), shared=_SHARED)) -> Response:
    """The form; a job that an older address names is on the page of jobs."""
    part = ctx.address.part
    if part("job"):
        return job(ctx)
    return draw(ctx, _page(ctx, _prefilled(ctx, ReportRequest(part("report"), ctx.address.site, ctx.address.period))))


@router.post(NEW)
def make(ctx: Context = requires(Permission.REPORT_RUN, shared=("locale",))) -> Response:
    """Have it made, in a process of its own; the same one that is still being made is that one."""
    wanted = ReportRequest(*(ctx.form.get(each, "").strip() for each in ReportRequest._fields))
    try:
        _refuse(ctx, wanted)
    except BadInput as fault:
        message = fault.message if isinstance(fault.message, Sentence) else Stored(fault.message)
        mend: str = Stored(fault.mend) if fault.mend else ""
        if fault.reason == "bad_period" and (last := _prefilled(ctx, wanted._replace(period="")).period):
            mend = Sentence("ask for {0}, the last whole one", last)
        return draw(ctx, _page(ctx, wanted, message, mend), status=422)
    about = "site" if ctx.subjects[wanted.subject].organisation is None else "organisation"
    me = ctx.person.person_id
    made_for = (f"--{about}={wanted.subject}", f"--period={wanted.period}", f"--format={_FORMATS}")
    words = ("report", wanted.report, *made_for, "--as", me)
    return waiting(ctx, work_of(ctx.project).ask(words, person_id=me, now_utc=ctx.now_utc))


def _prefilled(ctx: Context, wanted: ReportRequest) -> ReportRequest:
    """The form as it opens: the first report and site where none is named, and the last whole period of that kind."""
    templates, subjects = _templates(ctx), ctx.subjects
    report = wanted.report or next(iter(templates), "")
    subject = wanted.subject or next(iter(subjects), "")
    if wanted.period or report not in templates or subject not in subjects:
        return ReportRequest(report, subject, wanted.period)
    months = MARKS.get(report) or MONTHS[templates[report].periods[0]]
    now_utc = ctx.project.store.known_at(ctx.clock)
    return ReportRequest(report, subject, last_whole(ctx.project, subjects[subject].sites, now_utc, months=months))


def _refuse(ctx: Context, wanted: ReportRequest) -> None:
    """Raises BadInput for what can be refused before anything is computed."""
    template = _templates(ctx).get(wanted.report)
    if template is None:
        message = f"there is no report {wanted.report[:40]!r} of a whole site now"
        raise BadInput(message, reason="unknown_report", mend="choose one of the list")
    [subject] = ctx.of(site=wanted.subject).selected_subjects().values() if wanted.subject else [None]
    if subject is None:
        raise BadInput("no site is chosen", reason="unknown_site", mend="choose one of the list")
    span = parse_period(wanted.period, subject.time_zone)
    check_period(template, span)
    refuse_future(span, ctx.project.store.known_at(ctx.clock), name=f"report {wanted.report!r}")
    if subject.organisation is None:
        refuse_empty(template, ctx.project.lake, subject.sites[0], span)


def _page(ctx: Context, wanted: ReportRequest, fault: str = "", mend: str = "") -> Page:
    titles = {name: (chosen(each.titles, ctx.address.locale), each.periods) for name, each in _templates(ctx).items()}
    names = {name: each.name for name, each in ctx.subjects.items()}
    return new_report_page(wanted, titles, names, ctx.address, fault=fault, mend=mend)


def _templates(ctx: Context) -> dict[str, ReportTemplate]:
    """Reports about a whole site; those of one use, project or event are asked for by command."""
    files = template_files(ctx.project.project.reports_dir)
    found = {name: read_template(path) for name, path in files.items()}
    return {name: each for name, each in sorted(found.items()) if each.subject == "site"}
