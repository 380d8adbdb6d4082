"""`meterloom up`: Dagster UI and daemon, MLflow UI, broker, simulated site and agent, until Ctrl-C."""

from typing import Annotated

from orchestration.cli.frame import ShellCall
from orchestration.operations.answer import Answer
from orchestration.operations.operation import PROJECT, Option, operation


@operation("up", takes=PROJECT, example="--project demo")
def up(
    call: ShellCall,
    workers: Annotated[int, Option("Processes for fits, forecasts and reports (Dask).", min=0, max=256)] = 0,
) -> Answer:
    """Start everything, print the addresses, stop cleanly on Ctrl-C."""
    from orchestration.instance.start_lock import free

    # Before anything heavy is loaded: a second start is refused at once. Who serves takes the lock for good.
    free(call.places, "up")
    call.doing("starting Dagster, MLflow, broker and site")
    from orchestration.supervised.supervisor import serve

    def say(text: str) -> None:
        # From here on it serves, and nothing is waited for.
        call.terminal.end()
        call.say(text)

    serve(call.project.project, sites=call.project.sites, say=say, workers=workers)
    return Answer({"stopped": True}, text="stopped")
