"""How every command and every page is asked for a recording, or why it is left out.

`{name}` stands for what DEMO or OLD put there, or FOUND finds in the project's own answers. A site that a project does
not have is refused by it, and the refusal is recorded. Examples with `inputs/` need no project and are asked once.
"""

from typing import NamedTuple


class LeftOut(NamedTuple):
    """Why a command or a route is not recorded."""

    reason: str


WRITES = LeftOut("writes to the project")
RUNS_ON = LeftOut("runs until it is stopped")
HARDWARE = LeftOut("needs a device, a broker or a network")
SECRET = LeftOut("makes a secret, which is new each time")

DEMO = {
    "site": "factory", "seu": "compressors", "period": "2025-Q4", "month": "2025-12", "day": "2025-12-10",
    "report": "enpi_quarter/factory/2025-Q4@1", "meter": "main", "live": "home",
}  # fmt: skip
OLD = DEMO | {
    "site": "works", "seu": "line", "period": "2025-Q1", "month": "2025-03", "day": "2025-03-10",
    "report": "enpi_quarter/works/2025-Q1@1",
}  # fmt: skip
# Name -> the command whose JSON holds it, and where.
FOUND = {
    "item": ("quarantine list --site tower", ("items", 0, "item_id")),
    "kpi_figure": ("kpis --site {site} --period {month}", ("rows", 0, "figure_id")),
}
METER = "--energy inputs/energy.csv --weather inputs/weather.csv --tz Europe/Berlin"
LOAD = "--tariff inputs/tariff.yaml --load inputs/energy.csv --tz Europe/Berlin"
TRAIN = f"{METER} --frequency daily --train 2025-01-01/2025-07-01"

