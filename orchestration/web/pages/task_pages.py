"""/tasks: the work orders of a site, one with its history, and what people do with them."""

from datetime import date

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.ledgers.work_orders import WorkOrders, stamp_of
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.open_finding import OpenFinding
from data_quality.contracts.time import parse_day
from orchestration.views import work_orders
from orchestration.views.anomaly_shown import shown_anomaly
from orchestration.web.approvals import answered, approvals_waiting
from orchestration.web.draw import draw
from orchestration.web.queries import whole_site
from orchestration.web.request_context import MORE, Context, Nav, requires
from reports.pages.address import is_fresh
from reports.pages.anomaly import AnomalyDetail
from reports.pages.tasks import ACTS, APPROVALS, PATH, as_proposed, task_href, task_page, tasks_page

router = APIRouter()
NAV = Nav(46, PATH, "Tasks", Permission.ANOMALY_READ, "pen-line", MORE, ("ops",))


@router.get(PATH, response_class=HTMLResponse)
def tasks(ctx: Context = requires(Permission.ANOMALY_READ, takes=("all",))) -> Response:
    """The list of a site."""
    site = whole_site(ctx)
    found = work_orders.tasks_of(ctx.project, site, as_of_utc=ctx.address.as_of_utc)
    page = tasks_page(
        found, ctx.address.model_copy(update={"site": site.site_id}),
        may_act=may(ctx.person, Permission.ANOMALY_UPDATE),
        people=work_orders.people_of(ctx.project, site), is_synthetic=site.is_simulated,
        # Of an earlier instant nothing waits any more.
        approvals=() if ctx.address.as_of_utc else approvals_waiting(ctx.project, site, ctx.person),
    )  # fmt: skip
    return draw(ctx, page)


@router.get(PATH + ".csv")
def tasks_as_csv(ctx: Context = requires(Permission.ANOMALY_READ)) -> Response:
    """All work orders of a site as CSV, ended ones too."""
    site = whole_site(ctx)
    found = WorkOrders(ctx.project.store).current(site.site_id, as_of_utc=ctx.address.as_of_utc)
    headers = {"content-disposition": f'attachment; filename="tasks_{site.site_id}.csv"'}
    return Response(work_orders.orders_csv(found), media_type="text/csv; charset=utf-8", headers=headers)


@router.post(PATH)
def create(ctx: Context = requires(Permission.ANOMALY_UPDATE)) -> Response:
    """Create a task that is made of no finding."""
    return created(ctx)


@router.post(APPROVALS + "/{instance_id}")
def decide_on(instance_id: str, ctx: Context = requires(Permission.ANOMALY_READ)) -> Response:
    """Answer a workflow that asks. Who may is a question of its role; the same answer twice is once."""
    whole_site(ctx)
    answer = ctx.form.get("answer", "")
    if answer not in ("approve", "refuse"):
        raise BadInput(f"an answer is approve or refuse, not {answer[:20]!r}", reason="bad_request")
    answered(ctx, instance_id, reason=ctx.form.get("reason", ""), is_approved=answer == "approve")
    return RedirectResponse(ctx.address.model_copy(update={"path": PATH}).href(), 303)


@router.get(PATH + "/{order_id}", response_class=HTMLResponse)
def task(order_id: str, ctx: Context = requires(Permission.ANOMALY_READ)) -> Response:
    """One of them."""
    site, ledger, as_of_utc = whole_site(ctx), WorkOrders(ctx.project.store), ctx.address.as_of_utc
    order = ledger.named(order_id, site.site_id, as_of_utc=as_of_utc)
    records = ledger.history(order, as_of_utc=as_of_utc)
    history = [work_orders.task_of(ctx.project, site, each, ctx.address.locale) for each in records]
    page = task_page(
        history[-1], history, ctx.address, seen=stamp_of(order), people=work_orders.people_of(ctx.project, site),
        may_act=may(ctx.person, Permission.ANOMALY_UPDATE), is_synthetic=site.is_simulated,
        anomaly=_anomaly_of(ctx, order.source_id),
        is_undone=len(records) == 1 and order.person_id == ctx.person.person_id
        and order.recorded_at_utc is not None and is_fresh(order.recorded_at_utc, ctx.now_utc),
    )  # fmt: skip
    return draw(ctx, page)


@router.post(PATH + "/{order_id}/{act}")
def act_on(order_id: str, act: str, ctx: Context = requires(Permission.ANOMALY_UPDATE)) -> Response:
    """Assign, close or cancel. Raises BadInput for an act that there is not, or one that is refused."""
    site, form = whole_site(ctx), ctx.form
    if act not in ACTS:
        raise BadInput(f"one of {', '.join(ACTS)} is done with a task, not {act[:20]!r}", reason="bad_request")
    order = WorkOrders(ctx.project.store).named(order_id, site.site_id)
    moved = work_orders.move(
        ctx.project, order, ACTS[act], ctx.clock, person=ctx.person, reason=form.get("reason", ""),
        assignee=form.get("assignee", "") if act == "assign" else "", due=_due(ctx), seen=form.get("seen"),
    )  # fmt: skip
    return RedirectResponse(task_href(moved, ctx.address), 303)


def created(ctx: Context, finding: OpenFinding | None = None) -> Response:
    """Answer to the form that creates a task, of a finding where one is given. Its proposed title stays a sentence."""
    site, form = whole_site(ctx), ctx.form
    title = form.get("title", "")
    if finding is not None:
        title = as_proposed(finding, title)
    made = work_orders.create(
        ctx.project, site, ctx.clock, person=ctx.person, title=title,
        priority=work_orders.priority_of(form.get("priority", "P3")), reason=form.get("reason", ""),
        finding_id=finding.finding_id if finding else "", due=_due(ctx), assignee=form.get("assignee", ""),
    )  # fmt: skip
    return RedirectResponse(task_href(made, ctx.address), 303)


def _due(ctx: Context) -> date | None:
    text = ctx.form.get("due", "")
    return parse_day(text, "due") if text else None


def _anomaly_of(ctx: Context, event_id: str) -> AnomalyDetail | None:
    """The event that an order was made of, also one that is no open finding any more."""
    site, as_of_utc = whole_site(ctx), ctx.address.as_of_utc
    standing = AnomalyLedger(ctx.project.store).current(site.site_id, as_of_utc=as_of_utc)
    event = next((each for each in standing if each.event_id == event_id), None)
    if event is None:
        return None
    return shown_anomaly(event, ctx.project, site, locale=ctx.address.locale, as_of_utc=as_of_utc)
