"""The whole line with its lake in a bucket: from meter file to report the same figures as on a disk."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data_quality.contracts.settings import load_project
from tests.e2e.conftest import call_here
from tests.old.make import END, LAST, QUARTER, SITE, YEAR, write_csv, write_drivers
from tests.real.same_figures import compare
from tests.stores.bucket_server import BUCKET, Faulty, environment, faulty_line

__all__ = ["faulty_line"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]
PEOPLE = "people:\n  - {person_id: ben, name: Ben, roles: [analyst]}\n"
ADDRESS = f"s3://{BUCKET}/line"


def run(folder: Path, *words: object) -> Any:
    code, answer, error = call_here(*map(str, words), "--project", str(folder))
    assert code == 0, f"{words}: {error}"
    return answer


def make_line(folder: Path, given: Path) -> list[Any]:
    """A project from empty folder to report; what fit and KPIs answered."""
    call_here("init", str(folder), "--site", str(given / "works.yaml"))
    (folder / "people.yaml").write_text(PEOPLE)
    files = [str(given / name) for name in ("history.csv", "drivers.csv", "march.csv")]
    run(folder, "ingest", *files, "--site", "works")
    kpis = run(folder, "kpis", "--site", "works", "--period", "2025-03")
    fitted = run(folder, "baseline", "fit", "--site", "works", "--as", "ben")
    run(folder, "report", "data_quality", "--site", "works", "--period", "2025-03", "--as", "ben")
    rows = [{name: value for name, value in row.items() if "run" not in name} for row in kpis["rows"]]
    # A version's digest names its run, so its numbers are compared.
    kept = ("id", "model", "coefficients", "n", "r2", "cvrmse_n", "findings", "train_start", "train_end")
    return [rows, [{name: each[name] for name in kept} for each in fitted["baselines"]]]


def test_the_whole_line_gives_the_same_figures_from_a_bucket_as_from_a_disk(
    faulty_line: tuple[str, Faulty], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (given := tmp_path / "given").mkdir()
    (given / "works.yaml").write_text(SITE)
    write_csv(given / "history.csv", YEAR, LAST)
    write_drivers(given / "drivers.csv", YEAR, END)
    write_csv(given / "march.csv", LAST, END)
    assert QUARTER < LAST
    on_disk = make_line(tmp_path / "disk", given)
    assert len(on_disk[1]) == 1
    for name, value in environment(faulty_line[0]).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("METERLOOM_PATHS__LAKE", ADDRESS)
    in_bucket = make_line(tmp_path / "bucket", given)
    assert in_bucket == on_disk
    projects = [load_project(tmp_path / name, {}) for name in ("disk", "bucket")]
    found = compare(*projects)
    assert not found.differ
    assert found.worst == 0
    assert found.figures > 0
    # Its folder holds copies alone: without them the next command fetches what it reads.
    copies = projects[1].lake_dir / "readings"
    before = {path.relative_to(copies): path.read_bytes() for path in copies.rglob("*.parquet")}
    shutil.rmtree(copies)
    assert run(tmp_path / "bucket", "doctor")
    assert {path.relative_to(copies): path.read_bytes() for path in copies.rglob("*.parquet")} == before
    # Whoever is given the address reads plain Parquet, without us.
    options = {"aws_endpoint_url": faulty_line[0], "aws_allow_http": "true", "aws_region": "us-east-1"}
    options |= {"aws_access_key_id": "tests", "aws_secret_access_key": "of no use elsewhere"}
    one = min(before)
    theirs = pl.read_parquet(f"{ADDRESS}/readings/{one.as_posix()}", storage_options=options, hive_partitioning=False)
    assert theirs.equals(pl.read_parquet(copies / one, hive_partitioning=False))
