"""`init --from` says of each column what it is: a price, a direction, a state; and asks where it is not certain."""

import json
from pathlib import Path
from typing import Any

import pytest

from assets.readings.drafts.column_kinds import direction, either, house_formula, price_column, state_of
from assets.sites.load_sites import load_site
from data_quality.contracts.site_file.site import Site
from tests.readings.test_ordinary_files import hours
from tests.readings.test_site_drafts import run

FED_IN = ["export", "generation", "skip"]


def drafted(folder: Path, header: str, row: str, answers: dict[str, Any] | None = None, tz: str = "") -> Any:
    """Answer of `init --from` for a file of these columns."""
    (folder / "data.csv").write_text(f"Zeit;{header}\n" + hours("{t};" + row), encoding="utf-8")
    (folder / "answers.json").write_text(json.dumps(answers or {}))
    words = ["--from", folder / "data.csv", "--tz", tz or "Europe/Berlin", "--answers", folder / "answers.json"]
    return run("init", folder / "p", *words, "--json")


def site_of(folder: Path) -> Site:
    return load_site(folder / "p" / "sites" / "p.yaml")


def column_questions(done: Any) -> dict[str, Any]:
    """The open questions of columns, by id."""
    assert done.exit_code == 0, done.stderr
    return {each["id"]: each for each in json.loads(done.stdout)["questions"] if each["about"] == "column"}


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("Strompreis [ct/kWh]", "ct_per_kwh"),
        ("Price (EUR/MWh)", "per_mwh"),
        ("Day-ahead €/kWh", "per_kwh"),
        ("spot_price_eur_per_mwh", "per_mwh"),
        ("Arbeitspreis ct je kWh", "ct_per_kwh"),
        ("Unit price p/kWh", "ct_per_kwh"),
        ("Börsenpreis", ""),
        ("Day ahead price", ""),
    ],
)
def test_a_heading_of_prices_says_its_unit_or_leaves_it_open(name: str, unit: str) -> None:
    found = price_column(name)
    assert found is not None
    assert (found.unit, found.is_paid) == (unit, False)


@pytest.mark.parametrize(
    "name", ["Verbrauch [kWh]", "Leistung kW", "kgco2e_per_kwh", "Halle 3", "import_kwh", "Presse 1 [kWh]"]
)
def test_a_heading_of_a_meter_is_no_price(name: str) -> None:
    assert price_column(name) is None


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("Netzeinspeisung [kWh]", "export"), ("Grid export kWh", "export"), ("Feed-in [kWh]", "export"),
        ("Rücklieferung", "export"), ("PV-Einspeisung", "generated_or_export"), ("Netzbezug", "import"),
        ("Batterie Entladung", "discharge"), ("Batterieladung [kWh]", "charge"), ("Battery discharge kWh", "discharge"),
        ("battery_charge_kwh", "charge"), ("Speicher [kWh]", "battery"), ("Ladestation [kWh]", ""), ("Halle 1", ""),
    ],
)  # fmt: skip
def test_a_heading_says_the_direction_of_energy(name: str, way: str) -> None:
    assert direction(name) == way


@pytest.mark.parametrize(
    ("name", "unit", "device"),
    [
        ("SoC Batterie [%]", "percent", "battery"), ("Battery state of charge", None, "battery"),
        ("Ladezustand Auto [%]", "percent", "car"), ("EV SoC (%)", "percent", "car"),
        ("Füllstand Speicher", None, "battery"), ("Warmwasser [°C]", "degc", "hot_water"),
        ("Außentemperatur", "degc", ""), ("Feuchte [%]", "percent", ""),
        ("Batterie Ladung [kWh]", "kwh", ""),
    ],
)  # fmt: skip
def test_a_heading_says_whose_state_a_level_is(name: str, unit: str | None, device: str) -> None:
    assert state_of(name, unit) == device


def test_what_either_the_electricity_or_the_product_may_be_is_known_by_its_name() -> None:
    assert either("Druckluft [kWh]")[0] == "compressed_air"
    assert either("Compressed air kWh")[0] == "compressed_air"
    assert either("Wärmepumpe [kWh]")[0] == "heat"
    assert either("Druckluftkompressor [kWh]") == ("", "")
    assert either("Wärmepumpe Strom [kWh]") == ("", "")


