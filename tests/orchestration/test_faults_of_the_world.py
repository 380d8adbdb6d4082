"""A full disk, a locked or damaged database, a lost file: one sentence with the mend and exit 3, never a bug."""

import errno
import json
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from assets.stores.unreachable import world_fault
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.yaml_file import load_yaml
from orchestration.cli.frame import explain
from orchestration.runner import QUIET, _why
from tests.orchestration.test_cli import project, run

__all__ = ["project"]
FILE = "timestamp,kwh\n2025-01-01T00:00:00Z,1.5\n2025-01-01T00:15:00Z,2.5\n"
SITE = """site_id: my_site
name: Mine
time_zone: Europe/London
currency: GBP
country: GB
meters: [{meter_id: main}]
"""


@pytest.fixture
def filled(project: Path) -> Path:
    """A project with two readings."""
    (project / "sites" / "my_site.yaml").write_text(SITE)
    (project / "m.csv").write_text(FILE)
    code, _, error = run("ingest", str(project / "m.csv"), "--site", "my_site", folder=project)
    assert code == 0, error
    return project


def assert_one_sentence(answer: tuple[int, str, str], *words: str) -> None:
    code, _, error = answer
    assert code == 3, error
    assert "a bug of ours" not in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1, error
    assert all(word in error for word in words), error


