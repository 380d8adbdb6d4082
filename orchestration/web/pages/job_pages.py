"""Jobs that a page starts by a button: acts of the API in a process of their own, with its permission and command."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.errors import BadInput
from data_quality.contracts.sentence import Sentence, Stored
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import parse_period
from orchestration.operations.answer import CHECK_FAILED
from orchestration.views.due_reports import last_whole, local_days
from orchestration.web.api.acts_api import ACTS, Act, job_of
from orchestration.web.draw import draw_problem
from orchestration.web.library.report_lines import report_title
from orchestration.web.problems import with_remedies
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Context, requires
from orchestration.web.work import BeingBuilt, Job, work_of
from reports.pages.address import Address
from reports.pages.advice import PATH as ADVICE
from reports.pages.devices import PATH as DEVICES
from reports.pages.energy import PATH as ENERGY
from reports.pages.energy_uses import ENPI, FORECASTS, use_address
from reports.pages.page import Form, Input, Lack
from reports.pages.report_library import NEW, NEW_REPORT, ReportRequest
from reports.pages.report_library import PATH as REPORTS
from reports.recompute.figure_sources import seu_of
from reports.texts.locales import long_date, named, period_text, span_text

router = APIRouter()
PATH = "/job"
_WAYS = {
    "busy": "Wait until one of them is done, then start this one again.",
    "no_readings": "Upload the meters' files first.",
    "bad_period": "Choose a training period within these days.",
}
_SHORTEST_S = 8.0


class PageJob(NamedTuple):
    """A job of a page. command: its act of the API; name: of what it makes; about_s: how long it takes; none: there is
    nothing of it yet; submit: words of its button, of a page without a form of its own.
    """

    command: str
    name: str
    about_s: float
    none: str = ""
    submit: str = ""


# By the page that has the button, and shows what came of it.
PAGE_JOBS = {
    FORECASTS: PageJob("forecast issue", "Forecasts", 120.0, "No forecast is issued yet.", "Issue forecast"),
    ADVICE: PageJob("advise run", "Recommendations", 40.0, "No recommendation is known yet.", "Find recommendations"),
    DEVICES: PageJob("plan", "Plan and devices", 40.0, "No plan yet.", "Make plan"),
    ENPI: PageJob("baseline fit", "Performance", 90.0, "There is no baseline yet.", "Fit baseline"),
    ENERGY: PageJob("kpis", "Energy", 60.0, "There are readings, and nothing is calculated of them yet.", "Calculate"),
    NEW: PageJob("report", NEW_REPORT, 40.0),
}
# No act of the API: whoever may send readings has them calculated by that.
_CALCULATE = Act("", "kpis", Permission.READINGS_PUSH, is_job=True)
_ACTS = {page: next((act for act in ACTS if act.name == job.command), _CALCULATE) for page, job in PAGE_JOBS.items()}


def job_form(ctx: Context, site: Site, page: str, title: str = "", fields: tuple[Input, ...] = ()) -> Form | None:
    """The button of the page's job; None for who may not start it, of the past, and for a site without the readings
    that it needs. title: what stands over it, where there is something yet; fields: what the person may say.
    """
    if ctx.address.as_of_utc is not None or not may(ctx.person, _ACTS[page].needs) or _is_without(ctx, site, page):
        return None
    job, action = PAGE_JOBS[page], Address(path=f"{page}/run", site=site.site_id, locale=ctx.address.locale)
    note = "It takes a few minutes; the page opens by itself."
    return Form(title=title or job.none, action=action.href(), fields=fields, submit=job.submit, note=note)


def lack(ctx: Context, site: Site, otherwise: Lack = "") -> Lack:
    """Readings where none of the site was ever taken in, else what the page has none of."""
    return "readings" if ctx.project.lake.span(site.site_id) is None else otherwise


def looked_at(ctx: Context, site: Site) -> Sentence | None:
    """Which readings the newest run of advice looked at and found nothing in; None where none was begun here, or it did
    not end well.
    """
    job = work_of(ctx.project).newest((*PAGE_JOBS[ADVICE].command.split(), f"--site={site.site_id}"))
    if job is None or job.state != "done" or _faults(job) or ctx.address.as_of_utc is not None:
        return None
    span = span_text(_option(job, "period"), site.time_zone, ctx.address.locale)
    return Sentence("Readings of {0} were examined: nothing to recommend was found.", span)


def _is_without(ctx: Context, site: Site, page: str) -> bool:
    # Prices and devices may be enough for a plan: its command says what it lacks.
    return page != DEVICES and bool(lack(ctx, site))


@router.get(PATH, response_class=HTMLResponse)
def job(ctx: Context = requires(Permission.READ, takes=("job",), shared=("locale",))) -> Response:
    """A job of one's own that a page started: its progress, then what it made, or why nothing came of it."""
    found = work_of(ctx.project).job(ctx.address.part("job"), ctx.person.person_id)
    words = " ".join(found.words)
    page = next((page for page, of in PAGE_JOBS.items() if words.startswith(f"{of.command} ")), "")
    if not page:
        raise BadInput(f"no page started job {found.job_id!r}", reason="no_job")
    name, back = _name_and_origin(ctx, page, found)
    if found.state in ("queued", "running"):
        passed_s = (ctx.now_utc - found.asked_at_utc).total_seconds()
        raise BeingBuilt(found, name, max(PAGE_JOBS[page].about_s - passed_s, _SHORTEST_S))
    if faults := _faults(found):
        # Pages where what a plan lacks is made or sent.
        blocked = () if found.future.exception() else found.future.result().result.get("findings") or ()
        codes = {code for each in blocked for code in str(each["facts"].get("codes") or each["code"]).split(",")}
        here = Address(path=PATH, site=_option(found, "site"), locale=ctx.address.locale)
        links: list[tuple[str, str]] = [(Sentence("Back to {0}", Sentence(PAGE_JOBS[page].name)), back)]
        if any("_forecast" in each for each in codes):
            links.append(("Forecasts", here.href(FORECASTS)))
        if any(each.startswith("prices_") or each == "no_readings" for each in codes):
            links.append(("Upload files", f"{here.href('/data')}#upload"))
        return draw_problem(ctx, status=422, title=name, detail=Stored(" ".join(faults)), links=tuple(links))
    if page == NEW:
        made, subject = found.future.result().result, _option(found, "site") or _option(found, "organisation")
        library = Address(path=REPORTS, site=subject, locale=ctx.address.locale)
        back = library.href(report=f"{made['report_id']}@{made['revision']}")
    return RedirectResponse(back, 303)


