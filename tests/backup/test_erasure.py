"""After an erasure no byte of the person or the meter is in the project, nor in a restored backup of before it; every
chain holds, and what was broken off is taken up.
"""

import json
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from assets.stores.api_keys import ApiKeyStore
from assets.stores.audit import bad_rows
from assets.stores.erasure.erase import wipe
from assets.stores.erasure.record import unfinished
from assets.stores.erasure.rows import lifted
from assets.stores.erasure.subject import subject_of
from assets.stores.feature_days import FeatureDays
from assets.stores.published.publications import PublicationStore
from assets.stores.schema.tables_control import mode_events
from assets.stores.schema.tables_reports import figures as figure_rows
from assets.stores.seals import ERASED_BY, erase
from assets.stores.web.credentials import CredentialStore
from assets.stores.web.logins import LoginStore
from assets.stores.web.preferences import PreferenceStore
from controls.ledger.device_lease import acquire_lease
from controls.ledger.modes import current_mode
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.time import SystemClock
from orchestration.instance.start_lock import taken
from orchestration.open_project import OpenProject
from orchestration.operations.project.erase import _erasing
from tests.backup.test_backup import backup, refused, restored
from tests.e2e.conftest import call_here
from tests.oracle.inputs import write_inputs

pytestmark = pytest.mark.filterwarnings("ignore")
NAME, MAIL, COMMENT = "Canaria Zwetschge-Müller", "canary.4711@mail.invalid", "canary comment: my knee hurts"
SECRET, LABEL, FILE = "canary$argon2id$of$her", "Flat 7, family Canary", "canary_flat_seven.csv"
VALUE = 7771.3125
REPORT = "kpis/works/2025-03/month@1"
WORDS = (NAME, MAIL, COMMENT, SECRET, LABEL, FILE)


def run(*words: object, code: int = 0) -> Any:
    found, answer, error = call_here(*map(str, words))
    assert found == code, (words, error)
    return answer


