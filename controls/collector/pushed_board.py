"""What machines push, on the live board beside what is listened to: each point's newest value, with its own age."""

import logging
import threading
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from assets.stores.live.live_store import LiveStore
from controls.collector.live_board import Board
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.live.sample import Sample
from data_quality.contracts.model import Model
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import unit_of

# A driver's register has a name of its own in the lake, and none in the site file.
_OF_DRIVER = "value"
logger = logging.getLogger("meterloom.push")


class NewestRow(Model):
    """The newest good row of a stream's register in a body. at_utc: of an amount the end of its interval."""

    meter_id: str
    register_id: str
    at_utc: datetime
    value: float
    unit: str
    quality_code: int = int(QualityCode.RAW)


class PushedBoard:
    """The boards of the sites that are pushed to; from any thread. The store is shared with the collector."""

    def __init__(self, folder: Path) -> None:
        self._store = LiveStore(folder)
        self._boards: dict[str, tuple[Site, Board]] = {}
        self._lock = threading.Lock()

    def show(self, site: Site, rows: Iterable[NewestRow], received_utc: datetime) -> None:
        """Put them on the site's board. A store that cannot be written now is no reason to refuse what is kept."""
        drivers = {driver.driver_id for driver in site.drivers}
        points = {
            (point.stream, _OF_DRIVER if point.stream in drivers else point.register_id): (source.source_id, point)
            for source in site.sources
            if source.kind == "push"
            for point in source.points
            if point.what != "live"
        }
        with self._lock:
            known, board = self._boards.get(site.site_id, (None, Board(site)))
            # A site file that changed begins anew: what stood there may be no point any more.
            board = board if known == site else Board(site)
            self._boards[site.site_id] = (site, board)
            for row in rows:
                if (found := points.get((row.meter_id, row.register_id))) is not None:
                    source_id, point = found
                    told, own = unit_of(row.unit), unit_of(point.unit)
                    value = (row.value * told.factor + told.offset - own.offset) / own.factor
                    quality = "doubtful" if row.quality_code == QualityCode.QUESTIONABLE else "measured"
                    sample = Sample(point.point, row.at_utc, value, point.unit, received_utc, None, quality)
                    board.take(source_id, [sample])
            try:
                self._store.put(board.changed())
            except Unreachable as fault:
                board.tell_again()
                logger.warning("what was pushed is kept, and not on the live board: %s", fault)

    def close(self) -> None:
        """Let the store go."""
        self._store.close()
