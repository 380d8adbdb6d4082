"""Processes that `meterloom up` begins once they are wanted: notices with the first channel, the scorer with limits."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.live_source import SignalSource
from data_quality.contracts.site_file.site import Site
from orchestration.environment import SMALL
from orchestration.notices.choices import has_receivers
from orchestration.supervised.children import Children

# Between two looks whether it is wanted.
LOOK_S = 30.0


class WhenWanted:
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


def wanted_later(
    project: Project, sites: Sequence[Site], children: Children, environment: Mapping[str, str], mqtt_version: str
) -> list[WhenWanted]:
    """The process of the notices, begun with the first channel that somebody chose, and where sites have live sources
    the scorer, begun with the first limits of a night.
    """
    at = ["--project", str(project.root)]
    notices = ["orchestration.notices.main", *at, "--mqtt-version", mqtt_version]
    found = [WhenWanted(children, "notices", notices, environment, lambda: has_receivers(project))]
    if any(source.points for site in sites for source in site.sources):
        scorer = ["orchestration.live_scoring.main", *at]
        found.append(WhenWanted(children, "scorer", scorer, environment, lambda: has_limits(project)))
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


def has_limits(project: Project) -> bool:
    """A night has written limits of a site."""
    return any(project.limits_dir.glob("*.json"))
