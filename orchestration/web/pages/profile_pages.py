"""One's own page and password: rights, the board that opens first, where one is signed in, what one did last."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.audit import has_acts_to_adopt
from assets.stores.web.audit_events import newest_events
from assets.stores.web.credentials import CredentialStore
from assets.stores.web.logins import LoginStore
from assets.stores.web.preferences import PreferenceStore
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.sentence import Sentence, sentences
from orchestration.operations.project.keys import key_registered, key_replaced, keys_adopt
from orchestration.web.draw import draw
from orchestration.web.pages.sign_in_pages import NEW, PASSWORDS, confirmed_password, safe_next, signed_in_response
from orchestration.web.people.invite import RESET
from orchestration.web.people.seen import access_requests
from orchestration.web.people.sign_in import SEEN
from orchestration.web.problems import ACCESS
from orchestration.web.request_context import CHANGED, LOOKS, Context, requires
from orchestration.web.web_call import WebCall, has_keys, signer_of
from reports.pages.board import boards
from reports.pages.page import REASON, Form, Input, Page, PageBlock, Part, Strip
from reports.pages.people_list import request_line
from reports.pages.signers import key_text
from reports.report_content import Paragraph, table
from reports.texts.locales import moment, named

router = APIRouter(include_in_schema=False)
PATH = "/profile/password"
_SHARED = ("locale",)


@router.get(PATH, response_class=HTMLResponse)
def password(ctx: Context = requires(None, shared=_SHARED)) -> Response:
    """The form for another password."""
    return draw(ctx, _page(ctx))


@router.post(PATH)
async def change(request: Request, ctx: Context = requires(None, shared=_SHARED)) -> Response:
    """Set another password in place of the present one; every other sign-in of the person ends."""
    return await to_thread.run_sync(_change, request, ctx, limiter=PASSWORDS)


def _change(request: Request, ctx: Context) -> Response:
    try:
        new = confirmed_password(ctx.form)
        token = request.app.state.sign_in.change(ctx.person, ctx.form.get("present", ""), new)
    except BadInput as fault:
        if fault.reason not in ("bad_password", "wrong_password"):
            raise
        request.state.code = fault.reason
        message = f"{fault.message}{f'; {fault.mend}' if fault.mend else ''}."
        return draw(ctx, _page(ctx, message[0].upper() + message[1:]), status=422)
    return signed_in_response(request.app.state.sign_in, token, "/profile")


@router.post(PATH + "/seen")
def seen(ctx: Context = requires(None, shared=_SHARED)) -> Response:
    """Keep that the person knows of the last reset of their password."""
    reset = CredentialStore(ctx.project.store).last_reset(ctx.person.person_id)
    PreferenceStore(ctx.project.store).put(ctx.person.person_id, SEEN, reset and reset["id"])
    return RedirectResponse("/profile", 303)


def reset_note(ctx: Context) -> tuple[PageBlock, ...]:
    """Notice of a reset of the person's password, by whom and when, until they confirm it; empty without a reset."""
    store, person = ctx.project.store, ctx.person
    reset = CredentialStore(store).last_reset(person.person_id)
    if reset is None or PreferenceStore(store).of_person(person.person_id).get(SEEN) == reset["id"]:
        return ()
    [event] = newest_events(store, most=1, about=(RESET, person.person_id)) or [{"person_id": ""}]
    by = str(event["person_id"])
    name = named(ctx.project.names.get(by, by)) if by else Sentence("somebody with access to the server")
    pattern = "{0} UTC, by {1}. If you did not ask for this, tell an administrator."
    text = Sentence(pattern, moment(reset["recorded_at_utc"], ctx.address.locale), name)
    known = Form(title="Password reset", action=f"{PATH}/seen", submit="I know about this")
    return (Strip(label="Your password was reset.", text=text, tone="caution"), known)


def _page(ctx: Context, message: str = "") -> Page:
    present = Input(name="present", label="Current password", kind="password", is_required=True)
    form = Form(
        title="Change password", action=ctx.address.href(PATH), fields=(present, *NEW),
        note="Your sign-ins on other devices end.",
    )  # fmt: skip
    blocks = (Paragraph(text=message, tone="bad"), form) if message else (form,)
    return Page(title="Change password", address=ctx.address, parts=(Part(key="password", blocks=blocks),),
                links=(("Profile", "/profile"),))  # fmt: skip


HOME = "home_board"
_YEAR_S, _UNDO_S = 365 * 86_400, 10


