"""Savings of a reporting period against a fitted baseline, with uncertainty (IPMVP options B and C, formulas 5.2).

Avoided energy: what the baseline expects under the conditions of the reporting period, less what was used. Rows without
energy or without a driver are in neither sum; their share is the coverage. Normalised savings: savings_typical.py.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum

import numpy as np
import polars as pl

from assets.kpi.claims.gate import is_far_outside, undeclared
from assets.kpi.enpi.savings_band import fractional_savings_uncertainty, portfolio_fsu, portfolio_uncertainty_kwh
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Numeral, Sentence
from ml.baselines.models.fit import Fit
from ml.baselines.models.savings_uncertainty import Band, n_searched, stated_band
from ml.baselines.models.statistics import Vector
from ml.baselines.savings.bootstrap import BootstrapBand, bootstrap_band
from ml.baselines.savings.non_routine import non_routine_findings
from ml.baselines.usage_tables.usage_table import Usage

# G14's criterion is at 68 %, CalTRACK's at 90 %; beyond 99 % the tails rest on no data.
MIN_CONFIDENCE, MAX_CONFIDENCE = 0.68, 0.99
MIN_COVERAGE = 0.90
# Half of untouched buildings drift by more than this from one year to the next.
USUAL_DRIFT = 0.05
# Hours (days) beyond the drivers that the baseline has seen; a few record days are in every year.
MAX_OUTSIDE_SHARE = 0.05
MAX_OUTSIDE_RANGE = 0.10
# Each end of a 90 % interval then rests on fifty draws.
RESAMPLES = 1000
# The same two as choose.py asks for before it takes a model.
MIN_POINTS_A_NUMBER = 2


class IpmvpOption(StrEnum):
    """IPMVP options; A (stipulated parameters) and D (calibrated simulation) are known and refused."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


REFUSED = {
    IpmvpOption.A: "option A stipulates some parameters, which Meterloom does not hold; it computes options B and C",
    IpmvpOption.D: "option D needs a calibrated simulation, which Meterloom is not; it computes options B and C",
}


class Savings(Model):
    """Avoided energy of one meter over one period. Energies in `unit` (the keys say kWh, the usual one).

    savings_kwh = expected − actual; delta_kwh is its opposite. uncertainty_kwh: stated half-width at `confidence`;
    fsu: its share of the saving, None where nothing was saved. claimed_kwh: the saving where it exceeds its
    uncertainty and no blocking finding (a change of use, a short baseline …) stands against it. m: rows compared;
    coverage: share of the period's time.
    """

    option: IpmvpOption
    kind: str = "avoided_energy"
    unit: str
    report_start: date
    report_end: date
    expected_kwh: float
    actual_kwh: float
    savings_kwh: float
    delta_kwh: float
    savings_percent: float
    confidence: float
    uncertainty_kwh: float
    interval_kwh: tuple[float, float]
    fsu: float | None
    is_significant: bool
    claimed_kwh: float | None
    coverage: float
    m: int
    band: Band
    bootstrap: BootstrapBand | None
    findings: tuple[Finding, ...]


def savings(
    fit: Fit,
    usage: Usage,
    *,
    report_start: date,
    report_end: date,
    confidence: float = 0.9,
    option: IpmvpOption = IpmvpOption.C,
    measures: Sequence[date] = (),
    resamples: int = RESAMPLES,
    seed: int = 7,
) -> Savings | Finding:
    """Avoided energy over the local dates [report_start, report_end).

    usage: both periods, as the fit's; measures: first days of declared measures, at which a step of use is the
    measure's; resamples: of the bootstrap, 0 for none. Returns a Finding where nothing can be compared, or where the
    model expects no energy. Raises BadInput for options A and D, a confidence outside 0.68–0.99, or periods that
    overlap or are turned round.
    """
    check_request(train_end=fit.train_end, start=report_start, end=report_end, confidence=confidence, option=option)
    period, predicted = compared(fit, usage, report_start, report_end)
    refusal = _refused(fit, period, predicted, report_start, report_end)
    if refusal is not None:
        return refusal
    expected, actual = float(predicted.sum()), float(period.frame["energy_kwh"].sum())
    saved = expected - actual
    band = stated_band(fit, period, expected=expected, confidence=confidence)
    half = band.half_width
    drawn = None
    if resamples > 0:
        drawn = bootstrap_band(fit, period, savings=saved, confidence=confidence, resamples=resamples, seed=seed)
    coverage = covered(period, report_start, report_end)
    findings = (
        *fit.findings,
        *_point_findings(fit),
        *period_findings(fit, period, predicted, coverage=coverage),
        *non_routine_findings(fit, usage, report_end=report_end, measures=measures),
        *band.findings,
        *_size_findings(saved, expected, band),
    )
    is_claimed = saved > half and not any(finding.is_blocking for finding in findings)
    if is_claimed and not measures:
        findings = (*findings, undeclared(saved / expected))
    return Savings(
        option=option, unit=fit.unit, report_start=report_start, report_end=report_end,
        expected_kwh=expected, actual_kwh=actual, savings_kwh=saved, delta_kwh=actual - expected,
        savings_percent=100.0 * saved / expected, confidence=confidence, uncertainty_kwh=half,
        interval_kwh=(saved - half, saved + half), fsu=fractional_savings_uncertainty(half, saved),
        is_significant=abs(saved) > half, claimed_kwh=saved if is_claimed else None,
        coverage=coverage, m=period.frame.height, band=band, bootstrap=drawn, findings=findings,
    )  # fmt: skip


