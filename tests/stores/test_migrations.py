"""Migrations: frozen, equal to the tables of the code, whole or not at all, and refused in one sentence."""

import hashlib
import lzma
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from typer.testing import CliRunner

from assets.stores import revisions
from assets.stores.api_keys import ApiKeyStore
from assets.stores.audit import bad_rows
from assets.stores.revisions import FOLDER, copy_path, store_revision_of
from assets.stores.schema import tables_seals
from assets.stores.schema.tables_metadata import metadata
from assets.stores.schema.tables_web import logins
from assets.stores.transactions import Store, connect_store, open_store
from assets.stores.web.logins import LoginStore, sha256
from data_quality.contracts.errors import OurFault, Unreachable
from orchestration.cli.main import build_app
from tests.stores.steps import NEXT, WHOLE, contents, with_step

OLD = Path(__file__).parents[1] / "old"
# Released revisions never change: what they made stands in people's projects.
FROZEN = {
    "0001_first_tables.py": "ee940873ce1ade8f844129d7c29d3fb9d4f26ed0b57b0b71333ad98866632d4a",
    "0002_row_seals.py": "5e328c664f1f787c1e227c3744cea6d6105871b8cac278d749eeadcb3fd7cbd6",
    "0003_no_truncate.py": "2edbe91427e0b2592d05219e8f3449636fc54f49e2e61300862e8e29ede04fec",
    "0004_weather_issues.py": "c48eec8cf25b5823081e0b2a59cf9c3d7bd85fb201165f9b21174ea2ab65532a",
    "0005_forecast_scores.py": "8a0c6d14648b9e34acdbcb36798d3574b57fc755666cb2aae8934359f7220ea2",
    "0006_two_signatures.py": "4f1a277884b4ccf5a69227e25b8fff932748d7c62115e29718c29cb485ff4066",
    "0007_device_states.py": "7a4c71f9ba3153600d372392a3596f14222e291f498665a1083d96bfed01e918",
    "0008_pushed_readings.py": "014fa6b304a8b608779a1d6e3620d80e4d410aac30aee9aca4f1f44081183ed8",
    "0009_people_of_the_pages.py": "3263454e042b655d105b02be451758605a6e355b84def507cbd56330ab302b4b",
    "0010_merged_files.py": "428dd51875a9a132600ff5b791209de17e6b5ba83a704633952979f59d9c8bac",
    "0013_job_outcomes.py": "b06aa1f4cf26c8fe0c8dff6245ab8b0709a6d399441f155f9275765e98ed1780",
    "0014_more_seals.py": "7193af15d5c58b75b7c37a63dcc8ae09c384f64bec975d4d4230e947f74e50f1",
    "0015_names_of_deciders.py": "560c4b5ad447679db57430d3768cf4afbf41fc2d1221ec59e122f249ae8e82fd",
    "0016_key_uses.py": "c7a9b8761592a733a8d57b418b6404c98be1ce16b1dbeb6cb0707856d007e89d",
    "0017_alert_events.py": "464291f628808a928629893398c8bd35133b3aa34ba55e9136878d35b6429526",
    "0019_rejected_baselines.py": "e259d5a934d30c162eef418a36c39dc10c8c9e8a8bf18527d7e0b305f9a661fe",
    "0020_anomaly_events.py": "fddd4f96ed749ed2629bbad72df0d53643b44da95d7ae73b09166f648e322d2e",
    "0021_notices.py": "f98d67d604e3691af304c8c44f4a0b12277d875f3ee64b059a3f3a8a8bcacead",
    "0023_work_orders.py": "86d6059899a81407c84d63c81104ca3bef183257d8d4b7379949da4fd35abb4e",
    "0024_dr_events.py": "ff5eb0a7fb6fd78a090274103d4a918d9910e1c0ac9f29c8c3124cdc72164924",
    "0025_grid_signals.py": "75b31513fb70a04aa0d6da6c0de1eb5c2a259342528f60565787b6e13b3c9fa1",
    "0026_accepted_loads.py": "0136ac95762418e8cac724533725651729d3e36973e767cb551d9e789cec6340",
    "0027_recommendations.py": "79868ecb7145e4b1b16a316901416cd07dda9c5eff7216d931e5b3d3caf098e6",
    "0028_experiments.py": "83c9015cc7ae592402d6453170b9cc81abfa8a50f05ad9c6f8a697e167958051",
    "0029_what_if_results.py": "fb6797b2599914387493274a54336f11e3bd8d4ae1c4a1d7c98c0b1e1ac3e4ce",
    "0031_disaggregations.py": "24afda24b2ab2b91fca361afaff1a0ab4b0289417b8ad5575575abe16162e77c",
    "0034_year_rules.py": "9255ab5afb94b333c55c4b95425f3bae358a523eff79edbc4e38350dab1bb082",
    "0036_title_parts.py": "999523da7f720661cb004fd553d317369d972588e00c6fdf8f2384574101f4d2",
    "0039_organisation_versions.py": "303a951e7a15c2bcc8fd9efdc38fc02ba45ccb3418e0387633066a17008a3088",
    "0035_erasures.py": "aa886ccf75d69139a49b860c80dfd5fbee5c50a88afa4d5159670f343cbaf8ba",
    "0030_advice_acts.py": "4f35a224ae777dc132bae0a0ca239a5e3e7e101390098c17d2d5f0c1c851b557",
    "0022_alert_rules.py": "b92383b427b41b50e3ba4ca4bcb1660f476df31e95507dda0eb145e4631db032",
    "0018_holidays.py": "10accd9bfca896ab17fb4f639dbe63af35c587f553c5f3023e5cc1a3baddb0a4",
}
NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return str(request.getfixturevalue("postgres_url")).replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture
def any_store(url: str) -> Iterator[Store]:
    """The store on each engine, with a row."""
    opened = open_store(url)
    with opened.begin() as connection:
        connection.execute(tables_seals.recorded_clock.insert().values(id=1, last_utc=NOW))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def old_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the first archive, as its revision left it."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(OLD / "320e130.tar.xz") as archive:
        archive.extract("var/store.db", folder, filter="data")
    return folder / "var" / "store.db"


