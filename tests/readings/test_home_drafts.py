"""`init --from` of what a home keeps: one command from Home Assistant or evcc to a site that reads it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.readings.drafts.column_kinds import is_generated
from assets.readings.drafts.drafting import draft_map
from assets.sites.load_sites import load_site
from orchestration.cli.main import build_app
from tests.readings.recorder_files import Statistic, recorder


def run(*words: object) -> Any:
    app = build_app(("init", "ingest", "check"))
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_recorder_database_becomes_a_site_that_reads_it(tmp_path: Path) -> None:
    sums = [(0.0, 1.0 + n) for n in range(5)]
    path = recorder(
        tmp_path / "home-assistant_v2.db",
        Statistic("sensor.grid_import", "kWh", sums=sums),
        Statistic("sensor.grid_export", "kWh", sums=sums),
        Statistic("sensor.pv_energy", "Wh", sums=sums),
        Statistic("sensor.gas_meter", "m³", sums=sums),
        Statistic("solar:pv_energy", "kWh", sums=sums),
        Statistic("sensor.cost", "EUR", sums=sums),
        Statistic("sensor.hall", "°C", means=[20.0]),
    )
    folder = tmp_path / "house"
    made = run("init", folder, "--from", path, "--tz", "Europe/Berlin")
    assert made.exit_code == 0, made.stderr
    site = load_site(folder / "sites" / "house.yaml")
    found = {(each.meter_id, each.registers[0].register_id, each.carrier.value) for each in site.meters}
    assert found == {
        ("grid_import", "import", "electricity"),
        ("grid_export", "export", "electricity"),
        ("pv_energy", "value", "electricity"),
        ("gas_meter", "import", "natural_gas"),
    }
    # Two entities of one name: asked, and read by none of them until it is answered.
    assert "PLACEHOLDER: another entity is called pv_energy too" in (folder / "sites" / "house.yaml").read_text()
    taken = run("ingest", path, "--site", "house", "--project", folder)
    assert taken.exit_code == 0, taken.stderr
    assert "accept_with_warning, home_assistant, 16 rows" in taken.stdout


def _priced(path: Path, prices: list[str]) -> Path:
    rows = [
        f"2026-{1 + n // 24 // 28:02}-{1 + n // 24 % 28:02} {n % 24:02}:00,0.5,{cell}" for n, cell in enumerate(prices)
    ]
    path.write_text("\n".join(["Zeit,Hausverbrauch [kWh],Strompreis [ct/kWh]", *rows]) + "\n", encoding="utf-8")
    return path


def test_a_price_that_never_changes_is_one_price_for_every_kwh(tmp_path: Path) -> None:
    path = _priced(tmp_path / "home.csv", ["33.9"] * 1000)
    made = run("init", tmp_path / "house", "--from", path, "--tz", "Europe/Berlin")
    assert made.exit_code == 0, made.stderr
    site = load_site(tmp_path / "house" / "sites" / "house.yaml")
    tariff = site.tariffs[0]
    assert [period.price_per_kwh for period in tariff.periods] == [Decimal("0.339")]
    assert site.price_stream is None
    # Its readings are kept all the same.
    assert [driver.driver_id for driver in site.drivers] == ["import_price"]


@pytest.mark.parametrize("prices", [["33.9"] * 999 + ["31.2"], ["33.9"] * 23, ["339"] * 1000])
def test_a_price_that_changes_or_is_no_price_is_a_stream(tmp_path: Path, prices: list[str]) -> None:
    path = _priced(tmp_path / "home.csv", prices)
    made = run("init", tmp_path / "house", "--from", path, "--tz", "Europe/Berlin")
    assert made.exit_code == 0, made.stderr
    assert load_site(tmp_path / "house" / "sites" / "house.yaml").price_stream == "import_price"


def test_who_says_that_prices_change_is_believed(tmp_path: Path) -> None:
    path = _priced(tmp_path / "home.csv", ["33.9"] * 1000)
    (tmp_path / "answers.yaml").write_text("price: stream\n", encoding="utf-8")
    given = ("--answers", tmp_path / "answers.yaml")
    made = run("init", tmp_path / "house", "--from", path, "--tz", "Europe/Berlin", *given)
    assert made.exit_code == 0, made.stderr
    assert load_site(tmp_path / "house" / "sites" / "house.yaml").price_stream == "import_price"


def test_a_homes_price_states_and_weather_are_read_from_its_recorder(tmp_path: Path) -> None:
    path = recorder(
        tmp_path / "home-assistant_v2.db",
        Statistic("sensor.grid_import", "kWh", sums=[(0.0, 1.0 + n) for n in range(5)]),
        Statistic("sensor.nordpool_kwh_de", "EUR/kWh", means=[0.31, 0.28]),
        Statistic("sensor.tibber_price_ct", "ct/kWh", means=[31.0, 28.0]),
        Statistic("sensor.boiler_temperature", "°C", means=[50.0, 51.0]),
        Statistic("sensor.battery_soc", "%", means=[60.0, 61.0]),
        Statistic("sensor.phone_battery_level", "%", means=[60.0]),
        Statistic("sensor.outdoor_temperature", "°C", means=[6.0, 5.0]),
        Statistic("sensor.hall", "°C", means=[20.0]),
    )
    made = run("init", tmp_path / "house", "--from", path, "--tz", "Europe/Berlin")
    assert made.exit_code == 0, made.stderr
    site = load_site(tmp_path / "house" / "sites" / "house.yaml")
    assert {each.driver_id: each.unit for each in site.drivers} == {
        "battery_soc": "percent",
        "hot_water_degc": "degc",
        "import_price": "per_kwh",
        "outdoor_degc": "degc",
    }
    taken = run("ingest", path, "--site", "house", "--project", tmp_path / "house")
    assert taken.exit_code == 0, taken.stderr
    for driver in ("battery_soc", "hot_water_degc", "import_price", "outdoor_degc"):
        assert f"{driver}.value: 2 intervals" in taken.stdout


def test_a_price_in_cents_becomes_one_in_the_currency(tmp_path: Path) -> None:
    path = recorder(
        tmp_path / "home-assistant_v2.db",
        Statistic("sensor.grid_import", "kWh", sums=[(0.0, 1.0 + n) for n in range(5)]),
        Statistic("sensor.tibber_price", "ct/kWh", means=[31.0, 28.0]),
    )
    made = run("init", tmp_path / "house", "--from", path, "--tz", "Europe/Berlin")
    assert made.exit_code == 0, made.stderr
    (column_map,) = load_site(tmp_path / "house" / "sites" / "house.yaml").column_maps
    assert column_map.values["sensor.tibber_price"] == "import_price"
    assert (column_map.units, column_map.multipliers) == (
        {"sensor.tibber_price": "per_kwh"},
        {"sensor.tibber_price": 0.01},
    )


@pytest.mark.parametrize("mark", [" ", "_", "-"])
def test_words_of_a_column_may_be_joined_by_any_mark(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "home.csv"
    heads = [each.replace(" ", mark) for each in ("grid import kWh", "grid export kWh", "pv kWh")]
    rows = [f"2026-03-01T{n // 4:02}:{n % 4 * 15:02}:00+01:00,0.5,0.{n % 3},0.2" for n in range(48)]
    path.write_text("\n".join([f"timestamp,{','.join(heads)}", *rows]) + "\n", encoding="utf-8")
    assert run("init", tmp_path / "house", "--from", path, "--tz", "Europe/Berlin").exit_code == 0
    site = load_site(tmp_path / "house" / "sites" / "house.yaml")
    found = {
        each.meter_id.removesuffix("_kwh"): [str(one.register_id) for one in each.registers] for each in site.meters
    }
    assert found == {"grid_import": ["import", "export"], "pv": ["value"], "house": ["import"]}


def inverter(days: int, so_far: str) -> str:
    """An inverter's export, hour by hour: power, energy of the day so far, and the counter."""
    lines, total = [f"When,Pac (W),{so_far},E-Total (kWh)"], 1000.0
    for day in range(days):
        today = 0.0
        for hour in range(24):
            watts = max(0, 3000 - 400 * abs(hour - 12))
            today, total = today + watts / 1000, total + watts / 1000
            lines.append(f"2024-03-{4 + day:02} {hour:02}:00,{watts},{today:.1f},{total:.1f}")
    return "\n".join(lines) + "\n"


