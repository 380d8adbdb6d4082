"""The boards: `/` and one page a role, each asked of the marts and stores as they stand."""

from collections.abc import Callable
from dataclasses import replace

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from assets.stores.web.preferences import PreferenceStore
from data_quality.contracts.access.permissions import Permission, home_board, may
from data_quality.contracts.sentence import sentences
from data_quality.contracts.time import Period
from orchestration.web.boards import audit_tiles
from orchestration.web.boards.board_figures import Show
from orchestration.web.boards.site_now import BoardQuery, SiteNow
from orchestration.web.boards.span_tiles import known_years, newest_month, newest_year
from orchestration.web.boards.tiles import tiles_of
from orchestration.web.draw import draw
from orchestration.web.queries import age_of, expect_marts, header_of, known_then, scope_of, scopes_of, stale_finding
from orchestration.web.request_context import Ask, Nav, requires
from orchestration.web.starting import is_empty
from reports.pages.address import MOST_TEXT, Compare, span
from reports.pages.board import board_page, boards, expect_boards
from reports.pages.header import year_choice
from reports.pages.page import PageBlock, Part
from reports.pages.start import PATH as START
from reports.texts.locales import named, period_text

router = APIRouter()
NAVS = tuple(
    Nav(each.place, f"/board/{name}", each.title, each.needs, each.icon, each.group, each.homes)
    for name, each in boards().items()
)


@router.get("/", response_class=HTMLResponse)
def home(ask: Ask = requires(None)) -> Response:
    """The board that is the person's own; of a project without readings, for who sets sites up, the way to some; for
    who lets people in and sees no energy, those people.
    """
    if not may(ask.person, Permission.READ):
        return RedirectResponse(ask.address.href("/people"), 303)
    if may(ask.person, Permission.METER_COMMISSION) and is_empty(ask):
        return RedirectResponse(ask.address.href(START), 303)
    board = PreferenceStore(ask.project.store).of_person(ask.person.person_id).get("home_board")
    if board not in boards():
        board = home_board(ask.person, ask.sites().values())
    if board not in boards():
        expect_boards(ask.project.people, ask.project.project.people_file)
    return RedirectResponse(ask.address.href(f"/board/{board}"), 303)


def _route(name: str) -> Callable[..., Response]:
    of = boards()[name]
    takes = ("draw",) if of.below == "proof" else ()

    def open_board(ask: Ask = requires(of.needs, takes=takes)) -> Response:
        return _board(ask, name)

    open_board.__name__, open_board.__doc__ = name, of.question
    return open_board


for _name in boards():
    router.add_api_route(f"/board/{_name}", _route(_name), response_class=HTMLResponse)


@router.post("/board/audit/draw")
def redraw(ask: Ask = requires(Permission.AUDIT_READ)) -> Response:
    """Ten figures by the number of the form, under an address that shows the same ten to everybody."""
    return RedirectResponse(ask.address.href("/board/audit", draw=ask.form.get("draw", "")[:MOST_TEXT] or "1"), 303)


@router.post("/board/audit/verify")
def verify(ask: Ask = requires(Permission.AUDIT_READ)) -> Response:
    """Have the last packs verified; the board says what was found."""
    sources = ask.project.sources(keeps=False)
    for site in [ask.site()] if ask.address.site else ask.sites().values():
        audit_tiles.verify_again(Show(ask, site, sources))
    return RedirectResponse(ask.address.href("/board/audit"), 303)


def _board(ask: Ask, board: str) -> Response:
    of_board, sources = boards()[board], ask.project.sources(keeps=False)
    chosen = ask.site()
    sites = ask.sites()
    others = [each for each in sites.values() if each.site_id != chosen.site_id]
    shown = [chosen, *(known_then(ask, others) if of_board.is_of_all and not ask.address.site else [])]
    expect_marts(ask, shown)
    nows = [SiteNow(Show(ask, each, sources)) for each in shown]
    first = nows[0]
    period, compare = _span(ask, board, first)
    question = BoardQuery(nows, scope_of(ask, chosen), period, compare)
    # Before the tiles: what ends while they are made costs one look more, and never leaves a page that waits for ever.
    is_verifying = of_board.below == "proof" and audit_tiles.is_verifying([each.show for each in nows])
    widgets = tiles_of(board, question)
    below: list[Part] = []
    if of_board.below == "proof":
        shows = [each.show for each in nows]
        below = audit_tiles.below(shows, ask.address)
    locale, time_zone = ask.address.locale, first.site.time_zone
    of = f" {period_text(period.start, period.end, locale)}" if of_board.is_of_span else ""
    if question.is_part:
        of = f": {scopes_of(ask, chosen).get(question.scope, question.scope)},{of}"
    age = age_of(ask, first.site)
    known: str = age.words(time_zone, locale)
    if of_board.below != "proof":
        known = sentences((named(first.site.name) if len(nows) == 1 else "All sites", known), " · ")
    pickers: tuple[PageBlock, ...] = ()
    if of_board.is_of_part:
        at = replace(ask, address=ask.address.model_copy(update={"compare": compare}))
        pickers = header_of(at, chosen, question.scope, period, age)
    elif of_board.span == "year":
        pickers = (year_choice(ask.address, known_years(first), period),)
    page = board_page(
        board, ask.address, widgets, of=of, age=known, made=age.made(time_zone, locale), pickers=pickers, below=below,
        findings=(*stale_finding(age, period), *(first.late if of_board.says_late else ())),
        whys={figure: why for each in nows for figure, why in each.show.whys.items()},
    )  # fmt: skip
    drawn = draw(ask, page if age.readings_to_utc else page.model_copy(update={"lacks": "readings"}))
    if is_verifying:
        # A browser looks again by itself, without a script.
        drawn.headers["Refresh"] = "3"
    return drawn


def _span(ask: Ask, board: str, now: SiteNow) -> tuple[Period, Compare]:
    """The days that a board is of, and what they are compared with where the address does not say."""
    usual = newest_year(now) if boards()[board].span == "year" else newest_month(now)
    if not ask.address.period:
        return usual, "year" if ask.address.compare == "none" else ask.address.compare
    found = span(ask.address, time_zone=now.site.time_zone, now_utc=ask.as_known_utc, usual=usual.label)
    former: Compare = "year" if boards()[board].span == "year" else "previous"
    return found, former if ask.address.compare == "none" else ask.address.compare
