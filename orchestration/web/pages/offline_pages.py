"""/no-connection: the page that a browser shows in place of any other while it has no network."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from orchestration.web.draw import draw_problem

router = APIRouter(include_in_schema=False)
PATH = "/no-connection"


@router.get(PATH, response_class=HTMLResponse)
def no_connection() -> Response:
    """The page; it says nothing of anyone, and asks for the one that was wanted when the server is there again."""
    text = "The server cannot be reached. The page opens by itself when the connection is back."
    return draw_problem(None, status=200, title="No connection", detail=text, path=PATH, key="no-connection")
