"""Features of a series as they were known at the first issue of a local day: a Parquet file each, written once."""

import os
import uuid
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from assets.stores.lake.lake_block import write_atomic

# Below the data folder; in backups, since nothing makes again what was known then.
FOLDER = "features"


class FeatureDays:
    """Files of a project by site, series and local day. A day that stands is never written again."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / FOLDER

    def keep(self, site_id: str, series: str, day: date, rows: pl.DataFrame) -> bool:
        """Keep the rows of a day. False where that day stands already: what came later was not known first."""
        path = self._file(site_id, series, day)
        if path.exists():
            return False
        part = path.with_name(f".{uuid.uuid4().hex}")
        write_atomic(rows, part)
        try:
            # Of two processes that issue at once the first one's stands.
            os.link(part, path)
        except FileExistsError:
            return False
        finally:
            part.unlink()
        return True

    def has(self, site_id: str, series: str, day: date) -> bool:
        """Whether that day is kept."""
        return self._file(site_id, series, day).exists()

    def days(self, site_id: str, series: str) -> list[date]:
        """Days that are kept, oldest first."""
        found = self._file(site_id, series, date.min).parent.glob("*.parquet")
        return sorted(date.fromisoformat(path.stem) for path in found)

    def read(self, site_id: str, series: str, days: Sequence[date]) -> pl.DataFrame:
        """Rows of kept days; a feature that a release did not know then is null."""
        frames = [pl.read_parquet(self._file(site_id, series, day)) for day in days]
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()

    def _file(self, site_id: str, series: str, day: date) -> Path:
        return self.root / f"site={site_id}" / series / f"{day.isoformat()}.parquet"
