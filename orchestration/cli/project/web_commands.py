"""`meterloom web`: the pages and the API of a project, and invitations to them."""

from typing import Annotated

import typer

from data_quality.contracts.errors import BadInput
from orchestration.cli.answer import Answer
from orchestration.cli.frame import PROJECT, Call, command


@command("web", takes=PROJECT)
def web(call: Call) -> Answer:
    """Serve the pages and the API of the project until Ctrl-C; 'meterloom up' does so too."""
    from data_quality.contracts.time import SystemClock
    from orchestration.web.serve import serve_pages

    def say(text: str) -> None:
        call.terminal.end()
        call.say(f"{text}\nstop with Ctrl-C")

    call.doing("opening the project")
    serve_pages(call.project, SystemClock(), say)
    return Answer({"stopped": True}, text="stopped")


@command("web invite", takes=PROJECT, example="anna")
def web_invite(
    call: Call, person: Annotated[str, typer.Argument(metavar="PERSON", help="person_id of the people file.")]
) -> Answer:
    """Make a link, good once and for 15 minutes, at which a person sets their password."""
    from orchestration.web.people.invite import invitation_link

    known = call.project.people.known(person)
    if not known.roles:
        raise BadInput(f"{known.name} has no role, so there is nothing to see", reason="missing_role")
    link, until_utc = invitation_link(call.project, known, call.clock)
    said = f"for {known.name}, once, until {until_utc:%H:%M:%S} UTC: {link}"
    return Answer({"person_id": known.person_id, "link": link, "expires_utc": until_utc}, text=said)
