"""Copies past their age go, and nothing that a stored figure rests on; a dry run changes nothing."""

import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from assets.stores.audit import bad_rows
from assets.stores.feature_days import FeatureDays
from assets.stores.published.ground import ground_of
from assets.stores.retention import KEPT, REMOVALS, RUN_FILE, begin_run, left_run, old_files, remove
from assets.stores.schema.tables_reports import signatures
from data_quality.contracts.errors import BadRow
from data_quality.contracts.settings import NEVER_REMOVED, load_project, load_settings
from data_quality.contracts.time import FixedClock, SystemClock
from data_quality.contracts.yaml_file import BadConfiguration
from orchestration.doctor.role_files import started, write_role
from orchestration.instance.start_lock import taken
from orchestration.open_project import OpenProject
from orchestration.operations.operation import Call
from orchestration.operations.project.backup import retention_apply
from orchestration.views.restored_proof import recompute_figures
from tests.backup.test_backup import refused
from tests.e2e.conftest import call_here
from tests.old.make import END, write_csv

pytestmark = pytest.mark.filterwarnings("ignore")
PUBLISHED = "enpi_quarter/works/2025-Q1@1"
LONG_AGO = timedelta(days=3 * 366)


@pytest.fixture
def aged(works: Path) -> Path:
    """The project with files in landing that are a ground (march), are none (more), were refused, and never taken."""
    landing = works / "landing" / "works"
    write_csv(landing / "more.csv", END, END + timedelta(days=1))
    (landing / "refused.csv").write_text("meter,timestamp\nmain,2025-03-01\n")
    for name in ("more.csv", "refused.csv"):
        call_here("ingest", str(landing / name), "--site", "works", "--project", str(works))
    (landing / "waiting.csv").write_text("meter,timestamp,kwh\nmain,2026-04-01T00:00:00+02:00,1\n")
    logs = works / "var" / "logs"
    logs.mkdir()
    for name in ("old.log", "web.log"):
        (logs / name).write_text("a line\n")
    days = FeatureDays(works / "var")
    for day in (date(2020, 1, 1), date(9999, 12, 31)):
        assert days.keep("works", "works.main.import.day_ahead", day, pl.DataFrame({"lead": [1]}))
    write_role(works / "var" / "run", started("web", os.getpid()))
    assert len(list((works / "var" / "quarantine").rglob("refused.csv"))) == 1
    return works


def later(folder: Path, after: timedelta = LONG_AGO, *, dry_run: bool = False) -> dict[str, dict[str, Any]]:
    """Classes by name, as the command finds them so long from now."""
    call = Call(folder)
    call.clock = FixedClock(SystemClock().now_utc() + after)
    with closing(call.project):
        answer = retention_apply(call, dry_run=dry_run, scheduled=True)
    result: Any = answer.result
    return {each["name"]: each for each in result["classes"]}