COMMANDS: dict[str, tuple[str, ...] | LeftOut] = {
    "demo": LeftOut("writes a project; the recording is made from what it writes"),
    "init": WRITES,
    "next": ("", "--site {site}"),
    "up": RUNS_ON,
    "check": ("",),
    "doctor": LeftOut("describes the machine: versions, ports, free disk"),
    "sniff": ("inputs/energy.csv inputs/weather.csv",),
    "ingest": ("inputs/energy.csv --site {site} --dry-run",),
    "pull": HARDWARE,
    "quality": ("--site {site} --from 2025-03-01 --to 2025-03-08", "--energy inputs/energy.csv --tz Europe/Berlin"),
    "kpis": (
        "--site {site} --period {period}", "--site {site} --period 2025 --grain year",
        "--site tower --period 2025-12 --long", "--site home --period 2025-12-20/2025-12-23 --grain day",
        "--portfolio --period 2025-Q4", "--site factory --period 2025-12-10 --grain hour --scope seu:compressors",
    ),
    "running": ("--site {site}", "--site factory --at 2025-03-17T14:30:00+01:00"),
    "enpi": (
        "--site {site} --seu {seu} --period {period}", "--site {site} --seu {seu} --period 2025 --trend",
        "--site factory --seu hvac --period 2025-Q2", "--site tower --seu hvac --period 2025-Q4",
    ),
    "conformance": ("--standard CalTRACK",),
    "plan": (
        "inputs/case.json --write-lp inputs/case.lp", "inputs/case.json --explain --tz Europe/Prague",
        "inputs/case.json --solver cbc", "--site home --for 2025-12-20",
    ),
    "replay": ("2026-01-05 --site home --policy no_control",),
    "simulate": ("--site home --from 2025-12-01 --to 2025-12-02 --policy no_control --stated-rooms",),
    "offer": HARDWARE,
    "agent": RUNS_ON,
    "report": LeftOut("writes a revision; recorded as reports"),
    "trace": ("{figure} --rows", "{last_figure} --versions", "{kpi_figure}"),
    "pack": LeftOut("signs a file with its own time"),
    "verify": LeftOut("needs a pack, which is signed with its own time; tests/stores verifies that of the old project"),
    "quarantine list": ("--site tower", "--files --all --site tower"),
    "quarantine show": ("{item}",),
    "quarantine retry": WRITES,
    "readings edit": WRITES,
    "readings edits": ("--site {site}",),
    "readings event": WRITES,
    "readings events": ("--site {site}", "--site tower"),
    "readings withdraw": WRITES,
    "readings recompute": ("--site {site} --dry-run", "--site tower --dry-run"),
    "sources list": ("--site {site}", "--site home"),
    "sources test": HARDWARE,
    "sources tail": HARDWARE,
    "lake sweep": ("--dry-run",),
    "lake compact": LeftOut("counts the bytes of files that hold random ids"),
    "lake adopt": WRITES,
    "lake restore": WRITES,
    "findings list": ("--site {site}", "--site tower --all"),
    "findings acknowledge": WRITES,
    "findings mute": WRITES,
    "findings explain": WRITES,
    "findings reopen": WRITES,
    "meters list": ("--site {site}", "--site tower --on 2025-10-01"),
    "meters discover": ("--site {site} --period {month}",),
    "meters propose": WRITES,
    "meters proposals": ("--site {site}",),
    "meters accept": WRITES,
    "meters reject": WRITES,
    "meters balance": ("--site {site} --period {month}", "--site tower --period 2025-12"),
    "tariff show": ("inputs/tariff.yaml",),
    "tariff check": ("inputs/tariff.yaml", "inputs/factors.csv"),
    "tariff import": ("inputs/tariff.yaml --out inputs/imported.yaml",),
    "bill": (LOAD,),
    "bill compare": (f"--tariff inputs/flat.yaml {LOAD}",),
    "bill reconcile": ("--stored --site {site}",),
    "bill add": WRITES,
    "bill list": ("--site {site}", "--site {site} --calendarised"),
    "bill override": WRITES,
    "carbon": ("--activity inputs/activity.csv --factors inputs/factors.csv --gwp AR5",),
    "carbon chp": ("--fuel-kgco2e 100000 --heat-kwh 250000 --power-kwh 150000",),
    "carbon footprint": (
        "--site {site} --period {period}", "--portfolio --period 2025", "--site tower --period 2025-Q4",
    ),
    "carbon restate": ("--site {site} --period 2025 --from 2026-01-01T00:00:00Z --to 2027-01-01T00:00:00Z",),
    "factors import": LeftOut("needs a public table of a publisher"),
    "factors add": WRITES,
    "factors withdraw": WRITES,
    "factors list": ("", "--on 2025-06-01 --history"),
    "seu list": ("", "--active"),
    "baseline fit": (TRAIN, f"{METER} --frequency hourly --train 2025-01-01/2025-07-01"),
    "baseline savings": (f"{TRAIN} --report 2025-07-01/2025-10-01",),
    "baseline adjust": WRITES,
    "baseline adjustments": ("--site {site}",),
    "baseline monitor": LeftOut("fits and registers a monitoring baseline"),
    "baseline project": ("factory/compressed_air",),
    "baseline shadow": ("--site {site}",),
    "baseline list": ("--site {site}",),
    "baseline show": ("{site}/{seu}/enb",),
    "baseline approve": WRITES,
    "forecast backtest": (f"{METER} --horizon 24h --folds 2",),
    "forecast run": (f"{METER} --issue 2025-09-20T00:00+02:00 --horizon 48h",),
    "forecast issue": WRITES,
    "models list": ("",),
    "models promote": WRITES,
    "models rollback": WRITES,
    "weather import": WRITES,
    "weather fetch": HARDWARE,
    "weather list": ("--site home",),
    "rooms fit": ("inputs/room.csv --tz Europe/Berlin",),
    "dispatch status": ("--site home",),
    "dispatch mode": WRITES,
    "dispatch approve": WRITES,
    "dispatch override": WRITES,
    "dispatch ledger": ("--site home",),
    "dispatch verify": ("--site home",),
    "dispatch ack": WRITES,
    "dispatch stop": WRITES,
    "devices list": ("--site home",),
    "devices catalogue": ("", "--kind battery"),
    "devices show": ("sunspec_pv_704", "battery --site home"),
    "devices read": HARDWARE,
    "devices key": SECRET,
    "devices discover": HARDWARE,
    "devices test": HARDWARE,
    "reports list": ("",),
    "reports review": WRITES,
    "reports publish": WRITES,
    "reports deliver": WRITES,
    "reports diff": ("{report}", "enpi_quarter/tower/2025-Q4@2 --with 1"),
    "keys new": SECRET,
    "keys adopt": WRITES,
    "keys list": ("",),
    "keys issue": SECRET,
    "keys revoke": WRITES,
    "web": RUNS_ON,
    "web invite": SECRET,
    "web tools": SECRET,
    "web past": WRITES,
}  # fmt: skip

