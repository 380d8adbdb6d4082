"""Several baseline years side by side, and the best of them with a band that knows it was chosen.

Each year has a model of its own. *Best of* is the year whose model asks the least energy under the conditions of the
reporting period: the hardest one to look good against. The least of several uncertain numbers lies too low, so that
its own band holds the truth too seldom. The corrected band is that of the minimum: errors of the models are
independent, the noise of the reporting period is shared, and every year that cannot be told from the best one counts
as its equal (moment selection: Andrews and Soares 2010, Econometrica 78(1)).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise

import numpy as np

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence, sentences
from ml.baselines.models.fit import Fit, fit_usage
from ml.baselines.models.savings_uncertainty import error_variances, stated_band
from ml.baselines.models.statistics import Vector
from ml.baselines.savings.non_routine import non_routine_findings
from ml.baselines.savings.savings import (
    MIN_CONFIDENCE,
    IpmvpOption,
    check_request,
    compared,
    covered,
    period_findings,
)
from ml.baselines.usage_tables.usage_table import Usage

Span = tuple[date, date]
# EnPI as an index: 100 is what the baseline expects (formulas 5.6).
AS_EXPECTED = 100.0
# Two years of an untouched building differ by its usual drift of 5 % each; beyond twice that they are no one baseline.
UNSTABLE_SHARE = 0.10
# Nodes of the integral over the shared noise, within eight standard errors.
_NODES = np.linspace(-8.0, 8.0, 801)


class Verdict(StrEnum):
    """The use against a baseline year: its band lies below 100, above, or holds it."""

    LESS = "less"
    MORE = "more"
    NO_CHANGE_SHOWN = "no_change_shown"


@dataclass(frozen=True, slots=True)
class BaselineYear:
    """One training span [start, end) and its model's prediction for the reporting period.

    enpi: 100 · actual / expected; interval: by the year's own band. Without a model `reason` is the code of the
    refusing finding, and there are no numbers.
    """

    train: Span
    reason: str = ""
    model: str = ""
    expected_kwh: float | None = None
    enpi: float | None = None
    interval: tuple[float, float] | None = None
    verdict: Verdict | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def eligible(self) -> bool:
        """True where its model may judge the reporting period."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class BestOfYears:
    """All years, and the best of them. best: its place among `years`, None where no year is eligible.

    interval: of the best year's enpi, corrected for having chosen; uncorrected: by its own band alone.
    rivals: years that cannot be told from the best one, with it.
    """

    years: tuple[BaselineYear, ...]
    report: Span
    confidence: float
    best: int | None = None
    actual_kwh: float | None = None
    enpi: float | None = None
    interval: tuple[float, float] | None = None
    uncorrected: tuple[float, float] | None = None
    verdict: Verdict | None = None
    verdicts_agree: bool | None = None
    rivals: int = 0
    coverage: float = 0.0
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Judged:
    """An eligible year over the common rows: expected energy, half-width, and its standard error in two parts."""

    place: int
    fit: Fit
    expected: float
    half_width: float
    sigma: float
    noise: float


def best_of_years(
    usage: Usage,
    *,
    trains: Sequence[Span],
    report: Span,
    model: str = "auto",
    confidence: float = 0.9,
    today: date | None = None,
) -> BestOfYears:
    """One model per training span of local dates, judged on `report`, and the best of them.

    Raises BadInput for spans that overlap each other or the reporting period, none at all, or a bad confidence.
    """
    check_spans(trains, report, confidence)
    years: list[BaselineYear] = []
    fits: dict[int, Fit] = {}
    for place, (start, end) in enumerate(trains):
        found = fit_usage(usage, start=start, end=end, model=model, today=today)
        if isinstance(found, Fit):
            # A fitted year, not judged yet; one with a blocking finding about its data may not judge.
            blocking = [each.code for each in found.findings if each.is_blocking]
            years.append(
                BaselineYear(
                    (found.train_start, found.train_end),
                    reason=", ".join(blocking),
                    model=found.model,
                    findings=found.findings,
                )
            )
            if years[-1].eligible:
                fits[place] = found
        else:
            years.append(BaselineYear((start, end), reason=found.code, findings=(found,)))
    blank = BestOfYears(tuple(years), report, confidence)
    if not fits:
        return blank
    period, judged = _judged(fits, usage, report, confidence)
    if not judged:
        message = Sentence(
            "No interval from {0} to {1} has both energy and drivers, or none is expected.", report[0], report[1]
        )
        nothing = Finding(code="nothing_to_compare", message=message, severity="blocking", facts={"rows": 0})
        return replace(blank, findings=(nothing,))
    return _compared(blank, judged, period, usage)


