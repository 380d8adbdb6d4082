"""One cell a route: the address of its request, and what the route shows. A route without a cell is refused by a test.

A page or endpoint that is added names here how it is asked in the project of served.py: `{site}` and `{scope}` stand
for what the matrix puts there. about: `site` where another site must be as if it were not there, `scope` where another
tenant's scope must be too; empty for what is of no site.
"""

from typing import Literal, NamedTuple

from reports.pages.board import boards

About = Literal["", "site", "scope"]


class Cell(NamedTuple):
    """Request of a route. target: its address. body: what is sent, as JSON, where it is no GET."""

    target: str
    about: About = "scope"
    body: str = ""


# Open to everybody, with the reason.
OPEN = {
    "/login": "here one signs in",
    "/invitation/{token}": "here one sets a first password; the token is the secret",
    "/check": "anybody checks a report on paper or a file of one; told are its state and whether it is genuine",
    "/no-connection": "shown without a network, in place of any page; says nothing of anyone",
    "/static/{digest}/{name:path}": "style and scripts say nothing of anyone",
}
# Addresses of the API that write and are not signed, below /api/v1, with the reason. Every other is signed where a
# project's people have keys.
UNSIGNED = {
    ("POST", "/baseline/seu/train"): "a fit decides nothing; its approval is signed",
    ("POST", "/ems/baselines"): "a fit decides nothing; its approval is signed",
    ("POST", "/ems/mv/runs/{name}"): "reckoned anew from what is recorded",
    ("POST", "/ems/ai/recommend"): "reckoned anew from what is recorded",
    ("POST", "/ems/nilm/run"): "reckoned anew from what is recorded",
    ("POST", "/ems/forecast"): "reckoned anew from what is recorded",
    ("POST", "/ems/plans"): "a plan commands nothing; the mode under which it is carried out is signed",
    ("POST", "/ems/reports/{name}/run"): "a draft; its review and publication are signed",
    ("POST", "/reports/seu-performance"): "shown, and not kept",
    ("POST", "/ems/bills"): "what came from outside; its reading is confirmed with a signature",
    ("POST", "/ems/bills/{bill}/reconcile"): "a recomputation; what people decide about it is signed",
    ("POST", "/ems/tariffs"): "a tariff more changes none that is there: two on one day are refused; keys bring it",
    ("PUT", "/ems/sites/{site_id}/text"): "settings: kept by version and person, undone by the text before",
    ("POST", "/seus"): "settings: kept by version and person, undone by the text before",
    ("PATCH", "/ems/anomalies/{finding_id}"): "a note on a finding",
    ("POST", "/ems/recommendations/{recommendation_id}/acknowledge"): "a note on advice",
    ("POST", "/ems/recommendations/{recommendation_id}/dismiss"): "a note on advice",
    ("POST", "/ems/recommendations/{recommendation_id}/schedule"): "a note on advice",
    ("POST", "/ems/recommendations/{recommendation_id}/accept"): "a workflow begins; what it orders is acted elsewhere",
    ("POST", "/ems/recommendations/{recommendation_id}/measure"): "a project begins; its baseline's approval is signed",
    ("POST", "/ems/workflows/instances/{instance_id}/approve"): "a step of a workflow: who and why are recorded",
    ("POST", "/ems/dr/events"): "an event that was received; approved and armed with a signature",
    ("POST", "/ems/dr/events/{event_id}/opt-out"): "a stop waits for no key",
    ("POST", "/ems/dr/events/{event_id}/stop"): "a stop waits for no key",
    ("POST", "/ems/dr/events/{event_id}/settle"): "reckoned anew from what is recorded",
}
# For this machine and for keys.
NEAR = {"/healthz", "/ready", "/readyz", "/metrics"}
_Q = "?site={site}&scope={scope}"
_SITE = "?site={site}"
_REASON = '{{"reason": "fits"}}'
CELLS: dict[tuple[str, str], Cell] = {
    ("POST", "/logout"): Cell("/logout", about=""),
    ("GET", "/api/openapi.json"): Cell("/api/openapi.json", about=""),
    ("GET", "/api/docs"): Cell("/api/docs", about=""),
    ("GET", "/profile"): Cell("/profile", about=""),
    ("POST", "/profile/board"): Cell("/profile/board", about="", body="{{}}"),
    ("POST", "/profile/key"): Cell("/profile/key", about="", body="{{}}"),
    ("POST", "/profile/key/adopt"): Cell("/profile/key/adopt", about="", body="{{}}"),
    ("POST", "/profile/key/new"): Cell("/profile/key/new", about="", body="{{}}"),
    ("POST", "/profile/look"): Cell("/profile/look", about="", body="{{}}"),
    ("GET", "/profile/password"): Cell("/profile/password", about=""),
    ("POST", "/profile/password"): Cell("/profile/password", about="", body="{{}}"),
    ("POST", "/profile/password/seen"): Cell("/profile/password/seen", about="", body="{{}}"),
    ("GET", "/profile/notices"): Cell("/profile/notices", about=""),
    ("POST", "/profile/notices"): Cell("/profile/notices", about="", body="{{}}"),
    ("POST", "/profile/out"): Cell("/profile/out", about="", body="{{}}"),
    ("GET", "/"): Cell("/", about=""),
    **{("GET", f"/board/{name}"): Cell(f"/board/{name}{_SITE}", about="site") for name in boards()},
    ("GET", "/board/site"): Cell(f"/board/site{_Q}"),
    ("GET", "/board/exec"): Cell("/board/exec", about=""),
    ("POST", "/board/audit/draw"): Cell("/board/audit/draw", about="", body="{{}}"),
    ("POST", "/board/audit/verify"): Cell(f"/board/audit/verify{_SITE}", about="site", body="{{}}"),
    ("GET", "/live"): Cell(f"/live{_SITE}", about="site"),
    ("GET", "/energy"): Cell(f"/energy{_Q}"),
    ("GET", "/energy.csv"): Cell(f"/energy.csv{_Q}"),
    ("GET", "/why"): Cell(f"/why{_Q}&kpi=energy_total&period=2026-01"),
    ("GET", "/why/readings.csv"): Cell(f"/why/readings.csv{_Q}&kpi=energy_total&period=2026-01"),
    ("POST", "/why/keep"): Cell("/why/keep", about="", body="{{}}"),
    ("GET", "/enpi"): Cell(f"/enpi{_SITE}", about="site"),
    ("GET", "/enpi/{site}/{seu}"): Cell("/enpi/{site}/compressors", about="site"),
    ("GET", "/enpi/{site}/{seu}/quarters.csv"): Cell("/enpi/{site}/compressors/quarters.csv", about="site"),
    ("GET", "/settings"): Cell("/settings", about=""),
    ("GET", "/settings/sites/{site}"): Cell("/settings/sites/{site}", about="site"),
    ("POST", "/settings/sites/{site}"): Cell("/settings/sites/{site}", about="site", body="{{}}"),
    ("GET", "/keys"): Cell("/keys", about=""),
    ("POST", "/keys/issue"): Cell("/keys/issue", about="", body="{{}}"),
    ("POST", "/keys/revoke"): Cell("/keys/revoke", about="", body="{{}}"),
    ("GET", "/people"): Cell("/people", about=""),
    ("POST", "/people/invite"): Cell("/people/invite", about="", body="{{}}"),
    ("POST", "/people/reset"): Cell("/people/reset", about="", body="{{}}"),
    ("POST", "/people/roles"): Cell("/people/roles", about="", body="{{}}"),
    ("POST", "/people/out"): Cell("/people/out", about="", body="{{}}"),
    ("POST", "/people/add"): Cell("/people/add", about="", body="{{}}"),
    ("POST", "/people/sites"): Cell("/people/sites", about="", body="{{}}"),
    ("POST", "/people/withdraw"): Cell("/people/withdraw", about="", body="{{}}"),
    ("POST", "/profile/access"): Cell("/profile/access", about="", body="{{}}"),
    ("GET", "/audit"): Cell(f"/audit{_SITE}", about="site"),
    ("POST", "/enpi/{site}/{seu}/propose"): Cell("/enpi/{site}/compressors/propose", about="site", body="{{}}"),
    **{
        ("POST", f"/enpi/{{site}}/{{seu}}/adjustments/{{adjustment}}/{act}"): Cell(
            f"/enpi/{{site}}/compressors/adjustments/none/{act}", about="site", body="{{}}"
        )
        for act in ("approve", "take-back", "withdraw")
    },
    ("GET", "/baselines/{site}/{seu}"): Cell("/baselines/{site}/compressors", about="site"),
    ("POST", "/baselines/{site}/{seu}/reject"): Cell("/baselines/{site}/compressors/reject", about="site", body="{{}}"),
    ("POST", "/baselines/{site}/{seu}/approve"): Cell(
        "/baselines/{site}/compressors/approve", about="site", body="{{}}"
    ),
    ("GET", "/forecast"): Cell(f"/forecast{_SITE}", about="site"),
    ("POST", "/forecast/run"): Cell(f"/forecast/run{_SITE}", about="site", body="{{}}"),
    ("POST", "/enpi/run"): Cell(f"/enpi/run{_SITE}", about="site", body='{{"seu": "compressors"}}'),
    ("POST", "/energy/run"): Cell(f"/energy/run{_SITE}", about="site", body="{{}}"),
    ("POST", "/advice/run"): Cell(f"/advice/run{_SITE}", about="site", body="{{}}"),
    ("GET", "/job"): Cell("/job?job=none", about=""),
    ("GET", "/packs"): Cell(f"/packs{_SITE}", about="site"),
    ("GET", "/packs/{pack}"): Cell(f"/packs/gri_2016{_SITE}&period=2025", about="site"),
    ("POST", "/packs/{pack}/answer"): Cell(
        f"/packs/gri_2016/answer{_SITE}&period=2025", about="site", body='{{"point": "305-1-f", "text": "x"}}'
    ),
    ("GET", "/reports"): Cell(f"/reports{_SITE}", about="site"),
    ("GET", "/reports/new"): Cell(f"/reports/new{_SITE}", about=""),
    ("POST", "/reports/new"): Cell("/reports/new", about="", body="{{}}"),
    ("GET", "/reports/{report_id:path}@{revision:int}"): Cell("/reports/enpi/{site}/2026-Q1@1", about="site"),
    ("GET", "/reports/{report_id:path}@{revision:int}/files/{kind}"): Cell(
        "/reports/enpi/{site}/2026-Q1@1/files/pdf", about="site"
    ),
    **{
        ("POST", f"/reports/{{report_id:path}}@{{revision:int}}/{act}"): Cell(
            f"/reports/enpi/{{site}}/2026-Q1@1/{act}", about="site", body="{{}}"
        )
        for act in ("return", "review", "publish", "withdraw")
    },
    ("GET", "/api/v1/ems/live"): Cell(f"/api/v1/ems/live{_SITE}", about="site"),
    ("GET", "/api/v1/ems/live/flow"): Cell(f"/api/v1/ems/live/flow{_SITE}", about="site"),
    ("GET", "/api/v1/ems/live/stream"): Cell(f"/api/v1/ems/live/stream{_SITE}", about="site"),
    ("GET", "/api/v1/ems/people"): Cell("/api/v1/ems/people", about=""),
    ("GET", "/api/v1/ems/keys"): Cell("/api/v1/ems/keys", about=""),
    ("GET", "/api/v1/ems/settings"): Cell("/api/v1/ems/settings", about=""),
    ("GET", "/api/v1/ems/sites"): Cell("/api/v1/ems/sites", about=""),
    ("GET", "/api/v1/ems/sites/{site_id}/text"): Cell("/api/v1/ems/sites/{site}/text", about="site"),
    ("PUT", "/api/v1/ems/sites/{site_id}/text"): Cell(
        "/api/v1/ems/sites/{site}/text", about="site", body='{{"text": "site_id: x"}}'
    ),
    ("PATCH", "/api/v1/ems/anomalies/{finding_id}"): Cell(
        f"/api/v1/ems/anomalies/none{_SITE}", about="site", body='{{"act": "explain", "reason": "works"}}'
    ),
    ("GET", "/api/v1/ems/sites/{site_id}"): Cell("/api/v1/ems/sites/{site}", about="site"),
    ("GET", "/api/v1/ems/scopes"): Cell(f"/api/v1/ems/scopes{_SITE}", about="site"),
    ("GET", "/api/v1/ems/kpis"): Cell(f"/api/v1/ems/kpis{_Q}&range=2026-01"),
    ("GET", "/api/v1/ems/kpis/catalogue"): Cell("/api/v1/ems/kpis/catalogue", about=""),
    ("GET", "/api/v1/ems/series"): Cell(f"/api/v1/ems/series{_Q}&range=2026-01"),
    ("GET", "/api/v1/ems/running"): Cell(f"/api/v1/ems/running{_SITE}", about="site"),
    ("GET", "/api/v1/ems/quality"): Cell(f"/api/v1/ems/quality{_SITE}&range=2026-01", about="site"),
    ("GET", "/api/v1/ems/analytics/consumption"): Cell(f"/api/v1/ems/analytics/consumption{_Q}&range=2026-01"),
    ("GET", "/api/v1/ems/analytics/cost"): Cell(f"/api/v1/ems/analytics/cost{_Q}&range=2026-01"),
    ("GET", "/api/v1/ems/analytics/carbon"): Cell(f"/api/v1/ems/analytics/carbon{_Q}&range=2026-01"),
    ("GET", "/api/v1/ems/analytics/savings"): Cell(f"/api/v1/ems/analytics/savings{_SITE}&range=2026-01", about="site"),
    ("GET", "/api/v1/ems/why"): Cell(f"/api/v1/ems/why{_Q}&kpi=energy_total&period=2026-01"),
    ("GET", "/api/v1/ems/jobs/{job_id}"): Cell("/api/v1/ems/jobs/none", about=""),
    ("GET", "/api/v1/ems/figures/{figure_id}"): Cell("/api/v1/ems/figures/none", about=""),
    ("GET", "/api/v1/ems/figures/{figure_id}/rows"): Cell("/api/v1/ems/figures/none/rows", about=""),
    ("GET", "/api/v1/ems/figures/{figure_id}/versions"): Cell("/api/v1/ems/figures/none/versions", about=""),
    ("GET", "/api/v1/ems/meters"): Cell(f"/api/v1/ems/meters{_SITE}", about="site"),
    ("GET", "/api/v1/ems/meters/proposals"): Cell(f"/api/v1/ems/meters/proposals{_SITE}", about="site"),
    ("GET", "/api/v1/ems/meters/balance"): Cell(f"/api/v1/ems/meters/balance{_SITE}&period=2026-01", about="site"),
    ("GET", "/api/v1/ems/readings/edits"): Cell(f"/api/v1/ems/readings/edits{_SITE}", about="site"),
    ("GET", "/api/v1/ems/readings/events"): Cell(f"/api/v1/ems/readings/events{_SITE}", about="site"),
    ("GET", "/api/v1/ems/quarantine"): Cell(f"/api/v1/ems/quarantine{_SITE}", about="site"),
    ("GET", "/api/v1/ems/bills"): Cell(f"/api/v1/ems/bills{_SITE}", about="site"),
    ("GET", "/api/v1/ems/baselines"): Cell(f"/api/v1/ems/baselines{_SITE}", about="site"),
    ("GET", "/api/v1/ems/baselines/adjustments"): Cell(f"/api/v1/ems/baselines/adjustments{_SITE}", about="site"),
    ("GET", "/api/v1/ems/enpi"): Cell(f"/api/v1/ems/enpi{_SITE}&seu=compressors&period=2026-01", about="site"),
    ("GET", "/api/v1/ems/carbon/factors"): Cell(f"/api/v1/ems/carbon/factors{_SITE}", about="site"),
    ("GET", "/api/v1/ems/carbon/report"): Cell(f"/api/v1/ems/carbon/report{_SITE}&period=2026-01", about="site"),
    ("GET", "/api/v1/ems/reports"): Cell(f"/api/v1/ems/reports{_SITE}", about="site"),
    ("GET", "/api/v1/ems/dispatch"): Cell(f"/api/v1/ems/dispatch{_SITE}", about="site"),
    ("GET", "/api/v1/ems/dispatch/ledger"): Cell(f"/api/v1/ems/dispatch/ledger{_SITE}", about="site"),
    ("GET", "/api/v1/ems/recommendations"): Cell(f"/api/v1/ems/recommendations{_SITE}", about="site"),
    ("GET", "/api/v1/ems/recommendations/{recommendation}"): Cell(
        f"/api/v1/ems/recommendations/none{_SITE}", about="site"
    ),
    **{
        ("POST", f"/api/v1/ems/recommendations/{{recommendation_id}}/{act}"): Cell(
            f"/api/v1/ems/recommendations/none/{act}{_SITE}", about="site", body=_REASON
        )
        for act in ("acknowledge", "schedule", "dismiss", "accept", "measure")
    },
    ("GET", "/api/v1/ems/nilm"): Cell(f"/api/v1/ems/nilm{_SITE}", about="site"),
    ("GET", "/api/v1/ems/nilm/{disaggregation}"): Cell(f"/api/v1/ems/nilm/none{_SITE}", about="site"),
    **{
        ("GET", f"/api/v1/ems/{path}"): Cell(f"/api/v1/ems/{path.partition('{')[0]}{named}{_SITE}", about="site")
        for path, named in (
            ("bills/{bill}", "none"),
            ("forecasts", ""),
            ("forecasts/scores", ""),
            ("forecasts/{forecast}", "none"),
            ("plans", ""),
            ("plans/{plan}", "none"),
            ("sources", ""),
        )
    },
    ("GET", "/api/v1/ems/what-ifs"): Cell(f"/api/v1/ems/what-ifs{_SITE}", about="site"),
    ("GET", "/api/v1/ems/weather"): Cell(f"/api/v1/ems/weather{_SITE}", about="site"),
    ("GET", "/api/v1/ems/devices/catalogue"): Cell("/api/v1/ems/devices/catalogue", about=""),
    ("GET", "/api/v1/ems/anomalies"): Cell(f"/api/v1/ems/anomalies{_SITE}", about="site"),
    ("GET", "/api/v1/ems/anomalies/events"): Cell(f"/api/v1/ems/anomalies/events{_SITE}", about="site"),
    ("GET", "/api/v1/ems/alerts"): Cell(f"/api/v1/ems/alerts{_SITE}", about="site"),
    ("GET", "/api/v1/ems/alerts/{rule}/preview"): Cell(f"/api/v1/ems/alerts/none/preview{_SITE}", about="site"),
    ("GET", "/api/v1/ems/orders"): Cell(f"/api/v1/ems/orders{_SITE}", about="site"),
    ("GET", "/api/v1/ems/orders/{order}"): Cell(f"/api/v1/ems/orders/none{_SITE}", about="site"),
    ("GET", "/data"): Cell(f"/data{_SITE}", about="site"),
    ("GET", "/bills"): Cell(f"/bills{_SITE}", about="site"),
    ("GET", "/bills/{bill_id}"): Cell(f"/bills/none{_SITE}", about="site"),
    ("GET", "/bills/{bill_id}/pages/{number}.png"): Cell(f"/bills/none/pages/1.png{_SITE}", about="site"),
    ("GET", "/bills/{bill_id}/pages/{number}"): Cell(f"/bills/none/pages/1{_SITE}", about="site"),
    ("POST", "/bills/{bill_id}/confirm"): Cell(f"/bills/none/confirm{_SITE}", about="site", body="{{}}"),
    ("POST", "/bills/{bill_id}/{act}"): Cell(f"/bills/none/dispute{_SITE}", about="site", body="{{}}"),
    ("GET", "/upload/bill"): Cell(f"/upload/bill{_SITE}", about="site"),
    ("POST", "/upload/bill/preview"): Cell(f"/upload/bill/preview{_SITE}", about="site", body="{{}}"),
    ("POST", "/upload/bill/add"): Cell(f"/upload/bill/add{_SITE}", about="site", body="{{}}"),
    ("GET", "/start"): Cell("/start", about=""),
    ("POST", "/start/files"): Cell("/start/files", about="", body="{{}}"),
    ("POST", "/start/map"): Cell("/start/map", about="", body="{{}}"),
    ("POST", "/start/confirm"): Cell("/start/confirm", about="", body="{{}}"),
    ("POST", "/data/quarantine/{item_id}/{act}"): Cell(
        f"/data/quarantine/none/retry{_SITE}", about="site", body="{{}}"
    ),
    ("POST", "/data/preview"): Cell(f"/data/preview{_SITE}", about="site", body="{{}}"),
    ("POST", "/data/map"): Cell(f"/data/map{_SITE}", about="site", body="{{}}"),
    ("POST", "/data/accept"): Cell(f"/data/accept{_SITE}", about="site", body="{{}}"),
    ("GET", "/findings"): Cell(f"/findings{_SITE}", about="site"),
    ("GET", "/findings/{finding_id}"): Cell(f"/findings/none{_SITE}", about="site"),
    ("POST", "/findings/{finding_id}/{act}"): Cell(f"/findings/none/mute{_SITE}", about="site", body="{{}}"),
    ("GET", "/tasks"): Cell(f"/tasks{_SITE}", about="site"),
    ("POST", "/tasks/approvals/{instance_id}"): Cell(f"/tasks/approvals/none{_SITE}", about="site", body="{{}}"),
    ("POST", "/tasks"): Cell(f"/tasks{_SITE}", about="site", body="{{}}"),
    ("GET", "/tasks.csv"): Cell(f"/tasks.csv{_SITE}", about="site"),
    ("GET", "/tasks/{order_id}"): Cell(f"/tasks/none{_SITE}", about="site"),
    ("POST", "/tasks/{order_id}/{act}"): Cell(f"/tasks/none/close{_SITE}", about="site", body="{{}}"),
    ("GET", "/advice"): Cell(f"/advice{_SITE}", about="site"),
    ("GET", "/advice/{recommendation_id}"): Cell(f"/advice/none{_SITE}", about="site"),
    **{
        ("POST", f"/advice/{{recommendation_id}}/{act}"): Cell(f"/advice/none/{act}{_SITE}", about="site", body="{{}}")
        for act in ("acknowledge", "schedule", "dismiss", "accept", "measure")
    },
    ("GET", "/demand-response"): Cell(f"/demand-response{_SITE}", about="site"),
    ("POST", "/demand-response"): Cell(f"/demand-response{_SITE}", about="site", body="{{}}"),
    ("GET", "/demand-response/{event_id}"): Cell(f"/demand-response/none{_SITE}", about="site"),
    **{
        ("POST", f"/demand-response/{{event_id}}/{act}"): Cell(
            f"/demand-response/none/{act}{_SITE}", about="site", body="{{}}"
        )
        for act in ("propose", "approve", "arm", "stop", "settle")
    },
    **{
        ("POST", f"/api/v1/ems/dr/events/{{event_id}}/{act}"): Cell(
            f"/api/v1/ems/dr/events/none/{act}{_SITE}", about="site", body=body
        )
        for act, body in (
            ("propose", _REASON),
            ("arm", _REASON),
            ("opt-out", _REASON),
            ("stop", _REASON),
            ("settle", "{{}}"),
            ("approve", '{{"reason": "fits", "digest": "4a1eaf5b1007"}}'),
        )
    },
    ("GET", "/api/v1/ems/dr/events"): Cell(f"/api/v1/ems/dr/events{_SITE}", about="site"),
    ("POST", "/api/v1/ems/dr/events"): Cell(
        f"/api/v1/ems/dr/events{_SITE}",
        about="site",
        body='{{"programme": "own_peak", "event": "2025-03-17T17:00Z/2025-03-17T18:00Z", "target_kw": 5}}',
    ),
    ("GET", "/api/v1/ems/dr/events/{event}"): Cell(f"/api/v1/ems/dr/events/none{_SITE}", about="site"),
    ("GET", "/api/v1/ems/workflows/{name}"): Cell(f"/api/v1/ems/workflows/daily_digest{_SITE}", about="site"),
    ("POST", "/api/v1/ems/workflows/instances/{instance_id}/approve"): Cell(
        f"/api/v1/ems/workflows/instances/none/approve{_SITE}", about="site", body=_REASON
    ),
    ("GET", "/api/v1/ems/dr/loads"): Cell(f"/api/v1/ems/dr/loads{_SITE}", about="site"),
    ("GET", "/api/v1/ems/accounts"): Cell(f"/api/v1/ems/accounts{_SITE}", about="site"),
    ("GET", "/api/v1/ems/tariffs"): Cell(f"/api/v1/ems/tariffs{_SITE}", about="site"),
    ("GET", "/api/v1/ems/tariffs/carriers"): Cell(f"/api/v1/ems/tariffs/carriers{_SITE}", about="site"),
    ("GET", "/api/v1/ems/tariffs/shipped"): Cell("/api/v1/ems/tariffs/shipped", about=""),
    ("GET", "/api/v1/ems/baselines/{baseline_id:path}"): Cell("/api/v1/ems/baselines/{site}/line/enb", about="site"),
    ("GET", "/api/v1/ems/carbon/restatement"): Cell(
        f"/api/v1/ems/carbon/restatement{_SITE}&period=2026-01&from=2026-02-01T00:00:00Z&to=2026-03-01T00:00:00Z",
        about="site",
    ),
    ("GET", "/api/v1/ems/reports/templates"): Cell("/api/v1/ems/reports/templates", about=""),
    ("GET", "/api/v1/ems/reports/runs/{revision:path}"): Cell(
        "/api/v1/ems/reports/runs/enpi/{site}/2026-Q1@1", about="site"
    ),
    **{
        (method, f"/api/v1/ems/{path}"): Cell(f"/api/v1/ems/{asked}{_SITE}", about="site", body=body)
        for method, path, asked, body in (
            (
                "POST",
                "accounts/{account}/tariffs",
                "accounts/A/tariffs",
                '{{"tariff": "T", "from": "2026-01-01", "to": "2026-02-01", "reason": "x"}}',
            ),
            ("POST", "meters/{meter}", "meters/main", _REASON),
            ("PATCH", "meters/{meter}", "meters/main", _REASON),
            ("POST", "meters/proposals/{proposal_id}/accept", "meters/proposals/none/accept", _REASON),
            ("POST", "meters/proposals/{proposal_id}/reject", "meters/proposals/none/reject", _REASON),
            ("POST", "readings", "readings", ""),
            ("POST", "readings/edits", "readings/edits", '{{"meter": "none", "reason": "x"}}'),
            (
                "POST",
                "readings/events",
                "readings/events",
                '{{"meter": "none", "kind": "exchange", "at": "2026-01-01T00:00", "reason": "x"}}',
            ),
            ("POST", "readings/events/{event_id}/withdraw", "readings/events/none/withdraw", _REASON),
            ("POST", "tariffs", "tariffs", ""),
            ("PATCH", "tariffs", "tariffs", ""),
            ("POST", "bills", "bills", ""),
            ("POST", "bills/{bill}/reconcile", "bills/none/reconcile", "{{}}"),
            *(
                ("POST", f"bills/{{bill}}/{act}", f"bills/none/{act}", _REASON)
                for act in ("dispute", "accept", "confirm", "withdraw")
            ),
            ("POST", "baselines", "baselines", '{{"seu": "none"}}'),
            *(
                ("POST", f"baselines/{{baseline_id:path}}/{act}", f"baselines/{{site}}/line/enb/{act}", _REASON)
                for act in ("approve", "reject", "adjustments")
            ),
            *(
                ("POST", f"baselines/adjustments/{{adjustment}}/{act}", f"baselines/adjustments/none/{act}", _REASON)
                for act in ("approve", "withdraw")
            ),
            ("POST", "mv/runs/{name:path}", "mv/runs/{site}/led", "{{}}"),
            (
                "POST",
                "carbon/factors/{factor_id}/withdraw",
                "carbon/factors/none/withdraw",
                '{{"reason": "x", "tenant": "{site}"}}',
            ),
            ("POST", "forecast", "forecast", "{{}}"),
            ("POST", "plans", "plans", "{{}}"),
            ("POST", "ai/recommend", "ai/recommend", '{{"period": "2026-01"}}'),
            ("POST", "nilm/run", "nilm/run", "{{}}"),
            (
                "POST",
                "dr/profiles/{load}",
                "dr/profiles/fans",
                '{{"event": "2026-01-01T00:00/2026-01-01T01:00", "reason": "x"}}',
            ),
            ("POST", "reports/{name}/run", "reports/enpi/run", '{{"period": "2026-01"}}'),
            *(
                ("POST", f"reports/{{revision:path}}/{act}", f"reports/enpi/{{site}}/2026-Q1@1/{act}", _REASON)
                for act in ("review", "return", "publish", "withdraw")
            ),
        )
    },
    ("POST", "/api/v1/ems/carbon/factors"): Cell("/api/v1/ems/carbon/factors?tenant={site}", about="site"),
    ("GET", "/devices"): Cell(f"/devices{_SITE}", about="site"),
    ("GET", "/devices/{device_id}"): Cell(f"/devices/none{_SITE}", about="site"),
    ("POST", "/devices/run"): Cell(f"/devices/run{_SITE}", about="site", body="{{}}"),
    ("POST", "/devices/stop"): Cell(f"/devices/stop{_SITE}", about="site", body="{{}}"),
    ("POST", "/devices/holiday"): Cell(f"/devices/holiday{_SITE}", about="site", body="{{}}"),
    ("POST", "/devices/pause"): Cell(f"/devices/pause{_SITE}", about="site", body="{{}}"),
    ("POST", "/devices/mode"): Cell(f"/devices/mode{_SITE}", about="site", body="{{}}"),
    ("POST", "/devices/requests/{request_id}/{act}"): Cell(
        f"/devices/requests/0/approve{_SITE}", about="site", body="{{}}"
    ),
    ("POST", "/devices/{device_id}/acknowledge"): Cell(f"/devices/none/acknowledge{_SITE}", about="site", body="{{}}"),
    ("POST", "/devices/{device_id}/{act}"): Cell(f"/devices/none/pause{_SITE}", about="site", body="{{}}"),
    ("GET", "/api/v1/seus"): Cell("/api/v1/seus", about=""),
    ("POST", "/api/v1/seus"): Cell("/api/v1/seus", about="", body="{{}}"),
    ("GET", "/api/v1/energy-sources"): Cell("/api/v1/energy-sources", about=""),
    ("POST", "/api/v1/baseline/seu/train"): Cell("/api/v1/baseline/seu/train", about="", body="{{}}"),
    ("POST", "/api/v1/reports/seu-performance"): Cell("/api/v1/reports/seu-performance", about="", body="{{}}"),
    ("GET", "/api/v1/analytics/enpi"): Cell(
        "/api/v1/analytics/enpi?seu_id={site}/compressors&start_year=2025&end_year=2025", about="site"
    ),
}
