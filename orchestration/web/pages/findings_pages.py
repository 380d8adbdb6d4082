"""/findings: what needs somebody at a site, one finding with its history, and what people do about it."""

from typing import get_args

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.ledgers.alert_events import AlertEvents, stamp
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.anomaly_event import SOURCE, AnomalyEvent, Cause
from data_quality.contracts.reporting.open_finding import FindingAct, OpenFinding, Tab
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc, parse_day, zone
from orchestration.views.anomaly_shown import shown_anomaly
from orchestration.views.open_findings import FindingsQuery, FindingStatus, open_findings, the_finding
from orchestration.views.work_orders import people_of, tasks_of
from orchestration.web.draw import draw
from orchestration.web.pages.task_pages import created
from orchestration.web.queries import whole_site
from orchestration.web.request_context import MORE, Context, Nav, requires
from reports.pages.address import is_fresh
from reports.pages.findings import ACTS, PATH, ListedFinding, address_of, finding_page, findings_page
from reports.texts.locales import long_date, moment

router = APIRouter()
NAV = Nav(45, PATH, "Findings", Permission.ANOMALY_READ, "triangle-alert", MORE, ("home", "ops", "audit"))
# Disputes and acceptances are done with a bill (bill_pages.py).
_DONE: dict[str, FindingAct] = dict(zip(ACTS, get_args(FindingAct), strict=False))


def look_at(ctx: Context, site: Site) -> FindingsQuery:
    """View of the site's findings for the person and the address."""
    sees_all = not ctx.person.sites
    return FindingsQuery(ctx.project, site, ctx.as_of_or_now, ctx.address.as_of_utc, ctx.address.locale, sees_all)


@router.get(PATH, response_class=HTMLResponse)
def findings(ctx: Context = requires(Permission.ANOMALY_READ, takes=("state",))) -> Response:
    """The list of a site, of one state. Raises BadInput for a state that there is not."""
    site = whole_site(ctx)
    if (state := ctx.address.part("state")) not in ("", *get_args(Tab)):
        raise BadInput(f"state is one of {', '.join(get_args(Tab))}, got {state[:20]!r}", reason="bad_address")
    found = open_findings(look_at(ctx, site))
    listed = [_listed(ctx, site, each) for each in found.standing]
    page = findings_page(
        listed, ctx.address, silent=found.silent, is_synthetic=site.is_simulated,
        may_act=may(ctx.person, Permission.ANOMALY_UPDATE),
    )  # fmt: skip
    return draw(ctx, page)


@router.get(PATH + "/{finding_id}", response_class=HTMLResponse)
def finding(finding_id: str, ctx: Context = requires(Permission.ANOMALY_READ)) -> Response:
    """One of them."""
    site = whole_site(ctx)
    found = the_finding(look_at(ctx, site), finding_id)
    events = AlertEvents(ctx.project.store).of_site(site.site_id).get(found.finding.finding_id, [])
    history = [
        (
            moment(each.recorded_at_utc.astimezone(zone(site.time_zone)), ctx.address.locale),
            each,
            ctx.project.names.get(each.person_id, each.person_id),
        )
        for each in events
    ]
    may_act = may(ctx.person, Permission.ANOMALY_UPDATE)
    last = events[-1] if events else None
    mine = last is not None and last.person_id == ctx.person.person_id
    page = finding_page(
        _listed(ctx, site, found), history, ctx.address, may_act=may_act, is_synthetic=site.is_simulated,
        anomaly=shown_anomaly(event, ctx.project, site, locale=ctx.address.locale, as_of_utc=ctx.address.as_of_utc)
        if (event := _event_of(ctx, found.finding)) is not None else None,
        tasks=tasks_of(ctx.project, site, found.finding.finding_id, as_of_utc=ctx.address.as_of_utc),
        people=people_of(ctx.project, site) if may_act else {},
        undo=stamp(last) if mine and last is not None and is_fresh(last.recorded_at_utc, ctx.now_utc) else "",
    )  # fmt: skip
    return draw(ctx, page)


@router.post(PATH + "/{finding_id}/{act}")
def act_on(finding_id: str, act: str, ctx: Context = requires(Permission.ANOMALY_UPDATE)) -> Response:
    """Write down what the person did. Raises BadInput for an act that there is not, or one that is refused."""
    site = whole_site(ctx)
    if act == "task":
        return created(ctx, the_finding(look_at(ctx, site), finding_id).finding)
    if act == "label":
        return _label(ctx, the_finding(look_at(ctx, site), finding_id).finding)
    if act not in _DONE:
        raise BadInput(f"one of {', '.join(ACTS)} is done with a finding, not {act[:20]!r}", reason="bad_request")
    found, until = the_finding(look_at(ctx, site), finding_id), ctx.form.get("until", "")
    until_utc = local_midnight_utc(parse_day(until, "until"), site.time_zone) if act == "mute" else None
    AlertEvents(ctx.project.store).record(
        found.finding, _DONE[act], person=ctx.person, reason=ctx.form.get("reason", ""), clock=ctx.clock,
        until_utc=until_utc, seen=ctx.form.get("seen"),
    )  # fmt: skip
    return RedirectResponse(address_of(found.finding, ctx.address), 303)


def _event_of(ctx: Context, finding: OpenFinding) -> AnomalyEvent | None:
    """The stored event that a finding is, where it is one."""
    if finding.source != SOURCE:
        return None
    standing = AnomalyLedger(ctx.project.store).current(finding.site_id, as_of_utc=ctx.address.as_of_utc)
    return next((each for each in standing if each.event_id == finding.finding_id), None)


def _label(ctx: Context, finding: OpenFinding) -> Response:
    """Keep the cause that the person says; another takes its place only where it is the one that they saw."""
    event, ledger, label = _event_of(ctx, finding), AnomalyLedger(ctx.project.store), ctx.form.get("cause", "")
    cause: Cause | None = next((each for each in get_args(Cause) if each == label), None)
    if event is None or cause is None:
        raise BadInput(f"an anomaly is labelled with one of {', '.join(get_args(Cause))}", reason="bad_request")
    last = ledger.labels(event.site_id).get(event.event_id)
    is_seen = last is not None and ctx.form.get("seen", "") == last.cause
    ledger.label(event, cause, person=ctx.person, reason=ctx.form.get("reason", ""), clock=ctx.clock, replaces=is_seen)
    return RedirectResponse(address_of(finding, ctx.address), 303)


def _listed(ctx: Context, site: Site, found: FindingStatus) -> ListedFinding:
    event = found.event
    if event is None:
        return ListedFinding(finding=found.finding, state=found.state)
    person = ctx.project.names.get(event.person_id, event.person_id)
    end, locale = event.until_utc and event.until_utc.astimezone(zone(site.time_zone)), ctx.address.locale
    until = "" if end is None else moment(end, locale) if end.hour or end.minute else long_date(end.date(), locale)
    return ListedFinding(finding=found.finding, state=found.state, event=event, who=person, until=until)
