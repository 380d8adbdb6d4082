"""PV forecasts on a simulated roof whose plane, clouds and faults are known, and on a real one."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from data_quality.contracts.site_file.site import Asset
from ml.features.civil import civil_on
from ml.features.forecast_case import Case, Place
from ml.features.series import HOUR, Series, Vector
from ml.features.sun import Array, array_kw, sky_over
from ml.features.weather_as_of import NO_WEATHER, FixedWeather
from ml.forecasts.forecast_model import Explains, Fitter, Forecaster, Outdated, Quantiles, TooShort
from ml.forecasts.lifecycle.forecast_change import forecast_change
from ml.forecasts.models.pv_floors import BY_CLOUD_COVER, MODEL_FILE, NO_CLOUDS, NO_SNOW, ClearSkyPersistence
from ml.forecasts.models.pv_plant import StatedPlant, stated_plant
from ml.forecasts.models.pv_residual import pv_fitters, pv_fitters_of
from tests.bench.forecast_pv import pv_scores
from tests.ml.cases import plant
from tests.ml.forecasts.system50 import PLACE, system50

START, DAYS = datetime(2024, 1, 31, 23, tzinfo=UTC), 150
ROOF = Array(tilt_deg=30, azimuth_deg=110, peak_kw=8, limit_kw=8)
LENGTH = DAYS * 24
NOTHING_GIVEN = StatedPlant()
RESIDUAL, PHYSICS, PERSISTENCE = pv_fitters(NOTHING_GIVEN)


def clouds() -> Vector:
    """A clear-sky index that wanders from hour to hour and from day to day."""
    rng = np.random.default_rng(0)
    days = np.repeat(rng.uniform(0.15, 1.0, DAYS + 3), 24)
    return np.clip(days + rng.normal(0, 0.08, len(days)), 0.1, 1.0)


@cache
def roof() -> Case:
    """The roof's energy by the hour, and the GHI behind it taken as known at issue, three days past the end."""
    steps = LENGTH + 72
    sky, index = sky_over(50.0, 14.0, START, HOUR, steps), clouds()
    air = np.full(steps, 12.0)
    power = array_kw(ROOF, sky, index, air) * np.random.default_rng(1).normal(1, 0.05, steps)
    weather = FixedWeather(
        ("temperature_degc", "ghi_w_per_m2"), np.column_stack([air, index * sky.clear_mean_w_per_m2])
    )

    def types(start: date, end: date) -> dict[date, str]:
        return dict.fromkeys((start + timedelta(days=n) for n in range((end - start).days)), "weekday")

    civil = civil_on(types, "Europe/Prague", START, steps, HOUR)
    return Case(Series(START, np.clip(power[:LENGTH], 0, 8), HOUR), civil, weather, Place(50.0, 14.0))


@cache
def fitted(fitter: Fitter) -> Forecaster:
    return fitter.fit(roof())


def all_models() -> list[Forecaster]:
    return [fitted(fitter) for fitter in (RESIDUAL, PHYSICS, PERSISTENCE)]


def same(one: Quantiles, other: Quantiles) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("p10", "p50", "p90"))


def test_the_plane_of_a_roof_that_nobody_wrote_down_is_found_in_its_history() -> None:
    array = fitted(PHYSICS).model.plant.array  # type: ignore[attr-defined]
    assert array.tilt_deg == pytest.approx(30, abs=3)
    assert array.azimuth_deg == pytest.approx(110, abs=5)
    assert array.peak_kw == pytest.approx(8, rel=0.05)
    assert "fitted from the history: tilt_deg, azimuth_deg, peak_kw" in fitted(PHYSICS).labels["pv_array"]  # type: ignore[attr-defined]


def test_a_plane_that_the_site_file_gives_is_not_fitted() -> None:
    given = StatedPlant(tilt_deg=32, azimuth_deg=105, peak_kw=9)
    found = pv_fitters(given)[1].fit(roof()).model.plant  # type: ignore[attr-defined]
    assert (found.array.tilt_deg, found.array.azimuth_deg, found.array.limit_kw) == (32, 105, 9)
    # What dirt and cables take is in no file.
    assert found.fitted == ("peak_kw",)


