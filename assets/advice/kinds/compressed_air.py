"""Compressed-air leaks: what compressors draw while nothing is made, beyond a standby that a tight net has."""

from collections.abc import Iterator

import numpy as np

from assets.advice.estimate import Estimate
from assets.advice.site_hours import SiteHours

# Standby of a tight net as a share of the running load, and the standard error of that share.
_STANDBY, _STANDBY_ERROR = 0.055, 0.015
_LEAST_LEAK = 0.08
# Three days without production say what a compressor takes idle.
_LEAST_IDLE_H, _LEAST_BUSY_H = 72, 100


def find(site: SiteHours) -> Iterator[Estimate]:
    """Estimates of compressors, where a driver tells when nothing is made."""
    if site.activity is None:
        return
    active = np.asarray(site.activity, dtype=bool)
    for meter in site.of_role("compressed_air"):
        known = np.isfinite(meter.kwh)
        idle, busy = known & ~active & (meter.kwh > 0), known & active
        if idle.sum() < _LEAST_IDLE_H or busy.sum() < _LEAST_BUSY_H:
            continue
        running, idling = float(np.median(meter.kwh[busy])), float(np.median(meter.kwh[idle]))
        # The running load holds the leak too: the standby is a share of what is left of it.
        leak = (idling - _STANDBY * running) / (1 - _STANDBY)
        if leak < _LEAST_LEAK * running or running <= 0:
            continue
        # Under pressure a leak draws while air is used too.
        saved = np.minimum(leak, np.nan_to_num(meter.kwh))
        spread = 1.4826 * float(np.median(np.abs(meter.kwh[idle] - idling)))
        error = (saved > 0).sum() * float(
            np.hypot(_STANDBY_ERROR * (running - leak), 1.25 * spread / np.sqrt(idle.sum()))
        )
        numbers = {"idle_kw": (idling, "kw"), "running_kw": (running, "kw"), "leak_kw": (leak, "kw")}
        yield Estimate(f"meter:{meter.meter_id}", {meter.meter_id: saved}, float(error), numbers=numbers)
