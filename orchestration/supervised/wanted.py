"""Processes that `meterloom up` begins once they are wanted: notices with the first channel, the scorer with limits."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence

from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.site import Site
from orchestration.environment import SMALL
from orchestration.notices.choices import anyone_told
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
    found = [WhenWanted(children, "notices", notices, environment, lambda: anyone_told(project))]
    if any(source.points for site in sites for source in site.sources):
        scorer = ["orchestration.live_scoring.main", *at]
        found.append(WhenWanted(children, "scorer", scorer, environment, lambda: has_limits(project)))
    return found


def has_limits(project: Project) -> bool:
    """Whether a night has written limits of a site."""
    return any(project.limits_dir.glob("*.json"))
