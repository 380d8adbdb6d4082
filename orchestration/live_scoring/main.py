"""The process of the live scoring: `python -m orchestration.live_scoring.main --project DIR`."""

import logging
import os
import sys
from collections.abc import Sequence

from controls.gateways.access.own_process import own_parser, run_to_end, stop_signal
from data_quality.contracts.errors import Busy, Unreachable
from data_quality.contracts.time import SystemClock
from orchestration.live_scoring.scorer import LOOK_S, Scorer
from orchestration.open_project import OpenProject

logger = logging.getLogger("meterloom.scorer")


def serve(project: OpenProject) -> None:
    """Look each minute until SIGINT or SIGTERM. Raises BadInput, Unreachable."""
    stop, scorer, trouble = stop_signal(), Scorer(project, SystemClock()), ""
    while not stop.is_set():
        try:
            new = scorer.look()
        except (Busy, Unreachable) as fault:
            # Said once; what cannot be read or written now is at the next look, or by the night.
            if trouble != (trouble := str(fault)):
                logger.warning("%s", trouble)
        else:
            trouble = ""
            if new:
                logger.info("%d events opened", new)
        stop.wait(LOOK_S)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until asked to end. Returns the exit code."""
    given = own_parser("meterloom-scorer", "Judge the newest values of all meters").parse_args(arguments)
    os.environ["METERLOOM_PROJECT"] = str(given.project)

    def work() -> None:
        project = OpenProject(str(given.project))
        try:
            serve(project)
        finally:
            project.close()

    return run_to_end(work, logger)


if __name__ == "__main__":
    sys.exit(main())
