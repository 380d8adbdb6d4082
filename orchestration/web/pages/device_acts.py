"""Acts on devices and on the mode of a site: the operations of `meterloom dispatch`, each a form of /devices."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from assets.stores.schema.tables_control import approval_events, mode_events
from assets.stores.transactions import read_rows, site_transaction
from controls.ledger.outbox import wait_for_results
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from orchestration.operations.answer import Answer
from orchestration.operations.control import dispatch, dispatch_set
from orchestration.operations.operation import Call
from orchestration.views.control_stamp import HOLIDAY, changes_since
from orchestration.views.device_list import power_of
from orchestration.views.site_control import expect_scope
from orchestration.web.problems import with_remedies
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Context, requires
from orchestration.web.web_call import WebCall
from reports.pages.address import Address
from reports.pages.devices import PATH, address_of

router = APIRouter()
_SHARED = ("site", "locale")
# The board that forms may lead back to, and how long an answer waits for the proof.
HOME, PROOF_WITHIN_S = "home", 3.0
# What a person does about a refusal, by its reason; a refusal that says so itself keeps its own.
REMEDIES = {
    "same_person": "Another engineer signs in and approves it.",
    "request_lapsed": "Request the mode again, and have it approved within 24 hours.",
    "request_revoked": "Request the mode again.",
    "request_used": "Open Plan and devices: it shows the mode that holds now.",
    "no_request": "Open Plan and devices: it shows the requests that are open.",
    "mode_moved": "Look at the mode that holds now, then request it again.",
    "no_hold": "The override has ended, and the plan has the device again: nothing is left to do.",
    "no_holiday": "The holiday has ended, and plans have the usual comfort: nothing is left to do.",
    "bad_time": "Go back and choose the date of return.",
    "no_fault": "Somebody has acknowledged it already: nothing is left to do.",
    "is_held": "Give the device back to the plan first, or wait until then.",
    "end_too_far": "Choose a nearer end.",
    "end_has_passed": "Choose an end that is yet to come.",
    "missing_reason": "Go back and write a reason.",
    "out_of_range": "Go back and correct the value.",
    "command_in_doubt": "Wait until the command is proven, or stop control first.",
    "clock_in_doubt": "Set the clock of this machine right first.",
    "end_of_lowering": "Choose no end: a lower mode holds until somebody raises it.",
    "changed_since": "Go back, open the page again, look at what changed, and decide then.",
}


@router.post(PATH + "/stop")
def stop(ctx: Context = requires(Permission.DISPATCH_STOP, shared=_SHARED)) -> Response:
    """Stop control of a site: mode SIMULATION at once, whatever changed since the page was opened."""
    site = whole_site(ctx)
    dispatch.stop(WebCall(ctx), site.site_id, ctx.form.get("reason", "").strip() or "stopped by hand")
    return _back(ctx, site)


@router.post(PATH + "/mode")
def change_mode(ctx: Context = requires(Permission.DISPATCH_MODE, shared=_SHARED)) -> Response:
    """Change the mode of a site, or ask a second person for FULL."""
    site, form = whole_site(ctx), ctx.form
    mode, reason = form.get("mode", ""), form.get("reason", "")
    values = {"mode": mode, "reason": reason}
    return _once(ctx, site, "", values, lambda call: dispatch.mode(
        call, mode, site.site_id, reason=reason, expires=form.get("expires", ""),
    ), _end_of(ctx, form.get("expires", "")) if form.get("expires") or mode != "FULL" else None)  # fmt: skip


@router.post(PATH + "/holiday")
def change_holiday(ctx: Context = requires(Permission.DISPATCH_OVERRIDE, shared=_SHARED)) -> Response:
    """Set until when nobody is at home, or end the holiday that holds."""
    site, form = whole_site(ctx), ctx.form
    reason, is_end = form.get("reason", "").strip(), form.get("end", "") == "1"
    values: dict[str, Any] = {"reason": reason, "is_set": not is_end}
    until = ""
    if not is_end:
        until = f"{form.get('until', '')} {form.get('at', '') or '00:00'}"
        with with_remedies(REMEDIES):
            values["until_utc"] = dispatch_set.return_utc(site, until)
    return _once(ctx, site, HOLIDAY, values, lambda call: dispatch_set.holiday(
        call, site.site_id, until=until, end=is_end, reason=reason,
    ))  # fmt: skip


@router.post(PATH + "/pause")
def pause(ctx: Context = requires(Permission.DISPATCH_OVERRIDE, shared=_SHARED)) -> Response:
    """Pause the plan of a whole site, or resume it."""
    site, form = whole_site(ctx), ctx.form
    reason, is_end = form.get("reason", "").strip(), form.get("end", "") == "1"
    until = form.get("for", "") or "2h"
    return _once(ctx, site, "", {"reason": reason, "is_set": not is_end}, lambda call: dispatch.override(
        call, site.site_id, reason, until=until, give_back=is_end,
    ), None if is_end else _end_of(ctx, until))  # fmt: skip


@router.post(PATH + "/requests/{request_id}/{act}")
def answer_request(
    request_id: str, act: str, ctx: Context = requires(Permission.DISPATCH_MODE, shared=_SHARED)
) -> Response:  # fmt: skip
    """Approve another's request for FULL as the second person, or withdraw one. A second click changes nothing."""
    site = whole_site(ctx)
    if act not in ("approve", "withdraw") or not (request_id.isdecimal() and len(request_id) < 20):
        message = f"there is no request {request_id[:20]!r} to {act[:20]!r}"
        raise BadInput(message, reason="no_request", mend=REMEDIES["no_request"])
    with with_remedies(REMEDIES):
        try:
            dispatch.approve(
                WebCall(ctx), request_id, site.site_id, ctx.form.get("reason", ""), revoke=act == "withdraw"
            )
        except BadInput as fault:
            if not _is_answered(ctx, site, request_id, fault.reason):
                raise
    return _back(ctx, site)


