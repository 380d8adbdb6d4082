"""The house of closed loops: its balances, what it never lets happen, what it shows, and what it hides."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.optimiser.devices.kinds import KINDS
from controls.simulator.house.courses import Courses, epoch_quarter
from controls.simulator.house.house import House, closed_house, perfect_foresight_house
from controls.simulator.house.nominal import nominal_of
from controls.simulator.house.truth import truth_of
from data_quality.contracts.control.closed_loop import ClosedSite, SetPoints, SiteObservation
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from ml.rooms.identify_room import RoomData, day_ahead_error_k

JANUARY, MAY = datetime(2024, 1, 8, tzinfo=UTC), datetime(2024, 5, 6, tzinfo=UTC)
HEATERS = [f"heating_{n:02d}" for n in range(1, 17)]
RELAYS = [f"set_relay_{n:02d}_state" for n in range(1, 7)]
Policy = Callable[[SiteObservation, np.random.Generator], SetPoints]


def inside(house: ClosedSite) -> House:
    """The house itself, for what only a test may do: look at what is true."""
    return cast(House, house)


def alone(seen: SiteObservation, rng: np.random.Generator) -> SetPoints:
    return {}


def wild(seen: SiteObservation, rng: np.random.Generator) -> SetPoints:
    """Random set-points of every device."""
    return {
        **{name: {"set_switch_state": float(rng.integers(0, 2))} for name in HEATERS[:12]},
        "battery": {"set_charge_power_kw": float(rng.uniform(-8, 8))},
        "ev_charger": {"set_charge_power_kw": float(rng.uniform(0, 9))},
        "hot_water": {name: float(rng.integers(0, 2)) for name in RELAYS},
    }


def lived_through(house: ClosedSite, policy: Policy, *, quarters: int, seed: int = 0) -> list[SiteObservation]:
    rng, looks = np.random.default_rng(seed), [house.look()]
    for _ in range(quarters):
        house.act(policy(looks[-1], rng), 15)
        looks.append(house.look())
    return looks


@pytest.mark.parametrize("policy", [alone, wild])
@pytest.mark.parametrize("start", [JANUARY, MAY])
def test_what_comes_from_the_grid_is_what_the_house_takes(home_site: Site, policy: Policy, start: datetime) -> None:
    house = closed_house(home_site, start_utc=start, seed=3)
    # By minutes too: nothing is made up within a quarter of an hour.
    rng, before = np.random.default_rng(1), house.look()
    for n in range(300):
        house.act(policy(before, rng), 1 if n % 3 else 15)
        seen = house.look()
        balance = seen.load_kw + sum(seen.drawn_kw.values())
        assert seen.import_kw - seen.export_kw == pytest.approx(balance, abs=2e-3)
        before = seen


def test_rooms_go_on_as_an_integration_by_seconds_does(home_site: Site) -> None:
    house = inside(closed_house(home_site, start_utc=JANUARY.replace(hour=6), seed=5))
    lived_through(house, wild, quarters=8)
    truth, rooms = house._truth, house._truth.rooms
    reported = {name: {"set_switch_state": float(n % 2)} for n, name in enumerate(HEATERS)}
    house.act(reported, 1)
    nodes = house._z[: 2 * rooms].copy()
    at_s = int(house._now_utc.timestamp())
    day, first = house._days.of(at_s // 86400), at_s % 86400 // 60
    conducts = np.diag(truth.between_kw_per_k.sum(axis=1)) - truth.between_kw_per_k
    given_by = house._days._step.given
    heater_kw = truth.to_nodes @ np.array([float(n % 2) for n in range(16)])
    came, went, before = 0.0, 0.0, float(truth.heat_kwh_per_k @ nodes)
    for minute in range(first, first + 60):
        # The kW behind a push, without what it holds of the outdoors.
        outdoor = day.outdoor_degc[minute]
        kw = np.linalg.solve(given_by, day.push[minute]) - outdoor * truth.loss_kw_per_k + heater_kw
        windows = day.aired[minute] * (outdoor - nodes[:rooms])
        kw[:rooms] += windows
        for _ in range(60):
            lost = truth.loss_kw_per_k * (nodes - outdoor)
            nodes += (kw - lost - conducts @ nodes) / truth.heat_kwh_per_k / 3600
            came, went = came + kw.sum() / 3600, went + lost.sum() / 3600
    house.act(reported, 60)
    np.testing.assert_allclose(house._z[: 2 * rooms], nodes, atol=5e-3)
    after = float(truth.heat_kwh_per_k @ house._z[: 2 * rooms])
    assert after - before == pytest.approx(came - went, abs=0.01)
    assert came > 3


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([*HEATERS[:3], "battery", "ev_charger", "hot_water", "pv"]),
            st.one_of(st.floats(-1e9, 1e9), st.floats(-6, 8)),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_store_leaves_its_limits_whatever_it_is_told(home_site: Site, wishes: list[dict[str, float]]) -> None:
    doors = {
        "battery": ("set_charge_power_kw",),
        "ev_charger": ("set_charge_power_kw",),
        "pv": ("set_power_limit_kw",),
        "hot_water": RELAYS,
    }
    house = inside(closed_house(home_site, start_utc=JANUARY, seed=2))
    battery = house._battery
    full = battery.full_kwh
    for wish in wishes:
        before = battery.kwh
        house.look()
        house.act({name: dict.fromkeys(doors.get(name, ("set_switch_state",)), v) for name, v in wish.items()}, 120)
        seen = house.look()
        # What is at the cells is never more than what went in at the terminals, nor less gone than what came out.
        assert battery.kwh - before <= 2 * seen.drawn_kw["battery"] + 1e-3
        assert 0 <= battery.kwh <= full
        assert 0 <= house._car.kwh <= house._car.car.capacity_kwh
        assert 0 <= house._tank.state.stored_kwh <= house._tank.tank.capacity_kwh
        assert ((house._z[:34] > 5) & (house._z[:34] < 32)).all()
        assert seen.drawn_kw["pv"] <= 0


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({"battery": {"set_charge_power_kw": nan}}, "set_charge_power_kw of 'battery' is nan, which is no set-point"),
        ({"heating_01": {"set_switch_state": inf}}, "is inf, which is no set-point"),
        ({"sauna": {"set_switch_state": 1.0}}, "the house has no set_switch_state of 'sauna'"),
        ({"pv": {"set_charge_power_kw": 1.0}}, "the house has no set_charge_power_kw of 'pv'"),
        ({"grid_meter": {"set_power_limit_kw": 1.0}}, "the house has no set_power_limit_kw of 'grid_meter'"),
    ],
)
def test_what_no_device_takes_is_refused_and_nothing_moves(
    home_site: Site, message: Mapping[str, Mapping[str, float]], sentence: str
) -> None:
    house = closed_house(home_site, start_utc=JANUARY, seed=1)
    with pytest.raises(BadInput, match=sentence):
        house.act(message, 15)
    assert house.look().at_utc == JANUARY


def test_a_curve_of_the_site_file_is_nominal_and_the_cells_keep_their_true_losses(home_site: Site) -> None:
    curve = {"efficiency_curve": [[0.5, 0.7], [1.0, 0.6]]}
    assets = [
        each.model_copy(update={"params": {**each.params, **curve}}) if each.kind == "battery" else each
        for each in home_site.assets
    ]
    houses = [
        inside(closed_house(site, start_utc=JANUARY, seed=1))
        for site in (home_site, home_site.model_copy(update={"assets": tuple(assets)}))
    ]
    for house in houses:
        house.act({"battery": {"set_charge_power_kw": 2.0}}, 30)
    assert houses[0]._battery.kwh == houses[1]._battery.kwh


def test_a_battery_that_is_charged_and_emptied_loses_and_wears(home_site: Site) -> None:
    house = inside(closed_house(home_site, start_utc=JANUARY, seed=1))
    start, full = house._battery.kwh, house._battery.full_kwh
    into = out = 0.0
    for n in range(60):
        house.look()
        house.act({"battery": {"set_charge_power_kw": 5.0 if n % 2 == 0 else -5.0}}, 180)
        drawn = 3 * house.look().drawn_kw["battery"]
        into, out = into + max(drawn, 0.0), out + max(-drawn, 0.0)
    assert 0.85 < out / (into - (house._battery.kwh - start)) < 0.95
    assert house.lived().cycles == pytest.approx(23, abs=4)
    assert 0.9999 * full > house._battery.full_kwh > 0.99 * full


@pytest.mark.parametrize("start", [JANUARY, MAY])
def test_the_world_does_not_care_what_is_done(home_site: Site, start: datetime) -> None:
    one, other = (closed_house(home_site, start_utc=start, seed=7) for _ in range(2))
    looks = lived_through(one, alone, quarters=288), lived_through(other, wild, quarters=288)
    for first, second in zip(*looks, strict=True):
        for name in ("at_utc", "outdoor_degc", "ghi_w_per_m2", "load_kw"):
            assert getattr(first, name) == getattr(second, name)
        assert first.drawn_kw["pv"] == second.drawn_kw["pv"]
        assert (first.states["ev_charger"] is None) == (second.states["ev_charger"] is None)
        assert [first.states[n] is None for n in HEATERS] == [second.states[n] is None for n in HEATERS]
    assert one.outlook(48) == other.outlook(48)
    draws = [inside(each)._days.of(epoch_quarter(start) // 96).draw_kw for each in (one, other)]
    assert (draws[0] == draws[1]).all()
    assert one.lived() != other.lived()


def test_a_day_is_the_same_from_wherever_it_is_reached_and_another_with_another_seed(home_site: Site) -> None:
    early = closed_house(home_site, start_utc=JANUARY, seed=7)
    early.act({}, 2 * 1440)
    late = closed_house(home_site, start_utc=JANUARY + timedelta(days=2), seed=7)
    other = closed_house(home_site, start_utc=JANUARY + timedelta(days=2), seed=8)
    looks = [lived_through(each, alone, quarters=96)[1:] for each in (early, late, other)]
    courses = [[(seen.outdoor_degc, seen.load_kw, seen.drawn_kw["pv"]) for seen in each] for each in looks]
    assert courses[0] == courses[1]
    assert courses[0] != courses[2]


def test_a_year_goes_on_into_the_next(home_site: Site) -> None:
    house = closed_house(home_site, start_utc=datetime(2024, 12, 31, 12, tzinfo=UTC), seed=1)
    looks = lived_through(house, alone, quarters=100)
    assert looks[-1].at_utc == datetime(2025, 1, 1, 13, tzinfo=UTC)


def test_nothing_true_can_be_reached_by_name(home_site: Site) -> None:
    house = closed_house(home_site, start_utc=JANUARY, seed=1)
    public = {name for name in dir(house) if not name.startswith("_")}
    assert public == {name for name in dir(ClosedSite) if not name.startswith("_")}


@pytest.mark.parametrize("seed", range(5))
def test_no_true_figure_is_that_of_the_site_file(home_site: Site, seed: int) -> None:
    nominal = nominal_of(home_site)
    truth, rooms = truth_of(nominal, seed=seed), list(nominal.rooms.values())
    direct, walls = truth.loss_kw_per_k[:17], truth.loss_kw_per_k[17:]
    to_walls = np.diag(truth.between_kw_per_k[:17, 17:])
    resistance = 1 / (direct + 1 / (1 / walls + 1 / to_walls))
    heat = truth.heat_kwh_per_k.reshape(2, -1).sum(axis=0)
    for found, named in ((resistance, [r.r_k_per_kw for r in rooms]), (heat, [r.c_kwh_per_k for r in rooms])):
        away = np.abs(found[:16] / np.array(named) - 1)
        assert ((away > 0.01) & (away < 0.201)).all()
    assert sum(nominal.heaters_kw) == pytest.approx(18.12)
    assert 0.8 * nominal.battery.capacity_kwh < truth.battery_kwh < nominal.battery.capacity_kwh
    assert truth.charge_efficiency < nominal.battery.charge_efficiency


def test_states_are_what_a_plan_measures(home_site: Site) -> None:
    house = inside(closed_house(home_site, start_utc=JANUARY, seed=1))
    looks = lived_through(house, alone, quarters=192)
    tank = next(asset for asset in home_site.assets if asset.kind == "tank")
    kinds: dict[str, Any] = KINDS
    for seen in looks:
        assert set(seen.states) == {*HEATERS, "battery", "ev_charger", "hot_water"}
        degc = 45 + 30 * (seen.states["hot_water"] or 0.0) / 10.4
        assert kinds["tank"].measured(tank, "home", round(degc, 1)) == pytest.approx(seen.states["hot_water"], abs=1e-6)
    errors = [abs((looks[-1].states[name] or 20.0) - house._z[n]) for n, name in enumerate(HEATERS)]
    assert 0 < max(errors) < 0.5
    known = [seen.states[name] for seen in looks for name in HEATERS]
    assert 0.001 < sum(degc is None for degc in known) / len(known) < 0.05
    assert all(degc == round(degc, 1) for degc in known if degc is not None)
    away = [seen.at_utc.hour for seen in looks if seen.states["ev_charger"] is None]
    assert set(away) >= {8, 12, 15}
    assert not set(away) & {0, 3, 22}


def test_a_thermometer_may_be_stuck_or_silent(home_site: Site) -> None:
    faults: Any = {"heating_03": "stuck", "heating_05": "silent"}
    house = closed_house(home_site, start_utc=JANUARY, seed=1, faults=faults)
    looks = lived_through(house, alone, quarters=96)
    assert len({seen.states["heating_03"] for seen in looks} - {None}) == 1
    assert {seen.states["heating_05"] for seen in looks} == {None}
    assert len({seen.states["heating_01"] for seen in looks}) > 3


def test_told_nothing_it_keeps_its_rooms_warm_and_its_car_full(home_site: Site) -> None:
    house = inside(closed_house(home_site, start_utc=JANUARY, seed=1))
    house.act({}, 2 * 1440)
    house.open_account()
    assert house.lived().cost == 0
    looks = lived_through(house, alone, quarters=7 * 96)
    lived = house.lived()
    assert lived.breach_share < 0.01
    assert lived.cycles == 0
    assert lived.switchings > 10
    assert lived.kgco2e == pytest.approx(0.43 * lived.import_kwh)
    evenings = [seen.states["ev_charger"] for seen in looks if seen.at_utc.hour == 23]
    # As full as its owner wants it.
    assert min(degc or 0.0 for degc in evenings) >= 47
    assert max(seen.drawn_kw["ev_charger"] for seen in looks) == pytest.approx(7.4, abs=0.1)


def test_a_thermostat_is_set_by_its_door_and_a_relay_obeys_its_guards(home_site: Site) -> None:
    house = inside(closed_house(home_site, start_utc=JANUARY, seed=1))
    house.act({"heating_01": {"set_temperature_degc": 23.0}, "heating_02": {"set_switch_state": 0.0}}, 2880)
    assert house._z[0] == pytest.approx(23.2, abs=0.5)
    assert house._z[1] < 17
    assert house.lived().discomfort_kh > 10
    house.act({"heating_02": {"set_switch_state": 1.0}}, 4320)
    # Its cut-out lets no heater burn.
    assert house._z[1] < 28.5


def flat(start: datetime, days: int, price: float = 2.0) -> pl.DataFrame:
    at = [start + timedelta(minutes=15 * n) for n in range(96 * days)]
    return pl.DataFrame(
        {"interval_start_utc": at, "import_price_per_kwh": [price] * len(at), "export_price_per_kwh": [0.5] * len(at)}
    )


def test_what_is_stored_counts_as_what_it_cost(home_site: Site) -> None:
    costs = []
    for reported in ({}, {"battery": {"set_charge_power_kw": 2.0}}):
        house = closed_house(home_site, start_utc=JANUARY, seed=1, prices=flat(JANUARY, 1))
        house.act(reported, 60)
        costs.append(house.lived().cost)
    # Two kWh for four crowns stand in the battery; a cold cell keeps a little less.
    assert costs[1] == pytest.approx(costs[0], abs=0.1)


def test_a_price_that_lacks_is_named_before_anything_moves(home_site: Site) -> None:
    house = closed_house(home_site, start_utc=JANUARY, seed=1, prices=flat(JANUARY, 1))
    house.act({}, 1440)
    with pytest.raises(BadInput, match="the given prices have none for 2024-01-09T00:00Z"):
        house.act({}, 15)
    assert house.look().at_utc == JANUARY + timedelta(days=1)


@pytest.mark.parametrize(("utc_hour", "until_hour"), [(10, 23), (11, 23), (12, 47)])
def test_the_next_day_is_published_at_one(home_site: Site, utc_hour: int, until_hour: int) -> None:
    start = JANUARY.replace(hour=utc_hour)
    outlook = closed_house(home_site, start_utc=start, seed=1).outlook(48)
    assert outlook.start_utc == start
    assert len(outlook.import_price_per_kwh) == 4 * (until_hour - utc_hour)
    assert len(outlook.export_price_per_kwh) == len(outlook.import_price_per_kwh)
    assert outlook.load_kw is None


def test_a_service_errs_more_the_further_it_looks_and_says_by_how_much(home_site: Site) -> None:
    errors, spreads, about = [], [], []
    services = [
        inside(make(home_site, start_utc=JANUARY, seed=1))._service for make in (closed_house, perfect_foresight_house)
    ]
    for day in range(40):
        forecast_kw, comes = (service(JANUARY + timedelta(days=3 * day), 48) for service in services)
        assert len(forecast_kw.outdoor_degc) == len(forecast_kw.ghi_w_per_m2) == 15
        courses = np.array(forecast_kw.outdoor_degc)
        errors.append(courses[0] - np.array(comes.outdoor_degc[0]))
        spreads.append(np.std(courses[1:] - courses[0], axis=0))
        about.append(courses[1:].mean(axis=0) - np.array(comes.outdoor_degc[0]))
        ghi, true = np.array(forecast_kw.ghi_w_per_m2), np.array(comes.ghi_w_per_m2[0])
        assert (ghi >= 0).all()
        assert (ghi[:, true == 0] <= 1).all()
    error, spread = np.std(errors, axis=0), np.mean(spreads, axis=0)
    assert error[:3].mean() < 0.7 < error[24:].mean()
    assert 0.8 < (error / spread).mean() < 1.25
    # The courses lie about the central one, and not about what nobody knows.
    assert np.corrcoef(np.ravel(errors), np.ravel(about))[0, 1] > 0.8


def test_who_foresees_all_meets_the_same_house(home_site: Site) -> None:
    plain, foreseen = (make(home_site, start_utc=MAY, seed=4) for make in (closed_house, perfect_foresight_house))
    comes = foreseen.outlook(24)
    looks = [lived_through(each, wild, quarters=96) for each in (plain, foreseen)]
    assert looks[0] == looks[1]
    assert plain.lived() == foreseen.lived()
    assert comes.load_kw is not None
    hours = [np.mean([seen.load_kw for seen in looks[0][1 + 4 * n : 5 + 4 * n]]) for n in range(24)]
    np.testing.assert_allclose(comes.load_kw, hours, atol=1e-3)
    assert len(comes.outdoor_degc) == 1
    # Beyond what is published.
    assert len(comes.import_price_per_kwh) == 96


def test_snow_hides_the_sun_until_it_melts_and_rain_washes(home_site: Site) -> None:
    year = [
        Courses(home_site, seed=seed).between(epoch_quarter(datetime(2024, 1, 1, tzinfo=UTC)), 35000) for seed in (1, 2)
    ]
    for each in year:
        assert each.pv_share.min() < 0.3
        warm = each.pv_share[120 * 96 : 270 * 96]
        assert 0.9 < warm.min() < 0.98
        assert warm.max() > 0.99
        assert (each.persons == 0).mean() < 0.3
        assert (each.walls_w_per_m2 >= 0).all()
        # In winter the south sees the most; the north never sees the beam.
        south, _, north, _ = each.walls_w_per_m2[: 60 * 96].sum(axis=0)
        assert south > 2 * north


def test_a_week_takes_seconds_of_processor(home_site: Site) -> None:
    house = closed_house(home_site, start_utc=JANUARY, seed=1)
    house.act({}, 15)
    begun = time.process_time()
    lived_through(house, wild, quarters=7 * 96)
    # A month in two seconds would be 0.45; four times that for a loaded machine.
    assert time.process_time() - begun < 1.8


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("rooms", "has no heating_relay with a room"),
        ("tank", "has 0 assets of kind 'tank'"),
        ("start", "starts on a quarter hour of UTC"),
        ("minutes", "goes on by whole minutes, not by 0"),
    ],
)
def test_a_house_that_cannot_be_is_refused(home_site: Site, change: str, sentence: str) -> None:
    kinds = {"rooms": "heating_relay", "tank": "tank"}
    assets = tuple(asset for asset in home_site.assets if asset.kind != kinds.get(change))
    start = JANUARY + timedelta(minutes=7) if change == "start" else JANUARY
    with pytest.raises(BadInput, match=sentence):
        closed_house(home_site.model_copy(update={"assets": assets}), start_utc=start, seed=1).act({}, 0)


@pytest.mark.parametrize("rooms", [1, 2])
def test_a_small_house_lives_too(home_site: Site, rooms: int) -> None:
    unwanted = set(HEATERS[rooms:])
    assets = tuple(asset for asset in home_site.assets if asset.asset_id not in unwanted)
    house = closed_house(home_site.model_copy(update={"assets": assets}), start_utc=JANUARY, seed=1)
    house.act({}, 2880)
    assert all(19 < degc < 24 for degc in inside(house)._z[:rooms])


def test_rooms_are_foreseen_for_a_day_by_what_two_weeks_of_readings_tell(home_site: Site) -> None:
    def set_back(seen: SiteObservation, rng: np.random.Generator) -> SetPoints:
        degc = 17.5 if seen.at_utc.hour >= 22 or seen.at_utc.hour < 5 else 20.0
        return {name: {"set_temperature_degc": degc} for name in HEATERS}

    looks = lived_through(closed_house(home_site, start_utc=JANUARY, seed=3), set_back, quarters=20 * 96)
    errors = []
    for name in HEATERS[::5]:
        degc = np.array([nan if seen.states[name] is None else seen.states[name] for seen in looks[:-1]], dtype=float)
        means = ([seen.outdoor_degc, seen.drawn_kw[name], seen.ghi_w_per_m2] for seen in looks[1:])
        error_k = day_ahead_error_k(RoomData(0.25, degc, *np.array(list(means)).T))
        assert error_k is not None
        errors.append(error_k)
    assert np.mean(errors) < 0.5
