"""PostgreSQL that is away, dies, holds an older store, or lets a role do less: one sentence each, and no password."""

import threading
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from assets.stores.postgres import describe, ensure_schema, facts_of, session_environment
from assets.stores.schema import tables_control, tables_seals
from assets.stores.transactions import Store, connect_store, open_store, probe
from data_quality.contracts.database import DatabaseSettings
from data_quality.contracts.errors import BadInput, Unreachable
from tests.e2e.conftest import call

pytestmark = pytest.mark.real


@pytest.fixture
def store_url(postgres_url: str) -> str:
    """The store's own URL on an empty database."""
    return DatabaseSettings(url=postgres_url).of("store", driver="psycopg")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project folder."""
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").write_text("")
    (tmp_path / "people.yaml").write_text("people: []\n")
    return tmp_path


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> str:
    """The settings name a server that is not there."""
    url = "postgresql://ann:hidden-pw@127.0.0.1:9/gone"
    monkeypatch.setenv("METERLOOM_DATABASE__URL", url)
    return url


@pytest.mark.parametrize("command", [["quarantine", "list"], ["up"]])
def test_a_command_without_its_database_says_which_in_one_sentence(
    away: str, project: Path, command: list[str]
) -> None:
    code, answer, error = call(*command, "--project", str(project))
    assert (code, answer) == (3, None), error
    *progress, sentence = error.strip().splitlines()
    assert sentence.startswith("PostgreSQL at 127.0.0.1:9/gone does not answer:")
    assert "correct database.url" in sentence
    assert progress == []
    assert "hidden-pw" not in error


def write_and_lose(store: Store) -> None:
    """A transaction whose session the server ends."""
    with store.begin() as connection:
        connection.execute(tables_seals.recorded_clock.delete())
        connection.execute(sa.text("select pg_terminate_backend(pg_backend_pid())"))


def test_a_store_whose_server_ends_the_session_is_unreachable_and_answers_again(store_url: str) -> None:
    store = open_store(store_url)
    with pytest.raises(Unreachable, match="does not answer: terminating connection"):
        write_and_lose(store)
    assert store.rows(probe()) == [{"one": 1}]
    store.close()


def test_a_fault_of_ours_stays_ours(store_url: str) -> None:
    store = open_store(store_url)
    with pytest.raises(sa.exc.ProgrammingError), store.begin() as connection:
        connection.execute(sa.text("select nonsense"))
    store.close()


def test_a_store_of_an_earlier_version_is_not_left_behind_unseen(postgres_url: str, store_url: str) -> None:
    earlier = open_store(postgres_url.replace("postgresql://", "postgresql+psycopg://", 1))
    with earlier.begin() as connection:
        before = connection.execute(sa.select(tables_control.ledger_identity.c.ledger_id)).scalar()
    earlier.close()
    with pytest.raises(BadInput, match="store of an earlier version in schema public") as caught:
        open_store(store_url)
    with psycopg.connect(postgres_url) as connection:
        for statement in caught.value.mend.split(";"):
            connection.execute(statement.encode())
    moved = open_store(store_url)
    assert moved.rows(sa.select(tables_control.ledger_identity.c.ledger_id))[0]["ledger_id"] == before
    moved.close()


def test_a_role_that_may_not_make_schemas_is_told_what_to_ask_for(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("drop role if exists weak")
        connection.execute("create role weak login")
    given = postgres_url.replace(facts_of(postgres_url)["user"] + ":", "weak:", 1)
    weak = DatabaseSettings(url=given).of("store")
    with pytest.raises(Unreachable, match="CREATE SCHEMA meterloom AUTHORIZATION"):
        ensure_schema(weak)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("create schema meterloom authorization weak")
    ensure_schema(weak)
    open_store(DatabaseSettings(url=given).of("store", driver="psycopg")).close()


def test_two_that_start_at_once_make_a_schema_once(store_url: str) -> None:
    failed: list[BaseException] = []

    def begin() -> None:
        try:
            open_store(store_url).close()
        except BaseException as error:  # told to the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert "meterloom" in describe(store_url)[1]


def test_an_agent_opens_the_store_without_a_password_in_its_errors(away: str) -> None:
    store = connect_store(DatabaseSettings(url=away).of("store", driver="psycopg"))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9/gone") as caught:
        store.rows(probe())
    assert "hidden-pw" not in str(caught.value)


def test_what_else_a_url_says_reaches_a_tool_that_takes_five_facts_only() -> None:
    url = "postgresql:///n?host=/run/pg&sslmode=require&options=-c%20lock_timeout%3D5s"
    assert facts_of(url) | {"user": ""} == {
        "host": "/run/pg",
        "port": "5432",
        "user": "",
        "password": "",
        "dbname": "n",
    }
    found = session_environment(url, "-c enable_nestloop=off")
    assert found == {"PGSSLMODE": "require", "PGOPTIONS": "-c lock_timeout=5s -c enable_nestloop=off"}