@router.post(PATH + "/{device_id}/acknowledge")
def acknowledge(device_id: str, ctx: Context = requires(Permission.DISPATCH_MODE, shared=_SHARED)) -> Response:
    """Acknowledge the fault of a device, or of the whole site, as an engineer."""
    site, reason = whole_site(ctx), ctx.form.get("reason", "")
    place = "" if device_id == "site" else device_id
    expect_scope(site, place)
    values = {"reason": reason, "is_set": False}
    return _once(ctx, site, place, values, lambda call: dispatch.ack(call, device_id, site.site_id, reason))


@router.post(PATH + "/{device_id}/{act}")
def override(
    device_id: str, act: str, ctx: Context = requires(Permission.DISPATCH_OVERRIDE, shared=_SHARED)
) -> Response:
    """Set a device by hand (set), record what was set at it (take), pause it, or give it back to the plan (release)."""
    site, form = whole_site(ctx), ctx.form
    expect_scope(site, device_id)
    if act not in ("set", "take", "pause", "release"):
        raise BadInput(f"a device is set, taken, paused or released, not {act[:20]!r}", reason="bad_request")
    reason, until = form.get("reason", ""), form.get("for", "") or "2h"
    power = power_of(site, device_id) if act in ("set", "take") else None
    value = None if power is None else _number(form.get("value", ""))
    values = {"reason": reason, "value": value, "is_set": act != "release"}
    end = None if act == "release" else _end_of(ctx, until)
    if act == "set":
        kwh = _number(form["kwh"]) if form.get("kwh", "").strip() else None
        if kwh is not None and power is not None and value is not None:
            length = dispatch_set.time_for(kwh, value, power.unit)
            end = lambda at_utc: at_utc + length  # noqa: E731 - as _end_of gives it
        return _once(ctx, site, device_id, values, lambda call: dispatch_set.set_device(
            call, site.site_id, device_id, reason, value=value, until=until, kwh=kwh,
        ), end)  # fmt: skip
    return _once(ctx, site, device_id, values, lambda call: dispatch.override(
        call, site.site_id, reason, device_id, "" if power is None else power.capability, until, value,
        act == "release",
    ), end)  # fmt: skip


