"""The process of the pages, as a child of `meterloom up`, and the line that says where it is."""

import sys
from collections.abc import Mapping
from pathlib import Path

from assets.sites.load_sites import NOBODY
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.settings import Project
from data_quality.contracts.time import SystemClock
from orchestration.environment import SMALL
from orchestration.open_project import OpenProject
from orchestration.supervised.children import Child, Children, Say, wait_for_port
from orchestration.web.people.invite import first_invited, invitation_link

# The pages start in three seconds; nothing else waits for them.
PAGES_S = 20.0


def start_pages(project: Project, port: int, children: Children, *, environment: Mapping[str, str]) -> Child:
    """Start the process behind the pages: nothing else needs them."""
    arguments = [sys.executable, "-m", "orchestration.web.serve", "--project", str(project.root)]
    variables = {**SMALL, **environment, "METERLOOM_SERVER__WEB_PORT": str(port)}
    return children.start("web", arguments, environment=variables, is_needed=False)


def say_pages(project: Project, port: int, log: Path, say: Say) -> None:
    """Where the pages are; and where nobody has a password yet, one invitation."""
    server = project.settings.server.model_copy(update={"web_port": port})
    try:
        wait_for_port(port, within_s=PAGES_S)
    except Unreachable:
        say(f"the pages do not answer yet, they are tried again; see {log}")
        return
    say(f"Pages    {server.web_url}")
    if not project.people_file.is_file():
        say(f"  {NOBODY}")
        return
    opened = OpenProject(str(project.root))
    try:
        person = first_invited(opened)
        if person is not None:
            link, _ = invitation_link(opened, person, SystemClock(), base_url=server.web_url)
            say(f"  {person.name} sets a password there, once and within 15 minutes: {link}")
            say("  others, or later: meterloom web invite PERSON")
    except BadInput as fault:
        # The pages say so too, and read the file again when it changes.
        say(f"  {fault}")
    finally:
        opened.close()
