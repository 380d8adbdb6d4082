"""What goes wrong between a live device and its listener: pure, drawn from a seed, the same however often it is asked.

Drop-outs (the radio is gone, and the device goes on counting), restarts (it begins to count anew) and clocks that are
off: a little always, and far into the future now and then.
"""

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from pydantic import Field

from controls.simulator.physics.noise import generator
from data_quality.contracts.model import Model

_HOUR_S = 3600


class Troubles(Model):
    """How often and how long, of one device."""

    drop_outs_per_h: float = Field(default=1.0, ge=0)
    drop_out_s: float = Field(default=40.0, gt=0, description="Mean length")
    restarts_per_h: float = Field(default=0.25, ge=0)
    restart_s: float = Field(default=8.0, gt=0)
    clock_error_s: float = Field(default=0.5, ge=0, description="Standard deviation between devices")
    far_off_share: float = Field(default=0.02, ge=0, le=1, description="Of hours in which its clock is far ahead")
    far_off_s: float = 7200.0


class Trouble(NamedTuple):
    """The state of a device at one instant. is_away: nothing of it arrives. restarts: so many began in this hour."""

    is_away: bool
    restarts: int
    clock_error_s: float


def trouble_at(troubles: Troubles, *, seed: int, device: str, now_utc: datetime) -> Trouble:
    """What ails a device now. Spans end with their hour at the latest."""
    hour, second = divmod(now_utc.timestamp(), _HOUR_S)
    drop_outs, restarts, clock_error_s = _drawn(troubles, seed, device, int(hour))
    begun = [start for start in restarts if start <= second]
    is_away = any(start <= second < start + length for start, length in drop_outs)
    is_away = is_away or any(second < start + troubles.restart_s for start in begun)
    return Trouble(is_away, len(begun), clock_error_s)


@lru_cache(maxsize=4096)
def _drawn(
    troubles: Troubles, seed: int, device: str, hour: int
) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...], float]:
    rng = generator(seed, hour, device, "wire")
    drop_outs = tuple(
        (float(rng.uniform(0, _HOUR_S)), float(rng.exponential(troubles.drop_out_s)))
        for _ in range(int(rng.poisson(troubles.drop_outs_per_h)))
    )
    restarts = tuple(float(rng.uniform(0, _HOUR_S)) for _ in range(int(rng.poisson(troubles.restarts_per_h))))
    # The same every hour: a quartz is off by its own amount.
    clock_error_s = float(generator(seed, device, "clock").normal(0.0, troubles.clock_error_s))
    if rng.uniform() < troubles.far_off_share:
        clock_error_s += troubles.far_off_s
    return drop_outs, restarts, clock_error_s
