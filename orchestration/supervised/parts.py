"""Parts of a running project beside Dagster and MLflow: the pages, notices, the scorer and listeners to grid signals.

Some begin once they are wanted: notices with the first channel, the scorer with the first limits.
"""

import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from assets.sites.load_sites import NOBODY
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.live_source import SignalSource
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import SystemClock
from orchestration.doctor.role_files import web_health
from orchestration.environment import SMALL
from orchestration.notices.choices import has_receivers
from orchestration.open_project import OpenProject
from orchestration.supervised.children import Child, Children, Say, wait_for_port
from orchestration.web.people.invite import first_invited, invitation_link

# Between two looks whether a process that waits is wanted.
LOOK_S = 30.0
# The pages start in three seconds; nothing else waits for them.
PAGES_S = 20.0


def start_pages(project: Project, port: int, children: Children, *, environment: Mapping[str, str]) -> Child:
    """Start the process behind the pages: nothing else needs them."""
    arguments = [sys.executable, "-m", "orchestration.web.serve", "--project", str(project.root)]
    variables = {**SMALL, **environment, "METERLOOM_SERVER__WEB_PORT": str(port)}
    health = web_health(project.settings.server, port)
    return children.start("web", arguments, environment=variables, is_needed=False, health=health)


def at_ports(project: Project, **ports: int) -> Project:
    """The project with other ports of its server settings, by their names."""
    server = project.settings.server.model_copy(update=ports)
    return project.model_copy(update={"settings": project.settings.model_copy(update={"server": server})})


def report_address(project: Project, port: int, log: Path, say: Say) -> None:
    """Say the address of the pages; and where nobody has a password yet, one invitation."""
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


class OnDemandProcess:
    """Starts one process once. is_wanted: raises Unreachable where that cannot be told yet."""

    def __init__(
        self, children: Children, name: str, words: Sequence[str], environment: Mapping[str, str],
        is_wanted: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._children, self._name, self._is_wanted = children, name, is_wanted
        self._words, self._environment = [sys.executable, "-m", *words], SMALL | dict(environment)
        self._due_s, self._is_begun = 0.0, False

    def begin(self) -> None:
        """Start it where it is wanted; a store that does not answer is asked again later."""
        if self._is_begun or time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + LOOK_S
        try:
            self._is_begun = self._is_wanted()
        except Unreachable:
            return
        if self._is_begun:
            self._children.start(self._name, self._words, environment=self._environment, is_needed=False)


def on_demand_processes(
    project: Project, sites: Sequence[Site], children: Children, environment: Mapping[str, str], mqtt_version: str
) -> list[OnDemandProcess]:
    """The process of the notices, begun with the first channel that somebody chose, and where sites have live sources
    the scorer, begun with the first limits of a night.
    """
    at = ["--project", str(project.root)]
    notices = ["orchestration.notices.main", *at, "--mqtt-version", mqtt_version]
    found = [OnDemandProcess(children, "notices", notices, environment, lambda: has_receivers(project))]
    if any(source.points for site in sites for source in site.sources):
        scorer = ["orchestration.live_scoring.main", *at]
        found.append(
            OnDemandProcess(children, "scorer", scorer, environment, lambda: any(project.limits_dir.glob("*.json")))
        )
    return found


def start_signals(
    project: Project, sites: Sequence[Site], children: Children, environment: Mapping[str, str], *,
    can_notify: bool = False,
) -> None:  # fmt: skip
    """The listener of each site with signal sources, and behind it the local VTN of sources that are synthetic.

    can_notify: the broker of the environment takes notifications, for VTNs whose source names one.
    """
    at = ["--project", str(project.root)]
    for site in (site for site in sites if site.signal_sources):
        own = SMALL | dict(environment)
        ours = [each for each in site.signal_sources if isinstance(each, SignalSource) and each.is_synthetic]
        for source in ours:
            # Both sides of it are ours: where nobody set a secret, a random one reaches them by their environment.
            own[source.secret_env] = os.environ.get(source.secret_env) or secrets.token_urlsafe(24)
        for source in ours:
            words = ["controls.simulator.vtn", *at, "--site", site.site_id, "--source", source.source_id]
            words += ["--notifies"] if source.broker and can_notify else []
            name = f"vtn-{site.site_id}-{source.source_id}"
            children.start(name, [sys.executable, "-m", *words], environment=own, is_needed=False)
        command = [str(Path(sys.executable).parent / "meterloom"), "dr", "listen", *at, "--site", site.site_id]
        children.start(f"signals-{site.site_id}", command, environment=own, is_needed=False)
