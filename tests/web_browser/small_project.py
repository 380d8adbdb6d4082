"""A small project that pages can be looked at with: a works of three meters, ten weeks, one report, a bill, a task, a
recommendation, an event of demand response; nobody's data.
"""

import hashlib
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from assets.bills.stored import audit_bills, bills_of
from assets.stores.ledgers.bill_ledger import BillStore
from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.ledgers.recommendations import Recommendations
from assets.stores.ledgers.work_orders import WorkOrders
from data_quality.contracts.billing.supplier_bill import BilledLine, Place, SupplierBill
from data_quality.contracts.control.curtailment import CurtailmentPlan, ShedReturn, ShedStep
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.reporting.recommendation import AdvicePlace, AdviceSentence, Recommendation
from data_quality.contracts.reporting.work_order import WorkOrder
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
  - {person_id: olga, name: Olga Operator, roles: [operator, reviewer, auditor, engineer, analyst, admin]}
  - {person_id: rosa, name: Rosa Auditor, roles: [viewer, auditor]}
  - {person_id: lena, name: Lena Law, roles: [tenant], tenants: [law], sites: [works]}
"""
ADVICE = {
    "recommendation_id": "a1", "site_id": SITE, "kind": "base_load", "scope": "meter:compressors",
    "start": date(2026, 2, 1), "end": date(2026, 4, 1), "savings_kwh": Decimal(1200),
    "interval_kwh": (Decimal(900), Decimal(1500)), "savings_money": Decimal(240),
    "interval_money": (Decimal(180), Decimal(300)), "currency": "EUR", "savings_kgco2e": None,
    "interval_kgco2e": None, "cost_money": None, "cost_source": "", "payback_months": None, "interval_months": None,
    "difficulty": 1, "confidence": 0.9, "workflow": "recommendation_accepted",
    "sentences": (
        AdviceSentence(
            pattern="{0} stayed on in {1} of {2} nights and free days, with {3} more than in the others",
            places=(AdvicePlace(text="meter:compressors"), *(AdvicePlace(text="site:<b>x</b>"),) * 3),
        ),
    ),
}  # fmt: skip


def make_small_project(folder: Path) -> None:
    """The project's files, its readings, its marts and one stored report."""
    (folder / "sites").mkdir(parents=True)
    (folder / "meterloom.yaml").write_text("{}\n")
    (folder / "people.yaml").write_text(PEOPLE)
    (folder / "sites" / "works.yaml").write_text(SITE_FILE)
    (folder / "meters.csv").write_text(_readings())
    _do("ingest", str(folder / "meters.csv"), "--site", SITE, "--project", str(folder))
    _do("kpis", "--site", SITE, "--period", "2026-03", "--project", str(folder))
    _records(folder)
    _do("report", "data_quality", "--site", SITE, "--period", "2026-03", "--project", str(folder))


def _do(*words: str) -> None:
    code, _, error = call_here(*words)
    assert code == 0, f"{words}: {error}"


def _records(folder: Path) -> None:
    """What people decide on: a baseline that nobody approved, a bill, a task, a recommendation, an event."""
    project, clock = OpenProject(str(folder)), FixedClock(NOW)
    fit = plant_baseline("hvac")
    # By no driver: a mean a day.
    alone = {"feature_order": (), "coefficients": fit.coefficients[:1], "driver_ranges": {}}
    fit = fit.model_copy(update={"seu_id": "air", "site_id": SITE, **alone})
    project.baselines.add(fit, "run", "f" * 64, "olga", clock)
    _bill(project, folder / "bill.csv")
    order = WorkOrder(order_id="o1", site_id=SITE, title="Look at the <b>fan", priority="P2", reason="it runs at night")
    WorkOrders(project.store).create(order, clock)
    Recommendations(project.store).add([Recommendation.model_validate(ADVICE)], clock)
    start, end = NOW + timedelta(hours=1), NOW + timedelta(hours=3)
    plan = CurtailmentPlan.sealed(
        site=SITE, start_utc=start, end_utc=end, target_kw=4.0, preference="cost", expected_kwh=8.0,
        interval_kwh=(5.0, 11.0), rebound_kwh=1.0, cost=0.8, currency="EUR", limits=("Rooms stay warm",),
        steps=(ShedStep(load="fan <b>one</b>", start_utc=start, end_utc=end, kw=4.0),),
        returns=(ShedReturn(load="fan <b>one</b>", at_utc=end, rebound_kwh=1.0),),
    )  # fmt: skip
    event = DrEvent(
        event_id="d1", site_id=SITE, programme="own_peak", state="proposed", start_utc=start, end_utc=end,
        target_kw=4.0, told_utc=NOW, digest="ab" * 32, plan=plan, person_id="rosa", reason="peak day",
    )  # fmt: skip
    DrEvents(project.store).create(event, clock)
    project.close()


def _bill(project: OpenProject, path: Path) -> None:
    """A bill of March of two lines, compared with the meter: it differs."""
    path.write_text("INV-1\n")
    lines = tuple(
        BilledLine(
            place=Place(line=number), label=label, quantity=quantity, unit="kWh", rate=rate, amount=quantity * rate
        )
        for number, label, quantity, rate in (
            (1, "Peak energy <i>", Decimal(9000), Decimal("0.28")),
            (2, "Off-peak energy", Decimal(12000), Decimal("0.19")),
        )
    )
    bill = SupplierBill(
        file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), supplier="Stadtwerke", invoice="INV-1",
        account="4711", meter="main", start=date(2026, 3, 1), end=date(2026, 4, 1), tariff_codes=("tou",),
        currency="EUR", lines=lines, total=sum((each.amount for each in lines), Decimal(0)),
    )  # fmt: skip
    books, clock = BillStore(project.project.data_dir / "bills", project.store), FixedClock(NOW)
    books.keep_bill(path, bill, site_id=SITE, clock=clock)
    site = project.site(SITE)
    audit_bills(bills_of(books, site), books, project.lake, site, clock=clock)


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
