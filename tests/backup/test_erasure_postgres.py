"""An erasure on real PostgreSQL: no byte in any row or page of the store's tables, nor after a dump came back."""

import struct
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


VALUE = 7771.3125
PACKED = (struct.pack("<d", VALUE), struct.pack("<d", VALUE / 4))
WAREHOUSE = ("lake", "staging", "intermediate", "marts")
# What has no site holds no reading: texts of formulas, names of files, fingerprints of SQL.
WITHOUT_SITE = {"lake.built", "lake.copied_files", "marts.kpi_catalogue"}
# These hold what one build is about, by numbers.
OF_A_BUILD = {"intermediate.int_meter__hours", "intermediate.int_scope__hours"}
PAGE = "SELECT pg_read_binary_file(pg_relation_filepath('{}'))"
ROWS = "SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {} AS t WHERE site_id = '%s'"


def relations(url: str, schemas: tuple[str, ...], kind: str, *, of_site: bool = True) -> list[str]:
    """Tables (r) or views (v) of these schemas: those with a site, or those without."""
    import psycopg

    column = "EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = c.oid AND attname = 'site_id')"
    query = (
        "SELECT relnamespace::regnamespace || '.' || relname FROM pg_class AS c "
        f"WHERE relnamespace::regnamespace::text = ANY(%s) AND relkind = %s AND {column} = %s ORDER BY 1"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        return [str(name) for (name,) in connection.execute(query.encode(), [list(schemas), kind, of_site]).fetchall()]


def query_each(url: str, names: list[str], query: str) -> dict[str, Any]:
    """Answer of a query over each relation."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        return {name: connection.execute(query.format(name).encode()).fetchall()[0][0] for name in names}


def standing(url: str, folder: Path, site_id: str) -> dict[str, Any]:
    """Everything that stands of a site: in the warehouse, on the boards, and published."""
    names = [*relations(url, WAREHOUSE, "r"), *relations(url, ("boards",), "v")]
    # Windows are of the last load alone.
    names.remove("lake.windows")
    files = (folder / "var" / "marts").glob(f"*/site={site_id}/*")
    return query_each(url, names, ROWS % site_id) | {path.as_posix(): path.read_bytes() for path in files}


def test_a_meter_of_one_site_goes_and_marts_and_boards_of_another_stay(
    works: Path, tmp_path: Path, databases: tuple[str, str]
) -> None:
    url, people, site = databases[0], works / "people.yaml", works / "sites" / "works.yaml"
    before, text = people.read_text(), site.read_text()
    people.write_text(f"{before}  - {{person_id: hana, name: Hana, roles: [admin]}}\n")
    (works / "sites" / "mill.yaml").write_text(
        text.replace("site_id: works", "site_id: mill").replace(LABEL, "In").replace("main", "supply")
    )
    site.write_text(text.replace("meters:\n", "meters:\n  - {meter_id: flat, name: Flat 7, parent: main}\n", 1))
    hours = [f"flat,2025-03-0{day}T{hour:02d}:00:00+01:00,{VALUE}\n" for day in (3, 4) for hour in range(24)]
    (flat := tmp_path / "flat.csv").write_text("meter,timestamp,kwh\n" + "".join(hours))
    run("ingest", flat, "--site", "works", "--project", works)
    march = (works.parent / "given" / "march.csv").read_text()
    (supply := tmp_path / "supply.csv").write_text(march.replace("main,", "supply,"))
    run("ingest", supply, "--site", "mill", "--project", works)
    for each in ("mill", "works"):
        run("kpis", "--site", each, "--period", "2025-03", "--project", works)
    run("grafana", "export", "--to", tmp_path / "boards", "--project", works)
    assert set(relations(url, WAREHOUSE, "r", of_site=False)) == WITHOUT_SITE | OF_A_BUILD
    tables = [*relations(url, WAREHOUSE, "r"), *OF_A_BUILD]
    assert any(each in page for page in query_each(url, tables, PAGE).values() for each in PACKED)
    mill = standing(url, works, "mill")
    assert sum(each is not None for each in mill.values()) >= 40
    answer = run("erase", "meter/works/flat", "--yes", "--as", "hana", "--project", works)
    assert answer["is_erased"]
    assert not any(each in page for page in query_each(url, tables, PAGE).values() for each in PACKED)
    assert standing(url, works, "mill") == mill
    assert {name for name, found in standing(url, works, "works").items() if found} == {
        "boards.board_built",
        "boards.board_site",
        "boards.board_use",
    }
    built = "SELECT bool_or(is_built) FROM {} WHERE site_id = 'works'"
    assert query_each(url, ["boards.board_built"], built) == {"boards.board_built": False}
    # Its own come back with the build of its site, without the meter.
    run("kpis", "--site", "works", "--period", "2025-03", "--project", works)
    left = "SELECT string_agg(DISTINCT meter_id, ' ') FROM {} WHERE site_id = 'works'"
    assert query_each(url, ["marts.mart_meter__hour_energy"], left) == {"marts.mart_meter__hour_energy": "line main"}
    kept = {name: found for name, found in mill.items() if not name.startswith(("lake.", "intermediate."))}
    assert kept.items() <= standing(url, works, "mill").items()
    people.write_text(before)


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