def check_spans(trains: Sequence[Span], report: Span, confidence: float = MIN_CONFIDENCE) -> None:
    """Refuse years that no data can mend. Raises BadInput."""
    if not trains:
        raise BadInput("expected at least one year to train on", reason="bad_period")
    for start, end in trains:
        if end <= start:
            raise BadInput(f"the training year {start}/{end} is empty", reason="bad_period")
        if start < report[1] and report[0] < end:
            raise BadInput(
                f"the training year {start}/{end} overlaps the reporting period {report[0]}/{report[1]}",
                reason="periods_overlap",
            )
        check_request(train_end=end, start=report[0], end=report[1], confidence=confidence, option=IpmvpOption.C)
    for one, other in pairwise(sorted(trains)):
        if other[0] < one[1]:
            raise BadInput(
                f"the training years {one[0]}/{one[1]} and {other[0]}/{other[1]} overlap", reason="periods_overlap"
            )


def _judged(
    fits: dict[int, Fit], usage: Usage, report: Span, confidence: float
) -> tuple[Usage, list[_Judged]]:  # fmt: skip
    """The rows that every year can judge, and the years over them."""
    from scipy.special import ndtri

    period = usage
    for fit in fits.values():
        # One set of rows for all: else a year would predict least because it covers fewer days.
        period, _ = compared(fit, period, *report)
    found = []
    for place, fit in fits.items():
        expected = float(fit.predict(period).sum()) if period.frame.height else 0.0
        if expected <= 0 or fit.n <= fit.n_params:
            continue
        half = stated_band(fit, period, expected=expected, confidence=confidence).half_width
        of_model, of_noise, _ = error_variances(fit, period)
        sigma = half / float(ndtri(0.5 + confidence / 2.0))
        # Where noise is nothing there is no error at all, and nothing to share.
        whole = of_model + of_noise
        found.append(_Judged(place, fit, expected, half, sigma, of_noise / whole * sigma**2 if whole > 0 else 0.0))
    return period, found


def _compared(blank: BestOfYears, judged: list[_Judged], period: Usage, usage: Usage) -> BestOfYears:
    actual = float(period.frame["energy_kwh"].sum())
    coverage = covered(period, *blank.report)
    years = list(blank.years)
    for each in judged:
        share = AS_EXPECTED / each.expected
        interval = ((actual - each.half_width) * share, (actual + each.half_width) * share)
        more = (
            *period_findings(each.fit, period, each.fit.predict(period), coverage=coverage),
            *non_routine_findings(each.fit, usage, report_end=blank.report[1]),
        )
        year = years[each.place]
        years[each.place] = replace(
            year,
            expected_kwh=each.expected,
            enpi=actual * share,
            interval=interval,
            verdict=verdict_of(interval),
            findings=(*year.findings, *more),
        )
    for place, year in enumerate(years):
        if year.eligible and year.verdict is None:
            years[place] = replace(year, reason="expected_not_positive")
    best = min(judged, key=lambda each: each.expected)
    rivals = [each for each in judged if not _is_apart(each, best)]
    low, high = _minimum_band(best, rivals, blank.confidence)
    share = AS_EXPECTED / best.expected
    interval = ((actual + low) * share, (actual + high) * share)
    agree = not _contradict(years)
    return replace(
        blank,
        years=tuple(years),
        best=best.place,
        actual_kwh=actual,
        enpi=actual * share,
        interval=interval,
        uncorrected=years[best.place].interval,
        verdict=verdict_of(interval),
        verdicts_agree=agree,
        rivals=len(rivals),
        coverage=coverage,
        findings=tuple(_comparison_findings(years, judged, agree=agree)),
    )


