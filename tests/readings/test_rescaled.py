"""A correction by a power of ten stops its file until a person takes it knowingly; honest corrections pass."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.readings.changes.rescaled import rescaled
from assets.readings.ingest.ingest_file import AcceptedScale, IngestReport, ingest_file
from assets.stores.lake.merges import batches_of_source
from orchestration.cli.main import build_app
from tests.conftest import SHARED_DATA
from tests.readings.rooms import Bench, plant, quarter_rows

HEADER = "meter,timestamp,kwh\n"
RUNNER = CliRunner()
LOAD = [round(0.2 + 0.13 * (n % 96 // 8), 3) for n in range(96 * 12)]


def rows(factor: float, *, first: int = 0, end: int = 96 * 2, meter: str = "main") -> str:
    values = [round(value * factor, 9) for value in LOAD[first:end]]
    start = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * first)
    return quarter_rows(meter, values, f"{start:%Y-%m-%dT%H:%M}")


def ingest_second(
    bench: Bench, text: str, accepted: AcceptedScale | None, *, from_bytes: int = 4 * 1024**2
) -> IngestReport:
    return ingest_file(
        bench.file(text, "second.csv"), site=plant(), lake=bench.lake, quarantine=bench.quarantine, clock=bench.clock,
        accepted=accepted, regular_from_bytes=from_bytes,
    )  # fmt: skip


@pytest.mark.parametrize("from_bytes", [4 * 1024**2, 1], ids=["whole", "in blocks"])
@pytest.mark.parametrize("factor", [10, 0.1, 100, 0.01, 1000, 0.001])
def test_a_correction_by_a_power_of_ten_stops_its_whole_file(bench: Bench, factor: float, from_bytes: int) -> None:
    bench.ingest(HEADER + rows(1) + rows(1, meter="press"))
    # The other meter is continued in the same file: nothing of it may go in either.
    text = HEADER + rows(1, meter="press", end=96 * 3) + rows(factor)
    report = ingest_second(bench, text, None, from_bytes=from_bytes)
    assert (report.verdict, report.reasons, report.corrected_rows) == ("reject", {"scale_slip": 1}, 0)
    for part in (
        "second.csv",
        "line 290",
        "'main'",
        f"factor of {factor:g} ",
        "192 quarter hours",
        "2025-01-01 00:00Z",
    ):
        assert part in report.message
    assert bench.values() == LOAD[:192]
    assert len(bench.values("press")) == 192
    assert [item["reason"] for item in bench.quarantine.items(is_open=True)] == ["scale_slip"]


def test_a_person_takes_it_knowingly_and_the_batch_and_the_list_say_so(bench: Bench) -> None:
    bench.ingest(HEADER + rows(1))
    text = HEADER + rows(1000)
    stopped = ingest_second(bench, text, None)
    taken = ingest_second(bench, text, AcceptedScale(person_id="anna"))
    assert (taken.verdict, taken.corrected_rows) == ("accept", 192)
    batch = batches_of_source(bench.lake.store, site_id="plant", source_sha256=stopped.sha256)[0]
    assert batch["mapping"]["accepted_scale"] == {"person_id": "anna"}
    done = bench.quarantine.items()
    assert [(item["reason"], item["resolved_by"]) for item in done] == [("scale_slip", taken.batch_id)]
    assert ingest_second(bench, text, None).is_repeat
    assert ingest_second(bench, text, AcceptedScale()).is_repeat


def test_one_day_in_another_unit_is_seen_among_honest_corrections(bench: Bench) -> None:
    bench.ingest(HEADER + rows(1, end=96 * 12))
    honest = HEADER + rows(1.07, end=96 * 8) + rows(1.02, first=96 * 9, end=96 * 12)
    slip = honest + rows(0.1, first=96 * 8, end=96 * 9)
    assert ingest_second(bench, slip, None).reasons == {"scale_slip": 1}
    assert ingest_second(bench, honest, None).corrected_rows == 96 * 11


def test_a_correction_that_mends_a_slip_asks_nobody(bench: Bench) -> None:
    bench.ingest(HEADER + rows(1, end=96 * 8) + rows(0.001, first=96 * 8, end=96 * 10))
    assert ingest_second(bench, HEADER + rows(1, end=96 * 10), None).corrected_rows == 192
    assert bench.values() == LOAD[: 96 * 10]


@pytest.mark.parametrize("factor", [0.5, 0.96, 1.04, 2, 3.6, 4, 7, 40])
def test_a_correction_by_any_other_factor_goes_in(bench: Bench, factor: float) -> None:
    bench.ingest(HEADER + rows(1))
    assert ingest_second(bench, HEADER + rows(factor), None).corrected_rows == 192


def test_a_slip_is_seen_through_coarse_digits_zeros_and_a_calibration(bench: Bench) -> None:
    coarse = [round(value, 1) for value in LOAD[:96]]
    bench.ingest(HEADER + quarter_rows("main", [0.0, *coarse]))
    text = HEADER + quarter_rows("main", [3.0, *(round(value * 1020, 1) for value in LOAD[:96])])
    assert ingest_second(bench, text, None).reasons == {"scale_slip": 1}


def test_a_new_file_at_a_thousand_times_the_level_is_held_and_the_same_word_takes_it(bench: Bench) -> None:
    bench.ingest(HEADER + rows(1, end=96 * 8))
    text = HEADER + rows(1000, first=96 * 8, end=96 * 10) + rows(1, meter="press")
    held = ingest_second(bench, text, None)
    # The other meter goes in; the suspected rows wait, by line.
    assert (held.verdict, held.reasons, held.new_rows) == ("quarantine", {"unit_suspected": 192}, 192)
    taken = ingest_second(bench, text, AcceptedScale())
    assert (taken.verdict, taken.new_rows) == ("accept", 192)
    assert bench.quarantine.items(is_open=True) == []


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the shared data folder is not beside this checkout")
def test_readings_that_replace_estimates_on_real_meters_stop_less_than_once_in_a_thousand_times() -> None:
    meters = pl.read_parquet(SHARED_DATA / "sites_bdg2" / "electricity_hourly.parquet")
    rng = np.random.default_rng(3)
    true, estimated = [], []
    for _, meter in meters.group_by("building_id", maintain_order=True):
        values = meter.sort("timestamp_local")["kwh"].to_numpy()
        days = values[: len(values) // 24 * 24].reshape(-1, 24)
        for day in rng.integers(35, len(days), 25).tolist():
            for estimate in (days[day - 7], days[day - 1], np.full(24, days[day - 7 : day].mean())):
                if not np.isnan([days[day], estimate]).any():
                    true.append(days[day])
                    estimated.append(estimate)
    assert len(true) > 1500
    assert rescaled(_days(true), _days(estimated)).height <= 0.001 * len(true)


def _days(values: list[Any]) -> pl.DataFrame:
    """The same day of as many meters, by the hour."""
    start = datetime(2025, 1, 1, tzinfo=UTC)
    hours = pl.DataFrame({"interval_start_utc": [start + timedelta(hours=hour) for hour in range(24)]})
    meters = pl.DataFrame({"meter_id": [str(number) for number in range(len(values))]})
    facts = {"register": pl.lit("import"), "is_synthetic": pl.lit(value=False), "source_line": pl.lit(2)}
    return meters.join(hours, how="cross").with_columns(value=pl.Series(np.concatenate(values)), **facts)


def run(folder: Path, *words: str) -> tuple[int, Any]:
    """Exit code and JSON."""
    result = RUNNER.invoke(build_app(("init", "ingest", "quarantine")), [*words, "--json", "--project", str(folder)])
    return result.exit_code, json.loads(result.stdout)


def test_the_command_stops_with_one_sentence_and_accept_scale_takes_the_file(tmp_path: Path) -> None:
    project = tmp_path / "p"
    assert RUNNER.invoke(build_app(("init",)), ["init", str(project)]).exit_code == 0
    for name, factor in (("first", 1), ("slip", 1000)):
        (tmp_path / f"{name}.csv").write_text(HEADER + rows(factor))
    assert run(project, "ingest", str(tmp_path / "first.csv"), "--site", "my_site")[0] == 0
    code, found = run(project, "ingest", str(tmp_path / "slip.csv"), "--site", "my_site")
    assert (code, found["files"][0]["verdict"], found["files"][0]["corrected_rows"]) == (2, "reject", 0)
    assert "--accept-scale" in found["files"][0]["message"]
    item = run(project, "quarantine", "list")[1]["items"][0]
    assert (item["kind"], item["reason"], item["line"]) == ("file", "scale_slip", 2)
    # The kept copy is taken by the same word.
    code, found = run(project, "quarantine", "retry", item["item_id"], "--accept-scale")
    assert (code, found["files"][0]["corrected_rows"], found["resolved"]) == (0, 192, 1)
    assert run(project, "quarantine", "list")[1]["items"] == []
    back = run(project, "ingest", str(tmp_path / "slip.csv"), "--site", "my_site", "--accept-scale")
    assert (back[0], back[1]["files"][0]["is_repeat"]) == (0, True)
