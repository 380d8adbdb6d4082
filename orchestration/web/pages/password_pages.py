"""/profile/password: one's own password changed, and the note of somebody whose password was reset."""

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.web.audit_events import newest_events
from assets.stores.web.credentials import CredentialStore
from assets.stores.web.preferences import PreferenceStore
from data_quality.contracts.errors import BadInput
from data_quality.contracts.sentence import Sentence
from orchestration.web.draw import draw
from orchestration.web.pages.sign_in_pages import NEW, PASSWORDS, gone_in, password_again
from orchestration.web.people.invite import RESET
from orchestration.web.people.sign_in import SEEN
from orchestration.web.request_context import Ask, asked
from reports.pages.page import Form, Input, Page, PageBlock, Part, Strip
from reports.report_content import Paragraph
from reports.texts.locales import named

router = APIRouter(include_in_schema=False)
PATH = "/profile/password"
_SHARED = ("locale",)


@router.get(PATH, response_class=HTMLResponse)
def password(ask: Ask = asked(None, shared=_SHARED)) -> Response:
    """The form for another password."""
    return draw(ask, _page(ask))


@router.post(PATH)
async def change(request: Request, ask: Ask = asked(None, shared=_SHARED)) -> Response:
    """Set another password in place of the present one; every other sign-in of the person ends."""
    return await to_thread.run_sync(_change, request, ask, limiter=PASSWORDS)


def _change(request: Request, ask: Ask) -> Response:
    try:
        new = password_again(ask.form)
        token = request.app.state.sign_in.change(ask.person, ask.form.get("present", ""), new)
    except BadInput as fault:
        if fault.reason not in ("bad_password", "wrong_password"):
            raise
        request.state.code = fault.reason
        said = f"{fault.message}{f'; {fault.mend}' if fault.mend else ''}."
        return draw(ask, _page(ask, said[0].upper() + said[1:]), status=422)
    return gone_in(request.app.state.sign_in, token, "/profile")


@router.post(PATH + "/seen")
def seen(ask: Ask = asked(None, shared=_SHARED)) -> Response:
    """Keep that the person knows of the last reset of their password."""
    reset = CredentialStore(ask.project.store).last_reset(ask.person.person_id)
    PreferenceStore(ask.project.store).put(ask.person.person_id, SEEN, reset and reset["id"])
    return RedirectResponse("/profile", 303)


def reset_note(ask: Ask) -> tuple[PageBlock, ...]:
    """Who reset the person's password and when, until they say that they know; nothing where nobody did."""
    store, person = ask.project.store, ask.person
    reset = CredentialStore(store).last_reset(person.person_id)
    if reset is None or PreferenceStore(store).of_person(person.person_id).get(SEEN) == reset["id"]:
        return ()
    [event] = newest_events(store, most=1, about=(RESET, person.person_id)) or [{"person_id": ""}]
    by = str(event["person_id"])
    who = named(ask.project.names.get(by, by)) if by else Sentence("somebody with access to the server")
    pattern = "{0} UTC, by {1}. If you did not ask for this, tell an administrator."
    text = Sentence(pattern, f"{reset['recorded_at_utc']:%Y-%m-%d %H:%M}", who)
    known = Form(key="seen", title="Password reset", action=f"{PATH}/seen", method="post", fields=(),
                 submit="I know of this")  # fmt: skip
    return (Strip(label="Your password was reset.", text=text, tone="caution"), known)


def _page(ask: Ask, said: str = "") -> Page:
    present = Input(name="present", label="Present password", kind="password", is_required=True)
    form = Form(
        key="password", title="Change password", action=ask.address.href(PATH), method="post",
        fields=(present, *NEW), submit="Change password", note="Your sign-ins on other devices end.",
    )  # fmt: skip
    blocks = (Paragraph(text=said, tone="bad"), form) if said else (form,)
    return Page(title="Change password", address=ask.address, parts=(Part(key="password", blocks=blocks),),
                links=(("Profile", "/profile"),))  # fmt: skip