def test_without_weather_the_plane_comes_from_the_clearest_days() -> None:
    found = PHYSICS.fit(replace(roof(), weather=NO_WEATHER)).model.plant.array  # type: ignore[attr-defined]
    assert found.tilt_deg == pytest.approx(30, abs=6)
    assert found.azimuth_deg == pytest.approx(110, abs=8)
    assert found.peak_kw == pytest.approx(8, rel=0.1)


@pytest.mark.parametrize("origin", [LENGTH, LENGTH - 37])
def test_nights_are_zero_and_days_lie_in_order_within_what_the_inverter_gives(origin: int) -> None:
    is_day = sky_over(50.0, 14.0, START, HOUR, LENGTH + 72).is_day[origin : origin + 48]
    for model in all_models():
        q = model.predict(roof().before(origin), origin, 48)
        assert q.is_known.all()
        assert (q.p10 <= q.p50).all()
        assert (q.p50 <= q.p90).all()
        assert q.p10.min() >= 0
        assert q.p90.max() <= 8 * 1.1
        assert (q.p90[~is_day] == 0).all()
        assert q.p50[is_day].sum() > 1


def test_what_happens_after_the_origin_changes_no_forecast() -> None:
    origin = LENGTH - 24 * 10
    case = roof()
    values = case.series.values.copy()
    values[origin:] = 1e6
    poisoned = replace(case, series=replace(case.series, values=values))
    for model in all_models():
        assert same(model.predict(poisoned, origin, 24), model.predict(case.before(origin), origin, 24))


def test_measured_weather_is_not_looked_at_ahead_of_its_time() -> None:
    origin = LENGTH - 24 * 10
    measured = replace(roof().weather, is_ahead=False)
    changed = measured.values.copy()
    changed[origin:] = 5.0
    one, other = (replace(roof(), weather=w) for w in (measured, replace(measured, values=changed)))
    model = RESIDUAL.fit(one.before(origin))
    assert NO_CLOUDS in model.labels  # type: ignore[attr-defined]
    assert same(model.predict(one, origin, 24), model.predict(other, origin, 24))


def test_persistence_holds_the_share_of_a_cloudless_day_that_the_last_day_had() -> None:
    model = fitted(PERSISTENCE)
    assert isinstance(model, ClearSkyPersistence)
    sky = sky_over(50.0, 14.0, START, HOUR, LENGTH + 24)
    clear = array_kw(model.model.plant.array, sky, np.ones(LENGTH + 24), 12.0)
    share = roof().series.values[-24:][sky.is_day[LENGTH - 24 : LENGTH]].sum() / clear[LENGTH - 24 : LENGTH].sum()
    forecast = model.predict(roof(), LENGTH, 24).p50
    assert forecast == pytest.approx(share * clear[LENGTH:], abs=1e-6)


def test_a_day_of_gaps_is_bridged_by_the_week_before_it() -> None:
    values = roof().series.values.copy()
    values[-24:] = np.nan
    case = replace(roof(), series=replace(roof().series, values=values))
    for model in all_models():
        assert model.predict(case, LENGTH, 24).is_known.all()


def test_the_parts_of_a_forecast_add_up_to_it_and_the_sun_is_the_largest_of_a_told_one() -> None:
    for model, is_exact in zip(all_models(), (False, True, True), strict=True):
        assert isinstance(model, Explains)
        parts, forecast = model.contributions(roof(), LENGTH, 24), model.predict(roof(), LENGTH, 24).p50
        together = parts.base + parts.parts.sum(axis=0)
        # The learnt model's correction by the last week comes on top.
        assert together == pytest.approx(forecast, abs=1e-6 if is_exact else 0.35)
        assert parts.names[0] == ("mean_7_days" if isinstance(model, ClearSkyPersistence) else "ghi_w_per_m2")
    why = forecast_change(roof(), fitted(PHYSICS), LENGTH, fitted(PHYSICS).predict(roof(), LENGTH, 24))
    assert why is not None
    assert any("sun by" in sentence for sentence in why.sentences())


