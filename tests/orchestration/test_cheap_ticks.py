"""A tick over a project where nothing changed reads no file and asks nothing expensive; any change is asked about."""

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from assets.kpi.enpi.stale_baselines import stale_baselines
from assets.kpi.incremental.stage import versions_texts
from assets.readings.ingest.ingest_file import ingest_file
from assets.sites.load_sites import load_sites
from assets.stores.seals import seal
from assets.stores.tables import PROTECTED
from assets.stores.transactions import Store
from controls.ledger.modes import set_mode
from data_quality.contracts.control.command import Mode
from data_quality.contracts.time import FixedClock, SystemClock
from data_quality.contracts.work.project_cache import ProjectCache
from orchestration.cli.main import build_app
from orchestration.resources import ProjectResource
from orchestration.sensors.lake_changes import baseline_changes, enpi_changes, lake_changes, report_changes
from orchestration.sensors.landing import landing
from orchestration.sensors.sensor_inputs import RESTS_ON, expecting, inputs_digest
from orchestration.warehouse.dbt import PROJECT_DIR
from tests.bench.scale_world import site_text
from tests.bench.ticks_bench import world, write
from tests.controls.ledger.rows_of import CARLA
from tests.readings.rooms import quarter_rows

# Dagster announces what is in beta.
pytestmark = pytest.mark.filterwarnings("ignore")
HEADER = "meter,timestamp,kwh\n"
LOAD = [0.21 + 0.13 * (n % 96 // 8) for n in range(96)]
FILES = 12
STALENESS = (lake_changes, enpi_changes, baseline_changes, report_changes)

_watchers: list[list[str]] = []


def _note_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watchers and isinstance(arguments[0], str | Path):
        _watchers[-1].append(str(arguments[0]))


# Python lets nobody take such a hook away again; outside of `opened` it notes nothing.
sys.addaudithook(_note_open)


@contextmanager
def opened() -> Iterator[list[str]]:
    """The paths that this process opens through Python meanwhile."""
    _watchers.append([])
    yield _watchers[-1]
    _watchers.pop()


def meter_file(path: Path, day: int, factor: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = quarter_rows("main", [round(value * factor, 4) for value in LOAD]).replace("-01T", f"-{day:02d}T")
    path.write_text(HEADER + rows)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fresh project with one site."""
    assert CliRunner().invoke(build_app(("init",)), ["init", str(tmp_path / "p")]).exit_code == 0
    return tmp_path / "p"


def tick(sensor: dg.SensorDefinition, folder: Path, cursor: str | None = None) -> tuple[list[Any], str | None]:
    """Answer of a sensor in a process that has nothing open yet, and the cursor that it leaves."""
    project = ProjectResource(root=str(folder))
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance, cursor=cursor, resources={"project": project}) as context,
    ):
        answer = list(sensor(context))  # type: ignore[call-overload]
        project.close()
        return answer, context.cursor


def files_of(answer: list[Any]) -> list[str]:
    return [
        Path(name).name
        for each in answer
        if isinstance(each, dg.RunRequest)
        for name in each.run_config["ops"]["raw_landing__15min_readings"]["config"]["files"]
    ]


def test_a_landing_folder_that_did_not_change_is_not_read_again(folder: Path) -> None:
    room = folder / "landing" / "my_site"
    paths = [meter_file(room / f"{day:02d}.csv", day) for day in range(1, FILES + 1)]
    with opened() as first:
        asked, _ = tick(landing, folder)
    assert sum(name.startswith(str(room)) for name in first) == FILES
    with opened() as second:
        again, _ = tick(landing, folder)
    assert [name for name in second if name.startswith(str(room))] == []
    assert (files_of(again), again[0].run_key) == (files_of(asked), asked[0].run_key)
    assert sorted(files_of(asked)) == [path.name for path in paths]

    project = ProjectResource(root=str(folder))
    for path in paths:
        ingest_file(
            path, site=project.site("my_site"), lake=project.lake, quarantine=project.quarantine, clock=SystemClock()
        )
    project.close()
    with opened() as third:
        (quiet,), _ = tick(landing, folder)
    assert (quiet.skip_message, [name for name in third if name.startswith(str(room))]) == (
        "no file that the lake has not seen",
        [],
    )

    # Another content under the same name, of the same length: read, and asked for, alone.
    size = paths[3].stat().st_size
    meter_file(paths[3], 4, factor=2.0)
    paths[3].write_text(paths[3].read_text().ljust(size, "\n")[:size])
    with opened() as fourth:
        changed, _ = tick(landing, folder)
    assert (files_of(changed), sum(name.startswith(str(room)) for name in fourth)) == (["04.csv"], 1)


@pytest.mark.parametrize("spoiled", ["", "{", '{"a": 1}', '{"my_site/01.csv": ["1 2", 3]}', None])
def test_a_memory_that_is_spoiled_or_gone_costs_one_reading_and_nothing_else(folder: Path, spoiled: str | None) -> None:
    meter_file(folder / "landing" / "my_site" / "01.csv", 1)
    asked, _ = tick(landing, folder)
    (memory,) = (folder / "var" / "landing_hashes").iterdir()
    known = memory.read_text()
    if spoiled is None:
        memory.unlink()
    else:
        memory.write_text(spoiled)
    again, _ = tick(landing, folder)
    assert again[0].run_key == asked[0].run_key
    assert memory.read_text() == known


def ingest(folder: Path, day: int) -> None:
    project = ProjectResource(root=str(folder))
    path = meter_file(folder / f"{day}.csv", day)
    ingest_file(
        path, site=project.site("my_site"), lake=project.lake, quarantine=project.quarantine, clock=SystemClock()
    )
    project.close()


@pytest.mark.parametrize("sensor", STALENESS, ids=lambda sensor: sensor.name)
def test_staleness_is_asked_for_only_where_something_moved(folder: Path, sensor: dg.SensorDefinition) -> None:
    ingest(folder, 1)
    first, cursor = tick(sensor, folder)
    assert cursor
    # What an unmoved project is not asked: its lake, its sites, its SQL.
    with opened() as names:
        (second,), kept = tick(sensor, folder, cursor)
    assert (second.skip_message, kept) == ("nothing has changed since the last look", cursor)
    readings = [name for name in names if name.endswith((".parquet", ".sql")) or Path(name).parent == folder / "sites"]
    assert readings == []

    ingest(folder, 2)
    third, later = tick(sensor, folder, cursor)
    assert later != cursor
    if sensor is lake_changes:
        assert third[0].run_key != first[0].run_key
        assert third[0].partition_key == first[0].partition_key
    site_file = folder / "sites" / "my_site.yaml"
    site_file.write_text(site_file.read_text() + "# a word more\n")
    fourth, last = tick(sensor, folder, later)
    assert last
    assert last not in (cursor, later)
    # Another process may be of another version of the code: it asks in full.
    other, _ = tick(sensor, folder, f"{'0' * 32} {last.partition(' ')[2]}")
    assert [getattr(each, "run_key", "") for each in other] == [getattr(each, "run_key", "") for each in fourth]
    assert getattr(other[0], "skip_message", "") != "nothing has changed since the last look"
    # The same question has the same answer, so that the key of its run is the same: Dagster makes none of it.
    assert [getattr(each, "run_key", "") for each in fourth] == [getattr(each, "run_key", "") for each in third]


def test_every_table_that_a_mart_baseline_or_report_rests_on_moves_the_question(folder: Path) -> None:
    project = ProjectResource(root=str(folder))
    seen = [inputs_digest(project)]
    for table in RESTS_ON:
        with project.store.begin() as connection:
            seal(connection, table, [])
        seen.append(inputs_digest(project))
    assert len(set(seen)) == len(RESTS_ON) + 1
    unwatched = {table.name for table in PROTECTED} - {table.name for table in RESTS_ON}
    assert unwatched == {
        "commands", "plans", "mode_events", "mode_requests", "hold_events", "approval_events", "chain_marks",
        "holiday_events", "fault_events", "device_states", "ledger_identity", "signatures", "api_keys", "lake_merges",
        "work_orders", "workflow_instances", "dr_events", "dr_class_votes", "dr_settlements", "dr_accepted_loads",
         "grid_signals", "recommendations", "what_if_results", "experiment_acts", "advice_acts",
         "disaggregations",
    }  # fmt: skip
    (folder / "people.yaml").write_text(json.dumps({"people": [CARLA.model_dump(mode="json")]}))
    seen.append(inputs_digest(project))
    assert len(set(seen)) == len(seen)
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    set_mode(project.store, "my_site", mode=Mode.ADVISORY, person=CARLA, reason="test", clock=clock)
    assert inputs_digest(project) == seen[-1]
    for path in (project.project.marts_dir / "built_kpi.json", project.project.warehouse_file):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        seen.append(inputs_digest(project))
    assert len(set(seen)) == len(seen)
    project.close()


def test_a_moved_look_asks_as_many_questions_of_thirty_sites_as_of_three(folder: Path) -> None:
    # With a use each, of which baselines are asked.
    text, counts = re.sub(r"site_id: \S+", "site_id: SITE", site_text(1, 1), count=1), []
    for first, last in ((0, 3), (3, 30)):
        for number in range(first, last):
            (folder / "sites" / f"s{number}.yaml").write_text(text.replace("SITE", f"s{number}"))
        asked: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_given: Any, asked: list[str] = asked) -> None:
            # Of Dagster's own store, which is asked for its partitions, nothing counts.
            asked += [statement] * any(f"FROM {table.name}" in statement for table in PROTECTED)

        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        for sensor in STALENESS:
            tick(sensor, folder)
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
        counts.append(len(asked))
    assert counts[0] == counts[1] > 0


def test_a_site_file_that_changed_is_read_again_and_no_other(tmp_path: Path) -> None:
    for name in ("a", "b"):
        text = {"site_id": name, "name": name, "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE"}
        (tmp_path / f"{name}.yaml").write_text(json.dumps(text | {"meters": [{"meter_id": "main"}]}))
    time.sleep(2.1)
    cache = ProjectCache()
    first = load_sites(tmp_path, cache)
    with opened() as names:
        assert load_sites(tmp_path, cache) == first
    assert names == []
    path = tmp_path / "a.yaml"
    path.write_text(path.read_text().replace('"name": "a"', '"name": "c"'))
    with opened() as names:
        assert load_sites(tmp_path, cache)["a"].name == "c"
    assert {Path(name).name for name in names} == {"a.yaml"}
    (tmp_path / "b.yaml").unlink()
    assert list(load_sites(tmp_path, cache)) == ["a"]


def test_sql_that_changed_moves_the_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.warehouse import dbt

    copy = tmp_path / "dbt_project"
    (copy / "models").mkdir(parents=True)
    (copy / "models" / "a.sql").write_text((PROJECT_DIR / "dbt_project.yml").read_text())
    monkeypatch.setattr(dbt, "PROJECT_DIR", copy)
    first = dbt.fingerprint()
    assert dbt.fingerprint() == first
    with opened() as names:
        dbt.fingerprint()
    assert names == []
    (copy / "models" / "a.sql").write_text((copy / "models" / "a.sql").read_text().swapcase())
    assert dbt.fingerprint() != first


def _baseline_queries(folder: Path, sites: int) -> tuple[list[dict[str, str]], list[int]]:
    """Stale uses before and after a reading beside and one within their training, and how many questions each took."""
    (folder / "meterloom.yaml").write_text("{}\n")
    project = world(folder, sites)
    found, counts = [], []
    for quarter in (None, 96 * 30, 1):
        if quarter is not None:
            source = folder / f"{quarter}.csv"
            source.write_text(f"{quarter}")
            write(project, "s00001", source, quarter)
        with statements_of(project.store) as questions:
            stale = stale_baselines(project.sites.values(), lake=project.lake, baselines=project.baselines)
        found.append({site_id: seu_id for site_id, uses in stale.items() for seu_id in uses})
        counts.append(len(questions))
    project.close()
    return found, counts


@contextmanager
def statements_of(store: Store) -> Iterator[list[str]]:
    """The statements that are put to a store meanwhile."""
    questions: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        questions.append(statement)

    sa.event.listen(store.engine, "before_cursor_execute", note)
    yield questions
    sa.event.remove(store.engine, "before_cursor_execute", note)


def test_stale_baselines_of_many_sites_are_as_few_questions_as_of_two(tmp_path: Path) -> None:
    (few := tmp_path / "few").mkdir()
    (many := tmp_path / "many").mkdir()
    found, counts = _baseline_queries(many, 20)
    assert found == [{}, {}, {"s00001": "use_m00000"}]
    assert counts == _baseline_queries(few, 2)[1]


def test_what_uses_are_expected_by_is_proven_again_only_where_a_baseline_or_an_act_moved(tmp_path: Path) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}\n")
    project = world(tmp_path, 3)

    def proofs() -> int:
        # Of rows: a look at the newest seals names the table too, and is asked each time.
        with statements_of(project.store) as questions:
            found = expecting(project)
        assert found == versions_texts(list(project.sites.values()), project.baselines)
        return sum("FROM baseline_versions" in each for each in questions)

    assert expecting(project)["s00001"] == "use_m00000@1"
    (tmp_path / "late.csv").write_text("late")
    write(project, "s00001", tmp_path / "late.csv", 1)
    assert proofs() == 0
    known = project.baselines.get("s00002/use_m00000/enb", 1)
    project.baselines.add(known.baseline, "run", "another", "anna", SystemClock())
    assert proofs() > 0
    assert proofs() == 0
    (tmp_path / "people.yaml").write_text(json.dumps({"people": [CARLA.model_dump(mode="json")]}))
    assert proofs() > 0
    path = tmp_path / "sites" / "s00001.yaml"
    path.write_text(path.read_text().replace("use_m00000", "another"))
    assert expecting(project)["s00001"] == ""
    project.close()
