"""Devices of which the simulated house has no physics live in it by what their kind says that a set-point does."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from controls.planning.closed_loop.run_loop import run_policy
from controls.simulator.house.house import closed_house
from data_quality.contracts.control.closed_loop import SetPoints
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Asset, Site

EVENING = datetime(2024, 1, 8, 20, tzinfo=UTC)
DAY = {"earliest": "06:00", "latest_end": "22:00"}
LIMIT = "set_power_limit_kw"


def with_load(site: Site, kind: str = "sheddable_load", **params: object) -> Site:
    terms = params if kind == "appliance" else {"load_kw": 0.3, "price_per_kwh": 2.0, **params}
    load = Asset.model_validate({"asset_id": "laundry", "name": "Laundry", "kind": kind, "params": terms})
    return site.model_copy(update={"assets": (*site.assets, load)})


def test_what_is_shed_is_not_bought_and_is_paid_to_its_owner(home_site: Site) -> None:
    hours = pl.datetime_range(EVENING, EVENING + timedelta(hours=8), "15m", eager=True, time_unit="us", time_zone="UTC")
    prices = pl.DataFrame({"interval_start_utc": hours, "import_price_per_kwh": 1.0, "export_price_per_kwh": 0.0})
    site = with_load(home_site)
    let, shed = (closed_house(site, start_utc=EVENING, seed=3, prices=prices) for _ in range(2))
    # Over midnight of UTC: the load of the next day is another one.
    for house, reported in ((let, {}), (shed, {"laundry": {LIMIT: 0.1}})):
        house.act(reported, 300)
    seen, other = shed.look(), let.look()
    assert seen.at_utc == EVENING + timedelta(hours=5)
    shed_kwh = -5 * seen.drawn_kw["laundry"]
    # 0.3 kW go down to 0.1, wherever the house as a whole takes so much.
    assert 0.5 < shed_kwh <= 1.0
    assert other.drawn_kw["laundry"] == 0.0
    assert other.import_kw - seen.import_kw == pytest.approx(shed_kwh / 5, abs=2e-4)
    assert seen.import_kw - seen.export_kw == pytest.approx(seen.load_kw + sum(seen.drawn_kw.values()), abs=2e-3)
    # A kWh that is not bought saves 1, and costs the 2 that its owner asks for.
    assert shed.lived().cost - let.lived().cost == pytest.approx(shed_kwh, abs=2e-3)


@pytest.mark.parametrize(
    ("kind", "params", "capability"),
    [
        ("sheddable_load", {}, "set_switch_state"),
        # It has a state, which the house does not keep.
        (
            "appliance",
            {"programme_kw": [1.0], "windows": [{"earliest": "06:00", "latest_end": "22:00"}]},
            "set_start_count",
        ),
    ],
)
def test_what_it_does_not_take_is_refused(
    home_site: Site, kind: str, params: dict[str, object], capability: str
) -> None:
    house = closed_house(with_load(home_site, kind, **params), start_utc=EVENING, seed=3)
    with pytest.raises(BadInput, match=f"the house has no {capability} of 'laundry'"):
        house.act({"laundry": {capability: 1.0}}, 15)


def test_a_closed_loop_plans_it_and_the_house_does_it(home_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site = with_load(home_site, price_per_kwh=0.01)
    house, reported = closed_house(site, start_utc=EVENING, seed=3), list[SetPoints]()
    act = house.act

    def noted(set_points: SetPoints, minutes: int) -> None:
        reported.append(set_points)
        act(set_points, minutes)

    monkeypatch.setattr(house, "act", noted)
    found = run_policy(site, house, "deterministic", seed=3, hours=1, watched=timedelta(hours=25))
    assert found.plans >= 1
    # Cheaper than any kWh of the evening: all of it is shed.
    assert reported[-1]["laundry"][LIMIT] == pytest.approx(0.0, abs=1e-3)
    assert house.look().drawn_kw["laundry"] < -0.1


def test_a_kind_whose_state_the_house_does_not_tell_is_left_out_and_named(home_site: Site) -> None:
    site = with_load(home_site, "appliance", programme_kw=[1.0], windows=[DAY])
    pump = {"capacity_kwh": 8, "empty_degc": 20, "full_degc": 50, "normal_degc": 40, "normal_kw": 2.0}
    pump_asset = Asset.model_validate({"asset_id": "pump", "name": "Pump", "kind": "heat_pump", "params": pump})
    site = site.model_copy(update={"assets": (*site.assets, pump_asset)})
    house = closed_house(site, start_utc=EVENING, seed=3)
    found = run_policy(site, house, "deterministic", seed=3, hours=1, watched=timedelta(hours=2))
    assert found.plans >= 1
    [text] = [each for each in found.findings if each.code == "devices_left_out"]
    assert text.message == "site home: left out, because the simulated site tells no state of them: laundry, pump"
