"""`meterloom up`: Dagster UI and daemon, MLflow UI, broker, simulated site and agent, until Ctrl-C."""

import typer

from orchestration.cli.frame import Answer, Call, command


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "up", example="meterloom up --project demo")
    def up(call: Call) -> Answer:
        """Start everything, print the addresses, stop cleanly on Ctrl-C."""
        from orchestration.supervisor import serve

        serve(call.project.project, sites=call.project.sites, say=call.say)
        return Answer(data={"stopped": True}, text="stopped")
