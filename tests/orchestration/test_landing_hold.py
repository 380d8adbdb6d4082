"""Unattended ingestion holds a correction by a power of ten: it is listed, not tried again, and taken by a person. With
a database that is not the lake's it writes nothing and takes no file away.
"""

from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from assets.readings.ingest.ingest_file import AcceptedScale, ingest_file
from data_quality.contracts.time import SystemClock
from orchestration.cli.main import build_app
from orchestration.open_project import cache_of
from orchestration.resources import ProjectResource
from tests.readings.rooms import quarter_rows
from tests.stores.combinations import contents

HEADER = "meter,timestamp,kwh\n"
LOAD = [0.21 + 0.13 * (n % 96 // 8) for n in range(96)]


@pytest.mark.filterwarnings("ignore")
def test_the_landing_run_holds_a_slip_and_the_sensor_does_not_ask_again(tmp_path: Path) -> None:
    from assets.readings.defs import raw_landing__15min_readings
    from orchestration.sensors.landing import landing

    folder = tmp_path / "p"
    assert CliRunner().invoke(build_app(("init",)), ["init", str(folder)]).exit_code == 0
    files = []
    for name, factor in (("a.csv", 1), ("b.csv", 1000)):
        files.append(folder / "landing" / "my_site" / name)
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        files[-1].write_text(HEADER + quarter_rows("main", [round(value * factor, 4) for value in LOAD]))
    project = ProjectResource(root=str(folder))
    config = {"site": "my_site", "files": [str(file) for file in files]}
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [raw_landing__15min_readings],
            instance=instance,
            resources={"project": project, "clock": SystemClock()},
            run_config={"ops": {"raw_landing__15min_readings": {"config": config}}},
        )
        assert done.success
        with dg.build_sensor_context(instance, resources={"project": project}) as context:
            asked = list(landing(context))  # type: ignore[arg-type]
    assert [type(each) for each in asked] == [dg.SkipReason]
    assert project.lake.current("my_site")["value"].sum() < 96 * 2
    assert [item["reason"] for item in project.quarantine.items(is_open=True)] == ["scale_slip"]
    taken = ingest_file(
        files[1], site=project.site("my_site"), lake=project.lake, quarantine=project.quarantine, clock=SystemClock(),
        accepted=AcceptedScale(),
    )  # fmt: skip
    assert (taken.corrected_rows, project.quarantine.items(is_open=True)) == (96, [])
    project.close()


@pytest.mark.filterwarnings("ignore")
def test_landing_runs_with_a_wrong_database_url_fail_by_its_name_and_leave_every_file(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assets.readings.defs import raw_landing__15min_readings
    from orchestration.sensors.landing import landing

    folder = tmp_path / "p"
    assert CliRunner().invoke(build_app(("init",)), ["init", str(folder)]).exit_code == 0
    own = ProjectResource(root=str(folder))
    for number in (1, 2, 3):
        (file := tmp_path / f"{number}.csv").write_text(HEADER + quarter_rows("main", [number + each for each in LOAD]))
        ingest_file(file, site=own.site("my_site"), lake=own.lake, quarantine=own.quarantine, clock=SystemClock())
    own.close()
    before = contents(folder)
    assert before.total() == 3
    (landed := folder / "landing" / "my_site" / "b.csv").parent.mkdir(parents=True, exist_ok=True)
    landed.write_text(HEADER + quarter_rows("main", LOAD))
    monkeypatch.setenv("METERLOOM_DATABASE__URL", postgres_url)
    # As a process does that starts: it has tidied no lake yet.
    cache_of.cache_clear()
    wrong = ProjectResource(root=str(folder))
    with dg.DagsterInstance.ephemeral() as instance:
        with dg.build_sensor_context(instance, resources={"project": wrong}) as context:
            (run,) = list(landing(context))  # type: ignore[arg-type]
        assert isinstance(run, dg.RunRequest)
        done = dg.materialize(
            [raw_landing__15min_readings],
            instance=instance,
            resources={"project": wrong, "clock": SystemClock()},
            run_config=run.run_config,
            raise_on_error=False,
        )
        (failed,) = done.get_step_failure_events()
    said = "is a new one without batches: the store was deleted, or database.url is wrong"
    assert said in str(failed.event_specific_data)
    assert (contents(folder), landed.exists()) == (before, True)
    wrong.close()