def verdict_of(interval: tuple[float, float]) -> Verdict:
    """The verdict of an interval of the index."""
    low, high = interval
    return Verdict.LESS if high < AS_EXPECTED else Verdict.MORE if low > AS_EXPECTED else Verdict.NO_CHANGE_SHOWN


def _contradict(years: Sequence[BaselineYear]) -> bool:
    """Less by one year and more by another: by their bands, or by figures too far apart for drift.

    A year whose own use changed has so wide a band that it shows nothing; its figure contradicts all the same.
    """
    indexes = [year.enpi for year in years if year.enpi is not None]
    is_astride = min(indexes) < AS_EXPECTED < max(indexes) and max(indexes) > (1.0 + UNSTABLE_SHARE) * min(indexes)
    return is_astride or {Verdict.LESS, Verdict.MORE} <= {year.verdict for year in years}


def _comparison_findings(years: Sequence[BaselineYear], judged: Sequence[_Judged], *, agree: bool) -> list[Finding]:
    """Contradiction before instability: a contradiction is both, and is reported alone."""
    least, most = min(each.expected for each in judged), max(each.expected for each in judged)
    text = sentences(
        [
            Sentence(
                "{0}: {1}, {2}",
                year_label(year.train),
                Numeral(f"{year.enpi:.0f}"),
                Sentence(year.verdict.value.replace("_", " ")),
            )
            for year in years
            if year.enpi is not None and year.verdict is not None
        ]
    )
    facts = {"least_kwh": least, "most_kwh": most, "share": most / least - 1.0}
    if not agree:
        message = Sentence(
            "The years contradict each other ({0}): the use changed between them, and no best year corrects it.", text
        )
        return [Finding(code="verdicts_contradict", message=message, severity="blocking", facts=facts)]
    if most > (1.0 + UNSTABLE_SHARE) * least:
        message = Sentence(
            "The years expect energies that differ by {0} under the same conditions ({1}): the use is "
            "not stable, and the choice of the year decides the figure.",
            Numeral(f"{most / least - 1.0:.0%}"),
            text,
        )
        return [Finding(code="baseline_years_unstable", message=message, facts=facts)]
    return []


def _is_apart(each: _Judged, best: _Judged) -> bool:
    """True where a year predicts more than the best one beyond doubt: √ln n standard errors of their difference."""
    # The noise of the reporting period is in neither of two expected energies.
    spread = math.sqrt(max(each.sigma**2 - each.noise, 0.0) + max(best.sigma**2 - best.noise, 0.0))
    return each.expected - best.expected > math.sqrt(math.log(best.fit.n)) * spread


def _minimum_band(best: _Judged, rivals: Sequence[_Judged], confidence: float) -> tuple[float, float]:
    """Quantiles of the error of min(expected) − actual, energy units, with every rival the best year's equal."""
    if len(rivals) == 1:
        return -best.half_width, best.half_width
    noise = min(sum(each.noise for each in rivals) / len(rivals), 0.999 * min(each.sigma**2 for each in rivals))
    spreads = np.array([math.sqrt(each.sigma**2 - noise) for each in rivals])
    tail = 0.5 - confidence / 2.0
    low, high = (_minimum_quantile(spreads, math.sqrt(noise), share) for share in (tail, 1.0 - tail))
    return low, high


def _minimum_quantile(spreads: Vector, noise: float, share: float) -> float:
    """The value that min(e_i) − w stays below with probability `share`; e_i and w normal with these deviations."""
    from scipy.special import ndtr

    weights = np.exp(-0.5 * _NODES**2)
    weights /= weights.sum()
    reach = 10.0 * (float(spreads.max()) + noise)
    low, high = -reach, reach
    # To a billionth of the errors themselves.
    for _ in range(40):
        middle = 0.5 * (low + high)
        above = np.prod(ndtr(-(middle + noise * _NODES[:, None]) / spreads[None, :]), axis=1)
        low, high = (middle, high) if 1.0 - float(weights @ above) < share else (low, middle)
    return 0.5 * (low + high)


def year_label(train: Span) -> str:
    """A calendar year by its number, any other span by its dates."""
    start, end = train
    is_year = (start.month, start.day) == (1, 1) and end == date(start.year + 1, 1, 1)
    return str(start.year) if is_year else f"{start}/{end - timedelta(days=1)}"
