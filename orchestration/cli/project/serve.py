"""`meterloom serve ROLE`: one service in the foreground, as systemd units and containers start it."""

from typing import Annotated

from orchestration.cli.frame import ShellCall
from orchestration.operations.answer import Answer
from orchestration.operations.operation import PROJECT, Argument, Option, operation


@operation("serve", takes=PROJECT, example="agent --site home")
def serve(
    call: ShellCall,
    role: Annotated[
        str,
        Argument(
            "webserver, daemon, code, mlflow, web, collector, receive, notices, scorer; of a site agent, signals.",
            metavar="ROLE",
        ),
    ],
    site: Annotated[str, Option("Site of the role agent or signals.")] = "",
) -> Answer:
    """Run one service in the foreground until SIGTERM; 'meterloom up' runs them all."""
    from orchestration.supervised.serve_role import become

    call.terminal.end()
    become(call.places, role, site)
