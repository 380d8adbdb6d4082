"""A small project that pages can be looked at with: a works of three meters, ten weeks, one report, nobody's data."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from tests.e2e.conftest import call_here
from tests.reports.plant import plant_baseline

SITE, SCOPE = "works", "site:works"
# Sunday 29 March has 92 quarter hours in Berlin, and Sunday 26 October of the year before 100.
START, END = datetime(2026, 2, 1, 0, 0, tzinfo=UTC), datetime(2026, 4, 14, 22, 0, tzinfo=UTC)
AUTUMN = (datetime(2025, 10, 25, 22, 0, tzinfo=UTC), datetime(2025, 10, 26, 23, 0, tzinfo=UTC))
NOW = datetime(2026, 4, 15, 9, 0, tzinfo=UTC)
STEP = timedelta(minutes=15)
GAP = (datetime(2026, 4, 9, 3, 0, tzinfo=UTC), datetime(2026, 4, 9, 9, 0, tzinfo=UTC))
LEVELS_KW = {"main": 60.0, "compressors": 22.0, "law": 9.0}
SITE_FILE = """\
site_id: works
name: Works <b>&amp; Sons
time_zone: Europe/Berlin
currency: EUR
country: DE
floor_area_m2: 4000
floor_area_definition: GFA
is_simulated: true
meters:
  - {meter_id: main, name: Supply}
  - meter_id: compressors
    # What somebody may write there: a formula, markup, a mark that turns the direction, three hundred letters.
    name: "=Compressors \\"><script>alert(1)</script><img src=x onerror=alert(1)> \\u202eafter MORE"
    parent: main
  - {meter_id: law, name: Law firm, parent: main}
assets:
  - {asset_id: battery, name: "Battery <i>of the hall", kind: battery, template: sim_battery_10kwh}
seus:
  - {seu_id: air, name: "Compressed <b>air", meters: [compressors], baseline: {start: 2026-02-02, end: 2026-03-30}}
premises:
  tenants:
    - {tenant_id: law, name: Law firm, meters: [{meter: law}], floor_areas: [{m2: 800, definition: NLA}]}
tariffs:
  - tariff_id: tou
    name: Time of use
    valid_from: 2026-01-01
    valid_to: 2027-01-01
    periods:
      - {period_id: peak, price_per_kwh: 0.28, day_types: [weekday], start: 08:00, end: 20:00}
      - {period_id: early, price_per_kwh: 0.19, day_types: [weekday], start: 00:00, end: 08:00}
      - {period_id: late, price_per_kwh: 0.19, day_types: [weekday], start: 20:00, end: 00:00}
      - {period_id: free, price_per_kwh: 0.19, day_types: [weekend, holiday]}
factors:
  - {factor_id: grid, kgco2e_per_kwh: 0.38, valid_from: 2026-01-01, valid_to: 2027-01-01, source: made for a test}
""".replace("MORE", "letters " * 40)
PEOPLE = """\
people:
  - {person_id: olga, name: Olga Operator, roles: [operator, reviewer, auditor, engineer, admin]}
  - {person_id: rosa, name: Rosa Auditor, roles: [viewer, auditor]}
  - {person_id: lena, name: Lena Law, roles: [tenant], tenants: [law], sites: [works]}
"""


def make_small_project(folder: Path) -> None:
    """The project's files, its readings, its marts and one stored report."""
    (folder / "sites").mkdir(parents=True)
    (folder / "meterloom.yaml").write_text("{}\n")
    (folder / "people.yaml").write_text(PEOPLE)
    (folder / "sites" / "works.yaml").write_text(SITE_FILE)
    (folder / "meters.csv").write_text(_readings())
    _do("ingest", str(folder / "meters.csv"), "--site", SITE, "--project", str(folder))
    _do("kpis", "--site", SITE, "--period", "2026-03", "--project", str(folder))
    _baseline(folder)
    _do("report", "data_quality", "--site", SITE, "--period", "2026-03", "--project", str(folder))


def _do(*words: str) -> None:
    code, _, error = call_here(*words)
    assert code == 0, f"{words}: {error}"


def _baseline(folder: Path) -> None:
    """A baseline of the use, which nobody approved."""
    project = OpenProject(str(folder))
    fit = plant_baseline("hvac")
    # By no driver: a mean a day.
    alone = {"feature_order": (), "coefficients": fit.coefficients[:1], "driver_ranges": {}}
    fit = fit.model_copy(update={"seu_id": "air", "site_id": SITE, **alone})
    project.baselines.add(fit, "run", "f" * 64, "olga", FixedClock(NOW))
    project.close()


def _readings() -> str:
    """Quarter hours of loads that follow the day and the week; six hours are missing."""
    lines = ["meter,register,timestamp,kwh,is_synthetic"]
    steps = [first + STEP * at for first, end in (AUTUMN, (START, END)) for at in range((end - first) // STEP)]
    for at in steps:
        hour = at.hour + at.minute / 60
        share = 0.35 + 0.65 * max(0.0, math.sin((hour - 5) / 14 * math.pi)) * (0.4 if at.weekday() > 4 else 1.0)
        wave = 1 + 0.08 * math.sin(at.timetuple().tm_yday * 1.7)
        for meter, level_kw in LEVELS_KW.items():
            if not GAP[0] <= at < GAP[1]:
                lines.append(f"{meter},import,{at:%Y-%m-%dT%H:%M:%SZ},{level_kw * share * wave / 4:.3f},true")
    return "\n".join([*lines, ""])
