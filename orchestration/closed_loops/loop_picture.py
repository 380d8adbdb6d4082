"""The picture of closed loops: what each policy has cost so far, day by day."""

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import numpy as np

from orchestration.previews import lines_png

if TYPE_CHECKING:
    from controls.planning.trial import Trial
    from orchestration.closed_loops.simulate import Simulated


def cost_picture(found: "Simulated") -> bytes:
    """PNG: the mean over seeds."""
    series = {
        line.name: np.mean([run.days for run in found.runs if run.policy == line.name], axis=0).tolist()
        for line in found.policies
    }
    count = len(next(iter(series.values())))
    days = [found.start_utc + timedelta(days=n + 1) for n in range(count)]
    title = f"{found.site_id}: cost so far of each policy (synthetic)"
    return lines_png(days, series, title=title, unit=found.currency)


def trial_picture(found: "Trial") -> bytes:
    """PNG: the bill so far of each policy, by local day."""
    series = {line.name: np.cumsum([day.cost for day in line.days]).tolist() for line in found.policies}
    days = [datetime.combine(day.date, time(), UTC) for day in found.policies[0].days]
    title = f"{found.site_id}: bill so far of each policy (synthetic devices, own readings)"
    return lines_png(days, series, title=title, unit=found.currency)
