"""Meters of a site scored for a month: true events with energy and cost, stored once, and nothing made up."""

from datetime import timedelta
from pathlib import Path

import pytest

import assets.sites
from assets.sites.load_sites import load_site
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from data_quality.contracts.time import parse_period
from ml.anomaly_scoring.score_site import scored_streams, usual_of, weather_led
from tests.ml.anomaly_scoring.scored import MARCH, NIGHTS, START, ZONE, filled, priced, scored, unpublished, works


def test_nights_in_which_a_machine_ran_are_one_event_with_energy_and_cost(lake: Lake) -> None:
    site = works()
    filled(lake, site)
    found = scored(lake, site)
    assert [(each.meter_id, each.kind) for each in found.events] == [("main", "night_waste"), ("press", "night_waste")]
    event = found.events[1]
    assert event.start_utc == START + timedelta(days=NIGHTS[0], hours=20)
    assert event.kwh == pytest.approx(2 * 10 * 40, rel=0.1)
    # At the price of the nights in which it ran, and not of the day between.
    assert event.cost == pytest.approx((event.kwh or 0) * 0.20, rel=0.01)
    assert (event.severity, event.currency, event.cost_finding) == (2, "EUR", None)
    assert {each["name"] for each in event.evidence} >= {"measured", "expected", "score", "energy_price"}


def test_the_same_month_again_writes_nothing_and_a_correction_withdraws(lake: Lake) -> None:
    site = works()
    filled(lake, site)
    assert scored(lake, site).published == (2, 0, 0)
    assert scored(lake, site).published == (0, 0, 0)
    # A wider span finds the same events.
    assert scored(lake, site, parse_period("2025-02-15/2025-04-01", ZONE)).published == (0, 0, 0)
    filled(lake, site, ran=False)
    assert scored(lake, site).published == (0, 0, 2)
    assert AnomalyLedger(lake.store).current("works") == []


def test_without_prices_the_cost_is_null_with_its_reason(lake: Lake) -> None:
    site = works()
    filled(lake, site)
    assert {(each.cost, each.cost_finding) for each in scored(lake, site, read=unpublished).events} == {
        (None, "mart_missing")
    }
    # Prices that come later are a change of the event.
    assert scored(lake, site).published == (0, 2, 0)


def test_gas_and_what_a_plan_moves_are_not_judged(lake: Lake) -> None:
    site = works()
    assert [meter.meter_id for meter, _ in scored_streams(site)] == ["main", "press"]
    filled(lake, site)
    assert scored(lake, site).judged == 2


def test_what_a_temperature_drives_is_told_by_the_site_file() -> None:
    demo = Path(assets.sites.__file__).parent / "demo"
    factory, tower = (weather_led(load_site(demo / f"{name}.yaml")) for name in ("factory", "tower"))
    assert factory == {"main", "hvac_main", "hvac_hall", "compressor_1", "compressor_2"}
    assert {"hvac", "chiller"} <= tower
    assert "floors_05_08" not in tower


def test_a_meter_too_young_is_a_finding_and_no_reading_is_none(lake: Lake) -> None:
    site = works()
    assert scored(lake, site).events == ()
    filled(lake, site)
    young = scored(lake, site, parse_period("2025-01", ZONE), read=priced)
    assert young.published == (0, 0, 0)
    early = scored(lake, site, parse_period("2025-01-01/2025-01-15", ZONE))
    assert {each.code for each in early.findings.values()} == {"too_few_days"}


def test_what_is_usual_is_the_median_of_like_days_before(lake: Lake) -> None:
    site = works()
    filled(lake, site)
    series = scored(lake, site, MARCH).series["press"]
    night = START + timedelta(days=NIGHTS[0], hours=20)
    usual = usual_of(series, site, night, night + timedelta(hours=10))
    assert usual == pytest.approx([20] * 10, rel=0.05)
