"""`meterloom plan` says why in words and numbers, draws the plan and writes the problem out."""

import json
from pathlib import Path

import pytest

from tests.orchestration.test_cli import run

CASE = {
    "id": "toy", "currency": "EUR", "start_utc": "2026-01-01T00:00:00Z", "dt_h": 1.0, "load": [1.0, 1.0],
    "pv": [0.0, 0.0], "p_imp": [0.10, 0.30], "p_exp": [0.0, 0.0], "imp_max": 10.0, "exp_max": 10.0,
    "battery": {
        "p_ch": 1.0, "p_dis": 1.0, "eta_c": 0.9, "eta_d": 0.9, "soc_min": 0.0, "soc_max": 2.0, "soc_init": 0.0,
        "soc_end_min": 0.0, "wear": 0.01,
    },
}  # fmt: skip


@pytest.fixture
def case(tmp_path: Path) -> str:
    path = tmp_path / "case.json"
    path.write_text(json.dumps(CASE))
    return str(path)


def test_a_plan_explained_has_the_keys_of_the_contract_for_every_slot(case: str) -> None:
    code, out, error = run("plan", case, "--explain", "--json")
    assert code == 0, error
    answer = json.loads(out)
    assert {"status", "objective", "bound", "gap", "build_seconds", "solve_seconds", "series", "slots"} <= set(answer)
    assert "values" not in answer
    assert [slot["time_utc"] for slot in answer["slots"]] == ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"]
    for slot in answer["slots"]:
        assert {"binding", "marginal_price", "best_alternative", "sentence"} <= set(slot)
    assert answer["slots"][0]["best_alternative"]["difference"] == pytest.approx(0.1349)
    _, plain, _ = run("plan", case, "--json")
    assert "slots" not in json.loads(plain)
    assert "values" not in json.loads(plain)


def test_people_read_a_table_by_local_time(case: str) -> None:
    code, out, _ = run("plan", case, "--explain", "--tz", "Europe/Prague")
    assert code == 0
    assert "Thu 01:00" in out
    assert "battery charges 1 kW" in out
    assert "battery not charging: 0.135 EUR more" in out
    assert "Prices are in EUR per kWh, times those of Europe/Prague." in out
    assert run("plan", case, "--explain", "--tz", "Mars")[0] == 2


def test_slots_that_time_did_not_reach_are_counted(case: str) -> None:
    code, out, _ = run("plan", case, "--explain", "--explain-s", "0")
    assert code == 0
    assert "2 of 2 slots are not explained: 0 s were over" in out


def test_a_plan_is_drawn_and_its_problem_written_where_they_may_be(case: str, tmp_path: Path) -> None:
    picture, problem = tmp_path / "plan.png", tmp_path / "plan.lp"
    code, _, error = run("plan", case, "--picture", str(picture), "--write-lp", str(problem))
    assert code == 0, error
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "battery_charge_kw_000" in problem.read_text()
    nowhere = str(tmp_path / "none" / "plan")
    for option in ("--picture", "--write-lp"):
        code, _, error = run("plan", case, option, nowhere)
        assert code == 2
        assert "cannot be written" in error