def test_one_bad_reading_in_a_thousand_makes_no_larger_inverter() -> None:
    values = roof().series.values.copy()
    values[36] = 900.0
    spiked = replace(roof(), series=replace(roof().series, values=values))
    assert PHYSICS.fit(spiked).model.plant.array.limit_kw < 12  # type: ignore[attr-defined]


def errors(model: Forecaster, case: Case, days: int = 14) -> float:
    """RMSE of the last days in kW, daylight."""
    length = len(case.series.values)
    is_day = sky_over(50.0, 14.0, START, HOUR, length).is_day
    missed = []
    for origin in range(length - 24 * days, length, 24):
        rows = slice(origin, origin + 24)
        forecast = model.predict(case.before(origin), origin, 24).p50
        missed.append((forecast - case.series.values[rows])[is_day[rows]])
    return float(np.sqrt(np.mean(np.concatenate(missed) ** 2)))


def test_weather_ahead_is_worth_having_and_its_lack_is_said() -> None:
    without = replace(roof(), weather=NO_WEATHER)
    blind = RESIDUAL.fit(without.before(LENGTH - 24 * 14))
    seeing = RESIDUAL.fit(roof().before(LENGTH - 24 * 14))
    assert NO_CLOUDS in blind.labels  # type: ignore[attr-defined]
    assert NO_CLOUDS not in seeing.labels  # type: ignore[attr-defined]
    assert errors(seeing, roof()) < 0.5 * errors(blind, without)


def test_the_residual_learns_a_tree_that_shades_the_afternoon() -> None:
    case = roof()
    hour = np.arange(LENGTH) % 24
    values = np.where((hour >= 13) & (hour <= 15), 0.3, 1.0) * case.series.values
    shaded = replace(case, series=replace(case.series, values=values))
    before = shaded.before(LENGTH - 24 * 14)
    assert errors(RESIDUAL.fit(before), shaded) < 0.6 * errors(PHYSICS.fit(before), shaded)


def test_the_last_week_corrects_a_roof_that_lost_a_string() -> None:
    case, model = roof(), fitted(RESIDUAL)
    values = case.series.values.copy()
    values[-24 * 8 :] *= 0.5
    broken = replace(case, series=replace(case.series, values=values))
    usual, now = (model.predict(one, LENGTH, 24).p50.sum() for one in (case, broken))
    # Half of it is true; a week says so with some reserve, or with clouds that it takes for the reason.
    assert 0.3 * usual < now < 0.75 * usual


def test_stored_files_predict_the_same_and_other_versions_are_refused() -> None:
    for fitter, model in zip((RESIDUAL, PHYSICS, PERSISTENCE), all_models(), strict=True):
        files = model.to_files()
        assert same(fitter.load(files).predict(roof(), LENGTH, 48), model.predict(roof(), LENGTH, 48))
        assert fitter.fit(roof()).to_files() == files
        with pytest.raises(Outdated):
            fitter.load(files | {MODEL_FILE: files[MODEL_FILE].replace(b'"version": 1', b'"version": 0')})


def test_cloud_cover_stands_for_irradiance_and_the_label_says_so() -> None:
    cover = 100 * ((1 - np.minimum(clouds(), 1.0)) / 0.75).clip(0, 1) ** (1 / 3.4)
    case = replace(roof(), weather=FixedWeather(("cloud_cover_percent",), cover[:, None]))
    model = RESIDUAL.fit(case.before(LENGTH - 24 * 14))
    assert BY_CLOUD_COVER in model.labels  # type: ignore[attr-defined]
    assert errors(model, case) < 0.5


