"""`meterloom agent`: the long-running device process."""

from contextlib import redirect_stderr
from typing import Annotated

from orchestration.cli.frame import ShellCall
from orchestration.operations.answer import Answer
from orchestration.operations.operation import PROJECT, Option, operation


@operation("agent", takes=PROJECT, example="--site home", writes=True)
def agent(call: ShellCall, site: Annotated[str, Option("Site whose devices it serves.")]) -> Answer:
    """Serve the devices of one site until stopped; the mode in the ledger decides what may be written."""
    from controls.agent.main import main as serve

    known = call.project.site(site)
    # Its log lines are what it is watched by.
    with redirect_stderr(call.terminal.stream):
        code = serve(["--project", str(call.folder), "--site", known.site_id])
    return Answer({"stopped": True}, exit_code=code)
