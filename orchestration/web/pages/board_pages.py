"""The boards: `/` and one page a role, each asked of the marts and stores as they stand."""

from collections.abc import Callable
from dataclasses import replace

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from assets.stores.web.preferences import PreferenceStore
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.sentence import sentences
from data_quality.contracts.time import Period
from orchestration.web.boards import audit_tiles
from orchestration.web.boards.board_figures import Show
from orchestration.web.boards.site_now import BoardQuery, SiteNow
from orchestration.web.boards.span_tiles import known_years, newest_month, newest_year
from orchestration.web.boards.tiles import tiles_of
from orchestration.web.draw import draw
from orchestration.web.frame import home_board
from orchestration.web.queries import age_of, expect_marts, header_of, scope_of, scopes_of, sites_as_of, stale_finding
from orchestration.web.request_context import Context, Nav, requires
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
def home(ctx: Context = requires(None)) -> Response:
    """The board that is the person's own; of a project without readings, for who sets sites up, the way to some; for
    who lets people in and sees no energy, those people.
    """
    if not may(ctx.person, Permission.READ):
        return RedirectResponse(ctx.address.href("/people"), 303)
    if may(ctx.person, Permission.METER_COMMISSION) and is_empty(ctx):
        return RedirectResponse(ctx.address.href(START), 303)
    board = PreferenceStore(ctx.project.store).of_person(ctx.person.person_id).get("home_board")
    if board not in boards():
        board = home_board(ctx.person, ctx.sites().values())
    if board not in boards():
        expect_boards(ctx.project.people, ctx.project.project.people_file)
    return RedirectResponse(ctx.address.href(f"/board/{board}"), 303)


def _route(name: str) -> Callable[..., Response]:
    of = boards()[name]
    takes = ("draw",) if of.below == "proof" else ()

    def open_board(ctx: Context = requires(of.needs, takes=takes)) -> Response:
        return _board(ctx, name)

    open_board.__name__, open_board.__doc__ = name, of.question
    return open_board


for _name in boards():
    router.add_api_route(f"/board/{_name}", _route(_name), response_class=HTMLResponse)


@router.post("/board/audit/draw")
def redraw(ctx: Context = requires(Permission.AUDIT_READ)) -> Response:
    """Ten figures by the number of the form, under an address that shows the same ten to everybody."""
    return RedirectResponse(ctx.address.href("/board/audit", draw=ctx.form.get("draw", "")[:MOST_TEXT] or "1"), 303)


@router.post("/board/audit/verify")
def verify(ctx: Context = requires(Permission.AUDIT_READ)) -> Response:
    """Have the last packs verified; the board says what was found."""
    sources = ctx.project.sources(keeps=False)
    for site in [ctx.site()] if ctx.address.site else ctx.sites().values():
        audit_tiles.verify_last_pack(Show(ctx, site, sources))
    return RedirectResponse(ctx.address.href("/board/audit"), 303)


def _board(ctx: Context, board: str) -> Response:
    of_board, sources = boards()[board], ctx.project.sources(keeps=False)
    chosen = ctx.site()
    sites = ctx.sites()
    others = [each for each in sites.values() if each.site_id != chosen.site_id]
    shown = [chosen, *(sites_as_of(ctx, others) if of_board.is_of_all and not ctx.address.site else [])]
    expect_marts(ctx, shown)
    nows = [SiteNow(Show(ctx, each, sources)) for each in shown]
    first = nows[0]
    period, compare = _span(ctx, board, first)
    question = BoardQuery(nows, scope_of(ctx, chosen), period, compare)
    # Before the tiles: what ends while they are made costs one look more, and never leaves a page that waits for ever.
    is_verifying = of_board.below == "proof" and audit_tiles.is_verifying([each.show for each in nows])
    widgets = tiles_of(board, question)
    below: list[Part] = []
    if of_board.below == "proof":
        shows = [each.show for each in nows]
        below = audit_tiles.below(shows, ctx.address)
    locale, time_zone = ctx.address.locale, first.site.time_zone
    of = f" {period_text(period.start, period.end, locale)}" if of_board.is_of_span else ""
    if question.is_part:
        of = f": {scopes_of(ctx, chosen).get(question.scope, question.scope)},{of}"
    age = age_of(ctx, first.site)
    known: str = age.words(time_zone, locale)
    if of_board.below != "proof":
        known = sentences((named(first.site.name) if len(nows) == 1 else "All sites", known), " · ")
    pickers: tuple[PageBlock, ...] = ()
    if of_board.is_of_part:
        at = replace(ctx, address=ctx.address.model_copy(update={"compare": compare}))
        pickers = header_of(at, chosen, question.scope, period, age)
    elif of_board.span == "year":
        pickers = (year_choice(ctx.address, known_years(first), period),)
    page = board_page(
        board, ctx.address, widgets, of=of, age=known, made=age.made(time_zone, locale), pickers=pickers, below=below,
        findings=(*stale_finding(age, period), *(first.late if of_board.says_late else ())),
        whys={figure: why for each in nows for figure, why in each.show.whys.items()},
    )  # fmt: skip
    drawn = draw(ctx, page if age.readings_to_utc else page.model_copy(update={"lacks": "readings"}))
    if is_verifying:
        # A browser looks again by itself, without a script.
        drawn.headers["Refresh"] = "3"
    return drawn


def _span(ctx: Context, board: str, now: SiteNow) -> tuple[Period, Compare]:
    """The days that a board is of, and what they are compared with where the address does not say."""
    usual = newest_year(now) if boards()[board].span == "year" else newest_month(now)
    if not ctx.address.period:
        return usual, "year" if ctx.address.compare == "none" else ctx.address.compare
    found = span(ctx.address, time_zone=now.site.time_zone, now_utc=ctx.as_of_or_now, usual=usual.label)
    former: Compare = "year" if boards()[board].span == "year" else "previous"
    return found, former if ctx.address.compare == "none" else ctx.address.compare