@router.get("/profile", response_class=HTMLResponse)
def profile(ctx: Context = requires(None)) -> Response:
    """The person's roles, start board, sign-ins and latest acts."""
    person, store = ctx.person, ctx.project.store
    chosen = str(PreferenceStore(store).of_person(person.person_id).get(HOME, ""))
    logins = LoginStore(store).of_person(person.person_id)
    locale = ctx.address.locale
    opened = [tuple(f"{moment(at, locale)} UTC" for at in (each.opened_utc, each.seen_utc)) for each in logins]
    events = newest_events(store, most=20, person_id=person.person_id)
    did = [(f"{moment(row['recorded_at_utc'], locale)} UTC", row["route"], row["outcome"]) for row in events]
    sites = ", ".join(person.sites) or Sentence("all")
    rights = Sentence("Roles: {0}. Sites: {1}.", ", ".join(person.roles) or "none", sites)
    known = (("", "by my role"), *((name, each.title) for name, each in boards().items()))
    first = Input(name=HOME, label="Start board", kind="select", value=chosen, options=known)
    parts = (
        Part(key="rights", blocks=(
            *reset_note(ctx), Paragraph(text=rights), Paragraph(text=key_text(signer_of(ctx))),
            *(request_line(each) for each in access_requests(ctx, [person])),
            _form("board", "First page", (first,), "Keep"),
        )),
        *_signing_key(ctx),
        Part(key="sign-ins", blocks=(
            table("sign-ins", "Sign-ins", ("Since", "Last noted"), opened),
            _form("out", "Everywhere", (), "Sign out everywhere"),
        )),
        Part(key="did", blocks=(table("acts", "What you did last", ("When", "What", "Outcome"), did),)),
    )  # fmt: skip
    keys = (("API keys", "/keys"),) if may(person, Permission.KEYS_OWN) else ()
    links = (*keys, ("Notices", "/profile/notices"), ("Change password", "/profile/password"))
    return draw(ctx, Page(title=named(person.name), address=ctx.address, parts=parts, links=links))


@router.post("/profile/board")
def keep_board(ctx: Context = requires(None)) -> Response:
    """Keep which board opens first. Raises BadInput for one that there is not."""
    board = ctx.form.get(HOME, "")
    if board and board not in boards():
        raise BadInput(f"there is no board {board[:40]!r}; there are {', '.join(boards())}", reason="bad_request")
    PreferenceStore(ctx.project.store).put(ctx.person.person_id, HOME, board or None)
    return RedirectResponse("/profile", 303)


@router.post("/profile/key")
def replace_key(request: Request, ctx: Context = requires(None)) -> Response:
    """Put another public key in the place of one's own, as `meterloom keys replace` does; the browser signs."""
    fields = {name: ctx.form.get(name, "") for name in ("before", "after", "vouched")}
    result = key_replaced(WebCall(ctx), **fields).result
    assert isinstance(result, dict)  # noqa: S101 - of the operation above
    request.state.subject = f"{ctx.person.person_id} {result['replaces'][7:19]} {result['fingerprint'][7:19]}"
    return RedirectResponse("/profile", 303)


@router.post("/profile/key/new")
async def make_key(request: Request, ctx: Context = requires(None)) -> Response:
    """Register the public half of one's own first signing key, which the browser made; the password is needed."""
    return await to_thread.run_sync(_make_key, request, ctx, limiter=PASSWORDS)


def _make_key(request: Request, ctx: Context) -> Response:
    # Who found a browser open, or copied its cookie, must not sign in the person's name for ever.
    request.app.state.sign_in.expect_password(ctx.person, ctx.form.get("present", ""))
    result = key_registered(WebCall(ctx), after=ctx.form.get("after", ""), vouched=ctx.form.get("vouched", "")).result
    assert isinstance(result, dict)  # noqa: S101 - of the operation above
    request.state.subject = result["fingerprint"]
    return RedirectResponse("/profile", 303)


@router.post("/profile/key/adopt")
def adopt(ctx: Context = requires(None)) -> Response:
    """Adopt the acts from before anybody signed, as `meterloom keys adopt` does; the browser signs."""
    reason = ctx.form.get("reason", "").strip()
    if not reason:
        raise BadInput("to adopt earlier acts needs a reason", reason="missing_reason")
    keys_adopt(WebCall(ctx), reason)
    return RedirectResponse("/profile", 303)