def test_a_home_of_german_headings_is_read_with_directions_price_and_state(tmp_path: Path) -> None:
    header = (
        "Netzbezug [kWh];Einspeisung [kWh];PV-Erzeugung [kWh];Hausverbrauch [kWh];Batterie Ladung [kWh];"
        "Batterie Entladung [kWh];SoC Batterie [%];Strompreis [ct/kWh]"
    )
    answers = {
        "devices": ["battery"], "battery_kwh": 10, "battery_charge_kw": 5, "battery_discharge_kw": 5,
        "battery_min_percent": 10, "battery_max_percent": 95,
    }  # fmt: skip
    done = drafted(tmp_path, header, "{n},5;0,5;1,5;2,5;0,5;0,25;5{n},5;3{n},5", answers)
    assert column_questions(done) == {}
    site = site_of(tmp_path)
    registers = {meter.meter_id: [each.register_id for each in meter.registers] for meter in site.meters}
    assert registers == {
        "netzbezug": ["import", "export"], "pv_erzeugung": ["value"], "hausverbrauch": ["import"],
        "battery": ["charge", "discharge"],
    }  # fmt: skip
    assert [(each.driver_id, each.unit) for each in site.drivers] == [
        ("battery_soc", "percent"),
        ("import_price", "per_kwh"),
    ]
    assert site.price_stream == "import_price"
    assert site.forecast_targets == ("hausverbrauch", "pv_erzeugung")
    assert (site.assets[0].state_meter, site.assets[0].meter) == ("battery_soc", "battery")
    mapped = site.column_maps[0]
    assert mapped.values["Einspeisung [kWh]"] == "netzbezug.export"
    assert mapped.multipliers == {"Strompreis [ct/kWh]": 0.01}
    found = json.loads(
        run("ingest", tmp_path / "data.csv", "--site", "p", "--project", tmp_path / "p", "--json").stdout
    )
    assert found["files"][0]["rejected_rows"] == 0


def test_a_home_of_english_headings_is_read_alike(tmp_path: Path) -> None:
    header = (
        "Grid import kWh;Grid export kWh;Solar kWh;Battery charge kWh;Battery discharge kWh;EV SoC (%);Price (EUR/MWh)"
    )
    assert column_questions(drafted(tmp_path, header, "{n},5;0,5;1,5;0,5;0,25;5{n},5;8{n},5")) == {}
    site = site_of(tmp_path)
    assert {meter.meter_id: [each.register_id for each in meter.registers] for meter in site.meters} == {
        "grid_import": ["import", "export"], "solar": ["value"], "battery": ["charge", "discharge"],
        "house": ["import"],
    }  # fmt: skip
    assert site.forecast_targets == ("house", "solar")
    assert site.column_maps[0].units["Price (EUR/MWh)"] == "per_mwh"
    assert {each.driver_id for each in site.drivers} == {"car_soc", "import_price"}


def test_a_price_without_a_unit_is_asked_about_and_no_meter_is_made_of_it(tmp_path: Path) -> None:
    found = column_questions(drafted(tmp_path, "Netzbezug [kWh];Börsenpreis", "{n},5;2{n},5"))
    assert list(found) == ["column.boersenpreis"]
    assert found["column.boersenpreis"]["answers"] == ["per_kwh", "ct_per_kwh", "per_mwh", "skip"]
    site = site_of(tmp_path)
    assert ([each.meter_id for each in site.meters], site.price_stream) == (["netzbezug"], None)
    (tmp_path / "b").mkdir()
    answers = {"column.boersenpreis": "ct_per_kwh"}
    assert column_questions(drafted(tmp_path / "b", "Netzbezug [kWh];Börsenpreis", "{n},5;2{n},5", answers)) == {}
    site = site_of(tmp_path / "b")
    assert (site.price_stream, site.column_maps[0].multipliers) == ("import_price", {"Börsenpreis": 0.01})


