"""Campaign mode: sub-meters over some weeks teach a circuit, the rest of the time is estimated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.disaggregation import LoadClass, finding_of, worded
from ml.disaggregation.circuit import Circuit, Mask
from ml.disaggregation.circuit_features import Matrix, features
from ml.disaggregation.class_model import BoostingParams, ClassModel, Estimate, fit_class
from ml.features.series import Index, Vector

# A class that was on in fewer of the training hours, or held less of its energy, is not estimable.
LEAST_HOURS, LEAST_ENERGY = 0.05, 0.01
LEAST_DAYS = 14
# Sub-meters that hold so much more than their circuit are not behind it.
MOST_OVER = 1.02
# A class is on above so much of what it seldom exceeds.
ON_SHARE, SELDOM = 0.1, 99.0
# Energy that no class holds in the training, below which the classes are all that the circuit feeds.
NO_REST = 0.02
BAND_LEVEL = 0.9
# Weeks with errors below which there is no band, and the share of a week that counts as one.
FEWEST_WEEKS, WHOLE = 3, 0.5


@dataclass(frozen=True)
class WeekBand:
    """Errors of held-out weeks, kWh: their mean, their standard deviation, and how many weeks."""

    mean_kwh: float
    sd_kwh: float
    weeks: int

    def half_width_kwh(self, weeks: float) -> float:
        """Half width of the band of so many weeks' energy, by Student's t.

        Errors of weeks are taken as independent, and their mean as one of the model's that adds up from week to week.
        """
        # Not scipy.stats, which takes a second to import for one function.
        from scipy.special import stdtrit

        lasting = self.sd_kwh**2 / self.weeks + self.mean_kwh**2
        width = np.sqrt(weeks * self.sd_kwh**2 + weeks**2 * lasting)
        return float(stdtrit(self.weeks - 1, (1 + BAND_LEVEL) / 2) * width)


def week_band(error_kwh: Vector, week: Index, per_week: int) -> WeekBand | None:
    """Band of the errors of held-out steps. week: of each step; per_week: steps of a week. None for too few weeks.

    A week in which half of the steps are known counts, scaled to a whole one.
    """
    numbers, place = np.unique(week, return_inverse=True)
    count = np.bincount(place, minlength=len(numbers))
    total = np.bincount(place, error_kwh, minlength=len(numbers))
    is_whole = count >= WHOLE * per_week
    if is_whole.sum() < FEWEST_WEEKS:
        return None
    errors = total[is_whole] * per_week / count[is_whole]
    return WeekBand(float(errors.mean()), float(errors.std(ddof=1)), len(errors))


@dataclass(frozen=True)
class TrainedClass:
    """A class of a campaign. model: None where it is not estimable; band: None for too few weeks.

    variance_kwh2: of held-out errors of a step that is off, and of one that is on.
    """

    spec: LoadClass
    model: ClassModel | None = None
    variance_kwh2: tuple[float, float] = (0.0, 0.0)
    band: WeekBand | None = None


@dataclass(frozen=True)
class Campaign:
    """Models of a circuit. is_whole: the classes are all that it feeds. train: steps that taught it."""

    classes: tuple[TrainedClass, ...]
    is_whole: bool
    train: Mask
    findings: tuple[Finding, ...]
    params: BoostingParams


def train_campaign(
    circuit: Circuit,
    classes: Sequence[LoadClass],
    train_utc: tuple[datetime, datetime],
    params: BoostingParams | None = None,
    *,
    matrix: Matrix | None = None,
) -> Campaign:
    """Models of the classes from the training span. Raises BadInput for sub-meters that cannot teach this circuit."""
    params = params or BoostingParams()
    totals = {spec.name: _total(circuit, spec) for spec in classes}
    copied = copied_days(circuit)
    train = np.zeros(len(circuit.kwh), dtype=bool)
    train[circuit.span(*train_utc)] = True
    train &= np.isfinite(circuit.kwh) & ~copied & np.isfinite(sum(totals.values(), np.zeros(len(train))))
    findings = [*_expect_taught(circuit, totals, train), *_copied(circuit, copied, train_utc)]
    taught = {name: np.maximum(kwh[train], 0.0) for name, kwh in totals.items()}
    on_kwh = {spec.name: _on_kwh(spec, taught[spec.name], circuit.hours) for spec in classes}
    absent = {}
    for spec in classes:
        why = _why_not_estimable(spec.name, taught[spec.name], on_kwh[spec.name], circuit, train)
        if why is not None:
            absent[spec.name] = why
        findings += [why] if why is not None else _members(circuit, spec, train)
    known = circuit.kwh[train]
    is_whole = not absent and sum(kwh.sum() for kwh in taught.values()) >= (1 - NO_REST) * known.sum()
    rows, week = (features(circuit) if matrix is None else matrix)[train], circuit.week[train]
    trained = {}
    for spec in classes:
        name, model = spec.name, None
        if name not in absent:
            model = fit_class(rows, taught[name], week, on_kwh=on_kwh[name], params=params)
        variance = (0.0, 0.0) if model is None else _variances(model.held_out, taught[name])
        trained[name] = TrainedClass(spec, model, variance)
    raw = {name: each.model.held_out for name, each in trained.items() if each.model}
    for name, each in _reconciled(trained, raw, known, is_whole=is_whole).items():
        # Errors of estimates that were reconciled, as those of the report are.
        band = week_band(each.kwh - taught[name], week, 7 * circuit.per_day)
        trained[name] = replace(trained[name], band=band)
    return Campaign(tuple(trained.values()), bool(is_whole), train, tuple(findings), params)


def estimate_campaign(campaign: Campaign, circuit: Circuit, span: slice, matrix: Matrix) -> dict[str, Estimate]:
    """Reconciled estimates of the steps of a span, by estimable class."""
    trained = {each.spec.name: each for each in campaign.classes}
    raw = {name: each.model.estimate(matrix[span]) for name, each in trained.items() if each.model}
    return _reconciled(trained, raw, circuit.kwh[span], is_whole=campaign.is_whole)


def copied_days(circuit: Circuit) -> Mask:
    """Steps of local days whose readings repeat those of the day before one by one: filled, and not measured."""
    day = circuit.civil.day[: len(circuit.kwh)]
    before = np.full(len(circuit.kwh), np.nan)
    before[circuit.per_day :] = circuit.kwh[: -circuit.per_day]
    same = np.bincount(day, circuit.kwh == before)
    held = np.bincount(day)
    spread = np.bincount(day, np.abs(np.diff(np.nan_to_num(circuit.kwh), prepend=0.0)) > 0)
    found: Mask = ((same >= 0.95 * held) & (spread > 0.5 * held) & (held >= 0.9 * circuit.per_day))[day]
    return found


def _total(circuit: Circuit, spec: LoadClass) -> Vector:
    unknown = [name for name in spec.meters if name not in circuit.submeters]
    if unknown:
        known = ", ".join(sorted(circuit.submeters))
        raise BadInput(
            f"class {spec.name!r} names the sub-meter {unknown[0]!r}; the file has {known}", reason="unknown_meter"
        )
    return sum((circuit.submeters[name] for name in spec.meters), np.zeros(len(circuit.kwh)))


def _expect_taught(circuit: Circuit, totals: dict[str, Vector], train: Mask) -> list[Finding]:
    """Raises BadInput for a training that is too short, or sub-meters that hold more than the circuit."""
    days = int(train.sum() / circuit.per_day)
    if days < LEAST_DAYS:
        raise BadInput(
            f"the training span has {days} days in which the circuit and all sub-meters have readings; expected "
            f"{LEAST_DAYS} or more",
            reason="short_campaign",
        )
    parts, whole = sum(totals.values(), np.zeros(len(train)))[train], circuit.kwh[train]
    if parts.sum() > MOST_OVER * whole.sum():
        raise BadInput(
            f"the sub-meters hold {parts.sum():,.1f} kWh in the training span and the circuit {whole.sum():,.1f}; "
            "expected sub-meters behind this circuit",
            reason="submeters_exceed_circuit",
        )
    above = int((parts > whole * MOST_OVER + 1e-9).sum())
    if not above:
        return []
    return [finding_of("submeters_above_circuit", "info", intervals=above, of=len(whole))]


def _copied(circuit: Circuit, copied: Mask, train_utc: tuple[datetime, datetime]) -> list[Finding]:
    inside = circuit.span(*train_utc)
    days = len(np.unique(circuit.civil.day[inside][copied[inside]]))
    return [finding_of("copied_days", days=days)] if days else []


def _on_kwh(spec: LoadClass, kwh: Vector, hours: float) -> float:
    if spec.on_kw is not None:
        return spec.on_kw * hours
    usual = float(np.percentile(kwh, SELDOM))
    return ON_SHARE * (usual or float(kwh.max()))


def _why_not_estimable(name: str, kwh: Vector, on_kwh: float, circuit: Circuit, train: Mask) -> Finding | None:
    hour = np.flatnonzero(train) * max(int(circuit.hours * 3600), 1) // 3600
    on, hours = len(np.unique(hour[kwh > on_kwh])), len(np.unique(hour))
    share = float(kwh.sum() / max(circuit.kwh[train].sum(), 1e-12))
    if on >= LEAST_HOURS * hours and share >= LEAST_ENERGY:
        return None
    wanted = {"least_hours": LEAST_HOURS, "least_energy": LEAST_ENERGY}
    return finding_of("class_not_estimable", **{"class": name}, hours_on=on, hours=hours, share=share, **wanted)


def _members(circuit: Circuit, spec: LoadClass, train: Mask) -> list[Finding]:
    """Findings for sub-meters of a class that the training knows too little of."""
    found = []
    for meter in spec.meters if len(spec.meters) > 1 else ():
        kwh = np.maximum(circuit.submeters[meter][train], 0.0)
        why = _why_not_estimable(meter, kwh, _on_kwh(LoadClass(name=meter, meters=(meter,)), kwh, 1.0), circuit, train)
        if why is not None:
            facts = {**why.facts, "of": spec.name}
            found.append(worded(Finding(code="member_not_estimable", message="", facts=facts)))
    return found


def _variances(found: Estimate, kwh: Vector) -> tuple[float, float]:
    error, is_on = (found.kwh - kwh) ** 2, found.is_on
    off, on = (float(error[mask].mean()) if mask.any() else 0.0 for mask in (~is_on, is_on))
    return off, on


def _reconciled(
    trained: Mapping[str, TrainedClass], found: Mapping[str, Estimate], circuit_kwh: Vector, *, is_whole: bool
) -> dict[str, Estimate]:
    if not found:
        return {}
    weights = [
        np.where(each.is_on, trained[name].variance_kwh2[1], trained[name].variance_kwh2[0])
        for name, each in found.items()
    ]
    shares = reconciled([each.kwh for each in found.values()], weights, circuit_kwh, is_whole=is_whole)
    return {name: Estimate(kwh, each.is_on) for (name, each), kwh in zip(found.items(), shares, strict=True)}


def reconciled(estimates: list[Vector], variances: list[Vector], circuit: Vector, *, is_whole: bool) -> list[Vector]:
    """Estimates nearest to those given, in units of their own errors, that fit below the circuit in every step.

    variances: of each estimate, kWh²; a class without one keeps its estimate while it fits. A surplus is taken from
    each class by its variance, and no class goes below zero. is_whole: the classes are all that the circuit feeds, so
    what is missing is given to them the same way. NaN where the circuit has no reading. Source: diagonal minimum-trace
    reconciliation (Wickramasuriya et al. 2019).
    """
    found, weight = np.maximum(np.column_stack(estimates), 0.0), np.column_stack(variances)
    total = np.nan_to_num(circuit)
    for _ in range(len(estimates)):
        gap = total - found.sum(axis=1)
        gap = gap if is_whole else np.minimum(gap, 0.0)
        largest = weight.max(axis=1, keepdims=True)
        # First by the largest, as the sum of very small ones would overflow below a gap.
        shares = np.divide(weight, largest, out=np.zeros_like(weight), where=largest > 0)
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
        found = found + gap[:, None] * shares
        weight = np.where(found > 0, weight, 0.0)
        found = np.maximum(found, 0.0)
    # Classes that keep their estimate may leave a surplus: shared by size.
    over = found.sum(axis=1)
    found *= np.divide(total, over, out=np.ones_like(over), where=over > total)[:, None]
    found[np.isnan(circuit)] = np.nan
    return list(found.T)
