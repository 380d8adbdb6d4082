"""The draw of an experiment: which local days follow the habit, balanced by weekday, before the first begins."""

from collections import defaultdict
from datetime import date, datetime, time, timedelta

import numpy as np

from data_quality.contracts.control.experiment import LEAST_DAYS, LONGEST_DAYS, MOST_SHARE, Arm, Drawn, Experiment
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import earlier_instant, local_midnight_utc

_NOON = time(12)


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
        raise BadInput(
            f"--days {days}: {LEAST_DAYS} to {LONGEST_DAYS}; fewer would show nothing", reason="span_too_short"
        )
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