@pytest.mark.parametrize("name", FROZEN)
def test_a_released_revision_has_not_changed(name: str) -> None:
    assert hashlib.sha256((FOLDER / "versions" / name).read_bytes()).hexdigest() == FROZEN[name]


def test_revisions_stand_in_one_line() -> None:
    assert len(ScriptDirectory(str(FOLDER)).get_heads()) == 1


def test_the_migrations_make_the_tables_of_the_code(any_store: Store) -> None:
    with any_store.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    # A change of a column comes as a list of one; what PostgreSQL keeps as comments is no part of the layout.
    assert [each for each in found if "comment" not in (each[0][0] if isinstance(each, list) else each[0])] == []


def objects(path: Path) -> set[tuple[str, ...]]:
    """Every table, index, view and trigger, as SQLite keeps its words, spaces aside."""
    store = connect_store(f"sqlite:///{path}")
    with store.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master")).all()
    store.close()
    return {(*row[:3], "".join(row[3].split())) for row in rows}


def test_an_old_store_ends_with_the_tables_and_triggers_of_a_new_one(old_store: Path, tmp_path: Path) -> None:
    shutil.copy(old_store, tmp_path / "old.db")
    for name in ("old.db", "new.db"):
        open_store(f"sqlite:///{tmp_path / name}").close()
    assert objects(tmp_path / "old.db") == objects(tmp_path / "new.db")


