"""/settings: every setting with its value and origin; a site's file edited as text, its older texts kept."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.sites.edit_site import kept_texts, site_text, text_tag
from assets.stores.ledgers.alert_rules import AlertRules
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import problems_of
from orchestration.operations.project.check import problems_in
from orchestration.views.alert_rules.rule_preview import preview
from orchestration.views.finding_sources import limit_text
from orchestration.web.draw import draw
from orchestration.web.people.seen import settings_seen
from orchestration.web.request_context import MORE, Ask, Nav, requires
from orchestration.web.site_texts import Held, held_site, save_text, texts_folder
from orchestration.web.web_call import WebCall
from reports.pages.settings_list import PATH, PREVIEW_MONTHS, ListedRule, OlderText, settings_page, site_text_page

router = APIRouter(include_in_schema=False)
NAV = Nav(
    85, PATH, "Settings", Permission.SETTINGS_UPDATE, "sliders-horizontal", MORE,
    ("home", "ops", "exec", "audit", "site"), has_sites=False,
)  # fmt: skip


@router.get(PATH, response_class=HTMLResponse)
def settings(ask: Ask = requires(Permission.SETTINGS_UPDATE, shared=("locale",))) -> Response:
    """Settings for who lets people in to all sites; site files for who writes them."""
    shown, is_changed, listed = settings_seen(ask)
    return draw(ask, settings_page(shown, ask.address, is_changed=is_changed, sites=listed))


_ONE, _SHARED = PATH + "/sites/{site}", ("locale",)
MOVED = (
    "Not saved: the site file was changed since you opened it. Your text is below; the file is as the other left it."
)
FAULTY = "Not saved: the text has faults."
BROKEN = "This file has faults: no site is read until they are corrected."


@router.get(_ONE, response_class=HTMLResponse)
def site_text_form(
    site: str, ask: Ask = requires(Permission.WRITE, takes=("version", "saved"), shared=_SHARED)
) -> Response:
    """The text of a site's file, or one that stood there before."""
    held = held_site(ask, site)
    version, note = ask.address.part("version"), ""
    text = site_text(held.path)
    if version:
        text, note = site_text(_kept(ask, held, version)), "An earlier version: saving it replaces the current one."
    elif ask.address.part("saved"):
        note = "Saved. Figures that depend on the change are recalculated."
    if held.site is None and not version:
        return _drawn(ask, held, text, note=BROKEN, problems=problems_in(held.path, WebCall(ask)))
    return _drawn(ask, held, text, note=note)


@router.post(_ONE, response_class=HTMLResponse)
def save(request: Request, site: str, ask: Ask = requires(Permission.WRITE, shared=_SHARED)) -> Response:
    """Save the text where it has no fault and nobody changed the file meanwhile; else it comes back with the reason."""
    held = held_site(ask, site)
    text, opened_sha256 = ask.form.get("text", "").replace("\r\n", "\n"), ask.form.get("seen", "")
    if not opened_sha256:
        raise BadInput("this form does not say which text it changes: open the page again", reason="no_if_match")
    try:
        after = save_text(ask, held, text, opened_sha256)
    except BadInput as fault:
        request.state.code, request.state.subject = fault.reason, held.site_id
        if fault.reason == "changed_since":
            return _drawn(ask, held, text, note=MOVED, now=site_text(held.path), status=412)
        return _drawn(ask, held, text, note=FAULTY, problems=problems_of(fault), status=422)
    request.state.subject = f"{held.site_id} {opened_sha256[:12]} {after[:12]}"
    return RedirectResponse(ask.address.href(f"{PATH}/sites/{held.site_id}", saved="1"), 303)


def _kept(ask: Ask, held: Held, name: str) -> Path:
    if name not in {each.name for each in kept_texts(texts_folder(ask, held))}:
        raise BadInput(f"there is no older text {name[:60]!r}", reason="nothing_known")
    return texts_folder(ask, held) / name


def _drawn(ask: Ask, held: Held, text: str, *, status: int = 200, **more: Any) -> Response:
    names = ask.project.names
    older = [OlderText(each.name, each.at_utc, names.get(each.person_id, each.person_id))
             for each in kept_texts(texts_folder(ask, held))]  # fmt: skip
    page = site_text_page(
        ask.address, site_id=held.site_id, name=held.name, text=text, seen=text_tag(held.path), older=older,
        rules=() if held.site is None else _rules(ask, held.site), **more,
    )  # fmt: skip
    return draw(ask, page, status=status)


def _rules(ask: Ask, site: Site) -> list[ListedRule]:
    """Rules of the file with their versions, and how often each would have fired."""
    project, found = ask.project, list[ListedRule]()
    for rule, version in AlertRules(project.store).of(site):
        made = preview(project, site, rule, months=PREVIEW_MONTHS, now_utc=ask.now_utc)
        limit = limit_text(rule, rule.limit, ask.address.locale) if rule.limit is not None else ""
        is_known = not any(each.code == "no_history" for each in made.findings)
        fired = len(made.fired) if is_known else None
        found.append(ListedRule(rule.title, rule.kind, version.version, rule.enabled, limit, rule.severity, fired))
    return found
