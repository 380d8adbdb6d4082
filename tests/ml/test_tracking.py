"""The registry on a real MLflow store: versions, aliases, digests, and a server that is not there."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from assets.kpi.enpi_of_use.expected_energy import expected_days
from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.errors import BadInput, OurFault, Unreachable
from ml.tracker import BASELINE_FILE, CHAMPION, ModelRecord, baseline_name, files_checksum, log_baseline
from ml.tracking import MlflowTracker
from tests.ml.cases import baseline
from tests.ml.test_expected import THREE

RECORD = ModelRecord(
    dataset_name="days", dataset_digest="e" * 64, metrics={"r2": 0.9}, params={"model": "x"}, tags={"kind": "test"}
)


def load_baseline(tracker: MlflowTracker, name: str, version: int) -> Baseline:
    """The baseline of one registered version."""
    return Baseline.model_validate_json(tracker.load_files(name, version)[BASELINE_FILE])


def test_a_registered_baseline_loads_back_and_predicts_identically(tracker: MlflowTracker) -> None:
    made = baseline({"intercept": 1 / 3, "production": 0.1, "outdoor_degc": -2 / 7})
    logged = log_baseline(tracker, made, fitted_by="ada")
    read = load_baseline(tracker, baseline_name(made), logged.version)
    assert read == made
    assert expected_days(read, THREE).equals(expected_days(made, THREE))
    assert logged.name == "plant.line.enb.ols_daily"
    assert (logged.tags["dataset_digest"], logged.tags["fitted_by"]) == (made.dataset_digest, "ada")


def test_the_run_carries_statistics_and_the_dataset(tracker: MlflowTracker) -> None:
    logged = log_baseline(tracker, baseline({"intercept": 2.0}), fitted_by="ada")
    run = tracker._client.get_run(logged.run_id)
    assert run.data.metrics["cvrmse_g14"] == pytest.approx(baseline({}).statistics.cvrmse_g14)
    assert run.inputs.dataset_inputs[0].dataset.digest == "d" * 36


def test_the_same_files_are_the_same_version_and_others_the_next(tracker: MlflowTracker) -> None:
    first = tracker.log_model("t.repeat", {"a.json": b"1"}, RECORD)
    assert tracker.log_model("t.repeat", {"a.json": b"1"}, RECORD) == first
    second = tracker.log_model("t.repeat", {"a.json": b"2"}, RECORD)
    assert [known.version for known in tracker.versions("t.repeat")] == [1, 2]
    assert tracker.load_files("t.repeat", second.version) == {"a.json": b"2"}
    assert second.checksum == files_checksum({"a.json": b"2"})


def test_an_alias_points_to_one_version_until_it_is_moved_or_taken_away(tracker: MlflowTracker) -> None:
    for content in (b"1", b"2"):
        tracker.log_model("t.alias", {"a.json": content}, RECORD)
    assert tracker.get_alias("t.alias", CHAMPION) is None
    tracker.set_alias("t.alias", CHAMPION, 1)
    tracker.set_alias("t.alias", CHAMPION, 2)
    assert tracker.get_alias("t.alias", CHAMPION) == 2
    tracker.delete_alias("t.alias", CHAMPION)
    tracker.delete_alias("t.alias", CHAMPION)
    assert tracker.get_alias("t.alias", CHAMPION) is None
    assert tracker.get_alias("t.unknown", CHAMPION) is None


def test_another_tracker_on_the_same_store_sees_the_same(tracker: MlflowTracker) -> None:
    logged = tracker.log_model("t.shared", {"a.json": b"1"}, RECORD)
    other = MlflowTracker(tracker.tracking_uri, tracker.artifacts_dir)
    assert other.versions("t.shared") == [logged]
    assert other.log_model("t.shared", {"a.json": b"2"}, RECORD).version == 2


def test_files_that_were_changed_are_not_loaded(tracker: MlflowTracker) -> None:
    tracker.log_model("t.changed", {"a.json": b"honest-content"}, RECORD)
    kept = [path for path in tracker.artifacts_dir.rglob("a.json") if path.read_bytes() == b"honest-content"]
    assert len(kept) == 1
    kept[0].write_bytes(b"forged")
    with pytest.raises(OurFault, match="differ from those"):
        tracker.load_files("t.changed", 1)


def test_an_unknown_version_is_bad_input(tracker: MlflowTracker) -> None:
    with pytest.raises(BadInput, match="no version 7"):
        tracker.load_files("t.none", 7)


def test_the_checksum_depends_on_names_and_contents() -> None:
    one = files_checksum({"a": b"1", "b": b"2"})
    assert files_checksum({"b": b"2", "a": b"1"}) == one
    assert len({one, files_checksum({"a": b"2", "b": b"1"}), files_checksum({"a": b"1"})}) == 3


@pytest.mark.parametrize("scheme", ["http", "postgresql+psycopg2"])
def test_a_registry_that_is_not_there_fails_at_once_and_shows_no_password(scheme: str, tmp_path: Path) -> None:
    tracker = MlflowTracker(f"{scheme}://user:secret@127.0.0.1:9/db", tmp_path)
    began = time.monotonic()
    with pytest.raises(Unreachable, match="does not answer") as caught:
        tracker.versions("x")
    assert time.monotonic() - began < 2.0
    assert "secret" not in str(caught.value)


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A port that accepts and never answers, as a stopped server does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield listener.getsockname()[1]


def test_a_server_that_accepts_and_says_nothing_costs_seconds_not_minutes(silent_server: int, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable, match="does not answer"):
        MlflowTracker(f"http://127.0.0.1:{silent_server}", tmp_path).versions("x")
    assert time.monotonic() - began < 15.0


def test_the_training_table_is_not_needed_to_load(tracker: MlflowTracker) -> None:
    made = baseline({"intercept": 5.0})
    logged = log_baseline(tracker, made, fitted_by="ada")
    one_day = pl.DataFrame({"local_date": THREE["local_date"][:1]})
    assert expected_days(load_baseline(tracker, logged.name, logged.version), one_day)["expected_kwh"][0] == 5.0
