"""/check: where a published report stands, and whether a file of one is genuine; for everybody, signed in or not."""

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from data_quality.contracts.errors import BadInput
from orchestration.web.draw import draw
from orchestration.web.kept_uploads import sent_file
from orchestration.web.library.checking import checked, standing_of
from orchestration.web.problems import is_for_programs
from reports.pages.address import Address, read_address
from reports.pages.check import PATH, Checked, Standing, check_page

router = APIRouter(include_in_schema=False)
# Files of strangers are looked at one at a time, in a thread that no page of people waits for.
_FILES = CapacityLimiter(1)


@router.get(PATH, response_class=HTMLResponse)
def check(request: Request) -> Response:
    """The state of the revision that the address names, and nothing else."""
    _take(request, "checks of an address")
    address = _address(request)
    name = address.part("r")
    standing = standing_of(request.app.state.project, name) if name else None
    if name and is_for_programs(request):
        return _said((standing or Standing(state="unknown")).model_dump_json())
    return draw(None, check_page(address, standing))


@router.post(PATH)
async def check_file(request: Request) -> Response:
    """Verdict on a dropped file. Raises BadInput where none was sent."""
    _take(request, "files of an address")
    return await to_thread.run_sync(_check_file, request, limiter=_FILES)


def _check_file(request: Request) -> Response:
    data = sent_file(request)
    if not data:
        raise BadInput("no file was sent: choose one, then send it", reason="bad_request")
    found: Checked = checked(request.app.state.project, data)
    if is_for_programs(request):
        return _said(found.model_dump_json())
    return draw(None, check_page(_address(request), checked=found))


def _said(text: str) -> Response:
    return Response(text, media_type="application/json")


def _address(request: Request) -> Address:
    return read_address(PATH, list(request.query_params.multi_items()), takes=("r",), shared=("locale",))


def _take(request: Request, kind: str) -> None:
    host = request.client.host if request.client else ""
    request.state.headers = request.app.state.allowances.take(kind, host)
