"""Days of an experiment: drawn balanced by weekday before the first begins, and as they were followed, with the cost of
each by the site's tariffs and what was known before it.

What is adjusted for is read from the first plan of each day: forecasts made before its arm could do anything.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl

from assets.experiments.saving import SpanOutcome
from assets.kpi.mart_windows import Window
from assets.kpi.running_cost.interval_costs import interval_costs
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.plans import PlanStore
from data_quality.contracts.control.experiment import (
    LEAST_DAYS,
    LONGEST_DAYS,
    MOST_SHARE,
    Arm,
    Drawn,
    Experiment,
    FollowedDay,
)
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, earlier_instant, local_day, local_midnight_utc

STEP = timedelta(minutes=CANONICAL_MINUTES)
_NOON = time(12)
_NO_PLAN = "no plan was made in it"
_NO_COST = "the meter or the price of a quarter hour is missing"


def draw_experiment(
    site_id: str,
    time_zone: str,
    *,
    first: date,
    days: int,
    share: float,
    seed: int,
    now_utc: datetime,
    half_days: bool = False,
) -> Experiment:
    """The design over local days from `first` on. The same seed and dates draw the same days.

    Raises BadInput: a share above MOST_SHARE or too small for one span of each arm, a span of days that is too short or
    too long, a first day that has begun.
    """
    if not 0 < share <= MOST_SHARE:
        raise BadInput(f"--share {share:g}: above 0 and at most {MOST_SHARE:g}", reason="bad_share")
    if not LEAST_DAYS <= days <= LONGEST_DAYS:
        raise BadInput(f"--days {days}: expected {LEAST_DAYS} to {LONGEST_DAYS}", reason="span_too_short")
    start_utc = local_midnight_utc(first, time_zone)
    if start_utc <= now_utc:
        raise BadInput(f"--from {first}: that day has begun, and arms are drawn before", reason="day_begun")
    spans = [span for n in range(days) for span in _spans(first + timedelta(days=n), time_zone, half_days=half_days)]
    habit = _chosen([(local.weekday(), part) for local, part, _, _ in spans], share, seed)
    drawn = tuple(
        Drawn(start_utc=start, end_utc=end, arm=arm)
        for n, (_, _, start, end) in enumerate(spans)
        for arm in [_arm(n in habit)]
    )
    return Experiment(
        experiment_id=f"x{now_utc:%Y%m%dT%H%M%S}", site_id=site_id, seed=seed, share=share, half_days=half_days,
        spans=drawn,
    )  # fmt: skip


def _arm(is_habit: bool) -> Arm:
    return "habit" if is_habit else "plan"


def _spans(day: date, time_zone: str, *, half_days: bool) -> list[tuple[date, int, datetime, datetime]]:
    start, end = (local_midnight_utc(day + timedelta(days=n), time_zone) for n in (0, 1))
    if not half_days:
        return [(day, 0, start, end)]
    noon = earlier_instant(datetime.combine(day, _NOON), time_zone)
    return [(day, 0, start, noon), (day, 1, noon, end)]


def _chosen(kinds: list[tuple[int, int]], share: float, seed: int) -> set[int]:
    """Places of the habit: each kind (weekday, half) shuffled, and of the row every so-many-th from a random one.

    So each place has the same chance, each kind gets its share to within one, and there are never more than the share.
    """
    chance = np.random.default_rng(seed)
    of_kind: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, kind in enumerate(kinds):
        of_kind[kind].append(place)
    row: list[int] = []
    for kind in chance.permutation(np.array(sorted(of_kind))):
        row += chance.permutation(np.array(of_kind[int(kind[0]), int(kind[1])])).tolist()
    count = int(share * len(row) + 1e-9)
    if count < 2:
        raise BadInput(f"--share {share:g}: of {len(row)} spans that draws {count}, two are the least",
                       reason="bad_share")  # fmt: skip
    every = len(row) / count
    first = chance.uniform(0, every)
    return {row[int(first + n * every)] for n in range(count)}


class ExperimentDay(Model):
    """A drawn span with what became of it. cost: energy by the tariffs, in the site's currency; None: not known (yet).

    is_compared: whether it counts; why: where it does not, or not as drawn. plan_id: its first plan, the evidence.
    """

    start_utc: datetime
    end_utc: datetime
    arm: Arm
    followed: Arm | None = None
    is_compared: bool = False
    cost: float | None = None
    known: dict[str, float] = {}
    plan_id: str = ""
    why: str = ""


def experiment_days(
    site: Site,
    lake: Lake,
    plans: PlanStore,
    experiment: Experiment,
    followed: Sequence[FollowedDay],
    *,
    until_utc: datetime,
    as_of_utc: datetime | None = None,
) -> tuple[ExperimentDay, ...]:
    """Every span of the design; those that are over by then with their cost.

    A day counts for its arm as drawn, though a later plan of it had to leave the habit: what is left out is known
    before its arm acts, and the saving that is told is rather too small.
    """
    first: dict[datetime, FollowedDay] = {}
    last: dict[datetime, FollowedDay] = {}
    for day in followed:
        first.setdefault(day.start_utc, day)
        last[day.start_utc] = day
    costs = _costs(site, lake, experiment, until_utc, as_of_utc)
    found = []
    for span in experiment.spans:
        plan, cost = first.get(span.start_utc), costs.get(span.start_utc)
        is_over = span.end_utc <= until_utc
        why = "" if not is_over else _NO_PLAN if plan is None else plan.why or ("" if cost is not None else _NO_COST)
        if plan is not None and not why and last[span.start_utc].followed != plan.followed:
            why = f"left within the day: {last[span.start_utc].why}"
        found.append(
            ExperimentDay(
                start_utc=span.start_utc, end_utc=span.end_utc, arm=span.arm,
                followed=None if plan is None else last[span.start_utc].followed,
                is_compared=is_over and plan is not None and plan.is_comparable and cost is not None,
                cost=cost if is_over else None, plan_id="" if plan is None else plan.plan_id, why=why,
                known=expected_before(plans.get(plan.plan_id), span) if plan and plan.plan_id and is_over else {},
            )
        )  # fmt: skip
    return tuple(found)


def outcomes_of(days: Sequence[ExperimentDay]) -> list[SpanOutcome]:
    """The days that count, each with the arm of the day before it."""
    before: list[Arm] = ["plan", *(day.arm for day in days)]
    return [
        SpanOutcome(start_utc=day.start_utc, arm=day.arm, before=prior, cost=day.cost, known=day.known)
        for day, prior in zip(days, before, strict=False)
        if day.is_compared and day.cost is not None
    ]


def expected_before(plan: Plan, span: Drawn) -> dict[str, float]:
    """Means over the span of what the plan expected: outdoor temperature, price, sun and load, where it knew them."""
    request = plan.request
    hours = np.array(request.steps_h)
    past = np.cumsum(hours) - hours
    starts = [request.start_utc + timedelta(hours=float(each)) for each in past]
    within = np.array([span.start_utc <= start < span.end_utc for start in starts])

    def mean(values: Sequence[float]) -> float:
        return float(np.average(np.array(values)[within], weights=hours[within]))

    outdoor = [found for one in request.devices if (found := one.figures.get("outdoor_degc"))]
    suns = [one.figures["pv_kw"] for one in request.devices if "pv_kw" in one.figures]
    if not within.any():
        return {}
    known: dict[str, float] = {"outdoor_degc": mean(outdoor[0])} if outdoor else {}
    known["import_price_per_kwh"] = mean(request.import_price_per_kwh)
    if suns:
        known["sun_kw"] = sum(mean(each) for each in suns)
    return known | {"load_kw": mean(request.load_kw)}


def _costs(
    site: Site, lake: Lake, experiment: Experiment, until_utc: datetime, as_of_utc: datetime | None
) -> Mapping[datetime, float]:
    """Cost of energy of each span that is over, where every quarter hour of it is known.

    A demand charge or a fee belongs to a month and to no day: neither is counted.
    """
    end_utc = min(until_utc, experiment.end_utc)
    if end_utc <= experiment.start_utc:
        return {}
    first, last = (local_day(each, site.time_zone) for each in (experiment.start_utc, end_utc))
    window = Window(site_id=site.site_id, first=first, after=last + timedelta(days=1))
    frame = interval_costs(site, lake, [window], as_of_utc=as_of_utc)
    good = frame.filter(pl.col("is_present") & pl.col("energy_cost").is_not_null())
    found = {}
    for span in experiment.spans:
        own = good.filter(pl.col("interval_start_utc").is_between(span.start_utc, span.end_utc, closed="left"))
        if span.end_utc <= end_utc and own.height == (span.end_utc - span.start_utc) // STEP:
            found[span.start_utc] = float(own["energy_cost"].sum())
    return found
