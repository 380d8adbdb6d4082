"""One baseline behind one interface: `fit_usage` chooses and fits a model, `Fit` predicts, refits and proves itself."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt

from data_quality.contracts.baselines.baseline import Coefficient, FitStatistics
from data_quality.contracts.finding import Finding
from ml.baselines.models.choose import Choice, Pool, choose, pool_of, rules_of, search_pools
from ml.baselines.models.choose_hourly import choose_hourly
from ml.baselines.models.forms import Form, HourlyForm, LinearForm, column
from ml.baselines.models.inference import coefficient_table, covariance_of, is_determined, solve, solve_many
from ml.baselines.models.screen import (
    Sample,
    fitted_findings,
    growing_drivers,
    period_findings,
    refusal_of,
    refused,
    sample_of,
)
from ml.baselines.models.segments import SegmentedForm, month_weights, months_of
from ml.baselines.models.statistics import Vector, sample_statistics
from ml.baselines.models.sufficiency import fit_findings
from ml.baselines.usage_tables.usage_table import Frequency, Usage

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fit:
    """A fitted baseline.

    training: the used rows; y, fitted: kWh per day of them (daily, billing) or per hour (hourly); weights: 1, or the
    days of a bill; selection: candidates with their scores and why each was not taken.
    """

    model: str
    form: Form
    train_start: date
    train_end: date
    training: Usage
    values: Vector
    y: Vector
    fitted: Vector
    weights: Vector
    statistics: FitStatistics
    findings: tuple[Finding, ...]
    driver_ranges: Mapping[str, tuple[float, float]]
    digest: str
    selection: tuple[Mapping[str, object], ...] = ()

    @property
    def frequency(self) -> Frequency:
        """Of the training usage."""
        return self.training.frequency

    @property
    def unit(self) -> str:
        """Unit of y, per day or hour: kWh, or a volume."""
        return self.training.unit

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients, in order of `values`."""
        return self.form.names

    @property
    def coefficients(self) -> dict[str, float]:
        """Coefficients by name, kWh per day (or hour) and unit of the term."""
        return dict(zip(self.names, (float(value) for value in self.values), strict=True))

    @property
    def n(self) -> int:
        """Rows that were fitted."""
        return len(self.y)

    @property
    def n_params(self) -> int:
        """Coefficients, with the intercept; balance points are not counted (formulas 5.3)."""
        return len(self.values)

    @property
    def residuals(self) -> Vector:
        """Residuals that the model does not explain: y − fitted."""
        return self.y - self.fitted

    @property
    def index(self) -> npt.NDArray[np.datetime64]:
        """start_utc of the used rows, datetime64[us]."""
        starts: npt.NDArray[np.datetime64] = self.training.frame["start_utc"].dt.replace_time_zone(None).to_numpy()
        return starts

    @property
    def balance_points_degc(self) -> dict[str, float]:
        """Base temperatures of degree-day terms: "heating", "cooling"."""
        kinds = {"hdd": "heating", "cdd": "cooling"}
        terms = [name.partition(".")[2] for name in self.names]
        return {kinds[term[:3]]: float(term[4:]) for term in terms if term[:4] in ("hdd_", "cdd_")}

    @cached_property
    def design(self) -> Vector:
        """(n, p) matrix of the used rows."""
        return self.form.design(self.training)

    @cached_property
    def covariance(self) -> Vector:
        """Covariance of the coefficients, s²·(X'WX)⁻¹ with s² = Σw·e² / (n − p); months of their own each by itself."""
        if isinstance(self.form, SegmentedForm):
            found = np.zeros((self.n_params, self.n_params))
            for _, part, place in self._segments(self.form):
                found[place, place] = part.covariance
            return found
        return covariance_of(self.design, self.residuals, self.weights)

    def terms(self, confidence: float = 0.9) -> tuple[Coefficient, ...]:
        """Coefficients with standard error, interval, p-value and variance inflation."""
        if isinstance(self.form, SegmentedForm):
            parts = [(month, part.terms(confidence)) for month, part, _ in self._segments(self.form)]
            return tuple(
                term.model_copy(update={"name": f"month_{month:02d}.{term.name}"})
                for month, terms in parts
                for term in terms
            )
        return coefficient_table(self.names, self.values, self.design, self.residuals, self.weights, confidence)

    def predict(self, usage: Usage) -> Vector:
        """Expected kWh of each row of usage.frame; nan where a driver is unknown."""
        expected: Vector = self.predict_many(self.values[None, :], usage)[0]
        return expected

    def predict_many(self, coefficients: Vector, usage: Usage) -> Vector:
        """Expected kWh by each set of coefficients (B, p): (B, rows of usage.frame)."""
        if isinstance(self.form, SegmentedForm):
            return self.form.expected(coefficients, usage)
        per_interval: Vector = coefficients @ self.form.design(usage).T
        if usage.frequency != "billing":
            return per_interval
        days: Vector = usage.frame["days"].to_numpy()
        return per_interval * days

    def refit_many(self, rows: Rows) -> Vector:
        """Coefficients (B, p) of the same form fitted on each row set of (B, k) places of used rows."""
        if isinstance(self.form, SegmentedForm):
            parts = [part.refit_many(rows) for _, part, _ in self._segments(self.form, is_whole=True)]
            return np.concatenate(parts, axis=1)
        levels = self.form.n_levels if isinstance(self.form, HourlyForm) else 0
        return solve_many(self.design, self.y, self.weights, rows, levels=levels)

    def _segments(self, form: SegmentedForm, *, is_whole: bool = False) -> Iterator[tuple[int, "Fit", slice]]:
        """Each month's model as a fit: of its rows, or of all rows, those of other months with weight 0."""
        months = months_of(self.training)
        for month, part, place in form.parts():
            weights = month_weights(months, month)
            rows = np.arange(self.n) if is_whole else np.flatnonzero(weights > 0)
            training = self.training.with_frame(self.training.frame[rows])
            values = self.values[place]
            fitted = self.fitted[rows] if is_whole else part.design(training) @ values
            yield (
                month,
                replace(
                    self,
                    form=part,
                    training=training,
                    values=values,
                    y=self.y[rows],
                    fitted=fitted,
                    weights=weights[rows],
                ),
                place,
            )


