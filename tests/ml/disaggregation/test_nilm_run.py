"""`meterloom nilm run` on plain files: keys of the contract, sums, and one sentence for what is wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.ml.disaggregation.a_shop import WEEKS, loads, write_energy, write_submeters

TRAIN, REPORT = "2025-01-06/2025-01-27", "2025-02-17/2025-03-03"
TAUGHT = 6 * 168


def run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(build_app(("nilm",)), ["nilm", "run", *map(str, words), "--tz", "UTC"])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def shop() -> dict[str, np.ndarray]:
    return loads()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, shop: dict[str, np.ndarray]) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("shop")
    meters = {name: shop[name] for name in ("oven", "server")}
    energy = write_energy(folder / "main.csv", sum(shop.values()))
    return energy, write_submeters(folder / "campaign.csv", meters, until=TAUGHT)


@pytest.fixture(scope="module")
def found(files: tuple[Path, Path]) -> Any:
    code, out, _ = run("--energy", files[0], "--submeters", files[1], "--train", TRAIN, "--report", REPORT, "--json")
    assert code == 0
    return json.loads(out)


def test_classes_have_the_keys_of_the_contract(found: Any) -> None:
    assert {"classes", "rest_kwh", "rows", "digest", "findings", "weeks"} <= found.keys()
    for each in found["classes"]:
        assert each.keys() >= {
            "name", "kwh", "share", "interval_kwh", "confidence", "confidence_label", "estimable", "on_seconds",
            "f1_held_out",
        }  # fmt: skip
        assert each["interval_kwh"][0] <= each["kwh"] <= each["interval_kwh"][1]


def test_classes_and_the_rest_add_up_in_every_interval(found: Any, shop: dict[str, np.ndarray]) -> None:
    circuit = np.round(sum(shop.values()), 4)[TAUGHT:]
    by_start: dict[str, float] = {}
    for row in found["rows"]:
        assert row["kwh"] >= 0
        by_start[row["start_utc"]] = by_start.get(row["start_utc"], 0.0) + row["kwh"]
    sums = np.array([by_start[start] for start in sorted(by_start)])
    assert len(sums) == len(circuit) == (WEEKS - 6) * 168
    assert (sums <= circuit + 1e-9).all()
    assert sum(each["kwh"] for each in found["classes"]) + found["rest_kwh"] == pytest.approx(circuit.sum(), abs=1e-6)


def test_what_sub_meters_taught_is_found_where_there_were_none(found: Any, shop: dict[str, np.ndarray]) -> None:
    for each in found["classes"]:
        true = shop[each["name"]][TAUGHT:]
        assert each["kwh"] == pytest.approx(true.sum(), rel=0.1), each
    oven = np.array([row["on"] for row in found["rows"] if row["name"] == "oven"])
    assert (oven == (shop["oven"][TAUGHT:] > 1)).mean() > 0.95
    server = next(each for each in found["classes"] if each["name"] == "server")
    assert server["f1_held_out"] is None
    assert server["confidence_label"] == "high"


def test_a_described_load_needs_no_sub_meter_and_is_labelled_weak(files: tuple[Path, Path], tmp_path: Path) -> None:
    described = tmp_path / "loads.yaml"
    described.write_text(
        "loads:\n- {name: signs, rating_kw: 2, duty: 0.5, days: [mon], since: '22:00', until: '02:00'}\n"
        "- {name: base, rating_kw: 1}\n"
    )
    code, out, _ = run("--energy", files[0], "--signatures", described, "--report", REPORT, "--json")
    result = json.loads(out)
    signs, base = result["classes"]
    assert code == 0
    # Two Mondays of four hours each: the hours past midnight belong to Monday too.
    assert (signs["kwh"], signs["on_seconds"]) == (pytest.approx(8.0), 8 * 3600)
    assert base["kwh"] == pytest.approx(14 * 24)
    assert {each["mode"] for each in result["classes"]} == {"signature"}
    assert {each["confidence_label"] for each in result["classes"]} == {"low"}
    assert "described_loads" in {each["code"] for each in result["findings"]}


def test_people_see_classes_and_the_rest(files: tuple[Path, Path], tmp_path: Path) -> None:
    described = tmp_path / "loads.yaml"
    described.write_text("loads:\n- {name: base, rating_kw: 1}\n")
    code, out, _ = run("--energy", files[0], "--signatures", described)
    assert code == 0
    assert "description" in out
    assert "not for live control" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "expected sub-meters or described loads"),
        (("--submeters", "{submeters}"), "expected the span that teaches"),
        (("--submeters", "{submeters}", "--train", "2025-01-06/2025-01-12"), "expected 14 or more"),
        (("--submeters", "{submeters}", "--train", "2025-02-17/2025-01-06"), "expected an end after the start"),
        (("--submeters", "{submeters}", "--train", "2025-01-06"), "expected START/END"),
        (("--submeters", "{submeters}", "--train", TRAIN, "--class", "all=oven,fan"), "the file has oven, server"),
        (("--submeters", "{submeters}", "--train", TRAIN, "--class", "oven"), "expected NAME=VALUE"),
        (("--submeters", "{submeters}", "--train", TRAIN, "--on-above", "fan=1"), "no such class"),
        (("--submeters", "{submeters}", "--train", TRAIN, "--on-above", "oven=-1"), "zero or more"),
        (("--submeters", "{submeters}", "--train", TRAIN, "--report", "2030-01-01/2030-02-01"), "no reading"),
        (("--submeters", "{submeters}", "--train", TRAIN, "--beside", "kvar"), "there is no column kvar"),
        (("--submeters", "{more}", "--train", TRAIN), "expected sub-meters behind this circuit"),
        (("--submeters", "{elsewhere}", "--train", TRAIN), "no reading shares its interval"),
    ],
)
def test_a_refusal_is_one_sentence(
    files: tuple[Path, Path], tmp_path: Path, shop: dict[str, np.ndarray], words: tuple[str, ...], message: str
) -> None:
    more = write_submeters(tmp_path / "more.csv", {"oven": 9 * shop["oven"]}, until=TAUGHT)
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_text(files[1].read_text().replace(",2025-", ",2021-"))
    given = [word.format(submeters=files[1], more=more, elsewhere=elsewhere) for word in words]
    code, _, err = run("--energy", files[0], *given)
    assert code == 2
    assert message in err
