"""`init` asks for the devices of a site, takes answers from a file, and never guesses what nobody answered."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assets.sites.load_sites import load_site
from controls.templates.template_rows import template_rows
from data_quality.contracts.site_file.site import Site
from orchestration.starter.blocks import SITE, Block, kind_of_block, parts
from orchestration.starter.questions import groups
from tests.conftest import ROOT
from tests.orchestration.test_cli import run

HOME = {
    "time_zone": "Europe/Berlin", "latitude_deg": 52.52, "longitude_deg": 13.41, "connection_kw": 24,
    "devices": ["pv", "battery", "car"], "price": "fixed", "price_per_kwh": "0.31 €/kWh", "feed_in_per_kwh": 0.08,
    "pv_kwp": 9.8, "battery_kwh": "10 kWh", "battery_charge_kw": 5, "battery_discharge_kw": 4.6,
    "battery_min_percent": "10 %", "battery_max_percent": 95, "car_kwh": 60, "car_charger_kw": 11, "car_phases": 3,
    "car_departure": "07:30", "car_target_percent": 80,
}  # fmt: skip
FLAT = {
    "time_zone": "Europe/Vienna", "devices": ["hot_water"], "price": "stream", "price_adder_per_kwh": 0.17,
    "hot_water_litres": 300, "hot_water_min_degc": 45, "hot_water_max_degc": 65, "hot_water_kw": 2,
    "hot_water_kwh_per_day": 6, "connection_kw": 14,
}  # fmt: skip
WORKSHOP = {
    "time_zone": "Europe/Zurich", "devices": ["sheddable_load"], "price": "fixed", "price_per_kwh": 0.22,
    "peak_price_per_kw": 9.5, "sheddable_load_kw": 12, "sheddable_load_price_per_kwh": 0.8, "sheddable_load_hours": 2,
    "connection_kw": 60,
}  # fmt: skip
# What a block is written below, where it cannot stand alone.
BELOW = {"feed_in": ["tariffs", "fixed_price"], "peak_charge": ["tariffs", "fixed_price"]}


def made(folder: Path, answers: dict[str, Any], *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, answer and error of `meterloom init` with these answers."""
    path = folder / "answers.json"
    path.write_text(json.dumps(answers))
    code, out, error = run("init", str(folder / "p"), "--answers", str(path), "--json", *words)
    return code, json.loads(out) if out else {}, error


def site_of(folder: Path) -> Site:
    """The site that was made; `meterloom check` finds nothing in it."""
    code, out, error = run("check", "--json", folder=folder / "p")
    assert (code, json.loads(out)["problems"]) == (0, []), error
    return load_site(folder / "p" / "sites" / "my_site.yaml")


def taken(*names: str) -> str:
    """The template with the signs of these blocks taken away by hand."""
    lines: list[str] = []
    for part in parts(SITE.read_text(encoding="utf-8")):
        lines += [part] if isinstance(part, str) else part.taken() if part.name in names else part.commented()
    return "\n".join(lines) + "\n"


def block_names() -> list[str]:
    every = [part.name for part in parts(SITE.read_text(encoding="utf-8")) if isinstance(part, Block)]
    return list(dict.fromkeys(name for name in every if name not in ("tariffs", "assets")))


@pytest.mark.parametrize("name", [*block_names(), "every block"])
def test_each_block_of_the_template_holds_once_its_signs_are_taken_away(name: str, tmp_path: Path) -> None:
    heads = {each.blocks[-1]: each.blocks[:-1] for each in groups() if each.blocks}
    names = block_names() if name == "every block" else [name, *BELOW.get(name, heads.get(name, ()))]
    assert run("init", str(tmp_path / "p"))[0] == 0
    heads_of_all = ["tariffs", "assets"] if name == "every block" else []
    (tmp_path / "p" / "sites" / "my_site.yaml").write_text(taken(*names, *heads_of_all), encoding="utf-8")
    site = site_of(tmp_path)
    assert len(site.assets) == (7 if name == "every block" else int("assets" in names))
    if name in ("stream_tariff", "price_stream", "every block"):
        assert site.price_stream == "import_price"