def fit_usage(usage: Usage, *, start: date, end: date, model: str = "auto", today: date | None = None) -> Fit | Finding:
    """Choose and fit a baseline over the local dates [start, end).

    model: "auto" (change points for days, CalTRACK's degree days for bills, time of week and temperature for hours), a
    family or a shape of choose.py, "towt" or "towt_<knots>" of choose_hourly.py. today: a period that ends after it is
    refused; None where nobody asks.
    Returns a Finding where no number can be given. Raises BadInput for a model that the frequency has not.
    """
    return fit_portfolio([usage], start=start, end=end, model=model, today=today)[0]


def fit_portfolio(
    usages: Sequence[Usage], *, start: date, end: date, model: str = "auto", today: date | None = None
) -> list[Fit | Finding]:
    """As fit_usage for each of many meters; those with the same weather and calendar are searched together."""
    out: list[Fit | Finding | None] = [None] * len(usages)
    waiting: dict[Frequency, list[tuple[int, Usage, Sample, Pool]]] = {}
    for place, usage in enumerate(usages):
        # Before anything else, so that a misspelt model is refused even where the data would be.
        rules = None if usage.frequency == "hourly" else rules_of(model, usage.frequency)
        period = usage.between(start, end)
        sample = sample_of(period)
        refusal = refused(usage, sample, start=start, end=end, today=today)
        if refusal is not None:
            out[place] = refusal
        elif rules is None:
            out[place] = _fit_hours(period, sample, model, start, end)
        else:
            pool = pool_of(period, sample.y, sample.weights, rules)
            waiting.setdefault(usage.frequency, []).append((place, period, sample, pool))
    for frequency, members in waiting.items():
        rules = rules_of(model, frequency)
        searched = search_pools([pool for *_, pool in members], rules)
        for (place, period, sample, pool), found in zip(members, searched, strict=True):
            out[place] = _fit_line(period, sample, choose(pool, found), start, end)
    return [each for each in out if each is not None]