@pytest.mark.parametrize(
    ("header", "name", "answers", "answer", "stream"),
    [
        ("Speicher [kWh]", "column.speicher", ["charge", "discharge", "skip"], "discharge", "battery.discharge"),
        ("PV-Einspeisung [kWh]", "column.pv_einspeisung", FED_IN, "export", "netzbezug.export"),
        ("PV-Einspeisung [kWh]", "column.pv_einspeisung", FED_IN, "generation", "pv_einspeisung"),
        ("Speicher [kWh]", "column.speicher", ["charge", "discharge", "skip"], "skip", None),
    ],
)  # fmt: skip
def test_a_direction_that_a_heading_leaves_open_is_asked_about(
    header: str, name: str, answers: list[str], answer: str, stream: str | None, tmp_path: Path
) -> None:
    found = column_questions(drafted(tmp_path, f"Netzbezug [kWh];{header}", "{n},5;2,5"))
    assert {key: each["answers"] for key, each in found.items()} == {name: answers}
    assert header not in site_of(tmp_path).column_maps[0].values
    (tmp_path / "b").mkdir()
    assert column_questions(drafted(tmp_path / "b", f"Netzbezug [kWh];{header}", "{n},5;2,5", {name: answer})) == {}
    assert site_of(tmp_path / "b").column_maps[0].values.get(header) == stream


def test_compressed_air_in_kwh_is_asked_about_electricity_or_air(tmp_path: Path) -> None:
    found = column_questions(drafted(tmp_path, "Netzbezug [kWh];Druckluft [kWh]", "{n},5;2,5"))
    assert {key: each["answers"] for key, each in found.items()} == {
        "column.druckluft": ["electricity", "compressed_air"]
    }
    for answer in ("electricity", "compressed_air"):
        folder = tmp_path / answer
        folder.mkdir()
        done = drafted(folder, "Netzbezug [kWh];Druckluft [kWh]", "{n},5;2,5", {"column.druckluft": answer})
        assert column_questions(done) == {}
        assert site_of(folder).meters[1].carrier.value == answer


def test_an_answer_about_a_column_that_is_none_of_those_asked_is_refused(tmp_path: Path) -> None:
    done = drafted(tmp_path, "Netzbezug [kWh];Druckluft [kWh]", "{n},5;2,5", {"column.druckluft": "air"})
    assert done.exit_code == 2
    assert "answer 'column.druckluft': got 'air'; expected one of electricity, compressed_air" in done.stderr
    done = drafted(tmp_path, "Netzbezug [kWh];Druckluft [kWh]", "{n},5;2,5", {"column.drukluft": "electricity"})
    assert "did you mean 'column.druckluft'?" in done.stderr


def test_a_zone_that_contradicts_the_offsets_of_the_file_is_refused_and_utc_is_anybodys(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    for offset, code in (("+05:30", 2), ("+01:00", 0), ("Z", 0)):
        path.write_text("time;kwh\n" + "".join(f"2025-01-{day:02}T10:00:00{offset};1.5\n" for day in range(1, 9)))
        done = run("init", tmp_path / offset.strip("+:"), "--from", path, "--tz", "Europe/Berlin")
        assert done.exit_code == code, done.stderr
        if code:
            assert "the times have the offset +0530, and Europe/Berlin has +0100 then (2025-01-01 10:00)" in done.stderr


def test_what_a_house_uses_is_bought_and_made_less_fed_in_stored_and_moved() -> None:
    meters = {
        "grid": ("Netzbezug", ("import", "export")), "roof": ("PV", ("value",)),
        "battery": ("Battery", ("charge", "discharge")), "box": ("Wallbox", ("import",)),
    }  # fmt: skip
    stored = "grid.import - grid.export + roof.value + battery.discharge - battery.charge"
    assert house_formula(meters, "grid", ["pv", "battery"]) == stored
    assert house_formula(meters, "grid", ["car"]) == f"{stored} - box.import"
    # What is fed in is not metered, or nothing differs from what is bought.
    assert house_formula(meters | {"grid": ("Netzbezug", ("import",))}, "grid", []) == ""
    assert house_formula({"grid": ("Total", ("import",)), "box": ("Wallbox", ("import",))}, "grid", []) == ""