@pytest.fixture(scope="session")
def prepared(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with an admin, a person who left words everywhere, and a meter with a file of its own."""
    folder = Path(shutil.copytree(unpacked, tmp_path_factory.mktemp("erasure") / "works"))
    people = folder / "people.yaml"
    people.write_text(
        f"{people.read_text()}  - {{person_id: hana, name: Hana, roles: [admin]}}\n"
        f"  - {{person_id: p7, name: {NAME}, roles: [reviewer, engineer]}}\n"
    )
    for person in ("hana", "p7"):
        key = run("keys", "new", person, "--project", folder)["public_key"]
        if key not in (text := people.read_text()):
            people.write_text(text.replace(f"person_id: {person},", f'person_id: {person}, public_key: "{key}",'))
    with closing(OpenProject(str(folder))) as opened:
        store, clock = opened.store, SystemClock()
        PreferenceStore(store).put("p7", "notices", {"mail": MAIL})
        CredentialStore(store).set_password("p7", SECRET, clock)
        LoginStore(store).open("a token", "p7", "0" * 64, clock.now_utc())
    run("reports", "review", REPORT, "--as", "p7", "--reason", COMMENT, "--project", folder)
    run("keys", "issue", f"logger of {NAME}", "--as", "p7", "--site", "works", "--project", folder)
    sites = folder / "sites" / "works.yaml"
    sites.write_text(
        sites.read_text().replace("meters:\n", f"meters:\n  - {{meter_id: flat, name: '{LABEL}', parent: main}}\n", 1)
    )
    landed = folder / "landing" / "works" / FILE
    rows = [f"flat,2025-03-0{day}T{hour:02d}:00:00+01:00,{VALUE}\n" for day in (3, 4) for hour in range(24)]
    landed.write_text("meter,timestamp,kwh\n" + "".join(rows))
    run("ingest", landed, "--site", "works", "--project", folder)
    run("report", "data_quality", "--site", "works", "--period", "2025-03", "--as", "p7", "--project", folder)
    logs = folder / "var" / "logs"
    logs.mkdir(exist_ok=True)
    (logs / "web.log").write_text(f"a line\n{NAME} signed in\nread {FILE}\n")
    history = folder / "var" / "dagster" / "history"
    history.mkdir(parents=True)
    with closing(sqlite3.connect(history / "runs.db")) as runs:
        runs.execute("CREATE TABLE runs (body TEXT)")
        runs.execute("INSERT INTO runs VALUES (?)", (json.dumps({"file": f"/landing/works/{FILE}", "by": NAME}),))
        runs.commit()
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "works"))


def holding(folder: Path, *words: str | bytes) -> list[str]:
    """Files with any of the bytes in them, whatever they are, SQLite's pages and logs among them."""
    wanted = [form for each in words for form in _forms(each)]
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [str(path.relative_to(folder)) for path in files if any(each in path.read_bytes() for each in wanted)]


def _forms(word: str | bytes) -> Iterator[bytes]:
    yield word.encode() if isinstance(word, str) else word
    if isinstance(word, str):
        yield json.dumps(word)[1:-1].encode()


def readings_of(folder: Path, meter: str) -> int:
    files = [path for path in folder.rglob("*.parquet") if "/lake/" in str(path)]
    tables = (pl.read_parquet(path, columns=["meter_id"], hive_partitioning=False) for path in files)
    return sum(table.filter(pl.col("meter_id") == meter).height for table in tables)


def expect_whole(folder: Path) -> None:
    with closing(OpenProject(str(folder))) as opened:
        assert bad_rows(opened.store) == []
        assert unfinished(opened.store) == []
        assert opened.reports.broken_link("works") is None
        assert opened.lake.damage("works") == []
        current_mode(opened.store, "home", now_utc=SystemClock().now_utc())
    with closing(sqlite3.connect(folder / "var" / "store.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def classes(answer: Any) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in answer["classes"]}


def test_of_a_person_no_byte_is_left_and_what_they_decided_stands(
    project: Path, unpacked: Path, tmp_path: Path
) -> None:
    words, key = (NAME, MAIL, COMMENT, SECRET), (project / "keys" / "p7.key").read_bytes()
    # The store as it was before a migration, which every migration leaves behind.
    shutil.copy(project / "var" / "store.db", project / "var" / "store.db.0034.bak")
    # Of before the person came.
    oldest = backup(Path(shutil.copytree(unpacked, tmp_path / "oldest")), tmp_path / "kept")
    assert len(holding(project, *words)) >= 4
    before = backup(project, tmp_path / "kept")
    found = classes(run("erase", "person/p7", "--dry-run", "--project", project))
    assert found["access"]["rows"] >= 4
    assert found["words"]["rows"] >= 2
    assert found["reports"]["rows"] >= 1
    answer = run("erase", "person/p7", "--yes", "--as", "hana", "--reason", "left", "--project", project)
    assert answer["is_erased"]
    assert answer["is_shared"]
    assert {name: each["rows"] for name, each in classes(answer).items()} == {n: e["rows"] for n, e in found.items()}
    assert holding(project, *words, key) == []
    expect_whole(project)
    with closing(OpenProject(str(project))) as opened:
        [decided] = PublicationStore(opened.store).decisions("kpis/works/2025-03/month", 1)
        assert (decided.step, decided.person_id, decided.reason) == ("reviewed", "p7", "erased")
        assert CredentialStore(opened.store).password_of("p7") == ""
        assert ApiKeyStore(opened.store)
        assert opened.people.known("p7").name == "p7"
    # Of before: as it is restored, it is erased again.
    code, back = restored(before["path"], "--into", tmp_path / "again", "--figures", 3)
    assert (code, back["problems"]) == (0, [])
    assert holding(tmp_path / "again", *words) == []
    expect_whole(tmp_path / "again")
    code, back = restored(oldest["path"], "--verify", "--figures", 1)
    assert (code, back["problems"]) == (0, [])
    # And of after.
    after = backup(project, tmp_path / "kept")
    assert restored(after["path"], "--verify", "--figures", 3)[1]["verified"]


def test_a_backup_of_before_the_admin_came_is_believed_once_the_people_file_has_them(
    project: Path, tmp_path: Path
) -> None:
    people = project / "people.yaml"
    text = people.read_text()
    [hana] = [line for line in text.splitlines() if "hana" in line]
    people.write_text(text.replace(f"{hana}\n", ""))
    before = backup(project, tmp_path / "kept")
    people.write_text(text)
    run("erase", "person/p7", "--yes", "--as", "hana", "--project", project)
    code, back = restored(before["path"], "--into", tmp_path / "again", "--figures", 1)
    assert code == 1
    assert any("nobody signed that" in each["problem"] for each in back["problems"])
    assert holding(tmp_path / "again", *WORDS[:4]) == []
    (tmp_path / "again" / "people.yaml").write_text((tmp_path / "again" / "people.yaml").read_text() + f"{hana}\n")
    expect_whole(tmp_path / "again")


def test_of_a_meter_no_byte_is_left_and_other_readings_are_what_they_were(project: Path, tmp_path: Path) -> None:
    words = (LABEL, FILE, str(VALUE), struct.pack("<d", VALUE), struct.pack("<d", VALUE / 4))
    with closing(OpenProject(str(project))) as opened:
        others = opened.lake.current("works", meters=["main", "line"]).drop("batch_id")
    assert readings_of(project, "flat") > 0
    kept = [(site, f"{site}.flat.import.day_ahead", date(2025, 3, 31)) for site in ("works", "other")]
    for each in kept:
        FeatureDays(project / "var").keep(*each, pl.DataFrame({"level": [VALUE / 4 if each[0] == "works" else 1.0]}))
    assert len(holding(project, *words)) >= 4
    before = backup(project, tmp_path / "kept")
    # While it is away, the place of backups does not take the record, and the answer says so.
    (tmp_path / "kept").rename(tmp_path / "away")
    answer = run("erase", "meter/works/flat", "--yes", "--as", "hana", "--project", project)
    assert not answer["is_shared"]
    (tmp_path / "away").rename(tmp_path / "kept")
    shutil.copytree(project / "erasures", tmp_path / "kept" / "erasures", dirs_exist_ok=True)
    found = classes(answer)
    assert found["readings"]["rows"] == 2 * 96
    assert "data_quality/works/2025-03@1" in found["readings"]["held_by"]
    assert found["landing"]["rows"] == 1
    assert found["reports"]["rows"] == 2
    assert "pinned" not in found
    assert readings_of(project, "flat") == 0
    assert holding(project, *words) == []
    assert [FeatureDays(project / "var").has(*each) for each in kept] == [False, True]
    expect_whole(project)
    with closing(OpenProject(str(project))) as opened:
        assert opened.lake.current("works", meters=["main", "line"]).drop("batch_id").equals(others)
    run("kpis", "--site", "works", "--period", "2025-03", "--project", project)
    assert holding(project, *words) == []
    # A figure that lost its ground stands, and its trace says why it cannot be recomputed.
    with closing(OpenProject(str(project))) as opened:
        figures = opened.store.rows(
            sa.select(figure_rows).where(figure_rows.c.report_id == "data_quality/works/2025-03")
        )
    ids = [row["figure_id"] for row in figures if "meter:flat" in str(row["figure"])]
    answers = [call_here("trace", each, "--project", str(project)) for each in ids]
    lost = [answer["erased"][0] for code, answer, _ in answers if code == 1]
    assert lost
    assert all(each.startswith("readings of meter/works/flat were erased on") for each in lost)
    code, back = restored(before["path"], "--into", tmp_path / "again", "--all")
    assert (code, back["problems"]) == (0, [])
    assert back["figures"]["equal"] < back["figures"]["checked"]
    assert readings_of(tmp_path / "again", "flat") == 0
    assert holding(tmp_path / "again", *words) == []
    assert [FeatureDays(tmp_path / "again" / "var").has(*each) for each in kept] == [False, True]
    expect_whole(tmp_path / "again")


def test_questions_with_their_answers_go_with_a_person_and_with_a_meter(project: Path, tmp_path: Path) -> None:
    write_inputs(inputs := tmp_path / "inputs")
    load = (inputs / "energy.csv").rename(tmp_path / f"{NAME}.csv")
    words = ("bill", "compare", "--tariff", inputs / "flat.yaml", "--load", load, "--tz", "Europe/Berlin")
    for subject in ("person/p7", "meter/works/flat"):
        assert run(*words, "--project", project)["figure_ids"]
        assert holding(project / "var" / "asked", b"Zwetschge")
        run("erase", subject, "--yes", "--as", "hana", "--project", project)
        assert not (project / "var" / "asked").exists()


def test_a_second_call_finds_nothing_and_a_backup_waits_for_one_that_was_broken_off(
    project: Path, tmp_path: Path
) -> None:
    run("erase", "meter/works/flat", "--yes", "--as", "hana", "--project", project)
    second = classes(run("erase", "meter/works/flat", "--dry-run", "--project", project))
    assert second["readings"]["rows"] == second["landing"]["rows"] == second["files"]["rows"] == 0
    with taken(OpenProject(str(project)).project, "upkeep"):
        assert "erasure" in refused("erase", "person/p7", "--yes", "--as", "hana", "--project", project)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("person/p7", "--as", "hana"), "nothing brings it back"),
        (("person/p7", "--yes"), "needs a person with the role 'admin'"),
        (("person/p7", "--yes", "--as", "carla"), "has not the role 'admin'"),
        (("person/hana", "--yes", "--as", "hana"), "cannot erase themselves"),
        (("person/nobody", "--yes", "--as", "hana"), "unknown person 'nobody'"),
        (("person/p7", "--yes", "--as", "hana", "--reason", f"{NAME} left"), "the reason says the name of person/p7"),
        (("meter/works/flatt", "--yes", "--as", "hana"), "nothing of meter/works/flatt is here"),
        (("flat", "--yes", "--as", "hana"), "expected person/ID or meter/SITE/ID"),
        (("meter/nowhere/flat", "--yes", "--as", "hana"), "nowhere"),
    ],
)
def test_what_is_not_asked_rightly_is_one_sentence_and_changes_nothing(
    project: Path, words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused("erase", *words, "--project", project)
    assert len(holding(project, NAME)) >= 3
    assert readings_of(project, "flat") > 0


def test_an_agent_without_a_role_file_is_seen_by_its_lease(project: Path) -> None:
    with closing(OpenProject(str(project))) as opened:
        assert acquire_lease(opened.store, "home", "another machine", now_utc=SystemClock().now_utc())
    message = refused("erase", "person/p7", "--yes", "--as", "hana", "--project", project)
    assert "services run: agent-home (another machine, holds its lease until " in message
    assert "; they hold what is to go" in message


def test_names_that_others_have_too_are_not_replaced_in_theirs(project: Path) -> None:
    sites, landed = project / "sites" / "works.yaml", project / "landing" / "works" / "again" / FILE
    landed.parent.mkdir()
    hours = (f"line,2025-03-05T{hour:02d}:00:00+01:00,1.5\n" for hour in range(24))
    landed.write_text("meter,timestamp,kwh\n" + "".join(hours))
    run("ingest", landed, "--site", "works", "--project", project)
    with closing(OpenProject(str(project))) as opened:
        found = _erasing(opened, project / "keys", subject_of("meter/works/flat")).look()
    assert (found.subject.name, found.subject.also) == (LABEL, ())
    more = f"meters:\n  - {{meter_id: loft, name: '{LABEL} above', parent: main}}\n"
    sites.write_text(sites.read_text().replace("meters:\n", more, 1))
    message = refused("erase", "meter/works/flat", "--yes", "--as", "hana", "--project", project)
    assert f"the name of 'flat' is part of another one's, '{LABEL} above'" in message


def test_the_record_of_another_erasure_stays_as_it_was_signed(project: Path) -> None:
    (project / "erasures").mkdir()
    record = project / "erasures" / "0123456789abcdef.json"
    record.write_text(f'{{"reason": "asked by {NAME}"}}', encoding="utf-8")
    with closing(OpenProject(str(project))) as opened:
        found = _erasing(opened, project / "keys", subject_of("person/p7")).look()
    assert record in [each.path for each in found.stays]
    assert record not in [each.path for each in found.named]


def test_rows_that_go_without_a_signed_erasure_break_the_chain(project: Path) -> None:
    """Somebody who writes to the database takes a stop away, and seals it as an erasure."""
    with closing(OpenProject(str(project))) as opened:
        store = opened.store
        last = store.rows(sa.select(sa.func.max(mode_events.c.id).label("id")))[0]["id"]
        with store.begin() as connection, lifted(connection, mode_events):
            erase(connection, mode_events, mode_events.c.id == last, note=f"{ERASED_BY}0123456789abcdef")
        assert any("nobody signed that" in each.what for each in bad_rows(store))


def test_freed_pages_and_the_log_keep_nothing_and_a_reader_is_waited_for(project: Path) -> None:
    """Some builds of SQLite overwrite what is deleted by themselves; here one does not."""
    file = project / "var" / "store.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as loose:
        loose.execute("PRAGMA secure_delete=OFF")
        loose.execute("CREATE TABLE scratch (word TEXT)")
        loose.executemany("INSERT INTO scratch VALUES (?)", [(f"freed canary {number}",) for number in range(500)])
        loose.execute("DROP TABLE scratch")
    assert holding(file.parent, "freed canary 7") != []
    with closing(OpenProject(str(project))) as opened:
        with closing(sqlite3.connect(file, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM batches").fetchone()
            with pytest.raises(Unreachable):
                wipe(opened.store)
        wipe(opened.store)
        assert holding(file.parent, "freed canary 7") == []


# The command in a process of its own, which is killed as soon as it has come to a step (before) or through it (after).
KILLED = """
import os, signal, sys
from assets.stores.erasure import erase as steps
point, when, *words = sys.argv[1:]
step = getattr(steps, point)
def until(*given, **named):
    if when == "after":
        step(*given, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(steps, point, until)
sys.argv = ["meterloom", *words]
from orchestration.cli.main import main
main()
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("subject", "point", "when", "is_recorded"),
    [
        ("person/p7", "clean", "after", False),
        ("person/p7", "apply", "after", False),
        ("person/p7", "wipe", "before", True),
        ("meter/works/flat", "written_without", "after", False),
        ("meter/works/flat", "apply", "after", False),
        ("meter/works/flat", "delete_files", "before", True),
        ("meter/works/flat", "wipe", "after", True),
    ],
)
def test_killed_at_a_step_it_is_old_or_taken_up(
    project: Path, tmp_path: Path, subject: str, point: str, when: str, *, is_recorded: bool
) -> None:
    line = ["erase", subject, "--yes", "--as", "hana", "--project", str(project)]
    done = subprocess.run([sys.executable, "-c", KILLED, point, when, *line], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with closing(OpenProject(str(project))) as opened:
        assert bad_rows(opened.store) == []
        assert unfinished(opened.store) == ([subject] if is_recorded else [])
        # Old or new: its readings are all there, or none can be read; the words stand, or none does.
        flat = opened.lake.current("works", meters=["flat"]).height
        [decided] = PublicationStore(opened.store).decisions("kpis/works/2025-03/month", 1)
    is_meter = subject.startswith("meter")
    assert flat == (0 if is_meter and is_recorded else 2 * 96)
    assert decided.reason == ("erased" if is_recorded and not is_meter else COMMENT)
    if is_recorded:
        assert "was broken off" in refused("backup", "--to", tmp_path / "kept", "--project", project)
    run(*line)
    words = (LABEL, FILE, struct.pack("<d", VALUE), struct.pack("<d", VALUE / 4)) if is_meter else WORDS[:4]
    assert holding(project, *words) == []
    assert readings_of(project, "flat") == (0 if is_meter else 2 * 96)
    expect_whole(project)
    assert len(list((project / "erasures").glob("*.json"))) == 1
