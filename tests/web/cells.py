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
    ("GET", "/why"): Cell("/why?site={site}&scope={scope}&kpi=cost&period=2026-01"),
    ("POST", "/why/keep"): Cell("/why/keep", about=""),
    ("GET", "/api/v1/ems/why"): Cell("/api/v1/ems/why?site={site}&scope={scope}&kpi=cost&period=2026-01"),
    ("GET", "/api/v1/ems/figures/{figure_id}"): Cell("/api/v1/ems/figures/0123456789abcdef", about=""),
    ("GET", "/api/v1/ems/figures/{figure_id}/rows"): Cell("/api/v1/ems/figures/0123456789abcdef/rows", about=""),
    ("GET", "/api/v1/ems/figures/{figure_id}/versions"): Cell(
        "/api/v1/ems/figures/0123456789abcdef/versions", about=""
    ),
    ("GET", "/api/v1/ems/jobs/{job_id}"): Cell("/api/v1/ems/jobs/0123456789abcdef", about=""),
    ("GET", "/enpi"): Cell("/enpi?site={site}", about="site"),
    ("GET", "/enpi/{site}/{seu}"): Cell("/enpi/{site}/press", about="site"),
    ("GET", "/enpi/{site}/{seu}/quarters.csv"): Cell("/enpi/{site}/press/quarters.csv", about="site"),
    ("GET", "/reports"): Cell("/reports?site={site}", about="site"),
    ("GET", "/api/v1/seus"): Cell("/api/v1/seus?site={site}", about="site"),
    ("POST", "/api/v1/seus"): Cell(
        "/api/v1/seus", "", '{"name": "n", "energy_source": "electricity", "machine_ids": ["main"], "site": "works"}'
    ),
    ("GET", "/api/v1/energy-sources"): Cell("/api/v1/energy-sources", about=""),
    ("POST", "/api/v1/baseline/seu/train"): Cell(
        "/api/v1/baseline/seu/train",
        "",
        '{"seu_id": "works/x", "baseline_year": 2025, "start_date": "2025-01-01", "end_date": "2025-12-31"}',
    ),
    ("POST", "/api/v1/reports/seu-performance"): Cell(
        "/api/v1/reports/seu-performance",
        "",
        '{"seu_id": "works/x", "report_year": 2025, "baseline_year": 2024, "period": "Q1"}',
    ),
    ("GET", "/api/v1/analytics/enpi"): Cell(
        "/api/v1/analytics/enpi?seu_id={site}/x&start_year=2024&end_year=2025", about="site"
    ),
}
