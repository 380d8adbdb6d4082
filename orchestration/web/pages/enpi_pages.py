"""/enpi: all energy uses, and one of them, with `meterloom baseline adjust` as forms."""

import csv
import io
from collections.abc import Mapping
from datetime import timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.kpi.enpi.use_register import REPORT, SeuLine, seu_lines
from assets.stores.ledgers.adjustments import AdjustmentStore
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.baselines.baseline import AdjustmentKind
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_day
from orchestration.operations.baselines.adjust import adjust
from orchestration.operations.options import number_or_none
from orchestration.web.draw import draw_cached
from orchestration.web.pages.job_pages import fit_form
from orchestration.web.queries import asking, stamp_of_uses, whole_site
from orchestration.web.request_context import Context, Nav, requires
from orchestration.web.web_call import WebCall, others_with_role, signer_of
from reports.assess import enb_of, known_days, use_request
from reports.figures.use_data import UseData, newest_assessable, use_data
from reports.pages.address import span
from reports.pages.adjustment_acts import PROPOSAL_FIELDS, AdjustmentActor, adjustment_acts
from reports.pages.energy_uses import ENPI, enpi_list, quarters_csv, use_address, version_address
from reports.pages.page import Page
from reports.pages.use_page import use_page
from reports.recompute.figure_sources import seu_of

router = APIRouter()
NAV = Nav(40, "/enpi", "Performance", Permission.BASELINE_READ, "target", "Analyse", ("ops", "audit"))
TAKES = ("baseline",)
_ONE = ENPI + "/{site}/{seu}"
_ADJUSTMENT = _ONE + "/adjustments/{adjustment}"


@router.get("/enpi", response_class=HTMLResponse)
def uses(request: Request, ctx: Context = requires(Permission.BASELINE_READ)) -> Response:
    """Every use of the sites that the person sees, or of the one that is named."""
    project, sites = ctx.project, ctx.sites() if not ctx.address.site else {ctx.site().site_id: ctx.site()}
    lines = _lines(ctx, sites)

    def page() -> Page:
        sources = project.sources(keeps=False)
        known = {name: asking(ctx.of(site=name), sources) for name in sites}
        found = [(line, newest_assessable(use_request(known[line.site], line.id))) for line in lines]
        return enpi_list(found, ctx.address, sites={each: site.name for each, site in sites.items()})

    stamp = f"{stamp_of_uses(ctx, sites.values())}|{[each.last_report for each in lines]}"
    return draw_cached(request, ctx, stamp, page)


@router.get("/enpi/{site}/{seu}", response_class=HTMLResponse)
def use(
    request: Request, site: str, seu: str, ctx: Context = requires(Permission.BASELINE_READ, takes=TAKES)
) -> Response:
    """One use."""
    known = ctx.of(site=site).site()

    def page() -> Page:
        data = _use_data(ctx, site, seu)
        run = None if data.versions else fit_form(ctx, known, data.seu)
        acts = (
            tuple(adjustment_acts(data, enb_of(known, data.seu), actor, ctx.address))
            if actor.may_propose or actor.may_approve
            else ()
        )
        return _with_review(use_page(data, ctx.address, run, acts), data)

    actor = adjustment_actor(ctx)
    return draw_cached(request, ctx, f"{stamp_of_uses(ctx, [known])}|{actor.needs_key}{actor.public_key}", page)


@router.get("/enpi/{site}/{seu}/quarters.csv")
def use_csv(site: str, seu: str, ctx: Context = requires(Permission.BASELINE_READ, takes=TAKES)) -> Response:
    """Its quarters as unrounded numbers."""
    data = _use_data(ctx, site, seu)
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(quarters_csv(data.quarters))
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8")


def _with_review(page: Page, data: UseData) -> Page:
    """The page, with where its newest version is reviewed."""
    if not data.versions:
        return page
    number = data.versions[-1].version
    href = version_address(page.address, data.site.site_id, data.seu.seu_id, number)
    return page.model_copy(update={"links": (*page.links, (Sentence("Review baseline v{0}", number), href))})


def _use_data(ctx: Context, site: str, seu: str) -> UseData:
    site_asking = asking(ctx.of(site=site))
    known = known_days(site_asking.site, site_asking.sources, site_asking.as_of_utc)
    usual = str(ctx.as_of_or_now.year if known is None else (known.end - timedelta(days=1)).year)
    period = span(ctx.address, time_zone=site_asking.site.time_zone, now_utc=ctx.as_of_or_now, usual=usual)
    active = {f"seu:{each.seu_id}" for each in site_asking.site.seus if each.is_active}
    reported = ctx.project.reports.newest_periods(site, REPORT, active & {f"seu:{seu}"})
    return use_data(
        site_asking,
        seu,
        period,
        baseline=ctx.address.part("baseline"),
        names=ctx.project.names,
        last_report=reported.get(f"seu:{seu}", ""),
    )


