"""A project whose folder cannot be written: what only reads goes on, and what writes says one right sentence."""

import json
import sqlite3
from contextlib import chdir, closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.stores.transactions import open_store, probe
from data_quality.contracts.errors import Unreachable
from orchestration.cli.frame import PROJECT_VARIABLE
from orchestration.cli.main import build_app
from tests.mistakes_table import REVISION, make_project, quarters
from tests.orchestration.read_only_run import is_possible, run

KPIS = "kpis --site plant --period 2025-01 --json"
ENPI = "enpi --site plant --seu hvac --period 2025-01"
READS = (
    KPIS,
    "kpis --site plant --period 2025-01",
    ENPI,
    "running --site plant",
    "quality --site plant --from 2025-01-01 --to 2025-01-08",
    "reports list",
    "quarantine list",
    "baseline list",
    "seu list",
    "meters list --site plant",
    "dispatch status --site plant",
    "sources list",
    "models list",
    "keys list",
    "next",
    "check",
    "doctor",
    "lake sweep --dry-run",
    "retention apply --dry-run",
    "kpis --help",
)
WRITES = (
    "ingest plain.csv --site plant",
    "report enpi_quarter --site plant --period 2025-Q1 --as ben",
    f"reports review {REVISION} --as anna",
    "baseline approve plant/hvac/enb --reason ok --as anna",
    "keys new ben",
    "up",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plant of the mistakes, with its marts of January made."""
    if not is_possible():
        pytest.skip("no folder can be mounted read-only here: it takes root, or a namespace of one's own")
    folder = tmp_path_factory.mktemp("frozen")
    make_project(folder)
    (folder / "plain.csv").write_text("timestamp,meter,kwh\n" + quarters("main,5.2"), encoding="utf-8")
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.delenv(PROJECT_VARIABLE, raising=False)
        done = CliRunner().invoke(build_app(("kpis",)), KPIS.split())
        assert done.exit_code == 0, done.stderr
        (folder.parent / "kpis.json").write_text(done.stdout)
        done = CliRunner().invoke(build_app(("enpi",)), [*ENPI.split(), "--json"])
        assert done.exit_code == 0, done.stderr
        (folder.parent / "enpi.json").write_text(done.stdout)
    return folder


@pytest.mark.filterwarnings("ignore")
def test_commands_that_read_answer_and_those_that_write_name_the_folder_in_one_sentence(project: Path) -> None:
    stored = json.loads((project.parent / "kpis.json").read_text())["rows"]
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    figure = next(row["figure_id"] for row in stored if row["value"] is not None)
    # A number that was asked for before is traced as one of a report is.
    asked = json.loads((project.parent / "enpi.json").read_text())["figures"]["actual_kwh"]
    traces = (f"trace {figure}", f"trace {asked}")
    found = run(project, *READS, *traces, *WRITES)
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before
    for command in (*READS, *traces):
        code, _, error = found[command]
        assert code == 0, (command, found[command])
        assert "read-only" not in error, error
    assert json.loads(found[KPIS][1])["rows"] == stored
    for command in WRITES:
        code, _, error = found[command]
        last = error.strip().splitlines()[-1]
        assert (code, "Traceback" in error, str(project) in last) == (3, False, True), (command, found[command])
        assert "cannot be written" in last or "read-only" in last, last


def test_marts_that_are_out_of_date_are_made_elsewhere_and_figures_without_a_trace_say_so(
    project: Path, tmp_path: Path
) -> None:
    asked = "kpis --site plant --period 2025-02 --json"
    found = run(project, asked, env={"XDG_CACHE_HOME": str(tmp_path)})
    code, out, error = found[asked]
    assert code == 0, error
    assert any(row["value"] for row in json.loads(out)["rows"])
    assert "no trace" in error


def store_with_a_log(folder: Path) -> None:
    """A store as a killed writer leaves it: what it last wrote stands in the log alone."""
    open_store(f"sqlite:///{folder / 'store.db'}").close()
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint=0")
        writer.execute("INSERT INTO recorded_clock VALUES (1, '2025-01-01 00:00:00.000000')")
        for name in ("store.db", "store.db-wal", "store.db-shm"):
            (folder / f"kept-{name}").write_bytes((folder / name).read_bytes())
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        (folder / f"kept-{name}").replace(folder / name)


@pytest.mark.parametrize("lost", [(), ("store.db-shm",)])
def test_what_a_killed_writer_left_in_the_log_is_read_too(lost: tuple[str, ...], tmp_path: Path) -> None:
    from assets.stores.read_only import ReadOnlyFile

    store_with_a_log(tmp_path)
    for name in lost:
        (tmp_path / name).unlink()
    file = ReadOnlyFile(tmp_path / "store.db")
    with closing(file.connect()) as connection:
        assert connection.execute("SELECT count(*) FROM recorded_clock").fetchone() == (1,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM recorded_clock")
    file.close()


def test_a_store_that_is_written_while_it_is_read_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    open_store(url).close()
    monkeypatch.setattr("assets.stores.transactions.cannot_be_written", lambda file: True)
    store = open_store(url)
    assert store.rows(probe())
    with closing(sqlite3.connect(tmp_path / "store.db")) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("INSERT INTO recorded_clock VALUES (1, '2025-01-01 00:00:00.000000')")
        other.commit()
    with pytest.raises(Unreachable, match="was written by another process"):
        store.rows(probe())
    with pytest.raises(Unreachable, match=f"{tmp_path} cannot be written"), store.begin():
        pass
    store.close()