def _refused(fit: Fit, period: Usage, predicted: Vector, start: date, end: date) -> Finding | None:
    """Why no number can be given, or None."""
    if period.frame.is_empty():
        message = Sentence("No interval from {0} to {1} has both energy and drivers.", start, end)
        return Finding(code="nothing_to_compare", message=message, severity="blocking", facts={"rows": 0})
    expected = float(predicted.sum())
    if expected <= 0:
        return Finding(
            code="expected_not_positive",
            message=Sentence(
                "The baseline expects {0} {1} from {2} to {3}; nothing can be saved.",
                Numeral.rounded(expected),
                fit.unit,
                start,
                end,
            ),
            severity="blocking",
            facts={"expected": expected},
        )
    if fit.n <= fit.n_params:
        message = Sentence("{0} baseline points and {1} coefficients leave no degree of freedom.", fit.n, fit.n_params)
        return Finding(code="too_few_days", message=message, severity="blocking", facts={"n": fit.n})
    return None


def option_of(text: str) -> IpmvpOption:
    """The option named by its letter. Raises BadInput."""
    if text not in IpmvpOption.__members__:
        raise BadInput(f"unknown IPMVP option {text!r}; expected B or C", reason="unknown_option")
    return IpmvpOption(text)


def check_request(*, train_end: date, start: date, end: date, confidence: float, option: IpmvpOption) -> None:
    """Refuse what no data can mend. Raises BadInput as `savings` says."""
    if option in REFUSED:
        raise BadInput(REFUSED[option], reason="option_refused")
    if not MIN_CONFIDENCE <= confidence <= MAX_CONFIDENCE:
        raise BadInput(
            f"a confidence of {confidence:g} is not supported; expected {MIN_CONFIDENCE} to {MAX_CONFIDENCE}",
            reason="bad_confidence",
        )
    if end <= start:
        raise BadInput(
            f"the reporting period {start}/{end} is empty; expected START/END with END later", reason="bad_period"
        )
    if start < train_end:
        raise BadInput(
            f"the reporting period begins on {start}, before the baseline ends ({train_end})",
            reason="periods_overlap",
        )


def compared(fit: Fit, usage: Usage, start: date, end: date) -> tuple[Usage, Vector]:
    """The rows of the period with energy and drivers, and their predictions. A bill counts that ends in the period.

    A bill may end a day after it, since a bill is read when the reader comes.
    """
    period = usage.between(start, end)
    if usage.frequency == "billing":
        # A bill's last day, not its end, which is the day after.
        last = pl.col("local_start").dt.date() + pl.duration(days=pl.col("days").cast(pl.Int64) - 1)
        period = period.with_frame(period.frame.filter(last <= end))
    predicted = fit.predict(period)
    is_known = np.isfinite(predicted) & period.frame["energy_kwh"].is_not_null().to_numpy()
    return period.with_frame(period.frame.filter(pl.Series(is_known))), predicted[is_known]


def covered(period: Usage, start: date, end: date) -> float:
    """Share of the local days [start, end) that the rows fill, at most 1 (a bill may begin before or end after)."""
    return min(float(period.frame["days"].sum()) / (end - start).days, 1.0)


def _point_findings(fit: Fit) -> list[Finding]:
    """Two points for each number that was estimated or searched: with fewer, the residuals say nothing of the noise."""
    numbers = fit.n_params + n_searched(fit)
    if fit.n >= MIN_POINTS_A_NUMBER * numbers:
        return []
    return [
        Finding(
            code="too_few_points_for_model",
            message=Sentence(
                "{0} points for {1} numbers (coefficients and balance points); at least {2} wanted: the "
                "stated band may be far too narrow.",
                fit.n,
                numbers,
                MIN_POINTS_A_NUMBER * numbers,
            ),
            severity="blocking",
            facts={"n": fit.n, "numbers": numbers},
        )
    ]


