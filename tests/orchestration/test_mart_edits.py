"""An edited file of a published mart: the doctor's finding, and what mends it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.stores.file_hashes import file_sha256
from assets.stores.transactions import open_store
from assets.stores.warehouse.mart_digests import MartDigests
from assets.stores.warehouse.marts import write_mart
from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from orchestration.doctor.kept_checks import check_marts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MART = "mart_site__degree_days"
SITE = {"site_id": "works", "name": "Works", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE"}


def run(folder: Path, *words: str) -> dict:
    """The JSON answer of one command."""
    done = CliRunner().invoke(build_app(), [*words, "--json", "--project", str(folder)])
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def values_of(folder: Path) -> dict[tuple[str, str], float | None]:
    """Values that `kpis` prints of a month, by KPI and scope."""
    rows = run(folder, "kpis", "--site", "works", "--period", "2025-02")["rows"]
    return {(each["kpi"], each["scope"]): each["value"] for each in rows}


def marts_of(folder: Path) -> dict[str, str]:
    """The doctor's check of the marts."""
    return next(each for each in run(folder, "doctor")["checks"] if each["name"] == "marts")


def halve(path: Path) -> None:
    """Edit every number of a file."""
    frame = pl.read_parquet(path)
    frame.with_columns(pl.col(pl.Float64) / 2).write_parquet(path)


@pytest.mark.slow
def test_a_halved_mart_is_named_and_publishing_again_mends_it(tmp_path: Path) -> None:
    folder, file = tmp_path / "works", tmp_path / "main.csv"
    CliRunner().invoke(build_app(), ["init", str(folder)])
    (folder / "sites" / "my_site.yaml").unlink()
    (folder / "sites" / "works.yaml").write_text(json.dumps({**SITE, "meters": [{"meter_id": "main"}]}))
    hours = (datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(24 * 70))
    file.write_text("\n".join(["meter,timestamp,kwh", *(f"main,{at:%Y-%m-%dT%H:%M:%SZ},{20}" for at in hours)]) + "\n")
    run(folder, "ingest", str(file), "--site", "works")
    values = values_of(folder)
    assert marts_of(folder)["status"] == "ok"
    edited = folder / "var" / "marts" / "mart_site__kpi_values" / "site=works" / "2025.parquet"
    halve(edited)
    assert values_of(folder) != values
    told = marts_of(folder)
    assert told["status"] == "fail"
    assert told["detail"] == "edited since they were published: mart_site__kpi_values/site=works/2025.parquet"
    for built in (folder / "var" / "marts").glob("built_*.json"):
        built.unlink()
    assert values_of(folder) == values
    assert marts_of(folder)["status"] == "ok"


@pytest.fixture
def digests(tmp_path: Path) -> Iterator[MartDigests]:
    """Two sites and two years of a mart, published."""
    marts, store = tmp_path / "marts", open_store(f"sqlite:///{tmp_path / 'store.db'}")
    rows = [
        {"site_id": site, "local_date": datetime(year, 5, day).date(), "hdd": 1.0}  # noqa: DTZ001 - a date's parts
        for site in ("a", "b")
        for year in (2024, 2025)
        for day in (1, 2)
    ]
    write_mart(pl.DataFrame(rows), marts, MART, years=None)
    kept = MartDigests(store, marts)
    with kept.publishing("kpi"):
        kept.record("kpi", {MART: None}, FixedClock(NOW))
    yield kept
    store.close()


def file_of(digests: MartDigests, site: str, year: int) -> Path:
    """A published file."""
    return digests.marts_dir / MART / f"site={site}" / f"{year}.parquet"


def test_every_way_to_change_a_mart_is_named_with_its_file(digests: MartDigests) -> None:
    [said] = check_marts(digests)
    assert (said["status"], said["detail"]) == ("ok", "4 published file(s) are as they were written")
    path = file_of(digests, "a", 2024)
    name = path.relative_to(digests.marts_dir).as_posix()
    was = path.read_bytes()
    for change in (lambda: halve(path), path.unlink, lambda: path.write_bytes(was[:-1])):
        change()
        assert digests.compare().changed == (name,)
        path.write_bytes(was)
    assert digests.compare().changed == ()


