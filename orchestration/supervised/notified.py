"""The process of the notices, as a child of `meterloom up` that begins when somebody wants notices."""

import sys
import time
from collections.abc import Mapping

from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project
from orchestration.environment import SMALL
from orchestration.notices.choices import anyone_told
from orchestration.supervised.children import Children

# Between two looks whether somebody chose a channel.
CHOICES_S = 30.0


class NoticesWhenWanted:
    """Starts the process once."""

    def __init__(self, project: Project, children: Children, environment: Mapping[str, str], mqtt_version: str) -> None:
        self._project, self._children, self._environment = project, children, SMALL | dict(environment)
        self._mqtt_version, self._due_s, self._is_begun = mqtt_version, 0.0, False

    def begin(self) -> None:
        """Start it where somebody chose a channel; a store that does not answer is asked again later."""
        if self._is_begun or time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + CHOICES_S
        try:
            self._is_begun = anyone_told(self._project)
        except Unreachable:
            return
        if self._is_begun:
            arguments = [sys.executable, "-m", "orchestration.notices.main", "--project", str(self._project.root)]
            arguments += ["--mqtt-version", self._mqtt_version]
            self._children.start("notices", arguments, environment=self._environment, is_needed=False)