def test_snow_on_the_modules_is_forecast_where_the_weather_tells_of_it() -> None:
    air = np.full((LENGTH + 72, 1), -8.0)
    rain = np.zeros((LENGTH + 72, 1))
    rain[LENGTH - 6 : LENGTH - 4] = 8.0
    names = (*roof().weather.names[1:], "temperature_degc", "precipitation_mm")
    assert isinstance(roof().weather, FixedWeather)
    weather = FixedWeather(names, np.hstack([roof().weather.values[:, 1:], air, rain]))  # type: ignore[attr-defined]
    case = replace(roof(), weather=weather)
    model = PHYSICS.fit(case)
    assert NO_SNOW not in model.labels  # type: ignore[attr-defined]
    assert NO_SNOW in fitted(PHYSICS).labels  # type: ignore[attr-defined]
    freezing = model.predict(case, LENGTH, 24).p50.sum()
    free = model.predict(roof(), LENGTH, 24).p50.sum()
    assert freezing < 0.05 * free


def test_what_no_pv_model_can_be_made_of_is_refused_in_words() -> None:
    case = roof()
    with pytest.raises(TooShort, match="latitude_deg"):
        RESIDUAL.fit(replace(case, place=None))
    with pytest.raises(TooShort, match="days"):
        RESIDUAL.fit(case.before(24 * 10))
    with pytest.raises(TooShort, match="energy or power, not m3"):
        PHYSICS.fit(replace(case, series=replace(case.series, unit="m3")))
    for constant in (0.0, np.nan):
        empty = replace(case, series=replace(case.series, values=np.full(LENGTH, constant)))
        for fitter in (RESIDUAL, PHYSICS, PERSISTENCE):
            with pytest.raises(TooShort):
                fitter.fit(empty)


def test_a_pv_meter_is_one_that_an_asset_of_kind_pv_names() -> None:
    def site(*params: dict[str, float]) -> object:
        arrays = [Asset(asset_id=f"pv{n}", kind="pv", meter="pv", params=one) for n, one in enumerate(params)]
        return plant().model_copy(update={"assets": tuple(arrays)})

    assert pv_fitters_of(plant(), "pv") == ()
    east, west = {"tilt_deg": 10, "azimuth_deg": 90, "peak_kw": 4}, {"tilt_deg": 10, "azimuth_deg": 270, "peak_kw": 5}
    assert stated_plant(site(east), "pv") == StatedPlant(tilt_deg=10, azimuth_deg=90, peak_kw=4)  # type: ignore[arg-type]
    # Two planes are none of both: fitted as one, with the sum of the ratings.
    assert stated_plant(site(east, west), "pv") == StatedPlant(peak_kw=9)  # type: ignore[arg-type]
    assert [fitter.algorithm for fitter in pv_fitters_of(site(east), "pv")] == [  # type: ignore[arg-type]
        "pv_physics_residual", "pv_physics", "clear_sky_persistence",
    ]  # fmt: skip


def test_system_50_is_forecast_better_than_by_its_floors_and_within_a_tenth_of_its_capacity(shared_data: Path) -> None:
    # Six weeks from summer on; the whole year is in tests/bench/forecast_pv.py.
    case, first = system50(shared_data), datetime(2012, 7, 1, 6, tzinfo=UTC)
    learnt, physics, held = (
        pv_scores(case, fitter, first, first + timedelta(days=42)) for fitter in pv_fitters(NOTHING_GIVEN)
    )
    assert learnt["rmse_share"] < physics["rmse_share"] < held["rmse_share"]
    assert learnt["rmse_share"] < 0.10
    assert 0.70 < learnt["coverage_p10_p90"] < 0.92


def test_the_clock_of_system_50_is_read_as_the_wall_clock_that_it_follows(shared_data: Path) -> None:
    case = system50(shared_data)
    length = len(case.series.values)
    sky = sky_over(PLACE.latitude_deg, PLACE.longitude_deg, case.series.start_utc, HOUR, length)
    hour = np.arange(length) % 24

    def lag_h(first_day: int) -> float:
        """By how much the middle of a fortnight's power lies behind that of a cloudless sky."""
        rows = slice(24 * first_day, 24 * (first_day + 14))
        power, clear = np.nan_to_num(case.series.values[rows]), sky.clear_mean_w_per_m2[rows]
        return float(np.average(hour[rows], weights=power) - np.average(hour[rows], weights=clear))

    # Before and after the night of 6 November 2011, when clocks went back: by its stamps an hour would lie between.
    assert abs(lag_h(190) - lag_h(206)) < 0.5
