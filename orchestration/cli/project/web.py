"""`meterloom web`: the pages and the API of a project, and invitations to them."""

from typing import Annotated

from data_quality.contracts.errors import BadInput
from orchestration.cli.frame import ShellCall
from orchestration.operations.answer import Answer
from orchestration.operations.operation import PROJECT, READS, Argument, Option, operation


@operation("web", takes=PROJECT, writes=True)
def web(
    call: ShellCall,
    port: Annotated[int | None, Option("Port, instead of server.web_port of the settings.", min=1, max=65535)] = None,
) -> Answer:
    """Serve the pages and the API of the project until Ctrl-C; 'meterloom up' does so too."""
    from data_quality.contracts.time import SystemClock
    from orchestration.open_project import OpenProject
    from orchestration.supervised.parts import at_ports
    from orchestration.web.serve import serve_pages

    def say(text: str) -> None:
        call.terminal.end()
        call.say(f"{text}\nstop with Ctrl-C")

    call.doing("opening the project")
    project = call.project
    if port is not None:
        project = OpenProject.of(at_ports(project.project, web_port=port))
    serve_pages(project, SystemClock(), say)
    return Answer({"stopped": True}, text="stopped")


@operation("web invite", takes=PROJECT, example="anna", writes=True)
def web_invite(
    call: ShellCall, person: Annotated[str, Argument("person_id of the people file.", metavar="PERSON")]
) -> Answer:
    """Make a link, good once and for 15 minutes, at which a person sets their first password."""
    return _link(call, person, is_reset=False)


@operation("web reset", takes=PROJECT, example="anna", writes=True)
def web_reset(
    call: ShellCall, person: Annotated[str, Argument("person_id of the people file.", metavar="PERSON")]
) -> Answer:
    """End a person's password and sign-ins, and make a link at which they set another."""
    return _link(call, person, is_reset=True)


def _link(call: ShellCall, person: str, *, is_reset: bool) -> Answer:
    from orchestration.web.people.invite import invitation_link

    known = call.project.people.known(person)
    link, until_utc = invitation_link(call.project, known, call.clock, is_reset=is_reset)
    text = f"for {known.name}, once, until {until_utc:%H:%M:%S} UTC: {link}"
    return Answer({"person_id": known.person_id, "link": link, "expires_utc": until_utc}, text=text)


@operation("web tools", takes=PROJECT)
def web_tools(call: ShellCall) -> Answer:
    """Make a link, good once and for 15 minutes, that signs in to Dagster and MLflow of 'meterloom up'."""
    from orchestration.web.tools.passes import LINK_FOR, Passes

    passes, now_utc = Passes(call.project.project), call.clock.now_utc()
    passes.token()
    link, until_utc = passes.link(now_utc), now_utc + LINK_FOR
    text = (
        f"once, until {until_utc:%H:%M:%S} UTC: {link}\nprograms send 'Authorization: Bearer' with {passes.token_file}"
    )
    return Answer({"link": link, "expires_utc": until_utc, "token_file": passes.token_file}, text=text)


@operation("web past", takes=READS, example="--site factory --as-of 2026-02-01T00:00:00Z", writes=True)
def web_past(call: ShellCall, site: Annotated[list[str], Option("Which site; several are one view.")]) -> Answer:
    """Build the marts as known at an instant, where they are not kept yet: pages of --as-of then open at once."""
    from orchestration.warehouse.marts_as_of import marts_as_of

    if call.as_of_utc is None:
        raise BadInput("name the instant with --as-of", reason="bad_as_of")
    sites = [call.project.site(each) for each in site]
    call.doing(f"building the marts of {', '.join(site)} as known at {call.as_of_utc:%Y-%m-%d %H:%M:%S}Z")
    folder = marts_as_of(call.project, sites, call.as_of_utc)
    result = {"sites": site, "as_of_utc": call.as_of_utc, "view": folder.name}
    return Answer(result, text=f"kept as {folder.name}")
