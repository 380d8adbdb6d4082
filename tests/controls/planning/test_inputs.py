"""A request holds what was known, and what was not known is a finding."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.ledgers.plans import PlanStore
from assets.stores.transactions import Store
from controls.optimiser.devices.connection import connection_kw
from controls.planning.context import PlanningContext
from controls.planning.plan_inputs import plan_request, price_digest, quarter_start
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.forecast import Forecast, ForecastRow
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from tests.controls.planning.examples import DAY, HOME, NOW, device, forecast, inputs, paid, prices, request


def site_with(**changes: object) -> Site:
    return Site.model_validate({**HOME.model_dump(), **changes})


def finding(site: Site = HOME, **changes: object) -> Finding:
    answer = plan_request(site, **inputs(**changes))
    assert isinstance(answer, Finding), answer
    assert answer.is_blocking
    return answer


def test_a_day_is_ninety_six_quarter_hours_from_the_one_in_progress() -> None:
    dispatch_request = request()
    assert dispatch_request.start_utc == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert len(dispatch_request.load_kw) == 96
    assert dispatch_request.step_h == 0.25
    assert dispatch_request.known_at_utc == NOW
    assert quarter_start(datetime(2026, 1, 1, 10, 59, 59, 999999, tzinfo=UTC)).minute == 45


def test_the_energy_of_an_hour_is_the_power_of_its_quarters() -> None:
    rising = forecast("house", 0.8)
    rows = tuple(row.model_copy(update={"p50": float(h)}) for h, row in enumerate(rising.rows))
    changed = request(load_forecast=rising.model_copy(update={"rows": rows}))
    assert changed.load_kw[:5] == (10.0, 10.0, 10.0, 10.0, 11.0)


def quarter_forecast(kwh: float, *, issued_at_utc: datetime = DAY) -> Forecast:
    """A forecast of the load by quarter hours."""
    rows = tuple(
        ForecastRow(time_utc=DAY + timedelta(minutes=15 * k), p10=kwh, p50=kwh, p90=kwh) for k in range(4 * 48)
    )
    named = {"forecast_id": f"fc-quarters-{issued_at_utc:%H%M}", "target": "meter:house@15min", "step_minutes": 15}
    given = {"rows": rows, "issued_at_utc": issued_at_utc, "available_at_utc": issued_at_utc}
    return forecast("house", 1.0).model_copy(update=named | given)


def test_the_energy_of_a_quarter_hour_is_a_quarter_of_its_power() -> None:
    assert set(request(load_forecast=quarter_forecast(0.3)).load_kw) == {1.2}


def test_a_plan_takes_the_forecast_by_quarter_hours_unless_one_by_hours_is_newer(store: Store, lake: Lake) -> None:
    clock = FixedClock(NOW)
    forecasts = ForecastStore(store)
    desk = PlanningContext(HOME, lake, forecasts, PlanStore(store), Mode.PARTIAL, dict, clock)
    assert desk.forecast("meter:house") is None
    forecasts.add(forecast("house", 0.8), clock)
    assert desk.forecast("meter:house") == forecast("house", 0.8)
    quarters = quarter_forecast(0.3, issued_at_utc=DAY + timedelta(minutes=45))
    forecasts.add(quarters, clock)
    clock.advance(timedelta(minutes=1))
    assert desk.forecast("meter:house") == quarters
    later = forecast("house", 0.9, issued_at_utc=DAY + timedelta(hours=1)).model_copy(update={"forecast_id": "later"})
    forecasts.add(later, clock)
    clock.advance(timedelta(minutes=1))
    assert desk.forecast("meter:house") == later


def test_what_a_forecast_says_of_how_it_was_made_stands_among_the_inputs_of_the_plan() -> None:
    weaker = forecast("house", 0.8).model_copy(update={"labels": {"fallback": "the floor answers instead"}})
    assert request(load_forecast=weaker).inputs["load_forecast_fallback"] == "the floor answers instead"
    assert not any(name.endswith("fallback") for name in request().inputs)


def test_prices_are_those_of_their_quarter_hour_and_may_be_decimal() -> None:
    exact = prices().with_columns(pl.col("price_per_kwh").cast(pl.Decimal(12, 6)))
    assert exact["price_per_kwh"][0] == Decimal("1.000000")
    dispatch_request = request(prices=exact.sample(fraction=1.0, shuffle=True, seed=3))
    assert dispatch_request.import_price_per_kwh[0] == 5.0
    # 10:00 to midnight is 56 quarters; then six hours of night.
    assert dispatch_request.import_price_per_kwh[55:57] == (5.0, 1.0)
    assert dispatch_request.import_price_per_kwh[79:81] == (1.0, 5.0)


def test_the_export_price_is_that_of_the_tariffs_hours_or_series_or_nothing() -> None:
    assert set(request().export_price_per_kwh) == {0.6}
    hours = [
        {"period_id": "noon", "price_per_kwh": 0.02, "start": "11:00", "end": "15:00"},
        {"period_id": "else", "price_per_kwh": 0.08, "start": "15:00", "end": "11:00"},
    ]
    # From 11:00 in Prague: sixteen quarters of noon.
    assert request(site=paid({"periods": hours})).export_price_per_kwh[15:17] == (0.02, 0.08)
    as_bought = request(site=paid({"series": {"series": "spot", "factor": 0.5}}))
    assert as_bought.export_price_per_kwh[55:57] == (2.5, 0.5)
    bare = plan_request(site_with(tariffs=()), **inputs())
    assert isinstance(bare, PlanRequest)
    assert set(bare.export_price_per_kwh) == {0.0}


def test_in_partial_the_battery_gets_its_envelope_and_pv_keeps_most_of_its_rating() -> None:
    partial, full = request(), request(mode=Mode.FULL)
    battery = device(partial, "battery")
    assert (battery.max_charge_kw, battery.max_discharge_kw) == (1.5, 1.5)
    assert device(partial, "pv").limit_min_kw == pytest.approx(5.6)
    assert (device(full, "battery").max_charge_kw, device(full, "pv").limit_min_kw) == (5.0, 0.0)


def test_a_plan_ends_with_the_charge_it_begins_with_inside_the_window() -> None:
    assert device(request(), "battery").soc_end_min_kwh == 5.0
    assert device(request(soc_kwh=9.9), "battery").soc_end_min_kwh == 9.5
    assert device(request(soc_kwh=0.4), "battery").soc_end_min_kwh == 1.0
    assert device(request(soc_end_min_kwh=3.0), "battery").soc_end_min_kwh == 3.0


def test_what_was_used_is_remembered() -> None:
    dispatch_request = request()
    assert dispatch_request.forecast_id == "fc-house"
    assert dispatch_request.inputs["pv_forecast"] == "fc-pv"
    assert dispatch_request.inputs["mode"] == "PARTIAL"
    assert dispatch_request.inputs["soc_age_s"] == "12"
    assert len(dispatch_request.inputs["prices"]) == 64
    assert dispatch_request.is_synthetic
    assert dispatch_request.import_max_kw == dispatch_request.export_max_kw == 17


def test_the_price_digest_is_of_the_window_and_notices_a_correction() -> None:
    end = DAY + timedelta(hours=24)
    before = price_digest(prices(hours=24), DAY, end)
    assert price_digest(prices(hours=48), DAY, end) == before
    assert price_digest(prices(hours=48, day=5.01), DAY, end) != before
    assert (
        price_digest(prices(hours=24).with_columns(pl.col("price_per_kwh").cast(pl.Decimal(12, 6))), DAY, end) == before
    )


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"load_forecast": None}, "no_load_forecast", "there is no load forecast"),
        ({"pv_forecast": None}, "no_pv_forecast", "there is no pv forecast"),
        ({"soc_kwh": None}, "no_soc", "is not known"),
        ({"soc_age_s": None}, "no_soc", "is not known"),
        ({"soc_age_s": 61.0}, "soc_too_old", "61 s old, at most 60 s"),
        ({"soc_age_s": -5.0}, "soc_too_old", "-5 s old"),
        (
            {"load_forecast": forecast("house", 0.8, issued_at_utc=NOW - timedelta(hours=26, minutes=6))},
            "load_forecast_too_old",
            "26.1 h old, at most 26 h",
        ),
        (
            {"pv_forecast": forecast("pv", 0.3, issued_at_utc=NOW + timedelta(minutes=1))},
            "pv_forecast_not_yet_known",
            "available from 2026-01-01T10:08Z",
        ),
        (
            {"load_forecast": forecast("house", 0.8, hours=20)},
            "horizon_too_short",
            "load 10 h, pv 38 h, prices 38 h without a hole; 12 h are needed",
        ),
        ({"prices": prices(hours=15)}, "horizon_too_short", "prices 5 h"),
        ({"prices": prices().clear()}, "horizon_too_short", "prices 0 h"),
    ],
)
def test_what_is_missing_or_too_old_is_named_with_its_age(changes: dict, code: str, words: str) -> None:
    found = finding(**changes)
    assert found.code == code
    assert words in found.message


def test_exactly_the_allowed_ages_are_allowed() -> None:
    request(soc_age_s=60.0)
    request(load_forecast=forecast("house", 0.8, issued_at_utc=NOW - timedelta(hours=26)))


def test_several_missing_inputs_are_one_finding_that_names_them_all() -> None:
    found = finding(load_forecast=None, soc_age_s=90.0)
    assert found.code == "no_load_forecast"
    assert found.facts == {"codes": "no_load_forecast,soc_too_old", "soc_age_s": 90.0}
    assert "; the state of charge is 90 s old" in found.message


def test_a_hole_in_the_prices_ends_the_plan_there() -> None:
    hole = DAY + timedelta(hours=24)
    with_hole = prices().with_columns(
        price_per_kwh=pl.when(pl.col("interval_start_utc") == hole).then(None).otherwise(pl.col("price_per_kwh"))
    )
    assert len(request(prices=with_hole).load_kw) == 56


def test_a_price_that_stands_twice_is_refused() -> None:
    twice = pl.concat([prices(), prices().head(1)])
    with pytest.raises(BadInput, match="twice"):
        plan_request(HOME, **inputs(prices=twice))


def test_a_site_without_pv_needs_no_pv_forecast() -> None:
    no_pv = site_with(assets=HOME.model_dump()["assets"][:1])
    answer = plan_request(no_pv, **inputs(pv_forecast=None))
    assert isinstance(answer, PlanRequest)
    assert [one.device_id for one in answer.devices] == ["battery"]


def test_a_site_without_battery_or_connection_limit_says_so() -> None:
    assert finding(site_with(assets=HOME.model_dump()["assets"][1:])).code == "no_battery"
    assert finding(site_with(meters=[{"meter_id": "grid"}])).code == "no_connection_limit"


def test_asset_figures_that_make_no_battery_are_refused_with_their_key() -> None:
    bad = HOME.model_dump()["assets"]
    bad[0]["params"]["capacity_kwh"] = -1
    with pytest.raises(BadInput, match=r"asset 'battery', params\.capacity_kwh"):
        plan_request(site_with(assets=bad), **inputs())
    bad[1]["params"] = {}
    with pytest.raises(BadInput, match="asset 'pv', params: nameplate_kw or peak_kw is needed"):
        plan_request(site_with(assets=bad[1:]), **inputs())


def test_only_electricity_at_the_connection_counts_for_its_limit() -> None:
    meters = [
        {"meter_id": "grid", "connected_load_kw": 17},
        {"meter_id": "gas", "carrier": "natural_gas", "connected_load_kw": 40},
        {"meter_id": "house", "parent": "grid", "connected_load_kw": 9},
    ]
    assert connection_kw(site_with(meters=meters)) == 17
