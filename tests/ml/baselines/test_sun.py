"""The irradiance in hourly baselines: taken where the sun explains days, not where it goes with the season."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ml.baselines.models.statistics import Vector
from ml.baselines.savings.savings import Savings, savings
from ml.baselines.savings.savings_typical import normalised_savings
from ml.baselines.usage_tables.read_usage import read_usage
from ml.baselines.usage_tables.usage_table import SUN, Usage, usage_of
from orchestration.cli.main import build_app
from tests.ml.baselines.cases import END, HOURS, START, ZONE, fitted, hourly_temps, readings, weather
from tests.ml.baselines.sun_held import all_of

SPLIT = date(2025, 10, 1)


def sunshine(seed: int = 3) -> Vector:
    """8,760 hours of horizontal irradiance, W/m2: season, height of the sun, and clouds that differ by the day."""
    hours = np.arange(HOURS)
    season = 550.0 - 400.0 * np.cos(2 * np.pi * (hours / 24 - 10) / 365)
    height = np.maximum(np.sin(np.pi * (hours % 24 - 5) / 14), 0.0)
    clouds = np.repeat(np.random.default_rng(seed).uniform(0.15, 1.0, HOURS // 24), 24)
    found: Vector = season * height * clouds
    return found


def usage(energy: Vector, sun: Vector | None) -> Usage:
    """Hours of 2025 with energy, temperature and irradiance; nan is no row."""
    return usage_of(
        readings(energy),
        temperatures=weather(hourly_temps()),
        irradiance=None if sun is None else readings(sun).rename({"energy_kwh": SUN}),
        frequency="hourly", zone=ZONE, zero_is_missing=False,
    )  # fmt: skip


# The office keeps people's time, the sun its own.
LOCAL = usage(np.ones(HOURS), None).frame["local_start"].dt.hour().to_numpy()


def office(seed: int = 5) -> Vector:
    """Energy of an office without any sun, kWh: busy by day, heated."""
    rng = np.random.default_rng(seed)
    busy = ((LOCAL >= 8) & (LOCAL < 18)).astype(float)
    found: Vector = 6 + 8 * busy + 0.3 * np.maximum(12 - hourly_temps(), 0) + rng.normal(0, 0.8, HOURS)
    return found


def test_modules_behind_the_meter_are_found_with_what_they_feed_in() -> None:
    sun = sunshine()
    # 9 kW of modules: 9 kWh an hour under 1 kW/m2.
    made = usage(office() - 9.0 * sun / 1000, sun)
    fit, without = fitted(made), fitted(usage(office() - 9.0 * sun / 1000, None))
    assert fit.model.endswith("_sun_one")
    assert fit.coefficients[SUN] == pytest.approx(-9.0, abs=0.1)
    assert fit.form.inputs[-1] == SUN
    assert fit.statistics.cvrmse_out_of_sample < 0.75 * without.statistics.cvrmse_out_of_sample
    chosen = [each for each in fit.selection if each["is_chosen"]]
    assert [each["model"] for each in chosen] == [fit.model]
    # Least squares on the whole matrix says the same.
    values, *_ = np.linalg.lstsq(fit.design, fit.y, rcond=None)
    assert np.allclose(fit.design @ values, fit.fitted, atol=1e-6)


def test_gains_through_windows_differ_by_warmth_and_by_the_hour() -> None:
    sun, temps = sunshine(), hourly_temps()
    gains = np.where(temps < 15, -6.0, 5.0) * sun / 1000
    warm = fitted(usage(office() + gains, sun))
    assert warm.model.endswith("_sun_by_warmth")
    assert warm.coefficients[f"{SUN}.cold"] == pytest.approx(-6.0, abs=0.2)
    assert warm.coefficients[f"{SUN}.warm"] == pytest.approx(5.0, abs=0.3)
    east = np.where(LOCAL < 12, -9.0, -3.0) * sun / 1000
    assert fitted(usage(office() + east, sun)).model.endswith("_sun_by_hour")


@pytest.mark.parametrize("seed", range(4))
def test_without_any_sun_the_baseline_is_the_one_that_it_was(seed: int) -> None:
    plain, offered = fitted(usage(office(seed), None)), fitted(usage(office(seed), sunshine(seed)))
    assert (offered.model, offered.digest) == (plain.model, plain.digest)
    assert (offered.values == plain.values).all()
    tried = [each for each in offered.selection if "_sun_" in str(each["model"])]
    assert len(tried) == 4
    assert not any(each["is_chosen"] for each in tried)


def test_a_summer_that_is_closed_does_not_pass_for_sun() -> None:
    # The longer the days, the less is used in them, whatever the sky is like.
    length = np.maximum(-np.cos(2 * np.pi * (np.arange(HOURS) // 24 - 10) / 365), 0.0)
    closed = 1.0 - 0.4 * length * ((LOCAL >= 8) & (LOCAL < 18))
    fit = fitted(usage(office() * closed, sunshine()))
    assert "_sun_" not in fit.model
    # The seasons alone would have taken it: the months' errors fall by more than a hundredth.
    tried = {str(each["model"]): each for each in fit.selection if "_sun_" in str(each["model"])}
    best = min(float(str(each["cvrmse_held_out"])) for each in tried.values())
    assert best < 0.99 * float(str(next(iter(tried.values()))["cvrmse_held_out_without"]))


def test_hours_without_irradiance_are_left_out_and_a_poor_series_is_not_offered() -> None:
    sun = sunshine()
    energy = office() - 9.0 * sun / 1000
    some, poor = sun.copy(), sun.copy()
    some[1000:1300] = np.nan
    poor[1000:2500] = np.nan
    fit = fitted(usage(energy, some))
    assert "_sun_" in fit.model
    assert fit.n == HOURS - 300
    assert np.isnan(fit.predict(usage(energy, some))).sum() == 300
    weak = fitted(usage(energy, poor))
    assert "_sun_" not in weak.model
    assert weak.n == HOURS


def test_a_saving_and_a_typical_year_know_the_sun() -> None:
    sun = sunshine()
    energy = office() - 3.0 * sun / 1000
    energy[SPLIT.timetuple().tm_yday * 24 :] *= 0.9
    made = usage(energy, sun)
    fit = fitted(made, end=SPLIT)
    assert "_sun_" in fit.model
    query = {"report_start": SPLIT, "report_end": END}
    found = savings(fit, made, **query, measures=[SPLIT], resamples=20)  # type: ignore[arg-type]
    assert isinstance(found, Savings)
    low, high = found.interval_kwh
    assert low <= 0.1 * found.expected_kwh <= high
    # A typical year without irradiance cannot be predicted: said, not guessed.
    bare = made.with_frame(made.frame.drop(SUN))
    normal = normalised_savings(fit, made, bare, **query, confidence=0.9, model="auto")
    assert normal.code == "no_typical_year"  # type: ignore[union-attr]


def files(folder: Path, *, more: bool = False) -> tuple[Path, Path]:
    """Energy and weather as files; the weather has its irradiance, and with `more` another one."""
    sun = sunshine()
    made = usage(office() - 9.0 * sun / 1000, sun).frame
    energy, sky = folder / "energy.csv", folder / "weather.csv"
    rows = made.select("start_utc", "energy_kwh", "temp_degc", SUN).rows()
    energy.write_text("timestamp,kwh\n" + "".join(f"{at:%Y-%m-%dT%H:%M:%SZ},{kwh:.4f}\n" for at, kwh, *_ in rows))
    head = "timestamp,temp_degc,ghi_w_per_m2" + (",dni_w_per_m2" if more else "")
    lines = [f"{at:%Y-%m-%dT%H:%M:%SZ},{degc:.3f},{ghi:.2f}{',5' if more else ''}" for at, _, degc, ghi in rows]
    sky.write_text("\n".join([head, *lines]) + "\n")
    return energy, sky


@pytest.mark.parametrize("more", [False, True])
def test_a_weather_file_brings_its_irradiance_to_hours_alone(tmp_path: Path, more: bool) -> None:
    energy, sky = files(tmp_path, more=more)
    made = read_usage(energy, sky, frequency="hourly", zone=ZONE, country="", zero_is_missing=False)
    assert made.frame[SUN].max() == pytest.approx(sunshine().max(), rel=1e-3)
    assert made.drivers == ()
    assert "rejected_rows" not in {each.code for each in made.findings}
    daily = read_usage(energy, sky, frequency="daily", zone=ZONE, country="", zero_is_missing=False)
    assert SUN not in daily.frame.columns


def test_the_command_names_every_kind_of_sun_that_it_tried(tmp_path: Path) -> None:
    energy, sky = files(tmp_path)
    words = ["baseline", "fit", "--energy", str(energy), "--weather", str(sky), "--frequency", "hourly", "--tz", ZONE]
    words += ["--train", f"{START}/{END}", "--zero-is-use", "--json"]
    answer = CliRunner().invoke(build_app(("baseline",)), words)
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    assert found["model"].endswith("_sun_one")
    tried = [each["model"].rpartition("_sun_")[2] for each in found["selection"] if "_sun_" in each["model"]]
    assert tried == ["one", "by_warmth", "by_hour", "by_both"]
    assert found["coefficients"][SUN] == pytest.approx(-9.0, abs=0.2)


def test_held_homes_and_substations_are_better_with_sun_and_never_worse(shared_data: Path) -> None:
    found = [*all_of("homes", shared_data), *all_of("liander", shared_data), *all_of("split", shared_data)]
    assert len(found) == 21
    taken = {each.name: each.ratio for each in found if "_sun_" in each.model}
    # Held-out hours of meters that do not take it are as before, to the last digit.
    assert {each.ratio for each in found if "_sun_" not in each.model} == {1.0}
    assert {name for name, ratio in taken.items() if ratio < 0.9} >= {"home c1a7 electricity", "home 0668 electricity"}
    assert taken["substation 287"] < 0.9
    assert taken["substation OWD"] < 0.8
    assert max(taken.values()) < 1.0


@pytest.mark.parametrize("kind", ["cambridge", "cambridge_later"])
def test_held_years_of_buildings_are_not_worse_for_an_irradiance_that_is_offered(shared_data: Path, kind: str) -> None:
    # A spring, sunny and closed: with 1 % and a t-test over whole months seven of fourteen took it, one 15 % worse.
    found = all_of(kind, shared_data)
    assert len(found) == 14
    assert max(each.ratio for each in found) <= 1.0