def test_nothing_of_the_template_is_in_force_before_somebody_takes_it(tmp_path: Path) -> None:
    assert run("init", str(tmp_path / "p"))[0] == 0
    site = site_of(tmp_path)
    assert (site.assets, site.tariffs, site.price_stream) == ((), (), None)


def test_a_project_under_git_keeps_private_keys_stores_and_locks_to_itself(tmp_path: Path) -> None:
    assert run("init", str(tmp_path / "p"))[0] == 0
    for name in ("keys/anna.key", "var/meterloom.db", "sites/.lock"):
        (tmp_path / "p" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "p" / name).touch()
    git = ["git", "-C", str(tmp_path / "p")]
    subprocess.run([*git, "init", "-q"], check=True)
    seen = subprocess.run(
        [*git, "ls-files", "--others", "--exclude-standard"], check=True, capture_output=True, text=True
    )
    assert seen.stdout.split() == [".gitignore", "meterloom.yaml", "people.yaml", "sites/my_site.yaml"]


def test_a_home_with_pv_battery_and_car_needs_twenty_answers_at_most(tmp_path: Path) -> None:
    assert len(HOME) <= 20
    assert made(tmp_path, HOME)[0] == 0
    site = site_of(tmp_path)
    assert (site.time_zone, site.country, site.currency, site.latitude_deg) == ("Europe/Berlin", "DE", "EUR", 52.52)
    assert site.meters[0].connected_load_kw == 24
    pv, battery, car = site.assets
    assert (pv.kind, pv.params) == ("pv", {"peak_kw": 9.8})
    assert battery.params == {
        "capacity_kwh": 10, "max_charge_kw": 5, "max_discharge_kw": 4.6, "soc_min": 0.1, "soc_max": 0.95,
    }  # fmt: skip
    assert car.params == {
        "capacity_kwh": 60, "max_kw": 11, "max_current_a": 15.942, "phases": 3, "departure": "07:30", "target_soc": 0.8,
    }  # fmt: skip
    (tariff,) = site.tariffs
    assert (float(tariff.export_price_per_kwh), float(tariff.periods[0].price_per_kwh or 0)) == (0.08, 0.31)
    assert tariff.is_in_force(tariff.valid_from)
    assert tariff.valid_to.year == 2200


