"""Limits of a site's meters for the minute: what the nightly scoring knows, as a file that the scorer reads."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, ValidationError

from assets.stores.whole_file import write_whole
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from ml.anomalies.levels import LevelLimits, level_limits
from ml.anomalies.monitor import Watched
from ml.anomalies.params import DetectorParams
from ml.features.series import Vector

# Limits of readings that end longer ago are not judged by: what is usual may be another thing by now.
TOO_OLD = timedelta(days=3)
Hours = tuple[float | None, ...]


class StreamLimits(Model):
    """Limits and expected energy of each local hour of one register, kWh. None: not known.

    stuck_hours: so many equal hours in a row are too many.
    """

    stream_id: str
    register_id: str
    ceiling_kwh: Hours = Field(min_length=24, max_length=24)
    floor_kwh: Hours = Field(min_length=24, max_length=24)
    lowest_kwh: float
    workday_kwh: Hours = Field(min_length=24, max_length=24)
    day_off_kwh: Hours = Field(min_length=24, max_length=24)
    stuck_hours: float | None = None

    @classmethod
    def of(cls, stream_id: str, register_id: str, watched: Watched, params: DetectorParams) -> Self | None:
        """Limits of the days after those that are known; None where too few are."""
        if (usual := watched.usual) is None:
            return None
        limits = level_limits(usual, params, watched.habit)
        return cls(
            stream_id=stream_id, register_id=register_id, ceiling_kwh=_hours(limits.ceiling),
            floor_kwh=_hours(limits.floor), lowest_kwh=limits.lowest, workday_kwh=_hours(usual.profile(False)),
            day_off_kwh=_hours(usual.profile(True)), stuck_hours=watched.stuck_limit,
        )  # fmt: skip

    @property
    def limits(self) -> LevelLimits:
        """As the detector takes them."""
        return LevelLimits(_vector(self.ceiling_kwh), _vector(self.floor_kwh), self.lowest_kwh)

    @property
    def expected(self) -> dict[bool, Vector]:
        """(24,) by whether the day is off."""
        return {False: _vector(self.workday_kwh), True: _vector(self.day_off_kwh)}


class SiteLimits(Model):
    """Contract between the nightly scoring and the scorer. until_utc: the end of the readings that it knows.

    price_per_kwh: mean of the newest costs; None with its reason in cost_finding. params_version: of the parameters and
    models of the night.
    """

    version: Literal[1] = 1
    site_id: str
    until_utc: datetime
    params: DetectorParams
    params_version: str = ""
    price_per_kwh: float | None = None
    cost_finding: str | None = None
    streams: tuple[StreamLimits, ...] = ()

    def is_old(self, now_utc: datetime) -> bool:
        """True where the readings that it knows ended too long ago."""
        return now_utc - self.until_utc > TOO_OLD


def keep_limits(folder: Path, limits: SiteLimits) -> bool:
    """Keep the limits of a site, in place of those of older readings. Returns whether they were. Raises OSError."""
    try:
        known = limits_of(folder, limits.site_id)
    except BadInput:
        known = None
    if not limits.streams or (known is not None and known.until_utc > limits.until_utc):
        return False
    if limits != known:
        write_whole(_file(folder, limits.site_id), limits.model_dump_json(indent=1).encode())
    return True


def limits_of(folder: Path, site_id: str) -> SiteLimits | None:
    """The limits of a site; None before the first scoring. Raises BadInput for a file that cannot be read."""
    path = _file(folder, site_id)
    try:
        return SiteLimits.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as fault:
        raise BadInput(
            f"{path}: expected limits of version 1 as the scoring of anomalies writes them",
            reason="bad_limits", mend=f"meterloom anomalies --site {site_id} --period with this month rewrites them",
        ) from fault  # fmt: skip


def stamp_of(folder: Path, site_id: str) -> int:
    """When the limits of a site were written last; 0 before the first scoring."""
    try:
        return _file(folder, site_id).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _file(folder: Path, site_id: str) -> Path:
    return folder / f"{site_id}.json"


def _hours(values: Vector) -> Hours:
    return tuple(round(float(each), 6) if np.isfinite(each) else None for each in values)


def _vector(values: Hours) -> Vector:
    return np.array([np.nan if each is None else each for each in values], dtype=float)
