"""Acts of an old project's devices on its ledger: a plan, commands through their states, a latched fault."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from assets.sites.load_sites import load_site
from assets.stores.ledgers.plans import PlanStore
from assets.stores.transactions import Connection, open_store, site_transaction
from controls.ledger.device_faults import latch_fault
from controls.ledger.outbox import release
from controls.ledger.rows import LedgerRow, select_commands, transition
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import commands_of, make_plan
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import EvidenceGrade, Mode
from data_quality.contracts.control.plan import BatteryParams, PlanRequest
from data_quality.contracts.time import SystemClock

HOME = """\
site_id: home
name: Home
time_zone: Europe/Prague
currency: CZK
country: CZ
is_simulated: true
meters:
  - {meter_id: grid, connected_load_kw: 17}
  - {meter_id: battery, parent: grid, connected_load_kw: 5, registers: [{register_id: charge}]}
assets:
  - asset_id: battery
    kind: battery
    template: sim_battery_10kwh
    meter: battery
    params: {capacity_kwh: 10, max_charge_kw: 5, max_discharge_kw: 5, soc_min: 0.1, soc_max: 0.95, wear_per_kwh: 0.4}
tariffs:
  - {tariff_id: flat, valid_from: 2020-01-01, valid_to: 2030-01-01, periods: [{period_id: all, price_per_kwh: 4.9}]}
"""
BATTERY = BatteryParams(
    capacity_kwh=10, max_charge_kw=5, max_discharge_kw=5, soc_min=0.1, soc_max=0.95, wear_per_kwh=0.4
)
# Of the commands by their window: the steps that each goes after it was released; the last ones stay as planned.
WAYS = (
    (S.PENDING, S.ISSUED, S.ACKED, S.VERIFIED, S.COMPLETED),
    (S.PENDING, S.ISSUED, S.UNKNOWN, S.UNVERIFIED),
    (S.PENDING, S.BLOCKED),
    (S.EXPIRED,),
)


def write_home(folder: Path) -> None:
    """The site file of the home with a battery."""
    (folder / "sites" / "home.yaml").write_text(HOME)


def act(folder: Path) -> None:
    """Plan two hours, release their first hour, move it on as an agent would, latch the battery."""
    site, clock = load_site(folder / "sites" / "home.yaml"), SystemClock()
    now = clock.now_utc()
    start = now.astimezone(UTC).replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    request = PlanRequest(
        site_id="home", start_utc=start, step_h=0.25, known_at_utc=now,
        load_kw=(0.8,) * 8, pv_kw=(0.0,) * 8, import_price_per_kwh=(1.0,) * 4 + (5.0,) * 4,
        export_price_per_kwh=(0.0,) * 8, import_max_kw=17, export_max_kw=17, battery=BATTERY,
        soc_init_kwh=5, soc_end_min_kwh=5, currency="CZK", is_synthetic=True,
    )  # fmt: skip
    solution = solve(request)
    assert isinstance(solution, Solution), solution
    store = open_store(f"sqlite:///{folder / 'var' / 'store.db'}")
    plan = make_plan(request, solution, created_at_utc=now, version=1)
    PlanStore(store).add_with_commands(plan, commands_of(plan, site, epoch=1), clock)
    released = release(store, "home", plan.plan_id, clock=clock, check=lambda *_: None, lead_s=3600).released
    with site_transaction(store, "home") as connection:
        for name, way in zip(released, WAYS, strict=False):
            _go(connection, name, way, now)
        latch_fault(connection, "home", "battery", reason="two read-backs failed", command_id=released[1], at_utc=now)
    store.close()


def _go(connection: Connection, name: str, way: tuple[S, ...], now: datetime) -> None:
    row: LedgerRow | None = select_commands(connection, "home", command_ids=[name])[0]
    for number, state in enumerate(way):
        assert row is not None
        row = transition(
            connection, row, state, at_utc=now + timedelta(seconds=number), reason="as an agent does",
            facts={"soc_percent": 50.0}, mode_at_issue=Mode.PARTIAL,
            evidence_grade=EvidenceGrade.SENT if state is S.ISSUED else None,
            wire=(1, number) if state is S.ISSUED else None,
        )  # fmt: skip
