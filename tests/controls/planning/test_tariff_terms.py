"""Terms of the site's tariffs for a plan's steps: prices, or the bill itself; what cannot be planned is named."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from assets.bills.engine.bill_load import Load
from assets.bills.engine.book import Span, book_of, calendar_months
from assets.bills.engine.compute import make_plan as bill_plan
from assets.bills.engine.compute import raw_bills
from assets.kpi.running_cost.interval_costs import MeteredLoad
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.transactions import open_store
from controls.optimiser.case import case_of
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import make_plan
from controls.planning.plan_inputs import plan_request
from controls.planning.tariff_terms import BillsSoFar, so_far_reader
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock, local_midnight_utc
from tests.controls.planning.examples import DAY, HOME, NOW, forecast, inputs, prices, published
from tests.kpi.seeded import fill

D = Decimal
STEP = timedelta(minutes=15)
ALL = [{"period_id": "all", "price_per_kwh": 4.9}]
TIERS = [{"period_id": "all", "tiers": [{"price": 2, "up_to": 300}, {"price": 6}]}]
POWER = {"charge_id": "power", "window_minutes": 15, "periods": [{"period_id": "all", "price_per_kw": 100}]}


def home(*tariffs: dict[str, Any], stream: str | None = None, **changes: Any) -> Site:
    """The home under those tariffs; without a price stream unless one is named."""
    each = [{"tariff_id": f"t{n}", "periods": ALL, **tariff} for n, tariff in enumerate(tariffs)]
    return Site.model_validate(HOME.model_dump() | {"tariffs": each, "price_stream": stream} | changes)


def site_request(site: Site, **changes: Any) -> PlanRequest:
    more = {name: changes.pop(name) for name in ("read_bills", "price_forecast") if name in changes}
    found = plan_request(site, **inputs(mode=Mode.FULL, **changes), **more)
    assert isinstance(found, PlanRequest), found
    return found


def refused(site: Site) -> Finding:
    found = plan_request(site, **inputs(mode=Mode.FULL))
    assert isinstance(found, Finding), found
    return found


def planned(request: PlanRequest) -> Plan:
    solution = solve(request)
    assert isinstance(solution, Solution), solution
    return make_plan(request, solution, created_at_utc=NOW, version=1)


def flat(kw: float, *, peak_kw: float = 0.0, start_utc: datetime, end_utc: datetime) -> Load:
    """A constant power, and one quarter hour of a higher one."""
    energy = np.full((end_utc - start_utc) // STEP, round(kw * 0.25 * 1e9), dtype=np.int64)
    energy[:1] = max(energy[:1].max(initial=0), round(peak_kw * 0.25 * 1e9))
    return MeteredLoad(start_utc, 15, energy, np.ones(energy.size, dtype=np.bool_))


def test_a_tariff_that_prices_say_whole_is_prices_with_its_taxes() -> None:
    taxed = home({"taxes": [{"charge_id": "vat", "share": "0.21"}], "export_price_per_kwh": 1})
    request = site_request(taxed)
    assert request.bills == ()
    assert "bills" not in request.model_dump()
    assert request.import_price_per_kwh == pytest.approx([4.9 * 1.21] * 96)
    # The tax is on what is due, and pay for export lowers that.
    assert request.export_price_per_kwh == pytest.approx([1.21] * 96)


def test_a_gas_tariff_is_none_of_the_electricity_meter() -> None:
    gas = {"commodity": "gas", "export_price_per_kwh": 9}
    found = refused(home(gas))
    assert found.code == "no_electricity_tariff"
    assert "the tariffs of site home are of gas, its plans are of electricity" in found.message
    # Beside one of electricity it is left alone, whichever stands first.
    assert set(site_request(home(gas, {"export_price_per_kwh": 0.3})).export_price_per_kwh) == {0.3}


def test_a_site_without_any_price_says_so() -> None:
    assert refused(home()).code == "no_prices"


def test_a_tariff_in_another_currency_is_refused_where_the_site_is_read_and_where_it_is_planned() -> None:
    with pytest.raises(ValidationError, match="tariff 't0' is in EUR, the site in CZK"):
        home({"currency": "EUR"})
    mixed = home({"currency": "CZK"}).model_copy(update={"currency": "EUR"})
    assert (refused(mixed).code, refused(mixed).message) == ("currency_mismatch", "tariff t0 is in CZK, expected EUR")


@pytest.mark.parametrize(
    ("parts", "component", "why"),
    [
        ({"demand": [POWER | {"unit": "kva"}]}, "power", "kVA is a root of squares"),
        ({"periods": [], "energy": [{"charge_id": "e", "by_register": True, "periods": [
            {"period_id": "day", "price_per_kwh": 5, "start": "06:00", "end": "22:00"},
            {"period_id": "night", "price_per_kwh": 3, "start": "22:00", "end": "06:00"},
        ]}]}, "e", "periods are the meter's registers"),
        ({"metering": {"arrangement": "buy_all_sell_all"}}, "metering", "load and generation have a meter each"),
    ],
)  # fmt: skip
def test_a_tariff_without_an_exact_form_is_refused_by_name(parts: dict[str, Any], component: str, why: str) -> None:
    found = refused(home(parts))
    assert (found.code, found.facts["tariff"], found.facts["component"]) == ("tariff_not_linear", "t0", component)
    assert "tariff t0 has no exact form for a plan" in found.message
    assert why in found.message


def test_the_horizon_ends_with_the_last_day_of_a_tariff() -> None:
    # Midnight in Prague is 23:00 UTC, thirteen hours after the plan begins.
    assert len(site_request(home({"valid_to": "2026-01-02"})).load_kw) == 52
    found = refused(home({"valid_to": "2026-01-01"}))
    assert found.code == "horizon_too_short"
    assert "tariff 0 h" in found.message


def test_the_month_so_far_decides_the_tier_and_the_peak_below_which_nothing_is_shaved() -> None:
    site = home({"periods": TIERS, "demand": [POWER]})
    later = datetime(2026, 1, 11, 10, 7, tzinfo=UTC)
    given = {
        "now_utc": later,
        "load_forecast": forecast("house", 0.8, hours=400, issued_at_utc=later - timedelta(hours=2)),
        "pv_forecast": forecast("pv", 0.0, hours=400, issued_at_utc=later - timedelta(hours=2)),
    }
    begun, now = local_midnight_utc(date(2026, 1, 1), site.time_zone), datetime(2026, 1, 11, 10, tzinfo=UTC)
    used = flat(2.0, peak_kw=5.0, start_utc=begun, end_utc=now)
    request = site_request(site, read_bills=lambda: BillsSoFar(used), **given)
    # 251 hours at 2 kW: the first 300 kWh are used, and a kWh more costs 6.
    assert set(request.import_price_per_kwh) == {6.0}
    assert request.inputs["bill_to_date"] == "1004 of 1004 quarter hours since 2026-01-01"
    assert float(request.inputs["bill_without_these_steps"]) == pytest.approx(300 * 2 + (502.75 - 300) * 6 + 500)
    made = planned(request)
    # 5 kW are paid for: nothing that stays below them adds to the bill but energy.
    assert made.objective == pytest.approx(0.8 * 24 * 6, abs=1e-6)
    fresh = site_request(site, **given)
    assert set(fresh.import_price_per_kwh) == {2.0}
    assert fresh.inputs["bill_to_date"] == "0 of 1004 quarter hours since 2026-01-01"
    assert planned(fresh).objective == pytest.approx(0.8 * 24 * 2 + 0.8 * 100, abs=1e-6)
    assert published(made) == made


def whole_bill(site: Site, request: PlanRequest, plan: Plan, known: Load | None) -> float:
    """Bill of the plan's months by the bill engine: the known load, then the planned one."""
    book, steps = book_of(site), plan.steps
    assert book is not None
    zone = site.time_zone
    first, last = (at.astimezone(UTC) for at in (steps[0].start_utc, steps[-1].end_utc))
    months = calendar_months(first.date(), last.date() + timedelta(days=1))
    begun, ended = local_midnight_utc(months[0][0], zone), local_midnight_utc(months[-1][1], zone)
    bought, sold = (np.zeros((ended - begun) // STEP, dtype=np.int64) for _ in range(2))
    if known is not None:
        bought += known.between(begun, ended).load
    at = (first - begun) // STEP
    bought[at : at + len(steps)] = np.rint([step.import_kw * 0.25e9 for step in steps])
    sold[at : at + len(steps)] = np.rint([step.export_kw * 0.25e9 for step in steps])
    load = MeteredLoad(begun, 15, bought, np.ones(bought.size, dtype=np.bool_), generation=sold)
    made = bill_plan(book, [Span(*month) for month in months], step_minutes=15)
    return float(sum(bill.total for bill in next(iter(raw_bills(made, load)))))


@pytest.mark.parametrize(
    ("start", "tariffs", "bills"),
    [
        # The evening of a month's last day: two bills, two peaks.
        ("2026-01-31T15:00", [{"periods": TIERS, "demand": [POWER]}], 2),
        # A new price within a month: each part has its own peak and its share of the month.
        ("2026-01-14T15:00", [
            {"demand": [POWER], "valid_to": "2026-01-15"},
            {"periods": TIERS, "demand": [POWER], "valid_from": "2026-01-15"},
        ], 2),
        # The night in which summer time begins.
        ("2026-03-28T15:00", [{"periods": TIERS, "demand": [POWER], "minimum": {"monthly": 50}}], 1),
    ],
)  # fmt: skip
def test_bills_that_the_plan_reaches_into_add_up_to_the_engines(
    start: str, tariffs: list[dict[str, Any]], bills: int
) -> None:
    site, now = home(*tariffs), datetime.fromisoformat(start).replace(tzinfo=UTC)
    zone = site.time_zone
    begun = local_midnight_utc(now.date().replace(day=1), zone)
    known = flat(1.5, peak_kw=2.0, start_utc=begun, end_utc=now)
    # A load that rises to 6 kW in the evening and falls again.
    rise = [0.5, 0.5, 1, 3, 6, 4, 1, 0.5] + [0.5] * 40
    base = forecast("house", 0.8, issued_at_utc=now)
    rows = tuple(
        row.model_copy(update={"time_utc": now + timedelta(hours=h), "p10": 0.0, "p50": rise[h], "p90": 9.0})
        for h, row in enumerate(base.rows)
    )
    sun = forecast("pv", 0.0, hours=2500, issued_at_utc=now)
    request = site_request(
        site, read_bills=lambda: BillsSoFar(known), now_utc=now, pv_forecast=sun,
        load_forecast=base.model_copy(update={"rows": rows}),
    )  # fmt: skip
    assert len(request.bills) == bills
    made = planned(request)
    without = sum(bill.base for bill in case_of(request).connection.priced)
    assert made.objective - wear(made) + without == pytest.approx(whole_bill(site, request, made, known), abs=0.01)
    # The battery takes its part of the evening.
    assert max(step.import_kw for step in made.steps) < 5.5


def wear(plan: Plan) -> float:
    return sum(0.4 * 0.25 * step.devices["battery"]["battery_discharge_kw"] for step in plan.steps)


def test_a_minimum_bill_makes_no_kwh_free_early_in_the_month_and_is_named() -> None:
    request = site_request(home({"periods": TIERS, "minimum": {"monthly": 5000}}))
    assert set(request.import_price_per_kwh) == {2.0}
    assert "minimum: whether the bill comes up to it" in request.inputs["tariff_leaves_out"]


def price_forecast(price: float, *, issued_at_utc: datetime = DAY) -> Forecast:
    made = forecast("spot", price, issued_at_utc=issued_at_utc)
    return made.model_copy(update={"target": "meter:spot"})


def test_prices_beyond_publication_are_forecast_and_labelled_step_by_step() -> None:
    known = prices(hours=24)
    # Published to midnight UTC: 56 quarters from ten o'clock.
    assert len(site_request(HOME, prices=known).load_kw) == 56
    request = site_request(HOME, prices=known, price_forecast=price_forecast(2.5))
    assert len(request.load_kw) == 96
    assert request.import_price_per_kwh[55:57] == (5.0, 2.5)
    assert request.inputs["price_forecast"] == "fc-spot"
    assert request.inputs["prices_forecast_from"] == "2026-01-02T00:00Z"
    steps = planned(request).steps
    assert [step.is_price_forecast for step in steps] == [False] * 56 + [True] * 40
    assert "is_price_forecast" not in steps[0].model_dump()


def test_a_published_price_is_never_replaced_nor_a_hole_filled_nor_an_old_forecast_used() -> None:
    assert "price_forecast" not in site_request(HOME, price_forecast=price_forecast(2.5)).inputs
    hole = DAY + timedelta(hours=24)
    holed = prices().with_columns(
        price_per_kwh=pl.when(pl.col("interval_start_utc") == hole).then(None).otherwise(pl.col("price_per_kwh"))
    )
    assert len(site_request(HOME, prices=holed, price_forecast=price_forecast(2.5)).load_kw) == 56
    late = price_forecast(2.5, issued_at_utc=NOW + timedelta(minutes=1))
    old = price_forecast(2.5, issued_at_utc=NOW - timedelta(hours=27))
    for other in (late, old):
        assert len(site_request(HOME, prices=prices(hours=24), price_forecast=other).load_kw) == 56


def read_lake(folder: Path, site: Site, *, start: date, now_utc: datetime, peaks_kw: dict[datetime, float]) -> Lake:
    """A lake with 1 kW at the grid since then, and higher quarter hours."""
    lake = Lake(folder / "lake", open_store(f"sqlite:///{folder / 'store.db'}"))
    begun = local_midnight_utc(start, site.time_zone)
    at = [begun + k * STEP for k in range((now_utc - begun) // STEP)]
    rows = pl.DataFrame(
        {
            "site_id": "home", "meter_id": "grid", "register": "import", "interval_start_utc": at,
            "interval_minutes": 15, "source_minutes": 15, "value": [peaks_kw.get(t, 1.0) / 4 for t in at],
            "unit": "kwh", "quality_code": 0, "source_line": range(len(at)), "is_synthetic": False,
            "is_correction": False,
        }
    )  # fmt: skip
    types = {name: LAKE_SCHEMA.get(name, pl.Boolean()) for name in rows.columns}
    fill(
        lake,
        site,
        rows.select(pl.col(name).cast(kind) for name, kind in types.items()),
        clock=FixedClock(now_utc),
        name="grid",
    )
    return lake


def test_the_lake_tells_the_month_so_far_and_the_ratchet_of_the_months_before(tmp_path: Path) -> None:
    now = datetime(2026, 1, 11, 10, 7, tzinfo=UTC)
    ratchet = {"share": "0.5", "months": 2}
    site = home({"demand": [POWER | {"ratchet": ratchet}]})
    peaks = {datetime(2025, 12, 10, 8, tzinfo=UTC): 12.0, datetime(2026, 1, 5, 8, tzinfo=UTC): 4.0}
    lake = read_lake(tmp_path, site, start=date(2025, 12, 1), now_utc=now, peaks_kw=peaks)
    reader = so_far_reader(site, lake, start_utc=datetime(2026, 1, 11, 10, tzinfo=UTC))
    known = reader()
    assert known.account.peaks == {"power": {(2025, 12): {"all": D(12)}}}
    made = planned(
        site_request(
            site, read_bills=reader, now_utc=now,
            load_forecast=forecast("house", 5.9, hours=400, issued_at_utc=now), prices=prices(),
            pv_forecast=forecast("pv", 0.0, hours=400, issued_at_utc=now),
        )
    )  # fmt: skip
    # Half of December's 12 kW are paid for, so 5.9 kW of load add energy alone, though January had but 4.
    assert made.objective == pytest.approx(5.9 * 24 * 4.9, abs=1e-5)
    assert made.request.inputs["bill_to_date"] == "1004 of 1004 quarter hours since 2026-01-01"
    assert made.request.inputs["tariff_leaves_out"].startswith("power: this month's peak may set the ratchet")
    # What was read later is no part of what was known.
    early = so_far_reader(site, lake, start_utc=now, as_of_utc=now - timedelta(days=1))()
    assert early.load is None
