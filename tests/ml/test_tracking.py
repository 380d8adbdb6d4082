"""The registry on a real MLflow store: versions, aliases, digests, and a server that is not there."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from assets.kpi.enpi.daily import expected_days
from data_quality.contracts.baselines.baseline import Baseline, BaselineStatus, BaselineVersion
from data_quality.contracts.errors import BadInput, OurFault, Unreachable
from ml.registered_baselines import BASELINE_FILE, baseline_name, log_baseline, show_approvals
from ml.tracking import APPROVED, CHAMPION, LoggedModel, MlflowTracker, ModelRecord, files_checksum
from tests.ml.cases import RECORDED, baseline
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
    assert time.monotonic() - began < 20
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


def version_of(logged: LoggedModel, made: Baseline, number: int, status: BaselineStatus) -> BaselineVersion:
    """Entry of a logged baseline in the register of approvals; provisional ones have no approver."""
    version = BaselineVersion(
        baseline_id="plant/line/enb",
        version=number,
        status=BaselineStatus.PROVISIONAL,
        mlflow_run_id=logged.run_id,
        model_checksum=logged.checksum,
        fitted_by="ben",
        fitted_at_utc=RECORDED,
        baseline=made,
    )
    if status is BaselineStatus.PROVISIONAL:
        return version
    approval = {"status": status, "approved_by": "anna", "approved_at_utc": RECORDED, "reason": "A whole year"}
    return version.model_copy(update=approval)


NAMES = {"anna": "Anna Approver"}


def test_the_registry_shows_what_a_baseline_models_and_who_approved_which_version(tracker: MlflowTracker) -> None:
    firsts, second = baseline({"intercept": 1.0, "production": 0.5}), baseline({"intercept": 2.0, "production": 0.4})
    firsts, second = (each.model_copy(update={"site_id": "shown"}) for each in (firsts, second))
    other = second.model_copy(update={"model": "change_point"})
    logged = [log_baseline(tracker, each, fitted_by="ben") for each in (firsts, second, other)]
    name = "shown.line.enb.ols_daily"

    show_approvals(tracker, [version_of(logged[0], firsts, 1, BaselineStatus.APPROVED)], NAMES)
    line = [
        version_of(logged[0], firsts, 1, BaselineStatus.SUPERSEDED),
        version_of(logged[1], second, 2, BaselineStatus.APPROVED),
        version_of(logged[2], other, 3, BaselineStatus.PROVISIONAL),
    ]
    for _ in range(2):
        show_approvals(tracker, line, NAMES)
    assert (tracker.get_alias(name, APPROVED), tracker.get_alias(logged[2].name, APPROVED)) == (2, None)
    was, now = (tracker._client.get_model_version(name, number) for number in ("1", "2"))
    assert was.description.startswith("**Superseded**: by Anna Approver (anna) on 2026-01-01 00:00 UTC; fitted by ben.")
    named = (
        "**Approved**: by Anna Approver (anna)",
        "A whole year",
        "shown · line · ols_daily · 2024",
        "CV(RMSE)",
        "| production |",
    )
    assert [words for words in named if words not in now.description] == []
    assert (now.tags["status"], now.tags["approved_by"]) == ("approved", "anna")
    assert tracker._client.get_model_version(logged[2].name, "1").tags["status"] == "provisional"

    # An approval of the other form takes the alias along.
    show_approvals(
        tracker, [line[1], version_of(logged[2], other, 3, BaselineStatus.APPROVED)][::-1][:1] + line[:1], NAMES
    )
    assert tracker.get_alias(logged[2].name, APPROVED) == 1
    assert tracker.get_alias(name, APPROVED) is None


def test_runs_stand_in_an_experiment_of_their_kind_under_a_name_that_people_read(tracker: MlflowTracker) -> None:
    logged = log_baseline(tracker, baseline({"intercept": 3.0}), fitted_by="ada")
    run = tracker._client.get_run(logged.run_id)
    experiment = tracker._client.get_experiment(run.info.experiment_id)
    assert (experiment.name, run.info.run_name) == ("Energy baselines", "plant · line · ols_daily · 2024")
    # MLflow opens an experiment of no kind among its pages for language models.
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert experiment.tags["mlflow.note.content"]
    assert "Energy baselines" in tracker._client.get_experiment("0").tags["mlflow.note.content"]
