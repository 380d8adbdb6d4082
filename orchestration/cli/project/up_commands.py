"""`meterloom up`: Dagster UI and daemon, MLflow UI, broker, simulated site and agent, until Ctrl-C."""

from orchestration.cli.answer import Answer
from orchestration.cli.frame import PROJECT, Call, command


@command("up", takes=PROJECT, example="--project demo")
def up(call: Call) -> Answer:
    """Start everything, print the addresses, stop cleanly on Ctrl-C."""
    from orchestration.supervisor import serve

    serve(call.project.project, sites=call.project.sites, say=call.say)
    return Answer({"stopped": True}, text="stopped")