def test_when_a_key_last_read_leaves_the_preferences(old_store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(old_store, tmp_path / "old.db"))
    upto = tmp_path / "migrations"
    shutil.copytree(FOLDER, upto, ignore=shutil.ignore_patterns("001[6789]*", "00[2-9]*", "__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revisions, "FOLDER", upto)
        store = connect_store(f"sqlite:///{path}")
        revisions.migrate(store.engine)
    with store.begin() as connection:
        rows = [("key:ab12", "last_read_utc", '"2025-03-01T10:00:00+01:00"'), ("anne", "theme", '"dark"')]
        for row in rows:
            connection.exec_driver_sql("INSERT INTO preferences (person_id, name, value) VALUES (?, ?, ?)", row)
    store.close()
    store = open_store(f"sqlite:///{path}")
    assert ApiKeyStore(store).last_used() == {"ab12": datetime(2025, 3, 1, 9, tzinfo=UTC)}
    assert [row["person_id"] for row in store.rows(sa.text("SELECT person_id FROM preferences"))] == ["anne"]  # type: ignore[arg-type]
    store.close()


def test_an_old_store_on_postgresql_refuses_truncate_too(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The steps until then, where a new store would get the tables of now.
    monkeypatch.setattr(revisions, "_is_empty", lambda _: False)
    older = tmp_path / "migrations"
    shutil.copytree(FOLDER, older, ignore=shutil.ignore_patterns("000[3-9]_*", "001*", "00[2-9]*", "__pycache__"))
    monkeypatch.setattr(revisions, "FOLDER", older)
    store = open_store(postgres_url.replace("postgresql://", "postgresql+psycopg://", 1))
    assert store_revision_of(store.engine).present == "0002"
    monkeypatch.undo()
    revisions.migrate(store.engine)
    for name, words in (("figures", "figures is append-only"), ("commands", "a command is never deleted")):
        with pytest.raises(sa.exc.DBAPIError, match=words), store.begin() as connection:
            connection.execute(sa.text(f"TRUNCATE {name}"))
    store.close()


def test_an_old_store_is_migrated_with_a_copy_beside_it(
    old_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(revisions, "FOLDER", with_step(tmp_path / "migrations"))
    path = Path(shutil.copy(old_store, tmp_path / "store.db"))
    path.chmod(0o600)
    before, clean = contents(connect_store(f"sqlite:///{path}").engine), open_store(f"sqlite:///{path}")
    kept = copy_path(clean.engine, "0001")
    assert kept == tmp_path / "store.db.0001.bak"
    assert caplog.messages[-1].startswith("the store of revision 0001 was migrated to ")
    assert caplog.messages[-1].endswith(f"{NEXT} (A colour for every batch); what it was is kept as {kept}")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert contents(connect_store(f"sqlite:///{kept}").engine) == before
    after = contents(clean.engine)
    assert after["second_new"] == [("a",), (1,)]
    assert {name: len(rows) for name, rows in before.items()}.items() <= {n: len(r) for n, r in after.items()}.items()
    clean.close()


def test_a_new_store_has_no_copy(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'store.db'}").close()
    assert [path.name for path in tmp_path.iterdir() if "bak" in path.name] == []


def test_no_copy_no_migration(old_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "FOLDER", with_step(tmp_path / "migrations"))
    path = Path(shutil.copy(old_store, tmp_path / "store.db"))
    (tmp_path / "store.db.0001.bak.part").mkdir()
    with pytest.raises(Unreachable, match=r"no copy of the store can be kept at .*store\.db\.0001\.bak, so it is not"):
        open_store(f"sqlite:///{path}")
    store = connect_store(f"sqlite:///{path}")
    assert store_revision_of(store.engine).present == "0001"
    store.close()


@pytest.mark.parametrize("lines", [0, 2, 4])
def test_a_migration_that_raises_leaves_the_store_as_it_was(
    any_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    before = contents(any_store.engine)
    body = "\n".join([*WHOLE.strip().splitlines()[:lines], "raise RuntimeError('in the middle')"])
    monkeypatch.setattr(revisions, "FOLDER", with_step(tmp_path / "migrations", body))
    with pytest.raises(OurFault, match=f"migration to {NEXT} failed, the store is as it was .*: in the middle"):
        revisions.migrate(any_store.engine)
    assert contents(any_store.engine) == before
    monkeypatch.undo()
    revisions.migrate(any_store.engine)
    assert contents(any_store.engine) == before


KILLS = ["copied", "kept", *(f"line {n}" for n in range(1, 5)), "commit", ""]


@pytest.mark.parametrize("kill_at", KILLS, ids=lambda name: name or "not at all")
def test_after_kill_9_the_store_is_the_old_one_or_the_new_one(old_store: Path, tmp_path: Path, kill_at: str) -> None:
    """Half a second each: a process of its own is killed."""
    lines = WHOLE.strip().splitlines()
    if kill_at.startswith("line"):
        lines.insert(int(kill_at.split()[1]), "os.kill(os.getpid(), signal.SIGKILL)")
    folder = with_step(tmp_path / "migrations", "\n".join(lines))
    path = Path(shutil.copy(old_store, tmp_path / "store.db"))
    before = contents(connect_store(f"sqlite:///{path}").engine)
    done = subprocess.run([sys.executable, "-m", "tests.stores.steps", str(folder), str(path), kill_at], check=False)
    assert done.returncode == (-signal.SIGKILL if kill_at else 0)
    store = connect_store(f"sqlite:///{path}")
    after = contents(store.engine)
    is_new = "first_new" in after
    assert is_new == (not kill_at)
    assert is_new or after == before
    with store.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA integrity_check")).scalar() == "ok"
    store.close()


def test_two_processes_that_open_an_old_store_together_migrate_it_once(
    any_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = store_revision_of(any_store.engine).present
    slow = f"import time\ntime.sleep(0.3)\n{WHOLE}"
    monkeypatch.setattr(revisions, "FOLDER", with_step(tmp_path / "migrations", slow))
    faults: list[BaseException] = []

    def work() -> None:
        try:
            revisions.migrate(any_store.engine)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert contents(any_store.engine)["second_new"] == [("a",), (1,)]
    copies = [f"store.db.{present}.bak"] if any_store.engine.dialect.name == "sqlite" else []
    assert [path.name for path in tmp_path.glob("*.bak")] == copies


def test_a_store_newer_than_the_code_is_refused_in_one_sentence(any_store: Store) -> None:
    with any_store.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    before = contents(any_store.engine)
    with pytest.raises(Unreachable, match=r"^the store is of revision 9999 and this version of Meterloom knows none"):
        open_store(any_store.engine.url.render_as_string(hide_password=False))
    assert contents(any_store.engine) == before


@pytest.mark.parametrize("message", ["0001", "0009", ""])
def test_a_revision_that_was_put_back_is_named_and_nothing_is_migrated(any_store: Store, message: str) -> None:
    with any_store.begin() as connection:
        connection.execute(sa.text("DELETE FROM alembic_version"))
        if message:
            connection.execute(sa.text("INSERT INTO alembic_version VALUES (:said)"), {"said": message})
    before = contents(any_store.engine)
    with pytest.raises(Unreachable, match=f"^alembic_version says revision {message or 'nothing'} and the store notes"):
        open_store(any_store.engine.url.render_as_string(hide_password=False))
    assert contents(any_store.engine) == before


def test_rows_of_before_their_seals_are_sealed_as_found_and_people_stay_signed_in(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The steps until then, where a new store would get the tables of now.
    monkeypatch.setattr(revisions, "_is_empty", lambda _: False)
    older = tmp_path / "migrations"
    shutil.copytree(FOLDER, older, ignore=shutil.ignore_patterns("001[1-9]_*", "00[2-9]*", "__pycache__"))
    monkeypatch.setattr(revisions, "FOLDER", older)
    store = open_store(url)
    row = {"person_id": "anna", "rights_sha256": "r", "opened_utc": NOW, "seen_utc": NOW}
    with store.begin() as connection:
        connection.execute(logins.insert().values(token_sha256=sha256("cookie"), **row))
    monkeypatch.undo()
    revisions.migrate(store.engine)
    found = LoginStore(store).found("cookie")
    assert found is not None
    assert (found.person_id, found.ended_utc, bad_rows(store)) == ("anna", None, [])
    store.close()


def test_a_store_of_before_the_first_revision_was_fixed_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(lzma.decompress((OLD / "5f6a195.store.db.xz").read_bytes()))
    before = contents(connect_store(f"sqlite:///{path}").engine)
    with pytest.raises(Unreachable, match=r"made before revision 0001 was fixed \(it has no revision_inputs\..*ingest"):
        open_store(f"sqlite:///{path}")
    assert contents(connect_store(f"sqlite:///{path}").engine) == before


def test_a_command_on_a_newer_store_ends_with_3(tmp_path: Path) -> None:
    """Two seconds: a command opens a whole project."""
    runner = CliRunner()
    assert runner.invoke(build_app(("init",)), ["init", str(tmp_path / "p")]).exit_code == 0
    store = open_store(f"sqlite:///{tmp_path / 'p' / 'var' / 'store.db'}")
    with store.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    done = runner.invoke(build_app(("baseline",)), ["baseline", "list", "--project", str(tmp_path / "p")])
    assert (done.exit_code, done.stderr.count("\n")) == (3, 1)
    assert "the store is of revision 9999" in done.stderr
