"""`meterloom simulate` of a site of one's own: its devices on its own readings, and the bill that would have come."""

import json
from datetime import UTC, datetime, timedelta
from math import exp, pi, sin
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.orchestration.test_cli import run

# A week before is what plans foresee; in between the clock goes back, on 2026-10-25.
FIRST, AFTER = datetime(2026, 10, 16, 22, tzinfo=UTC), datetime(2026, 10, 26, 23, tzinfo=UTC)
SPAN = ("--from", "2026-10-24", "--to", "2026-10-27")
TARIFF = {
    "tariff_id": "strom", "valid_from": "2026-01-01", "valid_to": "2027-01-01", "export_price_per_kwh": 0.08,
    "periods": [
        {"period_id": "day", "price_per_kwh": 0.34, "start": "06:00", "end": "22:00"},
        {"period_id": "night", "price_per_kwh": 0.22, "start": "22:00", "end": "06:00"},
    ],
}  # fmt: skip
PEAKS = TARIFF | {
    "demand": [{"charge_id": "peak", "window_minutes": 15, "periods": [{"period_id": "any", "price_per_kw": 9.5}]}],
    "fixed": [{"charge_id": "base", "amount": 12, "per": "month"}],
    "taxes": [{"charge_id": "vat", "share": 0.19}],
}
BATTERY = {
    "asset_id": "battery", "kind": "battery",
    "params": {"capacity_kwh": 8, "max_charge_kw": 4, "max_discharge_kw": 4, "soc_min": 0.1, "soc_max": 0.9},
}  # fmt: skip
PV = {"asset_id": "pv", "kind": "pv", "meter": "roof", "params": {"peak_kw": 6}}
CAR = {
    "asset_id": "car", "kind": "ev_charger",
    "params": {"capacity_kwh": 60, "max_current_a": 16, "phase_count": 3, "departure": "07:30"},
}  # fmt: skip
TANK = {
    "asset_id": "boiler", "kind": "tank",
    "params": {"capacity_kwh": 7, "empty_degc": 45, "full_degc": 65, "draw_kw": 0.25, "relays_kw": [2]},
}  # fmt: skip
SHED = {
    "asset_id": "press", "kind": "sheddable_load",
    "params": {"load_kw": 1.0, "price_per_kwh": 0.6, "max_duration_h": 2, "min_rest_h": 1},
}  # fmt: skip
NEEDED = {"name", "cost", "kgco2e", "discomfort_degree_hours", "cycles", "switchings", "interval", "days"}


def quarters() -> list[tuple[datetime, float, float, float]]:
    """Start, load and sun in kWh, price: below zero around noon."""
    rows, at = [], FIRST
    while at < AFTER:
        hour = at.hour + at.minute / 60
        load = 0.08 + 0.25 * exp(-(((hour - 17) / 2) ** 2)) + 0.01 * (at.day % 3)
        sun = 0.9 * sin((hour - 6) / 10 * pi) if 6 < hour < 16 else 0.0
        rows.append((at, load, sun, round(0.3 - 0.35 * exp(-(((hour - 11) / 2) ** 2)), 4)))
        at += timedelta(minutes=15)
    return rows