def _lines(ctx: Context, sites: Mapping[str, Site]) -> list[SeuLine]:
    return seu_lines(sites, baselines=ctx.project.baselines, reports=ctx.project.reports, is_active=True)


def adjustment_actor(ctx: Context) -> AdjustmentActor:
    """The viewer's rights on adjustments; none of the past, nor without a people file that can be read."""
    proposes, approves = (may(ctx.person, each) for each in (Permission.BASELINE_CREATE, Permission.BASELINE_APPROVE))
    if ctx.address.as_of_utc is not None or not (proposes or approves) or not ctx.project.names:
        return AdjustmentActor(person_id=ctx.person.person_id)
    others = others_with_role(ctx.project.people, Role.APPROVER, {ctx.person.person_id})
    return AdjustmentActor(**dict(signer_of(ctx)), may_propose=proposes, may_approve=approves, others=others)


@router.post(_ONE + "/propose")
def propose(site: str, seu: str, ctx: Context = requires(Permission.BASELINE_CREATE, shared=("locale",))) -> Response:
    """Propose an adjustment of the use's baseline; a second click finds the proposal that the first one made.

    Raises BadInput for a field that cannot be read, by its label.
    """
    form = {name: value.strip() for name, value in ctx.form.items()}
    given = {name: form.get(name, "") for name in ("start", "end", "reason", "method", "evidence")}
    sizes = {name: form.get(name, "").replace("−", "-") or None for name in ("kwh_per_day", "percent")}
    labels = {each.name: Sentence(each.label) for each in PROPOSAL_FIELDS}
    start, end = (parse_day(given[name], labels[name]) for name in ("start", "end"))
    for name, size in sizes.items():
        number_or_none(size, labels[name])
    if end <= start:
        message = Sentence("an adjustment ends ({0}) before it starts ({1})", end, start)
        raise BadInput(message, reason="bad_adjustment")
    if (sizes["kwh_per_day"] is None) == (sizes["percent"] is None):
        raise BadInput(Sentence("expected kWh a day or a share, and not both"), reason="bad_adjustment")
    for name in ("reason", "method", "evidence"):
        if not given[name]:
            raise BadInput(Sentence("{0}: expected a text, got nothing", labels[name]), reason="bad_adjustment")
    try:
        adjust(
            WebCall(ctx), _baseline_id(ctx, site, seu), **given, **sizes,
            routine=form.get("kind", "") == AdjustmentKind.ROUTINE,
        )  # fmt: skip
    except BadInput as fault:
        if fault.reason != "proposed_already":
            raise
    return _back(ctx, site, seu)


@router.post(_ADJUSTMENT + "/approve")
def approve(
    site: str, seu: str, adjustment: str, ctx: Context = requires(Permission.BASELINE_APPROVE, shared=("locale",))
) -> Response:
    """Approve an adjustment as the command does; what the same person approved already is done."""
    return _decide(ctx, (site, seu, adjustment), option="approve", field="approved_by")


@router.post(_ADJUSTMENT + "/take-back")
def take_back(
    site: str, seu: str, adjustment: str, ctx: Context = requires(Permission.BASELINE_CREATE, shared=("locale",))
) -> Response:
    """Withdraw a proposal of one's own; what the same person withdrew already is done."""
    return _decide(ctx, (site, seu, adjustment), option="withdraw", field="withdrawn_by")


@router.post(_ADJUSTMENT + "/withdraw")
def withdraw(
    site: str, seu: str, adjustment: str, ctx: Context = requires(Permission.BASELINE_APPROVE, shared=("locale",))
) -> Response:
    """Withdraw an adjustment as the command does; what the same person withdrew already is done."""
    return _decide(ctx, (site, seu, adjustment), option="withdraw", field="withdrawn_by")


def _decide(ctx: Context, of: tuple[str, str, str], *, option: str, field: str) -> Response:
    """Decide on an adjustment by an option of the command. of: site, use, adjustment; field: of who did it already.

    Raises BadInput (unknown_adjustment).
    """
    site, seu, adjustment = of
    baseline_id = _baseline_id(ctx, site, seu)
    records = AdjustmentStore(ctx.project.store).records(baseline_id=baseline_id)
    record = next((each for each in records if each.adjustment_id == adjustment), None)
    if record is None:
        raise BadInput(f"{baseline_id} has no adjustment {adjustment[:20]!r}", reason="unknown_adjustment")
    if getattr(record, field) != ctx.person.person_id:
        options = {option: adjustment}
        adjust(WebCall(ctx), reason=ctx.form.get("reason", ""), **options)
    return _back(ctx, site, seu)


def _baseline_id(ctx: Context, site_id: str, seu_id: str) -> str:
    """The use's energy baseline. Raises BadInput for what is not there or not to be seen."""
    site = whole_site(ctx.of(site=site_id))
    return enb_of(site, seu_of(site, seu_id))


def _back(ctx: Context, site_id: str, seu_id: str) -> Response:
    return RedirectResponse(use_address(ctx.address, site_id, seu_id) + "#adjustments", 303)