End = Callable[[datetime], datetime | None]


def _end_of(ctx: Context, text: str) -> End:
    """The end that a field names, of an act that was recorded at an instant."""

    def end(at_utc: datetime) -> datetime | None:
        call = WebCall(ctx)
        call.clock = FixedClock(at_utc)
        return dispatch.end_of(call, text, "--for")

    return end


def _is_other_end(row: Mapping[str, Any], end: End) -> bool:
    """Whether the act of the row ends otherwise than the form says."""
    stands, wanted = row.get("until_utc") or row.get("expires_utc"), end(row["recorded_at_utc"])
    if stands is None or wanted is None:
        return stands is not wanted
    return bool(abs(stands - wanted) > timedelta(seconds=1))


def _once(
    ctx: Context,
    site: Site,
    device_id: str,
    values: dict[str, Any],
    run: Callable[[Call], Answer],
    end: End | None = None,
) -> Response:
    """Act on what the person saw. A form that is sent twice acts once and is answered alike. end: of an act that ends.

    Raises BadInput (changed_since) where somebody else, or another act of theirs, came between.
    """
    store, mine = ctx.project.store, {**values, "person_id": ctx.person.person_id}
    # The site's lock first: of two clicks the second sees what the first did.
    with with_remedies(REMEDIES), store.together(), site_transaction(store, site.site_id):
        newer = changes_since(store, site.site_id, device_id, ctx.form.get("seen", ""))
        if newer is None or any(row.get(name) != value for row in newer for name, value in mine.items()):
            raise BadInput("this has changed since you opened the page", reason="changed_since")
        if end is not None and any(_is_other_end(row, end) for row in newer):
            raise BadInput("the same act stands with another end; nothing was changed", reason="changed_since")
        answer = None if newer else run(WebCall(ctx))
    if answer is not None and answer.exit_code:
        raise BadInput(answer.text, reason="refused_by_a_guard", mend="nothing was sent: choose a smaller value")
    if answer is not None and isinstance(answer.result, Mapping):
        # Until what was released is proven or refused, so that the page says it; no longer than a person likes to wait.
        released = [each["id"] for each in answer.result["commands"] if each["state"] == "RELEASED"]
        if released:
            wait_for_results(
                ctx.project.store, site.site_id, released, timeout_s=PROOF_WITHIN_S, monotonic=time.monotonic,
                sleep=time.sleep,
            )  # fmt: skip
    return _back(ctx, site, "" if device_id == HOLIDAY else device_id)


def _back(ctx: Context, site: Site, device_id: str = "") -> Response:
    if ctx.form.get("from", "") == HOME:
        return RedirectResponse(
            Address(path=f"/board/{HOME}", site=site.site_id, locale=ctx.address.locale).href(), 303
        )
    address = Address(path=PATH, site=site.site_id, locale=ctx.address.locale)
    return RedirectResponse(address_of(device_id, address) if device_id else address.href(), 303)


def _number(text: str) -> float:
    """A number of a form. Raises BadInput."""
    try:
        value = float(text)
    except ValueError as error:
        raise BadInput(f"expected a number, got {text[:20]!r}", reason="out_of_range") from error
    # A range that is compared with refuses no NaN.
    return value if isfinite(value) else _number("")


def _is_answered(ctx: Context, site: Site, request_id: str, reason: str) -> bool:
    """True where the person has approved or withdrawn exactly this request before."""
    if reason not in ("request_used", "request_revoked"):
        return False
    table = mode_events if reason == "request_used" else approval_events
    rows = read_rows(ctx.project.store, table.select().where(table.c.site_id == site.site_id))
    me = ctx.person.person_id
    if reason == "request_used":
        return any(each["request_id"] == int(request_id) and each["approved_by"] == me for each in rows)
    done = [each for each in rows if each["subject"] == request_id and each["outcome"] == "REVOKED"]
    return any(each["person_id"] == me for each in done)
