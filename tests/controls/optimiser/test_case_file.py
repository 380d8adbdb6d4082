"""Case files are read by their documented shape, and refused with one sentence."""

import json
from pathlib import Path

import pytest

from controls.optimiser.case_file import load_case
from controls.optimiser.devices.battery import Battery
from data_quality.contracts.errors import BadInput
from tests.controls.optimiser.toys import device

PLAIN = {
    "id": "c1",
    "currency": "EUR cent",
    "start_utc": "2024-05-07T22:00:00Z",
    "dt_h": 0.5,
    "load": [1.0, 2.0],
    "pv": [0.0, 0.5],
    "p_imp": [10.0, 20.0],
    "p_exp": [5.0, 5.0],
    "imp_max": 10.0,
    "exp_max": 4.0,
    "statement": {"units": "kW"},
    "optimum": {"objective": -1},
}
BATTERY = {
    "p_ch": 5.0,
    "p_dis": 4.0,
    "eta_c": 0.95,
    "eta_d": 0.9,
    "soc_min": 1.0,
    "soc_max": 10.0,
    "soc_init": 5.0,
    "soc_end_min": 4.0,
}

SESSION = {"from_step": 0, "to_step": 2, "energy_kwh": 4.0, "p_min": 1.4, "p_max": 11.0, "eta": 0.9}


def file_with(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "case.json"
    path.write_text(json.dumps({**PLAIN, **changes}))
    return path


def test_a_case_is_read_by_its_documented_keys(tmp_path: Path) -> None:
    case = load_case(file_with(tmp_path, battery=BATTERY, demand_price=0.3))
    assert case.step_h == (0.5, 0.5)
    connection = case.connection
    assert (connection.import_max_kw, connection.export_max_kw, connection.demand_price_per_kw) == (10.0, 4.0, 0.3)
    battery = device(case, "battery")
    assert isinstance(battery, Battery)
    assert (battery.max_charge_kw, battery.max_discharge_kw) == (5.0, 4.0)
    assert (battery.charge_efficiency, battery.discharge_efficiency) == (0.95, 0.9)
    assert (battery.soc_min_kwh, battery.soc_max_kwh) == (1.0, 10.0)
    assert (battery.soc_init_kwh, battery.soc_end_min_kwh) == (5.0, 4.0)
    assert battery.wear_per_kwh == 0.0


def test_a_case_may_have_no_battery(tmp_path: Path) -> None:
    assert [one.device_id for one in load_case(file_with(tmp_path)).devices] == ["pv"]


def test_the_points_of_a_case_are_its_steps_in_time(tmp_path: Path) -> None:
    windows = load_case(file_with(tmp_path)).windows_utc
    assert [f"{start:%H:%M}-{end:%H:%M}" for start, end in windows] == ["22:00-22:30", "22:30-23:00"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tank": {"cop": 1.0}}, "tank.draw_kw: is missing"),
        ({"ev_sessions": [{"from_step": 0}]}, "ev_sessions.0.p_min"),
        ({"ev_sessions": [SESSION | {"eta": 0}]}, "ev_sessions.0.eta"),
        ({"ev_sessions": [SESSION | {"to_step": -3}]}, "the car leaves in step -3, before the plan begins"),
        ({"ev_sessions": [SESSION | {"from_step": 2}]}, "the car comes in step 2 and leaves in step 2"),
        ({"ev_sessions": [SESSION | {"to_step": 3}]}, "a car leaves in step 3, the case has 2"),
        ({"ev_sessions": [SESSION, SESSION]}, "a car comes in step 0, before the last one leaves"),
        ({"ev_sessions": [SESSION | {"p_min": 12.0}]}, "the least power 12 kW is above the most, 11 kW"),
        ({"ev_sessions": SESSION}, "ev_sessions: expected a list"),
        ({"pv": [0.0]}, "the case: pv has 1 values, the case 2 steps"),
        ({"load": ["much", 1.0]}, "load.0: expected a number"),
        ({"dt_h": 0}, "dt_h"),
        ({"start_utc": "2024-05-07T22:00:00"}, "start_utc"),
        ({"battery": {**BATTERY, "soc_min": 11.0}}, "battery: soc_min 11.0 must not be above soc_max 10.0"),
        ({"battery": {"p_ch": 5.0}}, "battery.p_dis"),
        ({"battery": [BATTERY]}, "battery: expected an object with its keys"),
        ({"battery": {**BATTERY, "eta_c": 1.5}}, "battery.eta_c"),
        ({"p_imp": None}, "p_imp"),
        ({"imp_max": -1}, "imp_max"),
    ],
)
def test_a_case_that_cannot_be_used_is_refused_by_name(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(BadInput) as refusal:
        load_case(file_with(tmp_path, **changes))
    assert words in str(refusal.value)
    assert "case.json" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1"),
        ('{"id":\n oops}', "line 2"),
        ('{"load": [NaN]}', "NaN is not a number"),
        ("[1, 2]", "the case: expected an object"),
        ("[" * 100_000, "expected a dispatch case"),
    ],
)
def test_a_file_that_is_no_case_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(BadInput) as refusal:
        load_case(path)
    assert words in str(refusal.value)


def test_a_folder_a_missing_file_and_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"):
        load_case(tmp_path)
    with pytest.raises(BadInput, match="no such file"):
        load_case(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="expected a dispatch case"):
        load_case(tmp_path / "bytes.json")


def test_a_case_may_say_its_objective_and_its_carbon_and_a_preset_keeps_its_prices(tmp_path: Path) -> None:
    priced = {"preset": "balanced", "carbon_price_per_tonne": 90.0}
    path = file_with(tmp_path, objective=priced, carbon_kgco2e_per_kwh=0.4)
    case = load_case(path)
    assert (case.objective.preset, case.carbon_kgco2e_per_kwh) == ("balanced", (0.4, 0.4))
    other = load_case(path, preset="environmental").objective
    assert (other.preset, other.carbon_price_per_tonne) == ("environmental", 90.0)
    assert load_case(file_with(tmp_path), preset="peak_shaving").objective.preset == "peak_shaving"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objective": "cheap"}, "objective.preset"),
        ({"objective": {"carbon_weight": 0.3}}, "objective.carbon_weight"),
        ({"objective": "environmental"}, "carbon_kgco2e_per_kwh is not known"),
        ({"objective": "environmental", "carbon_kgco2e_per_kwh": [0.4]}, "has 1 values, the case 2 steps"),
    ],
)
def test_an_objective_that_cannot_be_used_is_refused_by_name(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load_case(file_with(tmp_path, **changes))