def owner(folder: Path, assets: list[dict[str, Any]], **changes: Any) -> Path:
    """A project of one site with ten days of readings."""
    site = {
        "site_id": "own", "name": "Own", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE",
        "meters": [
            {"meter_id": "grid", "connected_load_kw": 17},
            {"meter_id": "house", "parent": "grid"},
            {"meter_id": "roof", "parent": "grid", "registers": [{"register_id": "value"}]},
        ],
        "drivers": [{"driver_id": "price", "unit": "per_kwh", "aggregation": "mean"}],
        "forecast_targets": ["house", "roof"], "assets": assets, "tariffs": [TARIFF],
    } | changes  # fmt: skip
    (folder / "sites").mkdir()
    (folder / "meterloom.yaml").write_text("{}")
    (folder / "people.yaml").write_text("people: []\n")
    (folder / "sites" / "own.yaml").write_text(yaml.safe_dump(site))
    for name, place, unit in (("house", 1, "kwh"), ("roof", 2, "kwh"), ("price", 3, "")):
        head = f"meter,timestamp,{unit}" if unit else f"timestamp,{name}"
        first = f"{name}," if unit else ""
        rows = [f"{first}{row[0]:%Y-%m-%dT%H:%M:%SZ},{row[place]:.4f}" for row in quarters()]
        (folder / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n")
        code, _, error = run("ingest", str(folder / f"{name}.csv"), "--site", "own", "--project", str(folder))
        assert code == 0, error
    return folder


def simulated(project: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """Answer of `meterloom simulate --json`."""
    done, out, error = run("simulate", "--site", "own", *words, "--json", "--project", str(project))
    assert done == code, error
    return dict(json.loads(out))


def test_a_home_without_hardware_is_told_what_the_days_would_have_cost(tmp_path: Path) -> None:
    project, picture = owner(tmp_path, [BATTERY, PV, CAR]), tmp_path / "trial.png"
    found = simulated(project, *SPAN, "--picture", str(picture))
    by_name = {each["name"]: each for each in found["policies"]}
    assert list(by_name) == ["no_control", "self_consumption", "deterministic", "perfect_foresight"]
    assert by_name["perfect_foresight"]["cost"] < by_name["deterministic"]["cost"] < by_name["no_control"]["cost"]
    assert (found["is_synthetic"], found["currency"], found["findings"]) == (True, "EUR", [])
    assert "the load is house as it was measured" in found["assumptions"][0]
    for each in found["policies"]:
        assert each.keys() >= NEEDED
        assert [day["date"] for day in each["days"]] == ["2026-10-24", "2026-10-25", "2026-10-26"]
        assert sum(day["cost"] for day in each["days"]) == pytest.approx(each["cost"], abs=0.005)
    # What each leaves in its stores is what there was, so that no saving is borrowed.
    assert by_name["deterministic"]["left_kwh"]["battery"] == pytest.approx(0, abs=0.1)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_without_control_the_days_are_the_bill_of_the_measured_load_to_the_cent(tmp_path: Path) -> None:
    project = owner(tmp_path, [BATTERY], tariffs=[PEAKS])
    found = simulated(project, *SPAN, "--policy", "no_control", "self_consumption")
    plain = found["policies"][0]
    start, end = datetime(2026, 10, 23, 22, tzinfo=UTC), datetime(2026, 10, 26, 23, tzinfo=UTC)
    load = [f"{at:%Y-%m-%dT%H:%M:%SZ},{used:.4f}" for at, used, *_ in quarters() if start <= at < end]
    assert len(load) == 3 * 96 + 4, "the day on which the clock goes back has 25 hours"
    (tmp_path / "load.csv").write_text("\n".join(["timestamp,kwh", *load]) + "\n")
    (tmp_path / "tariff.yaml").write_text(yaml.safe_dump(PEAKS | {"currency": "EUR", "time_zone": "Europe/Berlin"}))
    words = ("--tariff", str(tmp_path / "tariff.yaml"), "--load", str(tmp_path / "load.csv"), "--tz", "Europe/Berlin")
    code, out, error = run("bill", *words, *SPAN, "--json")
    assert code == 0, error
    assert plain["cost"] == pytest.approx(float(json.loads(out)["total"]), abs=0.005)
    assert sum(day["cost"] for day in plain["days"]) == pytest.approx(plain["cost"], abs=0.005)


def test_a_flat_by_negative_prices_heats_when_it_is_paid_for_it(tmp_path: Path) -> None:
    project = owner(tmp_path, [TANK], tariffs=[], price_stream="price")
    found = simulated(project, *SPAN)
    plain, *_, best = found["policies"]
    assert best["cost"] < plain["cost"]
    assert best["import_kwh"] == pytest.approx(plain["import_kwh"], rel=0.2)


def test_a_load_that_is_computed_is_simulated_as_one_that_is_read(tmp_path: Path) -> None:
    meters = [
        {"meter_id": "grid", "connected_load_kw": 17},
        {"meter_id": "house", "parent": "grid"},
        {"meter_id": "roof", "parent": "grid", "registers": [{"register_id": "value"}]},
        {"meter_id": "twice", "formula": "2 * house.import"},
    ]
    project = owner(tmp_path, [BATTERY], meters=meters, forecast_targets=["twice", "roof"])
    (found,) = simulated(project, *SPAN, "--policy", "no_control")["policies"]
    read = sum(row[1] for row in quarters() if row[0] >= datetime(2026, 10, 23, 22, tzinfo=UTC))
    assert found["import_kwh"] == pytest.approx(2 * read, rel=1e-3)


def test_a_workshop_sheds_at_its_peak(tmp_path: Path) -> None:
    project = owner(tmp_path, [SHED], tariffs=[PEAKS])
    found = simulated(project, *SPAN, "--policy", "no_control", "perfect_foresight")
    plain, best = found["policies"]
    assert best["cost"] < plain["cost"]
    assert best["import_kwh"] < plain["import_kwh"]


def test_a_load_that_is_cheap_to_shed_is_shed_as_planned_and_rests_by_rule(tmp_path: Path) -> None:
    cheap = SHED | {"params": SHED["params"] | {"price_per_kwh": 0.1}}
    found = simulated(owner(tmp_path, [cheap]), *SPAN)
    plain, ruled, planned, _ = found["policies"]
    assert ruled["import_kwh"] == pytest.approx(plain["import_kwh"])
    assert planned["import_kwh"] < 0.8 * plain["import_kwh"]
    assert planned["cost"] < plain["cost"]
    assert any("press that is not used costs you is in no bill" in each for each in found["assumptions"])


@pytest.mark.parametrize(
    ("changes", "words", "said"),
    [
        ({"forecast_targets": ["roof"]}, SPAN, "no meter of the load is named under forecast_targets"),
        ({}, ("--from", "2026-10-24", "--to", "2026-10-30"), "house has readings of 50%"),
        ({"tariffs": []}, SPAN, "has neither a tariff of electricity nor a price_stream"),
    ],
)
def test_what_a_trial_lacks_is_a_finding(tmp_path: Path, changes: Any, words: tuple[str, ...], said: str) -> None:
    project = owner(tmp_path, [BATTERY, PV], **changes)
    found = simulated(project, *words, code=1)
    assert found["policies"] == []
    assert said in found["findings"][0]["message"]


def test_what_a_trial_cannot_simulate_is_left_out_by_name_and_a_month_must_be_whole(tmp_path: Path) -> None:
    room = {"asset_id": "bath", "kind": "room", "params": {"heater_kw": 1.5, "r_k_per_kw": 40, "c_kwh_per_k": 0.6,
            "low_degc": 20, "high_degc": 24}}  # fmt: skip
    project = owner(tmp_path, [BATTERY, room])
    found = simulated(project, "--from", "2026-10-24", "--to", "2026-10-25", "--policy", "no_control")
    assert [each["scope"] for each in found["findings"]] == ["bath"]
    code, _, error = run("simulate", "--site", "own", "--project", str(project))
    assert code == 2
    assert "no whole calendar month was read: readings reach from 2026-10-16" in error
    code, _, error = run("simulate", "--site", "own", *SPAN, "--policy", "stochastic", "--project", str(project))
    assert code == 2
    assert "stochastic needs a simulated house" in error