def waiting(ctx: Context, job: Job) -> Response:
    """Leads to the page of a job that was begun."""
    return RedirectResponse(Address(path=PATH, locale=ctx.address.locale).href(job=job.job_id), 303)


def _option(job: Job, option: str) -> str:
    """Value of an option of the command; empty where it has none."""
    return next((each.partition("=")[2] for each in job.words if each.startswith(f"--{option}=")), "")


def _name_and_origin(ctx: Context, page: str, job: Job) -> tuple[Sentence, str]:
    """The name of what a job makes, and the address that it was started from."""
    subject, locale = _option(job, "site") or _option(job, "organisation"), ctx.address.locale
    if page == ENPI and (seu_id := _option(job, "seu")):
        use = seu_of(whole_site(ctx.of(site=subject)), seu_id)
        back = use_address(Address(path=page, locale=locale), subject, use.seu_id)
        return Sentence("Baseline of {0}", named(use.name)), back
    if page != NEW:
        return Sentence(PAGE_JOBS[page].name), Address(path=page, site=subject, locale=locale).href()
    wanted = ReportRequest(job.words[1], subject, _option(job, "period"))
    span = span_text(wanted.period, ctx.subjects[subject].time_zone, locale)
    return Sentence("Report {0} of {1}", report_title(ctx, wanted.report), span), wanted.href(ctx.address)