def test_a_flat_by_the_hour_and_a_workshop_with_a_peak_charge_are_made_of_their_answers(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    assert made(tmp_path / "flat", FLAT)[0] == 0
    flat = site_of(tmp_path / "flat")
    tank = flat.assets[0]
    # 300 litres of 1.163 Wh a kelvin over 20 kelvin.
    assert (tank.params["capacity_kwh"], tank.params["relays_kw"], tank.params["draw_kw"]) == (6.978, [2], 0.25)
    assert flat.price_stream == "import_price"
    series = flat.tariffs[0].energy[0].series
    assert series is not None
    assert (series.series, float(series.adder_per_kwh)) == ("import_price", 0.17)
    (tmp_path / "shop").mkdir()
    assert made(tmp_path / "shop", WORKSHOP)[0] == 0
    shop = site_of(tmp_path / "shop")
    assert float(shop.tariffs[0].demand[0].periods[0].price_per_kw or 0) == 9.5
    assert shop.assets[0].params == {"load_kw": 12, "price_per_kwh": 0.8, "max_duration_h": 2}


def test_the_example_of_every_question_is_an_answer_that_makes_a_site(tmp_path: Path) -> None:
    every = {each.id: each.example for group in groups() for each in group.questions if each.example is not None}
    every |= {"devices": list(next(each for each in groups()[0].questions if each.id == "devices").choices)}
    for price, other in (("fixed", "price_adder_per_kwh"), ("stream", "price_per_kwh")):
        folder = tmp_path / price
        folder.mkdir()
        answers = {key: value for key, value in every.items() if key != other} | {"price": price}
        code, answer, error = made(folder, answers)
        assert code == 0, error
        assert len(site_of(folder).assets) == 7
        assert [each["id"] for each in answer["questions"] if not each["id"].endswith("_template")] == []


def test_each_line_that_an_answer_fills_is_in_the_block_of_its_group() -> None:
    blocks = {part.name: part.lines for part in parts(SITE.read_text(encoding="utf-8")) if isinstance(part, Block)}
    ids = [each.id for group in groups() for each in group.questions]
    assert len(ids) == len(set(ids))
    for group in groups()[1:]:
        lines = [line.strip().removeprefix("- ").partition(":")[0] for line in blocks[group.blocks[-1]]]
        keys = [each.key for each in group.questions if each.key != "template"] + [each.key for each in group.makes]
        assert set(keys) <= set(lines), group.name
        assert not group.is_device or kind_of_block(group.name)


def test_a_device_whose_figures_are_not_all_answered_stays_a_comment_with_the_question_at_its_line(
    tmp_path: Path,
) -> None:
    code, answer, _ = made(tmp_path, {"devices": ["battery", "pv"], "battery_kwh": 10, "pv_kwp": 5})
    assert code == 0
    assert [asset.asset_id for asset in site_of(tmp_path).assets] == ["pv"]
    lines = (tmp_path / "p" / "sites" / "my_site.yaml").read_text().splitlines()
    assert "#       capacity_kwh: 10" in lines
    asked = {each["id"]: each for each in answer["questions"]}
    one = asked["battery_charge_kw"]
    assert {"file", "line", "column", "question"} <= set(one)
    assert lines[one["line"] - 1] == "#       max_charge_kw: …   # PLACEHOLDER: How fast does it charge at most?"
    assert (one["unit"], one["example"], one["goes_to"]) == ("kW", 5, "assets.battery.params.max_charge_kw")
    assert asked["battery_template"]["answers"] == [
        "generic_mqtt_power", "growatt_battery_mode", "sunspec_storage_124", "sunspec_storage_704", "sim_battery_10kwh",
    ]  # fmt: skip
    assert asked["price"]["answers"] == ["fixed", "stream"]
    assert "car_kwh" not in asked


def test_without_answers_every_question_is_listed_with_the_line_of_its_answer(tmp_path: Path) -> None:
    code, out, _ = run("init", str(tmp_path / "p"), "--json")
    answer = json.loads(out)
    assert code == 0
    lines = (tmp_path / "p" / "sites" / "my_site.yaml").read_text().splitlines()
    asked = {each["id"]: each for each in answer["questions"]}
    assert {each.id for group in groups() for each in group.questions} <= set(asked)
    assert all(0 < each["line"] <= len(lines) for each in answer["questions"])
    assert "capacity_kwh: 60" in lines[asked["car_kwh"]["line"] - 1]
    assert lines[asked["time_zone"]["line"] - 1].startswith("time_zone:")


def test_a_second_device_of_a_kind_has_a_name_and_answers_of_its_own(tmp_path: Path) -> None:
    second = {key.replace("car_", "car_2_"): value for key, value in HOME.items() if key.startswith("car_")}
    answers = HOME | second | {"devices": ["car", "car_2"], "car_2_kwh": 40}
    kept = {key: value for key, value in answers.items() if not key.startswith(("pv_", "battery_"))}
    assert made(tmp_path, kept)[0] == 0
    assert [(each.asset_id, each.params["capacity_kwh"]) for each in site_of(tmp_path).assets] == [
        ("car", 60),
        ("car_2", 40),
    ]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"devices": ["battery"], "battery_min_percent": 90, "battery_max_percent": 20},
         "answer 'battery_max_percent': got 20; expected more than battery_min_percent, which is 90"),
        ({"devices": ["car", "car"]}, "car appears twice, and each device has an id of its own"),
        ({"currency": "EUR", "price": "fixed", "price_per_kwh": "32 ct/kWh"},
         "answer 'price_per_kwh': got '32 ct/kWh', which is in ct/kWh; expected a number in EUR/kWh"),
        ({"currency": "EUR", "price": "fixed", "price_per_kwh": 32}, "expected a number in EUR/kWh, 0 or more, 2 at"),
        ({"devices": ["pv"], "pv_kwp": 0}, "answer 'pv_kwp': got 0; expected a number in kWp, more than 0, as 8"),
        ({"devices": ["pv"], "pv_kwp": "8 kWh"}, "got '8 kWh', which is in kWh; expected a number in kWp"),
        ({"devices": ["batery"]}, "did you mean 'battery'?"),
        ({"devices": ["pv"], "pv_kw": 8}, "unknown question 'pv_kw' (did you mean 'pv_kwp'?)"),
        ({"battery_kwh": 8}, "answer 'battery_kwh': expected only where 'devices' names battery"),
        ({"devices": ["car"], "car_departure": "7.30"}, 'expected a time of day in quotes, as "07:30"'),
        ({"devices": ["pv"], "pv_template": "sunspec_storage_124"}, "expected one of sunspec_pv_123"),
        ({"devices": ["heat_pump"], "heat_pump_kw": 2, "heat_pump_litres": 800, "heat_pump_min_degc": 30,
          "heat_pump_max_degc": 40, "heat_pump_degc": 60, "heat_pump_kwh_per_day": 40},
         "normal_degc 60 must lie within 30..40"),
        ({"time_zone": "Europe/Berlino"}, "Europe/Berlino"),
        ({"price": True}, "answer 'price': got True; expected one of fixed, stream"),
    ],
)  # fmt: skip
def test_an_answer_that_does_not_fit_is_refused_by_name_and_nothing_is_made(
    answers: dict[str, Any], said: str, tmp_path: Path
) -> None:
    code, _, error = made(tmp_path, answers)
    assert code == 2
    assert said in error
    assert not (tmp_path / "p").exists()


