"""The home's energy balances to the last digit, and its parts behave like what they are called."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.simulator.physics.simulated import UNITS_PER_KWH, SimulatedSite
from controls.simulator.worlds.generate import generate_site
from controls.simulator.worlds.home import HomeTruth, battery_history, generate_home_year, pv_power_kw
from data_quality.contracts.control.plan import BatteryParams
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site

BATTERY = BatteryParams(capacity_kwh=10, max_charge_kw=5, max_discharge_kw=5, soc_min=0.1, soc_max=0.95)


def units(made: SimulatedSite) -> dict[str, np.ndarray]:
    """Whole ten-thousandths of a kWh by meter.register."""
    return {
        f"{meter}.{register}": np.rint(frame.sort("timestamp")["kwh"].to_numpy() * UNITS_PER_KWH).astype(np.int64)
        for (meter, register), frame in made.meters.partition_by("meter", "register", as_dict=True).items()
    }


def assert_balance(found: dict[str, np.ndarray]) -> None:
    net = found["grid.import"] - found["grid.export"]
    used = found["house.import"] + found["heating.import"] + found["ev.import"] + found["battery.charge"]
    assert np.array_equal(net, used - found["battery.discharge"] - found["pv.value"])


def test_every_quarter_hour_balances_exactly(home: SimulatedSite) -> None:
    assert_balance(units(home))


@pytest.mark.parametrize("stream", ["grid.import", "house.import", "battery.discharge", "pv.value"])
def test_the_balance_notices_one_ten_thousandth(stream: str, home: SimulatedSite) -> None:
    found = units(home)
    found[stream] = found[stream].copy()
    found[stream][1234] += 1
    with pytest.raises(AssertionError):
        assert_balance(found)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_seed_balances_and_keeps_the_battery_in_its_window(seed: int, home_site: Site) -> None:
    found = units(generate_home_year(home_site, 2024, seed=seed))
    assert_balance(found)
    assert not (np.minimum(found["grid.import"], found["grid.export"]) > 0).any()
    assert not (np.minimum(found["battery.charge"], found["battery.discharge"]) > 0).any()


@given(st.lists(st.integers(-40_000, 40_000), min_size=1, max_size=200), st.floats(0.1, 0.95))
def test_the_battery_never_leaves_its_limits_nor_makes_energy(surplus: list[int], start_soc: float) -> None:
    charge, discharge, level = battery_history(
        surplus_units=np.asarray(surplus, np.int64), battery=BATTERY, start_soc=start_soc
    )
    start = int(10 * UNITS_PER_KWH * start_soc)
    assert ((level >= 10_000 - 1) & (level <= 95_000)).all()
    assert (charge <= 12_500).all()
    assert (discharge <= 12_500).all()
    assert (charge <= np.maximum(surplus, 0)).all()
    assert (discharge <= np.maximum(-np.asarray(surplus), 0)).all()
    # What comes out is at most what went in after both losses, plus what was stored.
    assert discharge.sum() / 0.975 <= charge.sum() * 0.975 + start - level[-1] + 1e-6


def test_a_golden_charge_and_discharge() -> None:
    # 1 kWh in stores 0.975; taking 0.5 out costs 0.5 / 0.975 = 0.51282, rounded up to 0.5129.
    charge, discharge, level = battery_history(
        surplus_units=np.asarray([10_000, -5_000], np.int64), battery=BATTERY, start_soc=0.5
    )
    assert charge.tolist() == [10_000, 0]
    assert discharge.tolist() == [0, 5_000]
    assert level.tolist() == [59_750, 59_750 - 5_129]


def test_a_curve_of_losses_counts_at_the_power_that_flows() -> None:
    # Half of the 5 kW and all of them for a quarter hour: 0.625 and 1.25 kWh, with 0.9 and 0.8 of them stored.
    curved = BATTERY.model_copy(update={"efficiency_curve": ((0.5, 0.9), (1.0, 0.8))})
    charge, discharge, level = battery_history(
        surplus_units=np.asarray([6_250, 12_500, -6_250], np.int64), battery=curved, start_soc=0.2
    )
    assert (charge.tolist(), discharge.tolist()) == ([6_250, 12_500, 0], [0, 0, 6_250])
    assert level.tolist() == [20_000 + 5_625, 35_625, 35_625 - 6_945]


def test_the_year_is_that_of_a_home(home: SimulatedSite) -> None:
    kwh = {name: values.sum() / UNITS_PER_KWH for name, values in units(home).items()}
    assert 3_000 < kwh["house.import"] < 6_000
    assert 6_500 < kwh["pv.value"] < 9_000  # 800 to 1,100 kWh per kWp
    assert 6_000 < kwh["heating.import"] < 14_000
    assert 1_500 < kwh["ev.import"] < 4_000
    assert kwh["grid.export"] > 500
    assert 0.94 < kwh["battery.discharge"] / kwh["battery.charge"] < 0.96


def test_the_array_sleeps_at_night_and_never_exceeds_its_inverter(home: SimulatedSite) -> None:
    pv = home.meters.filter(pl.col("meter") == "pv").with_columns(
        hour=pl.col("timestamp").dt.convert_time_zone("Europe/Prague").dt.hour()
    )
    assert pv.filter(pl.col("hour").is_in([23, 0, 1, 2, 3]))["kwh"].sum() == 0
    assert pv["kwh"].max() * 4 <= 8
    assert pv.filter(pl.col("hour") == 13)["kwh"].sum() > pv.filter(pl.col("hour") == 9)["kwh"].sum()


def test_a_cold_array_yields_more_than_a_hot_one() -> None:
    def at(degc: float) -> float:
        sun, air = np.asarray([800.0]), np.asarray([degc])
        return float(pv_power_kw(ghi_w_per_m2=sun, outdoor_degc=air, peak_kw=8.0, truth=HomeTruth())[0])

    # 8 kW x 0.8 x 0.88 at a cell temperature of 25 degC: 1 degC of air and 24 K of sun.
    assert at(1.0) == pytest.approx(8 * 0.8 * 0.88)
    assert at(31.0) == pytest.approx(8 * 0.8 * 0.88 * (1 - 0.004 * 30))


def test_heating_follows_the_cold_and_never_exceeds_its_relays(home: SimulatedSite) -> None:
    heating = home.meters.filter(pl.col("meter") == "heating").with_columns(
        month=pl.col("timestamp").dt.convert_time_zone("Europe/Prague").dt.month()
    )
    by_month = dict(heating.group_by("month").agg(pl.col("kwh").sum()).iter_rows())
    assert by_month[1] > 5 * by_month[7]
    assert heating["kwh"].max() * 4 <= 18.12


def test_prices_are_hourly_know_tomorrow_and_are_now_and_then_negative(home: SimulatedSite) -> None:
    assert home.prices is not None
    prices = home.prices["day_ahead_price"]
    assert home.prices["timestamp"].max() > home.meters["timestamp"].max()
    assert home.prices.height == home.drivers.height + 96
    assert 0.003 < (prices < 0).mean() < 0.05
    assert prices.n_unique() > 1000
    hours = prices.to_numpy().reshape(-1, 4)
    assert (hours == hours[:, :1]).all()


def test_days_with_23_and_25_hours_are_whole(home: SimulatedSite) -> None:
    days = home.drivers.group_by(pl.col("timestamp").dt.convert_time_zone("Europe/Prague").dt.date()).len()
    lengths = dict(days.iter_rows())
    assert lengths[date(2025, 3, 30)] == 92
    assert lengths[date(2025, 10, 26)] == 100


def test_only_demo_sites_can_be_simulated(home_site: Site) -> None:
    with pytest.raises(BadInput, match="'villa' cannot be simulated; the simulator knows factory, home, tower"):
        generate_site(home_site.model_copy(update={"site_id": "villa"}), start=date(2025, 1, 1), end=date(2025, 1, 2))
    with pytest.raises(BadInput, match="ends"):
        generate_site(home_site, start=date(2025, 1, 2), end=date(2025, 1, 2))
