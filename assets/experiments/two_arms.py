"""Two ways to advise, side by side: who is shown which, drawn and stored before, and a test that may look early.

Drawn by site and kind, since a person who likes a kind likes it by either way: what is drawn together is judged
together, and kinds are compared with themselves.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from statistics import NormalDist

import numpy as np

from assets.experiments.sequential import LOOKS, effect_of, first_exceedance, limits, widened
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model

# Of either sign together: an experiment of two equal arms names a winner in 5 %.
ALPHA = 0.05
MOST_SHOWN = 200
# An arm with fewer tells nothing yet.
_LEAST = 10
Pair = tuple[str, str]


@dataclass(frozen=True)
class AnsweredAdvice:
    """A recommendation that was shown and answered. of_other: by the second arm."""

    site_id: str
    kind: str
    of_other: bool
    is_accepted: bool


class ArmFigures(Model):
    """An arm with its share of yeses and a 90 % interval of that (Wilson)."""

    name: str
    shown: int
    accepted: int
    interval: tuple[float, float]


class Comparison(Model):
    """difference: share of yeses of the second arm less that of the first, kind by kind, at the last look.

    The intervals of all looks hold together in 95 % of all experiments. winner: None where nothing is told.
    """

    arms: tuple[ArmFigures, ArmFigures]
    difference: float
    interval: tuple[float, float]
    winner: str | None
    shown_by_then: int


def draw_arms(pairs: Iterable[Pair], known: Mapping[Pair, bool], *, seed: int) -> dict[Pair, bool]:
    """The arm (True: the second) of each (site, kind); what is known stays. The new ones are to be stored before shown.

    Each goes where its kind has fewer, then its site, then all; else as the seed says.
    """
    found = dict(known)
    for pair in sorted(set(pairs) - set(known), key=lambda each: _digest(seed, *each)):
        site, kind = pair
        counts = [
            sum(1 if arm else -1 for each, arm in found.items() if which(each))
            for which in (lambda each: each[1] == kind, lambda each: each[0] == site, lambda _: True)  # noqa: B023
        ]
        ahead = next((count for count in counts if count), 0)
        found[pair] = ahead < 0 if ahead else _digest(seed, "arm", *pair)[-1] in "02468ace"
    return found


def compared(
    shown: Sequence[AnsweredAdvice], *, names: tuple[str, str] = ("rules", "model"), most_shown: int = MOST_SHOWN
) -> Comparison | Finding:
    """The arms by the looks that are due; a finding before the first. shown: in the order of their answers."""
    due = [look for look in LOOKS if look * most_shown <= len(shown)]
    at = [round(look * most_shown) for look in due]
    effects, errors, widths = list[float](), list[float](), list[float]()
    for count, limit in zip(at, limits(tuple(due), ALPHA) if due else (), strict=True):
        seen = shown[:count]
        counts = Counter(one.of_other for one in seen)
        if min(counts[False], counts[True]) < _LEAST:
            effects, errors, widths = [*effects, 0.0], [*errors, 1.0], [*widths, limit]
            continue
        effect, error, freedom = _difference(seen)
        effects, errors, widths = [*effects, effect], [*errors, error], [*widths, widened(limit, freedom)]
    if not due:
        message = f"{len(shown)} recommendations were answered, the first look is at {round(LOOKS[0] * most_shown)}"
        return Finding(code="insufficient", message=message)
    look = first_exceedance(effects, errors, widths)
    half = widths[-1] * errors[-1]
    return Comparison(
        arms=(figures_of(names[0], shown, of_other=False), figures_of(names[1], shown, of_other=True)),
        difference=effects[-1],
        interval=(effects[-1] - half, effects[-1] + half),
        winner=None if look is None else names[effects[look] > 0],
        shown_by_then=at[-1 if look is None else look],
    )


def _difference(seen: Sequence[AnsweredAdvice]) -> tuple[float, float, float]:
    kinds = sorted({one.kind for one in seen})
    covariates = np.array([[float(one.kind == kind) for kind in kinds[1:]] for one in seen]).reshape(len(seen), -1)
    yes, other = (np.array([float(getattr(one, name)) for one in seen]) for name in ("is_accepted", "of_other"))
    return effect_of(yes, other, covariates, [(one.site_id, one.kind) for one in seen])


def figures_of(name: str, shown: Sequence[AnsweredAdvice], *, of_other: bool) -> ArmFigures:
    """An arm with its answers."""
    answers = [one.is_accepted for one in shown if one.of_other == of_other]
    return ArmFigures(
        name=name, shown=len(answers), accepted=sum(answers), interval=_wilson(sum(answers), len(answers))
    )


def _wilson(yes: int, count: int) -> tuple[float, float]:
    """Interval of a share, 90 % (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.95)
    middle, scale = (yes + z * z / 2) / (count + z * z), z / (count + z * z)
    half = scale * (yes * (count - yes) / count + z * z / 4) ** 0.5
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _digest(seed: int, *words: str) -> str:
    return sha256("|".join([str(seed), *words]).encode()).hexdigest()
