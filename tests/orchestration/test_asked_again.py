"""A look at a part that is away is skipped, and a run that was ended in its work is requested once more."""

from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from data_quality.contracts.errors import Unreachable
from orchestration.cli.main import build_app
from orchestration.jobs import ingest
from orchestration.resources import ProjectResource
from orchestration.sensors.landing import landing
from orchestration.ticks import looking_every

pytestmark = pytest.mark.filterwarnings("ignore")


@dg.op
def work() -> None:
    """Nothing."""


@dg.job
def working() -> None:
    """A run of something."""
    work()


@pytest.mark.parametrize(
    ("ended", "asks"),
    [
        ([], ""),
        ([dg.DagsterRunStatus.STARTED], ""),
        ([dg.DagsterRunStatus.SUCCESS], ""),
        ([dg.DagsterRunStatus.FAILURE], ":again"),
        ([dg.DagsterRunStatus.CANCELED], ":again"),
    ],
)
def test_files_whose_run_was_ended_in_its_work_are_asked_for_once_more(
    tmp_path: Path, ended: list[dg.DagsterRunStatus], asks: str
) -> None:
    folder = tmp_path / "p"
    assert CliRunner().invoke(build_app(("init",)), ["init", str(folder)]).exit_code == 0
    (folder / "landing" / "my_site" / "a.csv").write_text("meter,timestamp,kwh\nmain,2025-01-01T00:00:00Z,1.5\n")
    project = ProjectResource(root=str(folder))
    with dg.DagsterInstance.ephemeral() as instance:

        def key() -> str:
            with dg.build_sensor_context(instance, resources={"project": project}) as context:
                (asked,) = landing(context)  # type: ignore[arg-type, misc]
            return str(asked.run_key)

        first = key()
        for status in ended:
            instance.create_run_for_job(working, status=status, tags={"dagster/run_key": first})
        assert key() == f"{first}{asks}"
        # What failed twice would fail for ever: its key is one that was.
        instance.create_run_for_job(working, status=dg.DagsterRunStatus.FAILURE, tags={"dagster/run_key": key()})
        assert key() == f"{first}:again"
    project.close()


def test_what_is_away_skips_a_look_and_is_asked_for_in_full_by_the_next() -> None:
    answers: list[object] = [Unreachable("the warehouse is held by another process"), dg.SkipReason("all is as it was")]

    @looking_every(30, job=ingest)
    def looking(context: dg.SensorEvaluationContext) -> object:
        """Looks."""
        context.update_cursor("seen")
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        yield answer

    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance, cursor="before") as context:
        (skipped,) = looking(context)  # type: ignore[arg-type, misc]
        assert skipped.skip_message == "it looks again: the warehouse is held by another process"
        assert context.cursor == "before"
        (told,) = looking(context)  # type: ignore[arg-type, misc]
        assert (told.skip_message, context.cursor) == ("all is as it was", "seen")
