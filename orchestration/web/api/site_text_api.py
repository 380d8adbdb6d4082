"""A site's file as text for programs: read with its tag, and replaced as a whole by who read it as it is."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from assets.sites.edit_site import site_text, text_tag
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.yaml_file import MAX_BYTES, problems_of
from orchestration.web.cache import BASE
from orchestration.web.problems import Problem, answer
from orchestration.web.request_context import Context, requires
from orchestration.web.site_texts import SiteFile, save_text, site_file_of
from reports.texts.locales import page_word

router = APIRouter(prefix=BASE)
_ONE, _SHARED = "/sites/{site_id}/text", ("locale",)


class SentText(Model):
    """The whole text of a site's file, as YAML."""

    text: str = Field(max_length=MAX_BYTES)


@router.get(_ONE)
def read_text(site_id: str, ctx: Context = requires(Permission.WRITE, shared=())) -> Response:
    """The text, also of a file that is broken; its ETag is what a change of it must name."""
    held = site_file_of(ctx, site_id)
    return _response(held, {"text": site_text(held.path)})


@router.put(_ONE)
def replace_text(
    request: Request,
    site_id: str,
    sent: SentText,
    if_match: Annotated[str, Header()] = "",
    ctx: Context = requires(Permission.WRITE, shared=_SHARED),
) -> Response:
    """Replacement of the text, as on the page: whole, or refused with its faults by line."""
    held = site_file_of(ctx, site_id)
    if not if_match:
        raise BadInput("send If-Match: the ETag of the text that this one replaces", reason="no_if_match")
    opened_sha256 = if_match.removeprefix("W/").strip('"')
    try:
        after = save_text(ctx, held, sent.text, opened_sha256)
    except BadInput as fault:
        if fault.reason == "changed_since":
            raise
        request.state.code = fault.reason
        locale = ctx.address.locale
        errors = tuple(
            {
                "line": str(each.line), "column": str(each.column), "detail": page_word(each.message, locale),
                "mend": page_word(each.mend, locale),
            }
            for each in problems_of(fault)
        )  # fmt: skip
        detail = page_word("Not saved: the text has faults.", locale)
        return answer(request, Problem(status=422, code="faulty_text", detail=detail, errors=errors))
    request.state.subject = f"{held.site_id} {opened_sha256[:12]} {after[:12]}"
    return _response(held)


def _response(held: SiteFile, more: dict[str, str] | None = None) -> Response:
    return JSONResponse({"site": held.site_id, **(more or {})}, headers={"ETag": f'"{text_tag(held.path)}"'})
