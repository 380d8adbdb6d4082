"""A late reading runs its own partitions again and nothing else, and the report that printed it says what changed."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from data_quality.contracts.errors import BadInput
from orchestration.cli.main import build_app

# Dagster announces what is in beta; the libraries behind a run have notices of their own.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SITE: dict[str, Any] = {
    "site_id": "works",
    "name": "Works",
    "time_zone": "Europe/Berlin",
    "currency": "EUR",
    "country": "DE",
    "meters": [{"meter_id": "main"}, {"meter_id": "press", "parent": "main"}],
    "seus": [{"seu_id": "pressing", "name": "Pressing", "meters": ["press"]}],
}
LATE = datetime(2025, 2, 11, 9, 0, tzinfo=UTC)
# The hour before it, as it was: one row alone has no step.
BEFORE = ("press", LATE - timedelta(hours=1), 8 + (LATE.hour - 1) / 8)


def meterloom(folder: Path, *arguments: str) -> Any:
    """The JSON answer of one command."""
    result = CliRunner().invoke(build_app(), [*arguments, "--json", "--project", str(folder)])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def write_csv(path: Path, rows: Iterator[tuple[str, datetime, float]]) -> Path:
    """A meter file."""
    lines = [f"{meter},{at:%Y-%m-%dT%H:%M:%SZ},{kwh}" for meter, at, kwh in rows]
    path.write_text("\n".join(["meter,timestamp,kwh", *lines]) + "\n")
    return path


def hours(start: date, end: date) -> Iterator[tuple[str, datetime, float]]:
    """Two meters, an hour a row."""
    at = datetime(start.year, start.month, start.day, tzinfo=UTC)
    while at < datetime(end.year, end.month, end.day, tzinfo=UTC):
        yield "main", at, 20 + at.hour / 4
        yield "press", at, 8 + at.hour / 8
        at += timedelta(hours=1)


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with five months of readings, marts of all of them and the report of the first quarter."""
    from data_quality.contracts.settings import load_project
    from orchestration.instance.write import instance_environment
    from orchestration.resources import ProjectResource
    from orchestration.runner import open_runner

    folder = tmp_path / "works"
    CliRunner().invoke(build_app(), ["init", str(folder)])
    (folder / "sites" / "my_site.yaml").unlink()
    (folder / "sites" / "works.yaml").write_text(json.dumps(SITE))
    for name, value in instance_environment(load_project(folder, {})).items():
        monkeypatch.setenv(name, value)
    file = write_csv(tmp_path / "all.csv", hours(date(2024, 12, 31), date(2025, 6, 1)))
    meterloom(folder, "ingest", str(file), "--site", "works", "--refresh")
    project = ProjectResource(root=str(folder))
    with open_runner(project.project) as runner:
        runner.run("enpi_report", partition="2025-01-01|works")
    project.close()
    return folder


def materialised(since: float) -> dict[str, set[str | None]]:
    """Asset -> partitions that were materialised since, by Dagster's own event log."""
    import dagster as dg

    found: dict[str, set[str | None]] = {}
    with dg.DagsterInstance.get() as instance:
        for key in instance.all_asset_keys():
            records = instance.fetch_materializations(dg.AssetRecordsFilter(key, after_timestamp=since), limit=1000)
            if records.records:
                found[key.to_user_string()] = {record.partition_key for record in records.records}
    return found


def requested_partitions(works: Path) -> dict[str, list[str]]:
    """Partitions that the daemon would request: exactly that month, and nothing once more."""
    import dagster as dg

    from orchestration.resources import ProjectResource
    from orchestration.sensors.lake_changes import enpi_changes, lake_changes, report_changes

    resources = {"project": ProjectResource(root=str(works))}
    with dg.DagsterInstance.get() as instance, dg.build_sensor_context(instance, resources=resources) as context:
        # What rests on the marts waits for them.
        return {
            sensor.name: [each.partition_key for each in sensor(context) if hasattr(each, "run_key")]
            for sensor in (lake_changes, enpi_changes, report_changes)
        }


