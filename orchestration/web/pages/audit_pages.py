"""/audit: who did what, in words, of the sites that the person sees."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import parse_instant
from orchestration.web.draw import draw
from orchestration.web.library.audit_lines import trail
from orchestration.web.request_context import Context, requires
from reports.pages.audit_trail import KINDS, PATH, trail_page

router = APIRouter()


@router.get(PATH, response_class=HTMLResponse)
def audit(
    ctx: Context = requires(Permission.AUDIT_READ, takes=("kind", "before"), shared=("site", "as_of", "locale")),
) -> Response:
    """Acts, approvals, sign-ins, downloads and refusals, the newest first."""
    kind, before = ctx.address.part("kind"), ctx.address.part("before")
    if kind not in KINDS:
        raise BadInput(f"kind is one of {', '.join(KINDS[1:])}, got {kind[:20]!r}", reason="bad_address")
    sites = {each.site_id: each for each in ctx.selected_sites()}
    lines = trail(ctx, sites, kind, parse_instant(before) if before else None)  # type: ignore[arg-type]
    return draw(ctx, trail_page(lines, ctx.address))
