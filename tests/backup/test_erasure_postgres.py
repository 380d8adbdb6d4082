"""An erasure on real PostgreSQL: no byte in any row or page of the store's tables, nor after a dump came back."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from assets.stores.audit import bad_rows
from assets.stores.web.preferences import PreferenceStore
from orchestration.open_project import OpenProject
from tests.backup.test_backup_postgres import URL, databases, patch, run, works
from tests.backup.test_erasure import readings_of

__all__ = ["databases", "patch", "works"]
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]
MAIL, LABEL = "canary.4711@mail.invalid", "Main meter"


def rows_with(url: str, word: str) -> list[str]:
    """Tables of the store with the word in any row, and in any page of theirs that the server holds on disk."""
    import psycopg

    found = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'meterloom'"
        for (name,) in connection.execute(query).fetchall():
            hit = f"SELECT count(*) FROM meterloom.{name} AS t WHERE t::text LIKE %s"
            page = f"SELECT pg_read_binary_file(pg_relation_filepath('meterloom.{name}'))"
            [(rows,)] = connection.execute(hit, (f"%{word}%",)).fetchall()
            [(pages,)] = connection.execute(page).fetchall()
            if rows or word.encode() in pages:
                found.append(name)
    return found


def test_a_person_and_a_meter_are_erased_from_the_server_and_from_a_restored_dump(
    works: Path, tmp_path: Path, databases: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = works / "people.yaml"
    people.write_text(f"{people.read_text()}  - {{person_id: hana, name: Hana, roles: [admin]}}\n")
    with closing(OpenProject(str(works))) as opened:
        PreferenceStore(opened.store).put("ben", "notices", {"mail": MAIL})
    assert readings_of(works, "main") > 0
    assert rows_with(databases[0], MAIL) == ["preferences"]
    assert rows_with(databases[0], LABEL)
    made: Any = run("backup", "--to", tmp_path / "kept", "--project", works)
    for subject in ("person/ben", "meter/works/main"):
        assert run("erase", subject, "--yes", "--as", "hana", "--project", works)["is_erased"]
    expect_gone(works, databases[0])
    monkeypatch.setenv(URL, databases[1])
    back = run("restore", made["path"], "--into", tmp_path / "again", "--figures", 3)
    assert back["verified"], back["problems"]
    expect_gone(tmp_path / "again", databases[1])


def expect_gone(folder: Path, url: str) -> None:
    assert rows_with(url, MAIL) == []
    assert rows_with(url, LABEL) == []
    assert readings_of(folder, "main") == 0
    assert readings_of(folder, "line") > 0
    with closing(OpenProject(str(folder))) as opened:
        assert bad_rows(opened.store) == []
        assert opened.reports.broken_link("works") is None