def test_a_store_that_another_process_holds_is_said_after_the_wait(filled: Path) -> None:
    holder = sqlite3.connect(filled / "var" / "store.db", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("SELECT count(*) FROM batches")
    try:
        assert_one_sentence(
            run("reports", "list", folder=filled), "store.db is locked by another process", "wait for it"
        )
    finally:
        holder.close()


def garble(file: Path) -> None:
    file.write_bytes(os.urandom(20_000))


def holes(file: Path) -> None:
    data = bytearray(file.read_bytes())
    for at in range(4096 * 3, len(data), 4096):
        data[at : at + 200] = b"\xff" * 200
    file.write_bytes(bytes(data))


@pytest.mark.parametrize(("harm", "words"), [(garble, "is no SQLite database"), (holes, "is damaged")])
def test_a_damaged_store_is_named_with_its_file(filled: Path, harm: object, words: str) -> None:
    with sqlite3.connect(filled / "var" / "store.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for beside in filled.glob("var/store.db-*"):
        beside.unlink()
    harm(filled / "var" / "store.db")  # type: ignore[operator]
    assert_one_sentence(run("reports", "list", folder=filled), "store.db", words, "backup")


def test_a_lake_file_that_is_gone_is_said_by_a_command_and_by_the_doctor(filled: Path) -> None:
    (file,) = (filled / "var" / "lake").rglob("*.parquet")
    file.unlink()
    said = run("kpis", "--site", "my_site", "--period", "2025-01", folder=filled)
    assert said[0] == 3, said[2]
    assert "is missing, and no figure is made of it: ingest m.csv again" in said[2].splitlines()[-1]
    code, out, _ = run("doctor", folder=filled)
    assert code == 1
    assert "is missing (from m.csv)" in out
    run("ingest", str(filled / "m.csv"), "--site", "my_site", folder=filled)
    assert "every file is as it was written" in run("doctor", folder=filled)[1]


def test_changed_files_in_landing_and_quarantine_are_named_by_the_doctor(filled: Path) -> None:
    def looked_at() -> dict[str, str]:
        checks = json.loads(run("doctor", "--json", folder=filled)[1])["checks"]
        return {each["name"]: each["status"] for each in checks if each["name"] in {"landing", "quarantine"}}

    landed, refused = filled / "landing" / "my_site" / "m.csv", filled / "bad.csv"
    landed.parent.mkdir(parents=True, exist_ok=True)
    landed.write_bytes((filled / "m.csv").read_bytes())
    refused.write_text("meter,when\nmain,2025-03-01\n")
    run("ingest", str(refused), "--site", "my_site", folder=filled)
    # Of a name that nobody read nothing can be said.
    landed.with_name("new.csv").write_text("timestamp,kwh\n2025-02-01T00:00:00Z,1\n")
    assert looked_at() == {}
    (kept,) = (filled / "var" / "quarantine").rglob("bad.csv")
    for path in (landed, kept):
        path.write_bytes(path.read_bytes() + b"\n")
    assert looked_at() == {"landing": "warn", "quarantine": "fail"}
    kept.unlink()
    run("ingest", str(landed), "--site", "my_site", folder=filled)
    assert looked_at() == {}


def test_a_file_that_the_disk_does_not_take_leaves_nothing_half_written(filled: Path) -> None:
    """The limit of a process on the size of a file stands for the disk's: real, and nobody has to be root."""
    more = filled / "more.csv"
    lines = [f"2025-01-{day:02d}T{hour:02d}:{part:02d}:00Z,{day}.{hour}{part}" for day in range(2, 29)
             for hour in range(24) for part in (0, 15, 30, 45)]  # fmt: skip
    more.write_text("\n".join(["timestamp,kwh", *lines]) + "\n")
    before = sorted((filled / "var" / "lake").rglob("*"))
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "meterloom"),
            "ingest",
            str(more),
            "--site",
            "my_site",
            "--project",
            str(filled),
        ],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000)),
    )
    assert_one_sentence((done.returncode, done.stdout, done.stderr), "again")
    after = [path for path in sorted((filled / "var" / "lake").rglob("*")) if path.name != ".writers"]
    assert [path for path in before if path.name != ".writers"] == after
    assert run("ingest", str(more), "--site", "my_site", folder=filled)[0] == 0


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space is left"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.ENAMETOOLONG, "name of the file is too long"),
    ],
)
def test_what_the_system_refuses_is_a_fault_of_the_world(number: int, words: str) -> None:
    try:
        raise RuntimeError("a library's words") from OSError(number, os.strerror(number), "/data/lake/x.parquet")
    except RuntimeError as error:
        fault = world_fault(error)
    assert fault is not None
    assert words in str(fault)
    assert "/data/lake/x.parquet" in str(fault)
    assert world_fault(KeyError("x")) is None


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {k: x}\n" + "".join(
    f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: *a{n - 1}, j{n}: *a{n - 1}}}\n" for n in range(1, 40)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "aliases stand for more than"),
        (MERGES, "aliases stand for more than"),
        ("[" * 100_000, "nested too deeply"),
        ("{a: " * 3000 + "1" + "}" * 3000, "nested too deeply"),
        ("".join(f"{' ' * n}a:\n" for n in range(3000)), "nested too deeply"),
        ("a: " + "x" * (9 << 20), "larger than 8 MiB"),
    ],
    ids=["aliases", "merges", "lists", "mappings", "blocks", "size"],
)
def test_a_configuration_made_to_harm_is_refused_within_a_second(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    started = time.process_time()
    with pytest.raises(BadInput, match=words) as refused:
        load_yaml(path)
    assert time.process_time() - started < 1
    assert str(path) in str(refused.value)


def test_aliases_that_stand_for_little_are_read(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("usual: &usual {unit: kwh}\nmeters:\n  - {<<: *usual, id: a}\n  - {<<: *usual, id: b}\n")
    assert [each["unit"] for each in load_yaml(path)["meters"]] == ["kwh", "kwh"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_store_lake_and_what_is_made_of_them_are_their_owners_alone(filled: Path) -> None:
    assert mode(filled / "var") == 0o700
    assert mode(filled / "var" / "lake") == 0o700
    assert mode(filled / "var" / "store.db") == 0o600
    assert {mode(path) for path in (filled / "var" / "lake").rglob("*.parquet")} == {0o600}
    assert "nobody else on this machine" in run("doctor", folder=filled)[1]
    (filled / "var").chmod(0o755)
    _, out, _ = run("doctor", folder=filled)
    assert "others may look into" in out
    assert "chmod o-rwx" in out


def bad_row() -> None:
    try:
        int("x")
    except ValueError as error:
        raise BadInput("expected a number", file="a.csv", line=3) from error


def no_answer() -> None:
    raise Unreachable("nothing answers on port 5")


def no_plan() -> None:
    raise dg.Failure("there is no load forecast")


def bug() -> None:
    raise KeyError("k")


@pytest.mark.parametrize(
    ("step", "code", "said"),
    [
        (bad_row, 2, "job j, step made: a.csv, line 3: expected a number"),
        (no_answer, 3, "job j, step made: nothing answers on port 5"),
        (no_plan, 1, "job j, step made: there is no load forecast"),
        (bug, 70, "job j, step made: KeyError: 'k'"),
    ],
)
def test_a_run_that_ends_red_is_told_by_what_its_step_raised(
    step: Callable[[], None], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @dg.op
    def made() -> None:
        step()

    @dg.job
    def j() -> None:
        made()

    with dg.DagsterInstance.ephemeral() as instance:
        result = j.execute_in_process(instance=instance, raise_on_error=False, run_config={"loggers": QUIET})
    assert explain(_why(result, "j", [])) == code
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_a_word_that_is_no_text_is_refused_before_anything_is_asked(project: Path) -> None:
    code, answer, error = run("trace", "\udcff", folder=project)
    assert (code, answer) == (2, ""), error
    assert error.splitlines() == ["figure_id: '\\udcff' is no UTF-8 text"]