def period_findings(fit: Fit, period: Usage, predicted: Vector, *, coverage: float) -> list[Finding]:
    """Coverage under 90 %, drivers outside what the baseline has seen, and intervals where it expects nothing."""
    found = []
    if coverage < MIN_COVERAGE:
        found.append(
            Finding(
                code="coverage",
                message=Sentence(
                    "Only {0} of the reporting period has energy and drivers; the rest is in no sum.",
                    Numeral(f"{coverage:.1%}"),
                ),
                severity="blocking",
                facts={"coverage": coverage, "wanted": MIN_COVERAGE},
            )
        )
    below = int((predicted < 0).sum())
    if below:
        found.append(
            Finding(
                code="expected_not_positive",
                message=Sentence(
                    "The baseline expects less than nothing in {0} intervals of the reporting period.", below
                ),
                facts={"count": below},
            )
        )
    return [*found, *_outside(fit, period)]


def _outside(fit: Fit, period: Usage) -> list[Finding]:
    found = []
    for name, (low, high) in fit.driver_ranges.items():
        if name not in period.frame.columns:
            continue
        values = period.frame[name].cast(pl.Float64).drop_nulls()
        outside = values.filter((values < low) | (values > high))
        if outside.is_empty():
            continue
        share = len(outside) / len(values)
        # A line is trusted a little beyond its data: what counts is how often, and how far.
        reach = max(low - float(outside.min()), float(outside.max()) - high)  # type: ignore[arg-type]
        is_far = share > MAX_OUTSIDE_SHARE or reach > MAX_OUTSIDE_RANGE * (high - low)
        found.append(
            Finding(
                code="extrapolation",
                message=Sentence(
                    "{0} lies outside the baseline's {1} to {2} in {3} of {4} intervals, by up to {5}.",
                    name,
                    Numeral.rounded(low),
                    Numeral.rounded(high),
                    len(outside),
                    len(values),
                    Numeral.rounded(reach),
                ),
                severity="blocking" if is_far_outside(len(outside), len(values)) else "warning" if is_far else "info",
                scope=f"driver:{name}",
                facts={"count": len(outside), "share": share, "reach": reach, "low": low, "high": high},
            )
        )
    return found


def _size_findings(saved: float, expected: float, band: Band) -> list[Finding]:
    share = saved / expected
    if abs(saved) <= band.half_width:
        return [
            Finding(
                code="not_significant",
                message=Sentence(
                    "The difference of {0} is within its uncertainty, ±{1} at {2}: no saving is shown.",
                    Numeral(f"{share:+.1%}"),
                    Numeral(f"{band.half_width / expected:.1%}"),
                    Numeral(f"{band.confidence:.0%}"),
                ),
                facts={"share": share, "uncertainty_share": band.half_width / expected},
            )
        ]
    if 0 < share < USUAL_DRIFT:
        return [
            Finding(
                code="within_usual_drift",
                message=Sentence(
                    "A saving of {0} is less than an untouched building usually drifts within a year ({1}); the "
                    "uncertainty covers the model's error, not such drift.",
                    Numeral(f"{share:.1%}"),
                    Numeral(f"{USUAL_DRIFT:.0%}"),
                ),
                facts={"share": share, "usual_drift": USUAL_DRIFT},
            )
        ]
    return []


class PortfolioSavings(Model):
    """Savings of several meters of one unit: sums, and the uncertainty of independent errors."""

    n: int
    expected_kwh: float
    actual_kwh: float
    savings_kwh: float
    uncertainty_kwh: float
    fsu: float | None
    confidence: float
    unit: str


def portfolio(parts: Sequence[Savings]) -> PortfolioSavings:
    """Add savings up; ΔU = sqrt(Σ ΔU_i²), FSU = ΔU / Σ savings (formulas 5.5). Raises BadInput for mixed parts."""
    if len({(part.unit, part.confidence) for part in parts}) != 1:
        raise BadInput(
            "a portfolio needs savings of one unit and one confidence, and at least one", reason="mixed_parts"
        )
    return PortfolioSavings(
        n=len(parts),
        expected_kwh=sum(part.expected_kwh for part in parts),
        actual_kwh=sum(part.actual_kwh for part in parts),
        savings_kwh=sum(part.savings_kwh for part in parts),
        uncertainty_kwh=portfolio_uncertainty_kwh([part.uncertainty_kwh for part in parts]),
        fsu=portfolio_fsu([part.uncertainty_kwh for part in parts], [part.savings_kwh for part in parts]),
        confidence=parts[0].confidence,
        unit=parts[0].unit,
    )