def digests(folder: Path) -> dict[str, str]:
    """Every file of the project but for SQLite's own beside the store."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm", ".lock"))]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def ledger_rows(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "var" / "store.db")) as store:
        names = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: store.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def test_a_dry_run_names_what_goes_and_what_holds_the_rest_and_changes_nothing(aged: Path) -> None:
    before = digests(aged)
    found = later(aged, dry_run=True)
    assert digests(aged) == before
    assert set(found) == {"landing", "quarantine", "features", "logs", *KEPT}
    assert (found["features"]["rows"], found["features"]["held_by"]) == (1, ())
    landing, size = found["landing"], (aged / "landing" / "works" / "more.csv").stat().st_size
    assert (landing["rows"], landing["held"]) == (2, 2)
    assert landing["bytes"] == size + (aged / "landing" / "works" / "refused.csv").stat().st_size
    assert PUBLISHED in landing["held_by"]
    assert any(each.startswith("not taken yet") for each in landing["held_by"])
    assert (found["quarantine"]["rows"], found["quarantine"]["held_by"]) == (1, ())
    assert (found["logs"]["rows"], found["logs"]["held_by"]) == (1, ("web writes to it",))
    assert all(found[name]["rows"] == 0 and found[name]["held_by"] for name in KEPT)


def test_what_goes_is_gone_and_every_ledger_and_figure_stands(aged: Path) -> None:
    before, rows = digests(aged), ledger_rows(aged)
    later(aged)
    gone = {Path(each).name for each in set(before) - set(digests(aged))}
    assert gone == {"more.csv", "refused.csv", "old.log", "2020-01-01.parquet"}
    assert list((aged / "var" / "quarantine").glob("*/*")) == []
    after = ledger_rows(aged)
    # What went is told, and nothing else was written.
    assert {name for name in after if after[name] != rows[name]} <= {"removals", "row_seals", "recorded_clock"}
    assert after["removals"] == 4
    with closing(OpenProject(str(aged))) as opened:
        ids = opened.reports.figure_ids()
        equal, differing = recompute_figures(opened, ids, lambda text, done, of: None)
    assert (equal, differing) == (len(ids), [])
    assert all(each["rows"] == 0 for each in later(aged, dry_run=True).values())


def test_somebody_answers_for_a_removal_and_the_ledger_keeps_how_much_went(aged: Path) -> None:
    assert "needs a person with the role 'engineer'" in refused("retention", "apply", "--project", aged)
    assert "has not the role 'engineer'" in refused("retention", "apply", "--as", "ben", "--project", aged)
    call = Call(aged, person="carla")
    call.clock = FixedClock(SystemClock().now_utc() + LONG_AGO)
    more = (aged / "landing" / "works" / "more.csv").stat()
    refused_bytes = (aged / "landing" / "works" / "refused.csv").stat().st_size
    with closing(call.project) as opened:
        retention_apply(call, reason="the disk is full")
        rows = {row["class_name"]: row for row in REMOVALS.rows(opened.store)}
        assert bad_rows(opened.store) == []
        signed = opened.store.rows(sa.select(signatures).where(signatures.c.kind == "retention apply"))
    assert set(rows) == {"landing", "quarantine", "features", "logs"}
    landing = rows["landing"]
    assert (landing["files"], landing["bytes"]) == (2, more.st_size + refused_bytes)
    assert landing["oldest_utc"].timestamp() == pytest.approx(more.st_mtime, abs=1e-3)
    assert (landing["person_id"], landing["reason"]) == ("carla", "the disk is full")
    assert [each["person_id"] for each in signed] == ["carla"]
    # A timer's is nobody's.
    (aged / "var" / "logs" / "old.log").write_text("again\n")
    later(aged)
    with closing(OpenProject(str(aged))) as opened:
        assert [row["person_id"] for row in REMOVALS.rows(opened.store)][-1] == ""


@pytest.mark.parametrize("gone", [0, 1, 3])
def test_a_removal_that_was_killed_is_taken_up_and_told_once(aged: Path, gone: int) -> None:
    """After so many of its three files nobody knows of it but the file that it wrote first."""
    with closing(OpenProject(str(aged))) as opened:
        now_utc = SystemClock().now_utc() + LONG_AGO
        found = old_files(opened.project, opened.store, ground_of(opened.reports), running=("web",), now_utc=now_utc)
        run = begin_run(opened.project, found, run_id="killed", person_id="carla", reason="test")
        for each in run.files[:gone]:
            each.path.unlink()
    later(aged)
    with closing(OpenProject(str(aged))) as opened:
        rows = REMOVALS.rows(opened.store)
        assert bad_rows(opened.store) == []
    assert {row["run_id"] for row in rows} == {"killed"}
    assert sum(row["files"] for row in rows) == len(run.files) == 5
    assert not (aged / "var" / RUN_FILE).exists()
    later(aged)
    with closing(OpenProject(str(aged))) as opened:
        assert REMOVALS.rows(opened.store) == rows


def test_the_note_of_another_project_removes_nothing_there(aged: Path, tmp_path: Path) -> None:
    """As a copy has it that was restored beside its origin."""
    with closing(OpenProject(str(aged))) as opened:
        now_utc = SystemClock().now_utc() + LONG_AGO
        found = old_files(opened.project, opened.store, ground_of(opened.reports), running=(), now_utc=now_utc)
        run = begin_run(opened.project, found, run_id="killed", person_id="carla", reason="test")
        assert left_run(opened.project) == run
    copy = Path(shutil.copytree(aged, tmp_path / "copy"))
    left = left_run(load_project(copy, {}))
    assert left is not None
    assert left.files == ()


def test_a_file_that_is_written_anew_meanwhile_stays(aged: Path) -> None:
    more = aged / "landing" / "works" / "more.csv"
    with closing(OpenProject(str(aged))) as opened:
        now_utc = SystemClock().now_utc() + LONG_AGO
        found = old_files(opened.project, opened.store, ground_of(opened.reports), running=(), now_utc=now_utc)
        removed: list[str] = []
        run = begin_run(opened.project, found, run_id="1", person_id="", reason="test")
        write_csv(more, END + timedelta(days=1), END + timedelta(days=2))
        remove(opened.store, run, SystemClock(), removed.append)
    assert more.is_file()
    assert "refused.csv" in removed
    assert "more.csv" not in removed


def test_floors_hold_to_the_day(aged: Path) -> None:
    assert later(aged, timedelta(days=29), dry_run=True)["logs"]["rows"] == 0
    assert later(aged, timedelta(days=31), dry_run=True)["logs"]["rows"] == 1
    assert later(aged, timedelta(days=394), dry_run=True)["landing"]["rows"] == 0
    assert later(aged, timedelta(days=398), dry_run=True)["landing"]["rows"] == 2
    assert later(aged, timedelta(days=729), dry_run=True)["quarantine"]["rows"] == 0
    assert later(aged, timedelta(days=732), dry_run=True)["quarantine"]["rows"] == 1


def test_a_refused_copy_stays_while_a_figure_rests_on_its_file(aged: Path) -> None:
    """Rows of one file: some were refused, the others stand behind a published figure."""
    march = aged / "landing" / "works" / "march.csv"
    sha256 = hashlib.sha256(march.read_bytes()).hexdigest()
    copy = aged / "var" / "quarantine" / "works" / sha256[:16] / "march.csv"
    copy.parent.mkdir(parents=True)
    shutil.copy(march, copy)
    with closing(OpenProject(str(aged))) as opened:
        row = BadRow(file=str(march), line=7, reason="not_a_number", expected="a number", got="x")
        opened.quarantine.keep_rows(march, [row], counts={}, site_id="works", clock=SystemClock())
    found = later(aged)["quarantine"]
    assert (found["rows"], found["held"]) == (1, 1)
    assert PUBLISHED in found["held_by"]
    assert copy.is_file()


def test_readings_that_a_baseline_was_trained_on_are_a_ground_of_its_reports(works: Path) -> None:
    with closing(OpenProject(str(works))) as opened:
        ground = ground_of(opened.reports)
    with closing(sqlite3.connect(works / "var" / "store.db")) as store:
        batches = dict(store.execute("SELECT source_name, source_sha256 FROM batches"))
    # The quarter is of 2025, its baseline of 2024.
    assert PUBLISHED in ground["works", batches["validation vee-1 of 2024-01"]]
    assert PUBLISHED in ground["works", batches["march.csv"]]


def test_it_waits_for_a_backup_and_a_dry_run_does_not(aged: Path) -> None:
    with taken(load_project(aged, {}), "upkeep"):
        assert "retention, process" in refused("retention", "apply", "--scheduled", "--project", aged)
        assert call_here("retention", "apply", "--dry-run", "--project", str(aged))[0] == 0


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("landing_months: 12", "expected 13 or more"),
        ("quarantine_months: 12", "expected 24 or more"),
        ("logs_days: 7", "expected 30 or more"),
        ("figures_months: 120", "figures_months: published figures rest on it, and nothing removes it"),
        ("lake_months: 120", "lake_months: published figures rest on it"),
        ("landing_month: 24", "did you mean 'landing_months'"),
    ],
)
def test_a_rule_that_would_take_the_ground_from_a_figure_is_refused(tmp_path: Path, rule: str, sentence: str) -> None:
    path = tmp_path / "meterloom.yaml"
    path.write_text(f"retention:\n  {rule}\n")
    with pytest.raises(BadConfiguration, match=r"meterloom.yaml, line [12]") as fault:
        load_settings(path, {})
    assert sentence in str(fault.value)


def test_no_age_can_be_named_for_a_class_that_is_kept() -> None:
    assert {"lake", "reports", "ledgers", "figures", "traces", "evidence"} <= NEVER_REMOVED
