"""Sign in, take up an invitation, sign out."""

from collections.abc import Mapping

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.web.logins import KEPT
from data_quality.contracts.errors import BadInput
from orchestration.web.draw import draw
from orchestration.web.people.sign_in import LONGEST, SignIn, browser_of
from orchestration.web.problems import banner_of
from orchestration.web.request_context import requires
from reports.pages.address import MOST_TEXT, Address
from reports.pages.page import Form, Input, Page, Part
from reports.report_content import Paragraph

router = APIRouter(include_in_schema=False)
# Threads of their own: strangers who try passwords keep nobody's page waiting.
PASSWORDS = CapacityLimiter(2)
NEW = (
    Input(name="password", label="Password", kind="password", is_required=True, hint="12 characters or more"),
    Input(name="again", label="The same again", kind="password", is_required=True),
)
WRONG = "This person and this password do not belong together."


@router.get("/login", response_class=HTMLResponse)
def login(request: Request) -> Response:
    """The form; it asks for nothing that is known."""
    return _drawn(request, _login_page(request.query_params.get("next", "/")))


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Sign in, and go where one wanted to."""
    return await to_thread.run_sync(_log_in, request, limiter=PASSWORDS)


def _log_in(request: Request) -> Response:
    sign_in: SignIn = request.app.state.sign_in
    form = request.state.form
    person_id, target = form.get("person", "").strip(), form.get("next", "/")
    # A stranger's text never stands in the ledger.
    request.state.person_id = request.state.subject = person_id if sign_in.people.known(person_id) else ""
    browser = request.cookies.get(sign_in.browser_cookie, "")
    token = sign_in.open(person_id, form.get("password", ""), _address(request), browser[:64])
    if token is None:
        request.state.code = "wrong_password"
        return _drawn(request, _login_page(target, message=WRONG), status=401)
    # Whoever brought a cookie along gets another: nobody can hand one to somebody else beforehand.
    sign_in.end(request)
    return signed_in_response(sign_in, token, "/profile" if sign_in.is_reset_news(person_id) else safe_next(target))


@router.get("/invitation/{token}", response_class=HTMLResponse)
def invitation(request: Request, token: str) -> Response:
    """The form for a first password; to look at it uses nothing up."""
    sign_in: SignIn = request.app.state.sign_in
    person_id = sign_in.credentials.invited(token[:MOST_TEXT], request.app.state.clock)
    return _drawn(request, _password_page(person_id, request.url.path))


@router.post("/invitation/{token}")
async def accept(request: Request, token: str) -> Response:
    """Set the password and sign in."""
    return await to_thread.run_sync(_accept, request, token, limiter=PASSWORDS)


def _accept(request: Request, token: str) -> Response:
    sign_in: SignIn = request.app.state.sign_in
    form, state = request.state.form, request.app.state
    person_id = sign_in.credentials.invited(token[:MOST_TEXT], state.clock)
    request.state.person_id = request.state.subject = person_id
    try:
        opened = sign_in.accept(token[:MOST_TEXT], confirmed_password(form))
    except BadInput as fault:
        if fault.reason != "bad_password":
            raise
        request.state.code = fault.reason
        message = f"{fault.message}{f'; {fault.mend}' if fault.mend else ''}."
        return _drawn(
            request, _password_page(person_id, request.url.path, message=message[0].upper() + message[1:]), status=422
        )
    return signed_in_response(sign_in, opened, "/profile" if sign_in.is_reset_news(person_id) else "/")


@router.post("/logout", dependencies=[requires(None)])
def log_out(request: Request) -> Response:
    """End this sign-in."""
    sign_in: SignIn = request.app.state.sign_in
    sign_in.end(request)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(sign_in.cookie, path="/", secure=sign_in.is_https, httponly=True, samesite="lax")
    return response


def confirmed_password(form: Mapping[str, str]) -> str:
    """The new password of a form, which appears twice. Raises BadInput."""
    if form.get("password") != form.get("again"):
        raise BadInput("the two passwords differ", reason="bad_password")
    return form.get("password", "")


def safe_next(text: str) -> str:
    """An address of ours, or the first page: nobody is led elsewhere by a link to the sign-in."""
    is_ours = text.startswith("/") and not text.startswith(("//", "/\\")) and len(text) <= 1000
    # Browsers leave out tabs and line ends, and take a backslash for a stroke.
    return text if is_ours and text.isprintable() and "\\" not in text else "/"


def _drawn(request: Request, page: Page, status: int = 200) -> Response:
    return draw(None, page, status=status, banner=banner_of(request))


def signed_in_response(sign_in: SignIn, token: str, to: str) -> Response:
    """The way on with a new sign-in."""
    response = RedirectResponse(to, 303)
    kept = {sign_in.cookie: (token, LONGEST), sign_in.browser_cookie: (browser_of(token), KEPT)}
    for name, (value, lasts) in kept.items():
        seconds = int(lasts.total_seconds())
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=sign_in.is_https, httponly=True, samesite="lax"
        )
    return response


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _login_page(target: str, message: str = "") -> Page:
    fields = (
        Input(name="person", label="Person", is_required=True, hint="as the people file names you"),
        Input(name="password", label="Password", kind="password", is_required=True),
        Input(name="next", kind="hidden", value=safe_next(target)),
    )
    note = "No password yet? Whoever runs this project makes an invitation: meterloom web invite PERSON"
    form = Form(title="Sign in", action="/login", fields=fields, note=note)
    return _page("Sign in", "/login", form, message)


def _password_page(person_id: str, path: str, message: str = "") -> Page:
    fields = (Input(name="person", kind="hidden", value=person_id), *NEW)
    title = f"A password for {person_id}"
    form = Form(key="password", title=title, action=path, fields=fields, submit="Set and sign in")
    return _page(title, "/login", form, message)


def _page(title: str, path: str, form: Form, message: str) -> Page:
    blocks = (Paragraph(text=message, tone="bad"), form) if message else (form,)
    return Page(title=title, address=Address(path=path), parts=(Part(key=form.key, blocks=blocks),))
