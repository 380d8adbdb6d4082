"""The saving of a control by an experiment with drawn days, adjusted for weather, prices and use; a band a look.

cost = a + s * habit + c * (habit before - habit) + b' known + d' known * habit + e * time, least squares, `known` less
its mean. Of a day that follows a day of the same arm, s is the whole difference: what an arm does on its own day and
what it leaves in batteries and walls for the next one, each of which a draw alone tells. Since the draw knows nothing
of the days, what is known of them only narrows the band (Freedman 2008, Lin 2013).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from assets.experiments.sequential import LOOKS, effect_of, first_exceedance, limits, widened
from data_quality.contracts.control.experiment import LEAST_DAYS, Arm, Experiment
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence

Verdict = Literal["saves", "costs", "undecided"]
# Of the smaller arm so many spans for each thing that is adjusted for, and at least.
_PER_KNOWN, _LEAST = 6, 4


@dataclass(frozen=True)
class SpanOutcome:
    """A span that is over. before: the arm of the span before. cost: what was paid, in the site's currency.

    known: what is no arm's doing, by name, the most telling first: weather, prices, use, as known when it began.
    """

    start_utc: datetime
    arm: Arm
    before: Arm
    cost: float
    known: dict[str, float]


class InterimSaving(Model):
    """The saving a day as a look at its fixed time saw it. standard_errors: half the width of the band."""

    until_utc: datetime
    plan_spans: int
    habit_spans: int
    saving: float
    interval: tuple[float, float]
    standard_errors: float


class Saving(Model):
    """Money that a day of the plan saves against a day of the habit, and its band at the last look.

    The bands of all looks hold together in 90 % of all experiments. decided_utc: the first look whose band left zero
    out; the verdict is of that look, and later ones do not take it back. adjusted_for: by name.
    """

    saving: float
    interval: tuple[float, float]
    verdict: Verdict
    decided_utc: datetime | None
    plan_spans: int
    habit_spans: int
    adjusted_for: tuple[str, ...]
    looks: tuple[InterimSaving, ...]


def saving_of(experiment: Experiment, outcomes: Sequence[SpanOutcome], until_utc: datetime) -> Saving | Finding:
    """The saving by the looks that were due by then. outcomes: of spans that can be compared; others are left out."""
    due = [at for at in _look_times(experiment) if at <= until_utc]
    if not due:
        first = _look_times(experiment)[0]
        return _insufficient(experiment, f"the first look is at {first:%Y-%m-%d %H:%M}Z")
    beyond = dict(zip(due, limits(_shares(experiment, due)), strict=True))
    looks, names = list[InterimSaving](), tuple[str, ...]()
    per_day = 1 + experiment.half_days
    for at in due:
        seen = [one for one in outcomes if one.start_utc < at]
        counts = {arm: sum(one.arm == arm for one in seen) for arm in ("plan", "habit")}
        if min(counts.values()) < _LEAST:
            continue
        # As many as the smaller arm carries, of those that all spans know and that differ among them.
        common = [name for name in seen[0].known if all(name in one.known for one in seen)]
        moving = [name for name in common if np.ptp([one.known[name] for one in seen]) > 0]
        names = tuple(moving[: min(counts.values()) // _PER_KNOWN])
        effect, error, freedom = _fitted(seen, names)
        width = widened(beyond[at], freedom)
        half = width * error
        looks.append(
            InterimSaving(
                until_utc=at, plan_spans=counts["plan"], habit_spans=counts["habit"], saving=per_day * effect,
                interval=(per_day * (effect - half), per_day * (effect + half)), standard_errors=width,
            )
        )  # fmt: skip
    if not looks:
        return _insufficient(experiment, f"fewer than {_LEAST} days of an arm can be compared")
    last = looks[-1]
    halves = [(one.interval[1] - one.interval[0]) / 2 for one in looks]
    decided = first_exceedance([one.saving for one in looks], halves, [1.0] * len(looks))
    verdict: Verdict = "undecided" if decided is None else "saves" if looks[decided].saving > 0 else "costs"
    return Saving(
        saving=last.saving, interval=last.interval, verdict=verdict,
        decided_utc=None if decided is None else looks[decided].until_utc, plan_spans=last.plan_spans,
        habit_spans=last.habit_spans, adjusted_for=names, looks=tuple(looks),
    )  # fmt: skip


def _look_times(experiment: Experiment) -> list[datetime]:
    """Ends of the spans at which each share of the design is over."""
    count = len(experiment.spans)
    return [experiment.spans[round(share * count) - 1].end_utc for share in LOOKS]


def _shares(experiment: Experiment, looks: Sequence[datetime]) -> tuple[float, ...]:
    """Information at each look, as a share of that of the whole design: 1 / (1 / plan days + 1 / habit days)."""

    def information(until_utc: datetime) -> float:
        arms = [one.arm for one in experiment.spans if one.end_utc <= until_utc]
        habit = arms.count("habit")
        return habit * (len(arms) - habit) / len(arms)

    whole, found = information(experiment.end_utc), list[float]()
    for at in looks:
        # Weeks without a drawn day bring nothing: a hair, so that shares rise.
        found.append(max(information(at) / whole, (found[-1] if found else 0.0) + 1e-6))
    return tuple(min(share, 1.0) for share in found)


def _fitted(seen: Sequence[SpanOutcome], names: Sequence[str]) -> tuple[float, float, float]:
    """Effect of a habit's span, its standard error, and the degrees of freedom."""
    cost = np.array([one.cost for one in seen])
    habit, before = (np.array([float(getattr(one, name) == "habit") for one in seen]) for name in ("arm", "before"))
    known = np.array([[one.known[name] for name in names] for one in seen], np.float64).reshape(len(seen), len(names))
    known = known - known.mean(axis=0)
    # Prices and seasons drift: days that lie together are alike in more than is known of them.
    drift = np.array([(one.start_utc - seen[0].start_utc).total_seconds() for one in seen] if names else np.zeros(0))
    columns = [before - habit, *known.T, *(habit[:, None] * known).T, *([drift] if names else [])]
    return effect_of(cost, habit, np.column_stack(columns))


def _insufficient(experiment: Experiment, why: str) -> Finding:
    return Finding(
        code="insufficient",
        message=Sentence(
            "experiment {0}: no saving is reported yet, {1} (at least {2} days)",
            experiment.experiment_id,
            why,
            LEAST_DAYS,
        ),
        scope=experiment.site_id,
    )
