"""Live scoring, a process: newest values of all sites judged each minute by the limits of the night.

`python -m orchestration.live_scoring.main --project DIR`
"""

import logging
import os
import sys
from collections.abc import Sequence
from datetime import datetime

from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.live.live_store import LiveReader
from controls.gateways.access.own_process import own_parser, run_to_end, stop_signal
from data_quality.contracts.errors import BadInput, Busy, Unreachable
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, SystemClock
from ml.anomaly_scoring.live_limits import SiteLimits, limits_of, stamp_of
from ml.anomaly_scoring.score_minute import SiteWatch
from orchestration.open_project import OpenProject

LOOK_S = 60.0
logger = logging.getLogger("meterloom.scorer")


class Scorer:
    """Judges by minutes that it saw itself: begun anew, it has lost the hour that runs, and nothing that is stored."""

    def __init__(self, project: OpenProject, clock: Clock) -> None:
        self.project, self._clock = project, clock
        self._board = LiveReader(project.project.live_dir)
        self._ledger = AnomalyLedger(project.store)
        self._watches: dict[str, SiteWatch] = {}
        # By site: what it found last, and what its limits file was when it was read.
        self._found: dict[str, dict[str, AnomalyEvent]] = {}
        self._stamps: dict[str, int] = {}
        self._said: dict[str, str] = {}

    def look(self) -> int:
        """Judge every site with live values and limits. Returns how many events were opened. Raises Unreachable."""
        now_utc = self._clock.now_utc()
        return sum(self._look_at(site, now_utc) for site in self.project.sites.values() if site.sources)

    def _look_at(self, site: Site, now_utc: datetime) -> int:
        watch = self._watch(site, now_utc)
        if watch is None or not len(watch):
            return 0
        found = {each.event_id: each for each in watch.look(self._board.values(site.site_id), now_utc)}
        before = self._found.get(site.site_id, {})
        changed = [each for name, each in found.items() if _span(before.get(name)) != _span(each)]
        # What the night has read meanwhile is the night's to withdraw.
        gone = [name for name, each in before.items() if name not in found and watch.is_seen(each, now_utc)]
        new = self._ledger.note(site.site_id, changed, gone=gone, clock=self._clock) if changed or gone else 0
        self._found[site.site_id] = found
        return new

    def _watch(self, site: Site, now_utc: datetime) -> SiteWatch | None:
        """The site's meters under its newest limits; None where there are none, or only old ones."""
        limits, watch = self._limits(site), self._watches.get(site.site_id)
        if limits is None:
            return None
        if limits.is_old(now_utc):
            self._say(site, f"limits end with readings of {limits.until_utc:%Y-%m-%d %H:%M} UTC: nothing is judged")
            return None
        if watch is None or watch.site is not site:
            watch = self._watches[site.site_id] = SiteWatch(site, limits)
        elif watch.limits is not limits:
            watch.renew(limits)
        self._said.pop(site.site_id, None)
        return watch

    def _limits(self, site: Site) -> SiteLimits | None:
        """As the file has them, read where it was written since the last look."""
        folder, watch = self.project.project.limits_dir, self._watches.get(site.site_id)
        try:
            stamp = stamp_of(folder, site.site_id)
            if watch is None or self._stamps.get(site.site_id) != stamp:
                self._stamps[site.site_id] = stamp
                return limits_of(folder, site.site_id)
        except BadInput as fault:
            self._say(site, str(fault))
            return None
        return watch.limits

    def _say(self, site: Site, sentence: str) -> None:
        if self._said.get(site.site_id) != sentence:
            self._said[site.site_id] = sentence
            logger.warning("%s: %s", site.site_id, sentence)


def _span(event: AnomalyEvent | None) -> tuple[datetime, datetime] | None:
    return None if event is None else (event.start_utc, event.end_utc)


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