def test_every_answer_that_does_not_fit_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text("devices: [pv]\npv_kwp: ten\nbattry_kwh: 3\nprice: dynamic\n")
    code, _, error = run("init", str(tmp_path / "p"), "--answers", str(path))
    assert code == 2
    for line, said in ((2, "answer 'pv_kwp': got 'ten'"), (3, "'battery_kwh'"), (4, "answer 'price': got 'dynamic'")):
        assert f"{path}, line {line}, column 1" in error
        assert said in error


def test_a_zone_that_answers_and_option_name_differently_is_refused(tmp_path: Path) -> None:
    code, _, error = made(tmp_path, {"time_zone": "Europe/Berlin"}, "--tz", "Asia/Tokyo")
    assert code == 2
    assert "--tz is Asia/Tokyo, and the answer 'time_zone' is Europe/Berlin: which is it?" in error


def test_a_person_at_a_terminal_is_asked_and_what_they_leave_open_stays_so(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    keys = "The shed\nEurope/Berlin\n\n\n\npv\nfixed\n\n0.3 ct/kWh\n0.3\n\n\n9\n\n\n\n"
    os.write(ours, keys.encode())
    done = subprocess.run(
        [Path(sys.executable).with_name("meterloom"), "init", str(tmp_path / "p")],
        stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip
    os.close(theirs)
    seen = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0, seen
    assert "got '0.3 ct/kWh', which is in ct/kWh; expected a number in EUR/kWh" in seen
    site = site_of(tmp_path)
    assert (site.name, site.currency, [each.params for each in site.assets]) == ("The shed", "EUR", [{"peak_kw": 9}])
    assert float(site.tariffs[0].periods[0].price_per_kwh or 0) == 0.3
    assert site.meters[0].connected_load_kw is None


def test_the_catalogue_lists_every_template_by_brand_and_kind() -> None:
    code, out, _ = run("devices", "catalogue", "--json")
    rows = json.loads(out)["devices"]
    assert code == 0
    assert {each["name"] for each in rows} == {each.template for each in template_rows()}
    assert all(each["brand"] and each["kind"] for each in rows)
    batteries = json.loads(run("devices", "catalogue", "--kind", "battery", "--json")[1])["devices"]
    assert {(each["brand"], each["name"]) for each in batteries} >= {
        ("Growatt", "growatt_battery_mode"),
        ("SunSpec", "sunspec_storage_704"),
    }
    code, _, error = run("devices", "catalogue", "--kind", "batery")
    assert (code, "did you mean 'battery'?" in error) == (2, True)