def _fit_line(period: Usage, sample: Sample, choice: Choice, start: date, end: date) -> Fit | Finding:
    if not choice.model:
        return refusal_of("no_model_qualifies", "No model of this family qualifies on these data.", sample.n)
    used = np.flatnonzero(sample.weights > 0)
    design, y, weights = choice.form.design(period)[used], sample.y[used], sample.weights[used]
    p = design.shape[1]
    # Two to spare: with none residuals are zero, with one their spread is a single draw.
    if len(y) <= p + 1 or not is_determined(design, weights):
        return refusal_of("too_few_days", f"{len(y)} usable intervals do not determine {p} coefficients.", sample.n)
    values = solve(design, y, weights)
    return _finished(
        period, used, choice.model, choice.form, values, design @ values, choice.held_out,
        choice.selection, y, weights, start, end,
    )  # fmt: skip


def _fit_hours(period: Usage, sample: Sample, model: str, start: date, end: date) -> Fit | Finding:
    used = np.flatnonzero(sample.weights > 0)
    rows = period.with_frame(period.frame[used])
    y = sample.y[used]
    choice = choose_hourly(rows, y, model)
    best = choice.solution
    if choice.is_used is not None:
        used, y = used[choice.is_used], y[choice.is_used]
    if len(y) <= len(best.values) + 1:
        message = f"{len(y)} usable hours do not determine {len(best.values)} coefficients."
        return refusal_of("too_few_days", message, sample.n)
    return _finished(
        period, used, choice.model, best.form, best.values, best.fitted, best.held_out,
        choice.selection, y, np.ones(len(y)), start, end,
    )  # fmt: skip


def _finished(
    period: Usage, used: Rows, model: str, form: Form, values: Vector, fitted: Vector, held_out: Vector,
    selection: tuple[Mapping[str, object], ...], y: Vector, weights: Vector, start: date, end: date,
) -> Fit:  # fmt: skip
    """Statistics, findings, ranges and digest around solved coefficients."""
    frame = period.frame if len(used) == period.frame.height else period.frame[used]
    training = period.with_frame(frame)
    begins, ends = training.frame["start_utc"].to_numpy()[1:], training.frame["end_utc"].to_numpy()[:-1]
    statistics = sample_statistics(
        y=y, predicted=fitted, held_out=held_out, p=len(values), follows=begins == ends, weights=weights
    )
    whole = np.zeros(period.frame.height)
    whole[used] = y
    mask = np.zeros(period.frame.height)
    mask[used] = weights
    ranges = {
        name: (float(known.min()), float(known.max())) for name in form.inputs for known in [column(training, name)]
    }
    fit = Fit(
        model=model,
        form=form,
        train_start=start,
        train_end=end,
        training=training,
        values=values,
        y=y,
        fitted=fitted,
        weights=weights,
        statistics=statistics,
        findings=(),
        driver_ranges=ranges,
        digest=_digest(training, model, form, start, end),
        selection=selection,
    )
    # Time of week has hundreds of levels without an intercept: variance inflation means nothing there.
    terms = fit.terms() if isinstance(form, LinearForm) else ()
    load_cv = float(np.std(y) / np.mean(y))
    findings = (
        *period.findings,
        *period_findings(period, Sample(whole, mask), start=start, end=end),
        *fit_findings(statistics, terms, load_cv=load_cv, growing_with=growing_drivers(training)),
        *fitted_findings(fitted, period.drivers),
    )
    return replace(fit, findings=findings)


def _digest(training: Usage, model: str, form: Form, start: date, end: date) -> str:
    """SHA-256 of the used rows, the period and the form: equal digests mean an equal fit."""
    found = hashlib.sha256(f"{training.frequency} {training.zone} {training.unit} {start} {end} {model}".encode())
    found.update(repr(form).encode())
    found.update(training.frame["start_utc"].to_numpy().astype(np.int64).tobytes())
    for name in ("days", "energy_kwh", *form.inputs):
        # By their bytes: printed numbers may round two fits to one digest.
        found.update(column(training, name).tobytes())
    if not training.daily_temps.is_empty():
        found.update(training.daily_temps["temp_degc"].to_numpy().tobytes())
    return found.hexdigest()
