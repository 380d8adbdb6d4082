"""The process of the notices: `python -m orchestration.notices.main --project DIR`. It looks, asks and sends."""

import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import get_args

from controls.gateways.access.own_process import own_parser, run_to_end, stop_signal
from controls.gateways.mqtt_line import Version
from data_quality.contracts.errors import Busy
from data_quality.contracts.time import SystemClock
from orchestration.notices.rounds import drain_of, look
from orchestration.open_project import OpenProject
from orchestration.views.pack_subjects import keep_organisation

logger = logging.getLogger("meterloom.notices")


def serve(project: OpenProject, version: Version) -> None:
    """Look and send until SIGINT or SIGTERM. Raises BadInput, Unreachable."""
    stop, clock = stop_signal(), SystemClock()
    while not stop.is_set():
        begun_s = time.process_time()
        try:
            keep_organisation(project, clock)
            added = len(look(project, clock))
            looked_s = time.process_time() - begun_s
            sent = drain_of(project, clock, version).run()
        except Busy as fault:
            # Somebody else writes for long; what is open is open at the next look too.
            logger.warning("%s", fault)
            looked_s = 0.0
        else:
            if added or sent:
                logger.info("%d notices asked for, %d sent", added, sent)
        stop.wait(pause_s(project.project.settings.notices.look_s, looked_s))


def pause_s(look_s: float, looked_s: float) -> float:
    """Seconds until the next look: as set, or longer, so that looks at many sites take a tenth of a core at the most.

    looked_s: of the processor for the last look.
    """
    return max(look_s, 9 * looked_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until asked to end. Returns the exit code."""
    parser = own_parser("meterloom-notices", "Tell people what is open")
    parser.add_argument("--mqtt-version", choices=get_args(Version), default="5")
    options = parser.parse_args(arguments)
    os.environ["METERLOOM_PROJECT"] = str(options.project)

    def work() -> None:
        project = OpenProject(str(options.project))
        try:
            serve(project, options.mqtt_version)
        finally:
            project.close()

    return run_to_end(work, logger)


if __name__ == "__main__":
    sys.exit(main())
