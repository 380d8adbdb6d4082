"""One cell a route: an address as it is asked, and what the route shows. A route without a cell is refused by a test.

A page or endpoint that is added names here how it is asked in the project of served.py: `{site}` and `{scope}` stand
for what the matrix puts there. about: `site` where another site must be as if it were not there, `scope` where another
tenant's scope must be too; empty for what is of no site.
"""

from typing import Literal, NamedTuple

About = Literal["", "site", "scope"]


class Cell(NamedTuple):
    """How a route is asked. target: its address. body: what is sent, as JSON, where it is no GET."""

    target: str
    about: About = "scope"
    body: str = ""


# Open to everybody, with the reason.
OPEN = {
    "/login": "here one signs in",
    "/invitation/{token}": "here one sets a first password; the token is the secret",
    "/static/{digest}/{name}": "style and scripts say nothing of anyone",
}
# For this machine and for keys.
NEAR = {"/healthz", "/readyz", "/metrics"}
CELLS: dict[tuple[str, str], Cell] = {
    ("POST", "/logout"): Cell("/logout", about=""),
    ("GET", "/api/openapi.json"): Cell("/api/openapi.json", about=""),
    ("GET", "/api/docs"): Cell("/api/docs", about=""),
}
