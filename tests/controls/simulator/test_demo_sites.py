"""The demo's site files say what the demo promises."""

from datetime import date, timedelta

import pytest

from assets.sites.load_sites import load_people, load_sites
from controls.simulator.physics.simulated import SimulatedSite
from controls.simulator.worlds.home import home_assets
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from tests.controls.simulator.conftest import DEMO


def test_the_demo_folder_loads() -> None:
    assert set(load_sites(DEMO)) == {"factory", "home", "tower"}


def test_every_role_is_held_and_nobody_approves_alone() -> None:
    people = load_people(DEMO / "people.yaml")
    held = {role for person in people.people for role in person.roles}
    # The others only look, in pages.
    assert held == set(Role) - {Role.VIEWER, Role.TENANT, Role.AUDITOR}
    assert people.acting("carla", Role.ENGINEER).name
    with pytest.raises(BadInput, match="has not the role 'approver'"):
        people.acting("ben", Role.APPROVER)


def test_the_relays_add_up_to_the_heating(home_site: Site) -> None:
    relays = [asset for asset in home_site.assets if asset.kind == "heating_relay"]
    assert len(relays) == 16
    assert home_assets(home_site).heating_kw == 18.12
    assert not any(asset.template for asset in relays)


def test_device_limits_fit_their_templates(home_site: Site) -> None:
    assets = home_assets(home_site)
    low, high = load_template("sim_battery_10kwh").limits("set_charge_power_kw")
    assert (low, high) == (-assets.battery.max_discharge_kw, assets.battery.max_charge_kw)
    assert load_template("sim_pv_inverter").limits("set_power_limit_kw") == (0.0, assets.pv_peak_kw)


@pytest.mark.parametrize(("kind", "sentence"), [
    ("battery", "has 0 assets of kind 'battery'"),
    ("pv", "has no asset of kind 'pv' with 'peak_kw'"),
])  # fmt: skip
def test_a_home_without_its_devices_is_refused(kind: str, sentence: str, home_site: Site) -> None:
    poorer = home_site.model_copy(update={"assets": tuple(a for a in home_site.assets if a.kind != kind)})
    with pytest.raises(BadInput, match=sentence):
        home_assets(poorer)


def test_tariffs_and_factors_cover_the_simulated_years(factory_site: Site, home_site: Site, tower_site: Site) -> None:
    for site, start, end in (
        (factory_site, date(2024, 1, 1), date(2026, 1, 1)),
        (home_site, date(2024, 1, 1), date(2027, 1, 1)),
        (tower_site, date(2024, 1, 1), date(2027, 1, 1)),
    ):
        of_carrier = [[entry for entry in site.factors if entry.carrier is carrier] for carrier in Carrier]
        for entries in (site.tariffs, *filter(None, of_carrier)):
            day = start
            while day < end:
                assert sum(entry.valid_from <= day < entry.valid_to for entry in entries) == 1, (site.site_id, day)
                day += timedelta(days=1)


def test_every_stream_of_the_site_files_is_simulated(
    factory_site: Site, home_site: Site, factory: SimulatedSite, home: SimulatedSite
) -> None:
    for site, made in ((factory_site, factory), (home_site, home)):
        named = {(meter.meter_id, register.register_id) for meter in site.meters for register in meter.registers}
        assert set(made.meters.select("meter", "register").unique().iter_rows()) == named
        columns = set(made.drivers.columns) | set(made.prices.columns if made.prices is not None else ())
        assert columns - {"timestamp", "is_synthetic"} == {driver.driver_id for driver in site.drivers}
        assert made.meters["is_synthetic"].all()
        assert made.drivers["is_synthetic"].all()