EMS = "/api/v1/ems"
SITE = "?site={site}"
SPAN = "?site={site}&range={month}"
WHY = "?site={site}&scope=site:{site}&kpi=consumption_kwh&period={month}"
ROUTES: dict[str, tuple[str, ...] | LeftOut] = {
    "/login": ("/login",),
    "/invitation/{token}": ("/invitation/none",),
    "/profile": ("/profile", "/profile?locale=de"),
    "/": ("/",),
    "/board/home": ("/board/home?site=home", "/board/home?site=home&locale=de", "/board/home?site=home&locale=ar"),
    "/board/ops": (f"/board/ops{SITE}", "/board/ops?site=tower", "/board/ops?site=home&locale=de",
                   f"/board/ops{SITE}&locale=ar"),
    "/board/site": (f"/board/site{SITE}", "/board/site?site=tower", "/board/site?site=tower&scope=tenant:law",
                    "/board/site?site=tower&locale=de"),
    "/board/exec": ("/board/exec", "/board/exec?period={month}", "/board/exec?period={month}&locale=fr",
                    "/board/exec?period={month}&locale=de", "/board/exec?locale=ar"),
    "/board/audit": (f"/board/audit{SITE}", f"/board/audit{SITE}&locale=de"),
    "/live": (f"/live{SITE}", "/live?site=home", f"/live{SITE}&locale=de"),
    "/energy": (
        f"/energy{SITE}&period={{month}}&grain=day", f"/energy{SITE}&period={{day}}&grain=hour&compare=previous",
        f"/energy{SITE}&period={{month}}&grain=day&locale=ar", "/energy?site=tower&period=2025-12&grain=day",
        f"/energy{SITE}&period=nonsense", f"/energy{SITE}&period={{day}}&grain=quarter&compare=previous&locale=de",
    ),
    "/energy.csv": (f"/energy.csv{SITE}&period={{month}}&grain=day",),
    "/why": (f"/why{WHY}", f"/why{WHY}&locale=de", f"/why{WHY}&locale=ar", "/why?figure={figure}",
             "/why?figure={figure}&locale=de", "/why?figure={last_figure}"),
    "/why/readings.csv": (f"/why/readings.csv{WHY}",),
    "/enpi": (f"/enpi{SITE}", f"/enpi{SITE}&locale=es", "/enpi?site=tower", "/enpi?locale=de"),
    "/enpi/{site}/{seu}": ("/enpi/{site}/{seu}", "/enpi/{site}/{seu}?period={period}", "/enpi/tower/hvac?locale=nl",
                           "/enpi/{site}/{seu}?locale=de", "/enpi/{site}/{seu}?period={period}&locale=ar"),
    "/enpi/{site}/{seu}/quarters.csv": ("/enpi/{site}/{seu}/quarters.csv",),
    "/reports/{report_id:path}@{revision:int}": ("/reports/{report}", "/reports/enpi_quarter/tower/2025-Q4@2"),
    "/reports": ("/reports", f"/reports{SITE}&locale=it", "/reports?all=1&locale=de"),
    "/healthz": ("/healthz",),
    "/readyz": ("/readyz",),
    "/metrics": LeftOut("counts what this process did"),
    "/api/openapi.json": ("/api/openapi.json",),
    "/api/docs": ("/api/docs",),
    f"{EMS}/live": (f"{EMS}/live{SITE}", f"{EMS}/live?site=home"),
    f"{EMS}/live/flow": (f"{EMS}/live/flow?site=home",),
    f"{EMS}/live/stream": RUNS_ON,
    f"{EMS}/sites": (f"{EMS}/sites",),
    f"{EMS}/sites/{{site_id}}": (f"{EMS}/sites/{{site}}", f"{EMS}/sites/tower"),
    f"{EMS}/scopes": (f"{EMS}/scopes{SITE}", f"{EMS}/scopes?site=tower"),
    f"{EMS}/kpis": (
        f"{EMS}/kpis{SPAN}", f"{EMS}/kpis?site=tower&range=2025-12&limit=1000", f"{EMS}/kpis{SPAN}&grain=day",
    ),
    f"{EMS}/kpis/catalogue": (f"{EMS}/kpis/catalogue",),
    f"{EMS}/series": (f"{EMS}/series{SPAN}&grain=day", f"{EMS}/series{SITE}&range={{day}}"),
    f"{EMS}/running": (f"{EMS}/running{SITE}", f"{EMS}/running?site=tower"),
    f"{EMS}/quality": (f"{EMS}/quality{SPAN}", f"{EMS}/quality?site=tower&range=2025-12"),
    f"{EMS}/analytics/consumption": (
        f"{EMS}/analytics/consumption{SPAN}&breakdown=seu&compareWith=previous",
        f"{EMS}/analytics/consumption?site=tower&range=2025-12",
    ),
    f"{EMS}/analytics/cost": (f"{EMS}/analytics/cost{SPAN}",),
    f"{EMS}/analytics/carbon": (f"{EMS}/analytics/carbon{SPAN}",),
    f"{EMS}/analytics/savings": (f"{EMS}/analytics/savings{SPAN}",),
    f"{EMS}/jobs/{{job_id}}": (f"{EMS}/jobs/none",),
    "/api/v1/seus": ("/api/v1/seus",),
    "/api/v1/energy-sources": ("/api/v1/energy-sources",),
    "/api/v1/analytics/enpi": ("/api/v1/analytics/enpi?seu_id={site}/{seu}&start_year=2025&end_year=2025",),
    f"{EMS}/figures/{{figure_id}}": (f"{EMS}/figures/{{figure}}", f"{EMS}/figures/none"),
    f"{EMS}/figures/{{figure_id}}/rows": (f"{EMS}/figures/{{figure}}/rows",),
    f"{EMS}/figures/{{figure_id}}/versions": (f"{EMS}/figures/{{figure}}/versions",),
    f"{EMS}/why": (f"{EMS}/why{WHY}", f"{EMS}/why?site=tower&scope=tenant:law&kpi=cost&period=2025-12&grain=month"),
    f"{EMS}/anomalies": (f"{EMS}/anomalies{SITE}", f"{EMS}/anomalies?site=tower&all=true"),
    "/findings": (f"/findings{SITE}", "/findings?site=tower&locale=de"),
    "/findings/{finding_id}": ("/findings/none?site=factory",),
    f"{EMS}/meters": (f"{EMS}/meters{SITE}",),
    f"{EMS}/meters/proposals": (f"{EMS}/meters/proposals{SITE}",),
    f"{EMS}/meters/balance": (f"{EMS}/meters/balance{SITE}&period={{month}}",),
    f"{EMS}/readings/edits": (f"{EMS}/readings/edits{SITE}",),
    f"{EMS}/readings/events": (f"{EMS}/readings/events{SITE}",),
    f"{EMS}/quarantine": (f"{EMS}/quarantine?site=tower",),
    f"{EMS}/bills": (f"{EMS}/bills{SITE}",),
    f"{EMS}/baselines": (f"{EMS}/baselines{SITE}",),
    f"{EMS}/baselines/adjustments": (f"{EMS}/baselines/adjustments{SITE}",),
    f"{EMS}/enpi": (f"{EMS}/enpi{SITE}&seu={{seu}}&period={{period}}&trend=true",),
    f"{EMS}/carbon/factors": (f"{EMS}/carbon/factors{SITE}", f"{EMS}/carbon/factors{SITE}&on=2025-06-01&history=true"),
    f"{EMS}/carbon/report": (f"{EMS}/carbon/report{SITE}&period={{period}}",),
    f"{EMS}/reports": (f"{EMS}/reports{SITE}",),
    f"{EMS}/dispatch": (f"{EMS}/dispatch?site=home",),
    f"{EMS}/dispatch/ledger": (f"{EMS}/dispatch/ledger?site=home",),
    f"{EMS}/weather": (f"{EMS}/weather?site=home",),
    f"{EMS}/devices/catalogue": (f"{EMS}/devices/catalogue?kind=battery",),
    "/static/{digest}/{name:path}": ("{style}", "/static/none/app.css"),
}  # fmt: skip


def unanswered(names: list[str], table: dict[str, tuple[str, ...] | LeftOut]) -> list[str]:
    """Names of commands or routes that have neither an example nor a reason to be left out."""
    return [name for name in names if not table.get(name)]
