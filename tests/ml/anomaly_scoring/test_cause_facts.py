"""Facts of a site that tell a cause: temperature, announced changes, validation findings, other meters."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.flags import MonthValidation, publish_findings
from data_quality.contracts.site_file.mv_project import StaticFactor
from data_quality.contracts.site_file.site import Driver, Seu, SeuDriver, Site
from data_quality.contracts.site_file.vee import Action, RuleFinding
from data_quality.contracts.time import FixedClock
from ml.anomaly_scoring.cause_facts import CauseFacts
from ml.anomaly_scoring.score_site import weather_led
from ml.features.civil import Civil, civil_of
from ml.features.series import Series
from tests.kpi.seeded import fill
from tests.ml.anomaly_scoring.scored import DAYS, NOW, START, filled, load, works
from tests.ml.forecasts.issuing import readings

MONDAY = START + timedelta(days=70)


def with_uses() -> Site:
    """The works with a temperature, whose press runs two shifts from 1 March on."""
    factors = tuple(
        StaticFactor(name="shifts", value=value, valid_from=day)
        for value, day in (("one", date(2024, 1, 1)), ("two", date(2025, 3, 1)))
    )
    driven = (SeuDriver(driver_id="outdoor", justification="heats"),)
    uses = (
        Seu(seu_id="press", name="Press", meters=("press",), static_factors=factors),
        Seu(seu_id="boiler", name="Boiler", carrier="natural_gas", meters=("gas",), drivers=driven),
    )
    return works(seus=uses, drivers=(Driver(driver_id="outdoor", unit="degc", aggregation="mean"),))


def facts(site: Site, lake: Lake) -> tuple[CauseFacts, Civil]:
    judged = {name: Series(START, load(place, ran=False)) for place, name in enumerate(("main", "press"))}
    civil = civil_of(site, START, 24 * DAYS)
    return CauseFacts(site, lake, START, NOW, judged, weather_led(site) | {"main"}), civil


def test_a_changed_factor_is_an_announcement_and_its_first_value_is_none(lake: Lake) -> None:
    found, civil = facts(with_uses(), lake)
    announced = found.context("press", civil).announced
    assert announced is not None
    # From 1 March, the day of number 59, to the end of the readings.
    assert int(civil.day[announced][0]) == 59
    assert bool(announced[civil.day >= 59].all())
    # The meter above counts the press too.
    assert found.context("main", civil).announced is not None
    silent, civil = facts(works(), lake)
    assert silent.context("press", civil).announced is None


def test_temperature_and_heating_come_from_the_site_and_kin_are_no_other_meters(lake: Lake) -> None:
    site = with_uses()
    degc = np.linspace(-5.0, 15.0, 24 * DAYS)
    rows = readings(site, degc * 4, "outdoor", start=START, register="value", unit="degc")
    rows = rows.drop("batch_id", "recorded_at_utc").with_columns(is_correction=pl.lit(value=False))
    fill(lake, site, rows, clock=FixedClock(NOW), name="degc")
    filled(lake, site)
    found, civil = facts(site, lake)
    context = found.context("main", civil)
    assert context.temperature is not None
    assert np.allclose(context.temperature, degc)
    assert context.opposite is not None
    assert context.opposite[:24].sum() > 0
    assert context.others == ()
    assert found.context("press", civil).opposite is None


def test_findings_of_the_validation_mark_the_hours_of_their_meter_alone(lake: Lake) -> None:
    site = works()
    rule = RuleFinding(
        rule="stuck", meter="press", register_id="import", start_utc=MONDAY, end_utc=MONDAY + timedelta(hours=5),
        value=1.0, unit="kwh", action=Action.EXCLUDE, slots=20, message="same reading",
    )  # fmt: skip
    found, civil = facts(site, lake)
    assert found.context("press", civil).flagged is None
    month = MonthValidation(
        site_id="works", month=date(2025, 3, 1), rules_version="1", input_digest="f" * 64, score=None, coverage=None,
        findings=(rule,), scores=(),
    )  # fmt: skip
    publish_findings(lake.store, [month], FixedClock(NOW))
    found, civil = facts(site, lake)
    flagged, other = (found.context(name, civil).flagged for name in ("press", "main"))
    assert flagged is not None
    assert other is not None
    assert np.flatnonzero(flagged).tolist() == list(range(70 * 24, 70 * 24 + 5))
    assert not other.any()
