"""The gates: sound tables pass, and every rule has been seen red."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.finding import Verdict
from data_quality.suites.run_suite import FAULTS, check_day_mart, check_streams, stream_faults
from tests.kpi.seeded import plant, random_rows

NOW = datetime(2025, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def sound() -> pl.DataFrame:
    rows = random_rows(plant(), seed=3).drop("is_correction")
    stamped = rows.with_columns(batch_id=pl.lit("b"), recorded_at_utc=pl.lit(NOW))
    return stamped.select(pl.col(name).cast(kind) for name, kind in LAKE_SCHEMA.items())


def check_readings(frame: pl.DataFrame, *, is_quick: bool = False) -> Verdict:
    return check_streams(stream_faults(frame), is_quick=is_quick)


def test_sound_readings_pass(sound: pl.DataFrame) -> None:
    verdict = check_readings(sound)
    assert verdict.passed, verdict.facts
    assert check_readings(sound, is_quick=True) == verdict
    assert (verdict.facts["rows"], verdict.facts["streams"]) == (
        sound.height,
        sound.select("meter_id", "register").n_unique(),
    )


def test_history_with_corrections_passes(sound: pl.DataFrame) -> None:
    assert check_readings(pl.concat([sound, sound.with_columns(pl.col("recorded_at_utc") + timedelta(hours=1))])).passed


MUTANTS = {
    "missing_times": {"interval_start_utc": None},
    "missing_values": {"value": None},
    "missing_origins": {"batch_id": None},
    "not_finite": {"value": float("nan")},
    "too_large": {"value": 2.5e6},
    "finer_than_quantum": {"value": 1 / 3},
    "off_grid": {"interval_start_utc": datetime(2025, 3, 29, 0, 7, tzinfo=UTC)},
    "not_a_quarter_hour": {"interval_minutes": 30},
    "unknown_quality": {"quality_code": 99},
}


@pytest.mark.parametrize("fault", list(MUTANTS))
def test_one_wrong_reading_stops_the_gate(sound: pl.DataFrame, fault: str) -> None:
    wrong = sound[:1].with_columns(pl.lit(v, dtype=LAKE_SCHEMA[k]).alias(k) for k, v in MUTANTS[fault].items())
    verdict = check_readings(pl.concat([wrong, sound[1:]]))
    assert not verdict.passed
    assert check_readings(pl.concat([wrong, sound[1:]]), is_quick=True) == verdict
    assert verdict.facts[fault] == 1
    assert verdict.facts["worst"] == ["plant/main/import"]


def test_the_same_reading_twice_stops_the_gate(sound: pl.DataFrame) -> None:
    verdict = check_readings(pl.concat([sound, sound[:2]]))
    assert not verdict.passed
    assert verdict.facts["duplicate_keys"] == 2


@pytest.mark.parametrize("change", [{"unit": "furlong"}, {"unit": None}, {"meter_id": None}])
def test_a_stream_without_name_or_known_unit_stops_the_gate(sound: pl.DataFrame, change: dict[str, str | None]) -> None:
    wrong = sound[:1].with_columns(pl.lit(v, dtype=pl.String).alias(k) for k, v in change.items())
    verdict = check_readings(pl.concat([wrong, sound[1:]]))
    assert not verdict.passed
    assert check_readings(pl.concat([wrong, sound[1:]]), is_quick=True) == verdict


def test_every_fault_of_the_gate_has_a_mutant() -> None:
    assert set(FAULTS) == set(MUTANTS) | {"duplicate_keys"}


def day(**changes: object) -> dict[str, object]:
    return {
        "site_id": "s", "scope": "meter:m", "period_start": NOW.date(), "hours": 24.0, "coverage": 0.5,
        "estimated_share": 0.0, "load_factor": 0.7, "covered_minutes": 720, "expected_minutes": 1440,
        "energy_kwh": 5.0,
    } | changes  # fmt: skip


EMPTY_DAY = day(
    scope="meter:n", coverage=0.0, covered_minutes=0, energy_kwh=None, estimated_share=None, load_factor=None
)


def test_a_sound_day_mart_passes_with_its_empty_days() -> None:
    frame = pl.DataFrame([day(), EMPTY_DAY])
    verdict = check_day_mart(frame)
    assert verdict.passed, verdict.facts
    assert check_day_mart(frame, is_quick=True) == verdict
    assert (verdict.facts["rows"], verdict.facts["empty_days"]) == (2, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"coverage": 1.01},
        {"coverage": None},
        {"estimated_share": -0.1},
        {"load_factor": 1.2},
        {"hours": 27.0},
        {"covered_minutes": 1441},
        {"energy_kwh": None},
        {"covered_minutes": 0},
        {"scope": "meter:n"},
        {"site_id": None},
    ],
    ids=str,
)
def test_one_wrong_day_stops_the_gate(change: dict[str, object]) -> None:
    frame = pl.DataFrame([day(**change), EMPTY_DAY], infer_schema_length=None)
    verdict = check_day_mart(frame)
    assert not verdict.passed
    assert check_day_mart(frame, is_quick=True) == verdict
    assert verdict.facts["broken"]