@router.post(ACCESS)
def ask_access(request: Request, ctx: Context = requires(None, shared=_SHARED)) -> Response:
    """Ask for a permission: the line of the audit trail about it stands on /people of who may give it."""
    wanted = ctx.form.get("permission", "")
    if wanted not in list(Permission):
        raise BadInput(f"there is no permission {wanted[:40]!r}", reason="bad_request")
    if may(ctx.person, Permission(wanted)):
        raise BadInput(Sentence("you have {0} already: open the page again", wanted), reason="exists")
    request.state.subject = wanted
    return RedirectResponse("/profile", 303)


@router.post("/profile/look")
def keep_look(request: Request, ctx: Context = requires(None)) -> Response:
    """Keep, in this browser, colours, size of text or language, and go back. Raises BadInput for what is none."""
    back = safe_next(ctx.form.get("next", "/profile"))
    # The language of where one comes from would win over the one that is chosen.
    kept = RedirectResponse(_without_locale(back) if "locale" in ctx.form else back, 303)
    for name, values in LOOKS.items():
        look = ctx.form.get(name)
        if look is None:
            continue
        if look and look not in values:
            raise BadInput(f"{name} is one of {', '.join(values)}, got {look[:40]!r}", reason="bad_request")
        # Of the device and not of the person: a screen in a hall is another than one in an office.
        cookies: dict[str, tuple[str, int]] = {}
        if ctx.looks[name] != look and "seen" not in ctx.form:
            cookies[CHANGED] = (f"{name}.{ctx.looks[name]}", _UNDO_S)
        cookies[name] = (look, _YEAR_S if look else 0)
        for cookie, (value, age_s) in cookies.items():
            kept.set_cookie(cookie, value, max_age=age_s, path="/", httponly=True, samesite="lax",
                            secure=request.app.state.sign_in.is_https)  # fmt: skip
    return kept


def _without_locale(href: str) -> str:
    path, _, query = href.partition("?")
    kept = urlencode([pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "locale"])
    return f"{path}{'?' if kept else ''}{kept}"


@router.post("/profile/out")
def out_everywhere(request: Request, ctx: Context = requires(None)) -> Response:
    """End all sign-ins of the person, this one too."""
    LoginStore(ctx.project.store).end(ctx.now_utc, person_id=ctx.person.person_id)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(request.app.state.sign_in.cookie, path="/")
    return response


def _signing_key(ctx: Context) -> tuple[Part, ...]:
    """Forms of the person's key: the first made, replaced, earlier acts adopted; none where an admin has to begin."""
    me, roles, people = ctx.person.person_id, ctx.person.roles, ctx.project.people
    mine, is_first, forms = people.public_keys.get(me, ""), not has_keys(people), list[Form]()
    if is_first and Role.ADMIN not in roles:
        return ()
    if mine and Role.APPROVER in roles and has_acts_to_adopt(ctx.project.store):
        forms.append(_form(
            "key/adopt", "Adopt earlier acts", (REASON,), "Adopt acts", public_key=mine,
            command=f'meterloom keys adopt --as {me} --reason "…"',
            note="Acts from before people had keys count again once an approver has read and adopted them.",
        ))  # fmt: skip
    if mine:
        before = Input(name="before", kind="hidden", value=mine)
        forms.append(_form(
            "key", "Replace key", (before,), "Replace key", public_key=mine, takes_new_key=True,
            command=f"meterloom keys replace --new FOLDER --as {me}",
            note="The old key signs for the new one. What it signed stays valid; from then on it signs nothing.",
        ))  # fmt: skip
    else:
        keep = "Keep a copy of the file: nobody else has it, and nobody can make it again. It signs what you decide."
        first = "It is the first key of this project: from now on everybody signs, and an approver adopts earlier acts."
        note = sentences([Sentence(each) for each in (keep, first)[: 1 + is_first]], " ")
        present = Input(name="present", label="Current password", kind="password", is_required=True)
        command = f"meterloom keys new {me}"
        forms.append(_form("key/new", "Make signing key", (present,), "Register key", takes_new_key=True,
                           command=command, note=note))  # fmt: skip
    return (Part(key="key", title="Signing key", blocks=tuple(forms)),)


def _form(key: str, title: str, fields: tuple[Input, ...], submit: str, **more: Any) -> Form:
    action, key = f"/profile/{key}", key.replace("/", "-")
    return Form(key=key, title=title, action=action, fields=fields, submit=submit, **more)
