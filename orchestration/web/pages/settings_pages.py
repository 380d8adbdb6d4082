"""/settings: every setting with its value and origin; a site's file edited as text, its older texts kept."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.sites.edit_site import site_text, text_tag, text_versions
from assets.stores.ledgers.alert_rules import AlertRules
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import problems_of
from orchestration.operations.project.check import problems_in
from orchestration.views.alert_rules.rule_preview import preview
from orchestration.views.finding_sources import limit_text
from orchestration.web.draw import draw
from orchestration.web.people.seen import visible_settings
from orchestration.web.request_context import MORE, Context, Nav, requires
from orchestration.web.site_texts import SiteFile, save_text, site_file_of, texts_folder
from orchestration.web.web_call import WebCall
from reports.pages.settings_list import PATH, PREVIEW_MONTHS, ListedRule, OlderText, settings_page, site_text_page

router = APIRouter(include_in_schema=False)
NAV = Nav(
    85, PATH, "Settings", Permission.SETTINGS_UPDATE, "sliders-horizontal", MORE,
    ("home", "ops", "exec", "audit", "site"), has_sites=False,
)  # fmt: skip


@router.get(PATH, response_class=HTMLResponse)
def settings(ctx: Context = requires(Permission.SETTINGS_UPDATE, shared=("locale",))) -> Response:
    """Settings for who lets people in to all sites; site files for who writes them."""
    shown, is_changed, listed = visible_settings(ctx)
    return draw(ctx, settings_page(shown, ctx.address, is_changed=is_changed, sites=listed))


_ONE, _SHARED = PATH + "/sites/{site}", ("locale",)
MOVED = (
    "Not saved: the site file was changed since you opened it. Your text is below; the file is as the other left it."
)
FAULTY = "Not saved: the text has faults."
BROKEN = "This file has faults: no site is read until they are corrected."


@router.get(_ONE, response_class=HTMLResponse)
def site_text_form(
    site: str, ctx: Context = requires(Permission.WRITE, takes=("version", "saved"), shared=_SHARED)
) -> Response:
    """The text of a site's file, or one that stood there before."""
    held = site_file_of(ctx, site)
    version, note = ctx.address.part("version"), ""
    text = site_text(held.path)
    if version:
        text, note = site_text(_kept(ctx, held, version)), "An earlier version: saving it replaces the current one."
    elif ctx.address.part("saved"):
        note = "Saved. Figures that depend on the change are recalculated."
    if held.site is None and not version:
        return _drawn(ctx, held, text, note=BROKEN, problems=problems_in(held.path, WebCall(ctx)))
    return _drawn(ctx, held, text, note=note)


@router.post(_ONE, response_class=HTMLResponse)
def save(request: Request, site: str, ctx: Context = requires(Permission.WRITE, shared=_SHARED)) -> Response:
    """Save the text where it has no fault and nobody changed the file meanwhile; else it comes back with the reason."""
    held = site_file_of(ctx, site)
    text, opened_sha256 = ctx.form.get("text", "").replace("\r\n", "\n"), ctx.form.get("seen", "")
    if not opened_sha256:
        raise BadInput("this form does not say which text it changes: open the page again", reason="no_if_match")
    try:
        after = save_text(ctx, held, text, opened_sha256)
    except BadInput as fault:
        request.state.code, request.state.subject = fault.reason, held.site_id
        if fault.reason == "changed_since":
            return _drawn(ctx, held, text, note=MOVED, now=site_text(held.path), status=412)
        return _drawn(ctx, held, text, note=FAULTY, problems=problems_of(fault), status=422)
    request.state.subject = f"{held.site_id} {opened_sha256[:12]} {after[:12]}"
    return RedirectResponse(ctx.address.href(f"{PATH}/sites/{held.site_id}", saved="1"), 303)


def _kept(ctx: Context, held: SiteFile, name: str) -> Path:
    if name not in {each.name for each in text_versions(texts_folder(ctx, held))}:
        raise BadInput(f"there is no older text {name[:60]!r}", reason="nothing_known")
    return texts_folder(ctx, held) / name


def _drawn(ctx: Context, held: SiteFile, text: str, *, status: int = 200, **more: Any) -> Response:
    names = ctx.project.names
    older = [OlderText(each.name, each.at_utc, names.get(each.person_id, each.person_id))
             for each in text_versions(texts_folder(ctx, held))]  # fmt: skip
    page = site_text_page(
        ctx.address, site_id=held.site_id, name=held.name, text=text, seen=text_tag(held.path), older=older,
        rules=() if held.site is None else _rules(ctx, held.site), **more,
    )  # fmt: skip
    return draw(ctx, page, status=status)


def _rules(ctx: Context, site: Site) -> list[ListedRule]:
    """Rules of the file with their versions, and how often each would have fired."""
    project, found = ctx.project, list[ListedRule]()
    for rule, version in AlertRules(project.store).of(site):
        made = preview(project, site, rule, months=PREVIEW_MONTHS, now_utc=ctx.now_utc)
        limit = limit_text(rule, rule.limit, ctx.address.locale) if rule.limit is not None else ""
        is_known = not any(each.code == "no_history" for each in made.findings)
        fired = len(made.fired) if is_known else None
        found.append(ListedRule(rule.title, rule.kind, version.version, rule.enabled, limit, rule.severity, fired))
    return found
