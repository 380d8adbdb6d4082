"""Closed loops of a site's policies over seeds, each policy and seed one task on any core, and the picture of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, get_args

import numpy as np
import polars as pl
from pydantic import Field

from controls.planning.closed_loop.learnt import RoomFigures
from controls.planning.closed_loop.run_loop import (
    WATCHED,
    LoopRun,
    PolicyLine,
    PolicyName,
    Watched,
    run_policy,
    side_by_side,
)
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day
from data_quality.contracts.work.work_port import FanOut
from orchestration.previews import lines_png

if TYPE_CHECKING:
    from controls.planning.trial import Trial

MOST_DAYS = 400
# Start of a quarter hour, what a kWh costs and what it earns.
Price = tuple[datetime, float, float]


class LoopTask(Model):
    """One policy on the house of one seed. prices: of every quarter hour lived and foretold; None: simulated ones.

    fits_rooms: its rooms by their own readings of the two weeks before; else by the figures of the site file.
    """

    site: Site
    policy: PolicyName
    seed: int
    start_utc: datetime
    hours: int = Field(gt=0)
    prices: tuple[Price, ...] | None = None
    fits_rooms: bool = True


class Simulated(Model):
    """Results of policies, as one table. Everything in it is simulated."""

    site_id: str
    currency: str
    start_utc: datetime
    end_utc: datetime
    seeds: tuple[int, ...]
    policies: tuple[PolicyLine, ...]
    findings: tuple[Finding, ...]
    runs: tuple[LoopRun, ...] = Field(exclude=True, repr=False)
    is_synthetic: bool = True


def known_policies(names: Sequence[str]) -> list[PolicyName]:
    """The policies of these names, each once; all where none is named. Raises BadInput for one that there is not."""
    every: tuple[PolicyName, ...] = get_args(PolicyName)
    if unknown := [name for name in names if name not in every]:
        message = f"--policy: unknown policy {unknown[0]!r}; expected {', '.join(every)}"
        raise BadInput(message, reason="unknown_policy")
    return [name for name in every if name in names or not names]


def run_task(task: LoopTask) -> LoopRun:
    """A policy on a house made for it."""
    from controls.simulator.house.house import closed_house, perfect_foresight_house

    prices = task.prices and pl.DataFrame(
        task.prices, schema=["interval_start_utc", "import_price_per_kwh", "export_price_per_kwh"], orient="row"
    )
    make = perfect_foresight_house if task.policy == "perfect_foresight" else closed_house
    house = make(
        task.site,
        start_utc=task.start_utc - WATCHED,
        seed=task.seed,
        prices=prices if isinstance(prices, pl.DataFrame) else None,
    )
    return run_policy(
        task.site,
        house,
        task.policy,
        seed=task.seed,
        hours=task.hours,
        identify=identified if task.fits_rooms else None,
    )


def identified(watched: Watched) -> RoomFigures | Finding:
    """A room by what its own readings tell."""
    from ml.rooms.identify_room import RoomData, identify, without_stuck

    data, _ = without_stuck(
        RoomData(1.0, watched.indoor_degc, watched.outdoor_degc, watched.heating_kw, watched.sun_w_per_m2)
    )
    found = identify(data)
    if isinstance(found, Finding):
        return found
    return RoomFigures.model_validate({name: getattr(found, name) for name in RoomFigures.model_fields})


def simulated(
    site: Site,
    policies: Sequence[PolicyName],
    *,
    start_utc: datetime,
    end_utc: datetime,
    seeds: Sequence[int],
    fan_out: FanOut,
    fits_rooms: bool = True,
) -> Simulated:
    """Every policy on the house of every seed. Raises BadInput for an empty or a too long span, or a failed task."""
    hours = round((end_utc - start_utc) / timedelta(hours=1))
    first, after = (local_day(at, site.time_zone) for at in (start_utc, end_utc))
    if not 1 <= (after - first).days <= MOST_DAYS:
        raise BadInput(f"--to must be 1 to {MOST_DAYS} days after --from", reason="bad_period")
    tasks = [
        LoopTask(site=site, policy=policy, seed=seed, start_utc=start_utc, hours=hours, fits_rooms=fits_rooms)
        for seed in seeds
        for policy in policies
    ]
    runs = list[LoopRun]()
    for result in fan_out(run_task, tasks, what="policies and seeds"):
        if isinstance(result.answer, Finding):
            raise BadInput(result.answer.message, reason=result.answer.code)
        runs.append(result.answer)
    order = {policy: place for place, policy in enumerate(policies)}
    runs.sort(key=lambda run: (order[run.policy], run.seed))
    findings = {(one.code, one.scope): one for run in runs for one in run.findings}
    return Simulated(
        site_id=site.site_id,
        currency=site.currency,
        start_utc=start_utc,
        end_utc=end_utc,
        seeds=tuple(seeds),
        policies=side_by_side(runs),
        findings=tuple(findings.values()),
        runs=tuple(runs),
    )


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