def test_the_energy_of_a_day_so_far_is_no_amount(tmp_path: Path) -> None:
    path = tmp_path / "inverter.csv"
    path.write_text(inverter(4, "E-Today (kWh)"))
    draft = draft_map(path)
    assert draft is not None
    assert any("start anew each day" in each and "E-Today (kWh)" in each for each in draft.remarks)
    assert "E-Today (kWh)" not in str(draft.keys)
    told = run("init", tmp_path / "p", "--from", path, "--tz", "Europe/Berlin")
    assert told.exit_code == 0, told.output
    text = next((tmp_path / "p" / "sites").glob("*.yaml")).read_text()
    assert '# "E-Today (kWh)": ' in text
    assert "or of the day so far" in text


def test_what_falls_at_one_time_of_each_day_without_rising_step_by_step_is_an_amount(tmp_path: Path) -> None:
    path = tmp_path / "boiler.csv"
    hours = [(day, hour) for day in range(4, 10) for hour in range(24)]
    rows = [f"2024-03-{day:02} {hour:02}:00,{2 if hour in (3, 4) else 0}.0" for day, hour in hours]
    path.write_text("\n".join(["When,Boiler (kWh)", *rows, ""]))
    draft = draft_map(path)
    assert draft is not None
    assert draft.keys["value"] == "Boiler (kWh)"


@pytest.mark.parametrize("name", ["System Production (W)", "Energy Produced (Wh)", "Energie | Wechselrichter (Wh)"])
def test_what_an_inverter_makes_is_generated(name: str) -> None:
    assert is_generated(name)