def test_a_digest_that_is_edited_or_taken_away_is_named_too(digests: MartDigests) -> None:
    path = digests.folder / "site=a" / "kpi.json"
    halve(file_of(digests, "a", 2024))
    edited = file_of(digests, "a", 2024).relative_to(digests.marts_dir).as_posix()
    was = path.read_text()
    forged = json.loads(was)
    forged[f"{MART}/2024.parquet"] = file_sha256(file_of(digests, "a", 2024))
    path.write_text(json.dumps(forged))
    assert digests.compare().changed == ("digests/site=a/kpi.json",)
    path.unlink()
    assert digests.compare().changed == ("digests/site=a/kpi.json",)
    path.write_text(was)
    assert digests.compare().changed == (edited,)


def test_digests_that_the_store_does_not_know_are_named_and_vouch_for_nothing(digests: MartDigests) -> None:
    kept = digests.folder / "site=a" / "kpi.json"
    foreign = digests.folder / "site=c" / "kpi.json"
    foreign.parent.mkdir()
    foreign.write_text(kept.read_text())
    write_mart(
        pl.DataFrame({"site_id": ["c"], "local_date": [datetime(2024, 5, 1).date()], "hdd": [9.0]}),  # noqa: DTZ001
        digests.marts_dir, MART, years={"c": [2024]},
    )  # fmt: skip
    foreign.write_text(json.dumps({f"{MART}/2024.parquet": file_sha256(file_of(digests, "c", 2024))}))
    assert digests.compare() == (4, (), False, ("digests/site=c/kpi.json",))
    known, unknown = check_marts(digests)
    assert (known["status"], known["detail"]) == ("ok", "4 published file(s) are as they were written")
    assert (unknown["name"], unknown["status"]) == ("marts unknown", "warn")
    assert "the store keeps no digest of digests/site=c/kpi.json" in unknown["detail"]
    # An edit is named beside it, also of what such a file names; while marts are being published neither is final.
    halve(file_of(digests, "c", 2024))
    assert [each["status"] for each in check_marts(digests)] == ["fail", "warn"]
    (digests.folder / "publishing_kpi").touch()
    assert [each["status"] for each in check_marts(digests)] == ["warn"]
    # What the mend leaves.
    (digests.folder / "publishing_kpi").unlink()
    foreign.unlink()
    assert [each["status"] for each in check_marts(digests)] == ["ok"]


def test_another_year_that_is_published_does_not_cover_an_edit(digests: MartDigests) -> None:
    halve(file_of(digests, "a", 2024))
    rows = pl.DataFrame({"site_id": ["a"], "local_date": [datetime(2025, 5, 1).date()], "hdd": [3.0]})  # noqa: DTZ001
    write_mart(rows, digests.marts_dir, MART, years={"a": [2025]})
    digests.record("kpi", {MART: {"a": [2025]}}, FixedClock(NOW + timedelta(hours=1)))
    assert digests.compare().changed == (f"{MART}/site=a/2024.parquet",)
    write_mart(rows.clear(), digests.marts_dir, MART, years={"a": [2024]})
    digests.record("kpi", {MART: {"a": [2024]}}, FixedClock(NOW + timedelta(hours=2)))
    assert digests.compare() == (3, (), False, ())


def test_a_publication_that_was_broken_off_is_no_edit(digests: MartDigests) -> None:
    def dies() -> None:
        with digests.publishing("kpi"):
            halve(file_of(digests, "b", 2025))
            raise MemoryError

    with pytest.raises(MemoryError):
        dies()
    [said] = check_marts(digests)
    assert said["status"] == "warn"
    assert "a publication is under way or was broken off" in said["detail"]
    with digests.publishing("kpi"):
        digests.record("kpi", {MART: None}, FixedClock(NOW))
    assert check_marts(digests)[0]["status"] == "ok"
