"""`meterloom agent`: the long-running device process."""

from typing import Annotated

import typer

from orchestration.cli.frame import Answer, Call, command


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "agent", example="meterloom agent --site home")
    def agent(call: Call, site: Annotated[str, typer.Option("--site", help="Site whose devices it serves.")]) -> Answer:
        """Serve the devices of one site until stopped; the mode in the ledger decides what may be written."""
        from controls.agent.main import main as serve

        known = call.project.site(site)
        code = serve(["--project", str(call.folder), "--site", known.site_id])
        return Answer(data={"stopped": True}, exit_code=code)