def _faults(job: Job) -> list[str]:
    """Why nothing came of a job, or not all that it was to make; nothing where all went well."""
    if (fault := job.future.exception()) is not None:
        return [str(fault)]
    outcome = job.future.result()
    # A report is made with its findings, which stand on it.
    findings = () if outcome.result.get("report_id") else outcome.result.get("findings") or ()
    blocked = [each["message"] for each in findings if each["severity"] == "blocking"]
    is_ended = job.state == "done" and outcome.exit_code != CHECK_FAILED
    return blocked or ([] if is_ended else [outcome.message.removeprefix("error: ") or "the command printed nothing"])


def _started(page: str) -> Callable[..., Response]:
    """The function behind the button of one page."""

    def answer(ctx: Context = requires(_ACTS[page].needs, shared=("site", "locale"))) -> Response:
        with with_remedies(_WAYS):
            site = whole_site(ctx)
            if _is_without(ctx, site, page):
                raise BadInput(Sentence("{0} has no readings yet", site.name), reason="no_readings")
            return waiting(ctx, job_of(ctx, _ACTS[page], _values(ctx, site, page)))

    answer.__doc__ = f"Start `meterloom {PAGE_JOBS[page].command}`; the same one that still runs is that one."
    return answer


def fit_form(ctx: Context, site: Site, seu: Seu) -> Form | None:
    """The button that fits a use's first baseline, and the training period: that of the site file, else what the person
    says, at first the last whole year of readings.
    """
    use = Input(name="seu", kind="hidden", value=seu.seu_id)
    if seu.baseline is not None:
        days = period_text(seu.baseline.start, seu.baseline.end, ctx.address.locale)
        title = Sentence("There is no baseline yet. The site file names its training period: {0}", days)
        return job_form(ctx, site, ENPI, title, (use,))
    last = last_whole(ctx.project, [site], ctx.project.store.known_at(ctx.clock), months=12)
    hint = "A whole year, as 2025 or 2025-03-01/2026-03-01"
    train = Input(name="train", label="Training period", value=last, is_required=True, hint=hint)
    return job_form(ctx, site, ENPI, fields=(use, train))


def _values(ctx: Context, site: Site, page: str) -> dict[str, Any]:
    """Options of the command beside the site: advice of the last whole year, quarter or month of readings; of a fit the
    use and its training period, which lies within the readings: it is written into the site file.
    """
    if page == ENPI:
        seu = seu_of(site, ctx.form.get("seu", ""))
        if seu.baseline is not None:
            return {"seu": seu.seu_id}
        span = parse_period(ctx.form.get("train", "").strip(), site.time_zone)
        first, last = local_days(ctx.project, site, 1) or (span.start, span.start)
        if span.start < first or span.end > last + timedelta(days=1):
            days = (long_date(each, ctx.address.locale) for each in (first, last))
            raise BadInput(Sentence("{0} has readings from {1} to {2}", site.name, *days), reason="bad_period")
        return {"seu": seu.seu_id, "train": f"{span.start}/{span.end}"}
    if page == ENERGY:
        # All months that are not calculated are, whichever is asked for.
        return {"period": f"{(local_days(ctx.project, site, 1) or (ctx.now_utc,))[-1]:%Y-%m}"}
    if page != ADVICE:
        return {}
    now_utc = ctx.project.store.known_at(ctx.clock)
    spans = (last_whole(ctx.project, [site], now_utc, months=months) for months in (12, 3, 1))
    if period := next(filter(None, spans), ""):
        return {"period": period}
    raise BadInput(Sentence("{0} has no whole month of readings yet", site.name), reason="no_readings")


for _page, _job in ((page, job) for page, job in PAGE_JOBS.items() if job.submit):
    router.add_api_route(f"{_page}/run", _started(_page), methods=["POST"], name=_job.command)