def marts_for(works: Path, *, until: date) -> Path:
    """Fresh marts, as Dagster's report assets request them before they print."""
    from orchestration.resources import ProjectResource

    project = ProjectResource(root=str(works))
    try:
        return project.fresh_marts("works", until=until)
    finally:
        project.close()


def test_a_late_reading_runs_its_own_partitions_and_the_report_names_what_changed(works: Path, tmp_path: Path) -> None:
    [report] = [r for r in meterloom(works, "reports", "list")["reports"] if r["name"] == "enpi_quarter"]
    assert not report["stale"]
    meterloom(works, "kpis", "--site", "works", "--period", "2025-02")
    known_at = datetime.now(UTC)
    late = write_csv(tmp_path / "late.csv", iter([BEFORE, ("press", LATE, 9.5)]))
    [file] = meterloom(works, "ingest", str(late), "--site", "works")["files"]
    assert (file["corrected_rows"], file["partitions"]) == (4, ["works|2025-02"])

    [stale] = [r for r in meterloom(works, "reports", "list")["reports"] if r["name"] == "enpi_quarter"]
    assert stale["stale"]
    then = meterloom(works, "reports", "list", "--as-of", known_at.isoformat())["reports"]
    assert not any(r["stale"] for r in then)
    diff = meterloom(works, "reports", "diff", stale["id"])
    more_kwh = 9.5 - (8 + LATE.hour / 8)
    energies = [figure for figure in diff["figures"] if figure["unit"] == "kwh"]
    assert {abs(round(figure["now"] - figure["was"], 9)) for figure in energies} == {more_kwh}
    assert "seu:pressing" in {figure["scope"] for figure in energies}
    assert "consumption_kwh" not in {figure["kpi"] for figure in energies if figure["scope"] == "site:works"}

    assert requested_partitions(works) == {
        "lake_changes": ["2025-02-01|works"],
        "enpi_changes": [],
        "report_changes": [],
    }
    with pytest.raises(BadInput, match=r"the marts of works\|2025-02 are older than"):
        marts_for(works, until=date(2025, 3, 1))
    # Months after the report's last day are none of its numbers.
    assert marts_for(works, until=date(2025, 2, 1)).is_dir()

    before = datetime.now(UTC).timestamp()
    nothing_new = write_csv(
        tmp_path / "again.csv",
        iter([("press", LATE, 9.5), ("press", LATE + timedelta(hours=1), 8 + (LATE.hour + 1) / 8)]),
    )
    ran = meterloom(works, "ingest", str(nothing_new), "--site", "works", "--refresh")["runs"]
    month, quarter = "2025-02-01|works", "2025-01-01|works"
    assert ran == {"kpi": [month], "enpi": [month], "enpi_report": [quarter]}
    found = materialised(before)
    partitioned = {name: keys for name, keys in found.items() if keys != {None}}
    assert partitioned.pop("out_site__enpi_quarter") == {quarter}
    assert set(map(frozenset, partitioned.values())) == {frozenset({month})}
    assert {"core_lake__15min_readings", "mart_scope__month_kpi", "core_marts__published"} <= set(partitioned)
    assert {"core_seu__expected_days", "mart_seu__day_enpi", "core_enpi__published"} <= set(partitioned)

    newest = [r for r in meterloom(works, "reports", "list")["reports"] if r["name"] == "enpi_quarter"][-1]
    assert (newest["revision"], newest["stale"]) == (2, False)
    assert marts_for(works, until=date(2025, 4, 1)).is_dir()
    between = meterloom(works, "reports", "diff", stale["id"], "--with", "2")["figures"]
    assert {figure["path"] for figure in diff["figures"]} <= {figure["path"] for figure in between}

    now_kwh, then_kwh = (
        {row["scope"]: row["value"] for row in answer["rows"] if row["kpi"] == "consumption_kwh"}
        for answer in (
            meterloom(works, "kpis", "--site", "works", "--period", "2025-02"),
            meterloom(works, "kpis", "--site", "works", "--period", "2025-02", "--as-of", known_at.isoformat()),
        )
    )
    assert now_kwh["meter:press"] - then_kwh["meter:press"] == pytest.approx(more_kwh)
    assert now_kwh["meter:main"] == then_kwh["meter:main"]
