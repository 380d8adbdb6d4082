"""Which daily or billing model a baseline gets, by stated criteria; every candidate is kept with its score.

1. The shape of the temperature (none, one line, heating, cooling, both, one change point) and its base temperatures:
   lowest BIC, base temperatures counted as parameters; for the CalTRACK model highest adjusted R². Shapes whose slopes
   have the wrong sign, whose bases have too few degree days, or that have under two rows for each number fitted or
   searched, are disqualified by name. Under eight bills no base is searched: 65 °F stands.
2. The terms beside it (weekend, holiday, weekdays, drivers), from few to many: more of them are taken where CV(RMSE) on
   months that the fit has not seen falls by 1 %, and BIC falls too, so that many terms at once need the proof of many
   (resolution X3).
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from assets.kpi.enpi.daily import degree_day_feature
from data_quality.contracts.errors import BadInput
from ml.baselines.models.forms import (
    TEMPERATURE,
    WEEKDAY_TERMS,
    LinearForm,
    Places,
    columns_of,
    days_of_bills,
    degree_days,
    month_numbers,
)
from ml.baselines.models.forms import column as column_of
from ml.baselines.models.inference import solve_stack
from ml.baselines.models.search import MIN_DAYS, MIN_DEGREE_DAYS, BestModels, Mask, ModelSearch, search_features
from ml.baselines.models.statistics import Vector
from ml.baselines.usage_tables.usage_table import Usage

# CalTRACK 3.3.2.1: 30 to 90 °F in steps of at most 3 °F (1.67 °C).
CALTRACK_BASES_DEGC = np.arange(-1.0, 33.0, 1.0)
# Where buildings begin to heat or cool; a finer step than half a degree a year of days cannot tell (docs/adr/0012).
CHANGE_POINT_BASES_DEGC = np.arange(5.0, 24.5, 0.5)
# Fewer terms win unless more of them predict better by one part in a hundred: less is noise that happened to help.
MIN_GAIN = 0.01
# Up to so many drivers every subset is tried; beyond, all or none.
MAX_SUBSET_DRIVERS = 4
# What was seen twice says nothing of the next time.
MIN_ROWS_OF_A_KIND = 3
MIN_ROWS_A_NUMBER = 2
# With fewer bills a search would find a base temperature by chance: the usual one (65 °F) stands instead.
MIN_BILLS_TO_SEARCH, USUAL_BASE_DEGC = 8, (65.0 - 32.0) / 1.8
# Meters that one search holds in memory together: the grid of a block takes some ten MB.
_METERS_A_BLOCK = 64
NO_TERMS: tuple[str, ...] = ()
DAY_TERM_SETS: tuple[tuple[str, ...], ...] = (
    ("is_weekend",),
    ("is_day_off",),
    ("is_weekend", "is_holiday"),
    WEEKDAY_TERMS,
    (*WEEKDAY_TERMS, "is_holiday"),
)
_CALTRACK_NAMES = {"mean": "intercept_only", "heating": "hdd_only", "cooling": "cdd_only", "both": "hdd_cdd"}
_SHAPE_NAMES = {
    "mean": "mean",
    "linear": "linear_2p",
    "heating": "heating_3p",
    "cooling": "cooling_3p",
    "one_point": "change_point_4p",
    "both": "heating_cooling_5p",
}
_POINTS = {"mean": 0, "linear": 0, "heating": 1, "cooling": 1, "one_point": 1, "both": 2}
_SLOPES = {"mean": 0, "linear": 1, "heating": 1, "cooling": 1, "one_point": 2, "both": 2}


@dataclass(frozen=True)
class Rules:
    """Rules of a named model. criterion: of the shapes; offers_terms: day types and drivers are candidates."""

    shapes: tuple[str, ...]
    bases_degc: Vector
    criterion: str
    needs_positive_intercept: bool
    offers_terms: bool
    names: Mapping[str, str]


_CHANGE_POINT = Rules(tuple(_SHAPE_NAMES), CHANGE_POINT_BASES_DEGC, "bic", False, True, _SHAPE_NAMES)
_CALTRACK = Rules(tuple(_CALTRACK_NAMES), CALTRACK_BASES_DEGC, "r2_adj", True, False, _CALTRACK_NAMES)


def _only(rules: Rules, *shapes: str) -> Rules:
    return replace(rules, shapes=shapes)


MODELS: dict[str, Rules] = {
    "change_point": _CHANGE_POINT,
    "caltrack": _CALTRACK,
    "multivariate": _only(_CHANGE_POINT, "mean", "linear"),
    **{name: _only(_CHANGE_POINT, shape) for shape, name in _SHAPE_NAMES.items()},
    **{name: _only(_CALTRACK, shape) for shape, name in _CALTRACK_NAMES.items()},
}


def rules_of(model: str, frequency: str) -> Rules:
    """The rules of a daily or billing model by name; auto: change points for days, CalTRACK's for bills.

    Raises BadInput for an unknown name.
    """
    name = {"daily": "change_point", "billing": "caltrack"}[frequency] if model == "auto" else model
    if name not in MODELS:
        known = ", ".join(["auto", *MODELS])
        raise BadInput(f"unknown model {model!r} for {frequency} data; known are {known}", reason="unknown_model")
    return MODELS[name]


@dataclass(frozen=True)
class Choice:
    """The model taken ("" where none qualifies), its form, and every candidate with its scores.

    held_out: predictions of the rows in use.
    """

    model: str
    form: LinearForm
    selection: tuple[Mapping[str, object], ...]
    held_out: Vector


@dataclass(frozen=True)
class Pool:
    """Candidate terms of one meter, as arrays over the rows of a period.

    y: kWh per day; weights: 0 leaves a row out; temps: degC, nan where unknown; heating, cooling: (n, bases) degree
    days; qualified: (1, bases) of each; columns: terms that may stand beside the temperature, 0 where unknown (those
    rows weigh nothing); sets: which of them compete, the smallest first.
    """

    y: Vector
    weights: Vector
    temps: Vector
    heating: Vector
    cooling: Vector
    qualified: tuple[Mask, Mask]
    columns: Mapping[str, Vector]
    sets: tuple[tuple[str, ...], ...]
    folds: Places

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for meters that may be searched together: same weather, same calendar, same columns."""
        found = hashlib.blake2b(self.temps.tobytes())
        # Of the degree days the outermost bases: the others follow from the same temperatures.
        for values in (self.folds, self.heating[:, 0], self.cooling[:, -1], *self.columns.values()):
            found.update(values.tobytes())
        return (found.digest(), len(self.y), self.sets)

    def common(self, terms: Sequence[str]) -> Vector | None:
        """The columns of a set of terms."""
        return np.column_stack([self.columns[term] for term in terms]) if terms else None


def pool_of(usage: Usage, y: Vector, weights: Vector, rules: Rules) -> Pool:
    """The candidates' arrays of one meter. y, weights: of every row of the frame."""
    used = weights > 0
    names = list(usage.drivers)
    if rules.offers_terms and usage.frequency == "daily":
        names = ["is_weekend", "is_holiday", "is_day_off", *WEEKDAY_TERMS, *names]
    columns = {name: _known(values) for name, values in columns_of(usage, names).items()}
    temps = column_of(usage, TEMPERATURE)
    heating, cooling = degree_days(usage, rules.bases_degc)
    heating, cooling = _known(heating), _known(cooling)
    qualified = _qualified_bills(usage, used, rules.bases_degc) if usage.frequency == "billing" else None
    varying = {name for name in names if name in usage.drivers or _varies(columns[name][used])}
    return Pool(
        y=np.where(used, y, 0.0),
        weights=weights,
        temps=temps,
        heating=heating,
        cooling=cooling,
        qualified=qualified or (_qualified(heating, used), _qualified(cooling, used)),
        columns=columns,
        sets=tuple(_term_sets(usage.drivers, varying, rules)),
        folds=month_numbers(usage),
    )


def _known(values: Vector) -> Vector:
    """0 for nan."""
    return np.nan_to_num(values) if np.isnan(values.sum()) else values


def _term_sets(drivers: tuple[str, ...], varying: Collection[str], rules: Rules) -> list[tuple[str, ...]]:
    if not rules.offers_terms:
        return [drivers]
    if len(drivers) <= MAX_SUBSET_DRIVERS:
        subsets = [part for size in range(len(drivers) + 1) for part in combinations(drivers, size)]
    else:
        subsets = [NO_TERMS, drivers]
    day_sets = [NO_TERMS, *(kind for kind in DAY_TERM_SETS if all(term in varying for term in kind))]
    return sorted([(*days, *part) for part in subsets for days in day_sets], key=len)


def _varies(values: Vector) -> bool:
    of_kind = int((values > 0).sum())
    return MIN_ROWS_OF_A_KIND <= of_kind <= len(values) - MIN_ROWS_OF_A_KIND


def _qualified(values: Vector, used: Mask) -> Mask:
    known = values[used]
    enough: Mask = ((known > 0).sum(axis=0) >= MIN_DAYS) & (known.sum(axis=0) >= MIN_DEGREE_DAYS)
    return enough[None, :]


def _qualified_bills(usage: Usage, used: Mask, bases_degc: Vector) -> tuple[Mask, Mask]:
    """As for days, counted over the days of the bills in use."""
    place, temps = days_of_bills(usage)
    difference = bases_degc[None, :] - temps[used[place]][:, None]
    every = np.ones(len(difference), dtype=np.bool_)
    heating, cooling = _qualified(np.maximum(difference, 0.0), every), _qualified(np.maximum(-difference, 0.0), every)
    if int(used.sum()) < MIN_BILLS_TO_SEARCH:
        is_usual = np.arange(len(bases_degc)) == int(np.abs(bases_degc - USUAL_BASE_DEGC).argmin())
        heating, cooling = heating & is_usual, cooling & is_usual
    return heating, cooling


@dataclass(frozen=True, slots=True)
class Trial:
    """The best shape with one set of terms: columns of its design, prediction of the months held out, its score."""

    shape: str
    terms: tuple[str, ...]
    held_out: Vector
    score: float
    criterion: float
    records: tuple[dict[str, object], ...]


def search_pools(pools: Sequence[Pool], rules: Rules) -> list[list[Trial]]:
    """Every set of terms of each meter with its best shape, scored on months that the fit has not seen.

    Meters with the same weather and calendar are searched, and held out, in one go.
    """
    together: dict[tuple[object, ...], list[int]] = {}
    for place, pool in enumerate(pools):
        together.setdefault(pool.key, []).append(place)
    out: list[list[Trial]] = [[] for _ in pools]
    for members in together.values():
        for first in range(0, len(members), _METERS_A_BLOCK):
            part = members[first : first + _METERS_A_BLOCK]
            block = [pools[place] for place in part]
            for terms in block[0].sets:
                for place, trial in zip(part, _trials(block, terms, rules), strict=True):
                    out[place].append(trial)
    return out


def _trials(block: Sequence[Pool], terms: tuple[str, ...], rules: Rules) -> list[Trial]:
    one = block[0]
    y, weights = np.stack([pool.y for pool in block]), np.stack([pool.weights for pool in block])
    found = search_features(
        y,
        one.heating,
        one.cooling,
        linear=np.nan_to_num(one.temps),
        common=one.common(terms),
        weights=weights,
        qualified=(
            np.concatenate([pool.qualified[0] for pool in block]),
            np.concatenate([pool.qualified[1] for pool in block]),
        ),
        needs_positive_intercept=rules.needs_positive_intercept,
    )
    picked = [_best_shape(found, place, pool, rules) for place, pool in enumerate(block)]
    designs = [
        _design(pool, found, place, scores, terms)
        for place, (pool, scores) in enumerate(zip(block, picked, strict=True))
    ]
    width = max(design.shape[1] for design in designs)
    # Shapes differ from meter to meter; as one stack they are held out in one go.
    padded = np.zeros((len(block), len(one.y), width))
    for place, design in enumerate(designs):
        padded[place, :, : design.shape[1]] = design
    predicted = held_out(padded, y, weights, one.folds)
    used = (weights > 0).sum(axis=1)
    missed = np.where(weights > 0, y - predicted, 0.0)
    # CV(RMSE) over the days in use; rows of weight 0 are predicted too and judge nothing.
    means = np.where(weights > 0, y, 0.0).sum(axis=1) / used
    errors = np.sqrt((missed**2).sum(axis=1) / used) / np.abs(means)
    trials = []
    for place, scores in enumerate(picked):
        best = min(scores, key=lambda shape: scores[shape])
        score = float(errors[place]) if np.isfinite(scores[best]) else float("inf")
        records = tuple(_record(found, place, shape, terms, rules, scores[shape]) for shape in scores)
        if np.isfinite(score):
            records[list(scores).index(best)]["cvrmse_held_out"] = score
        trials.append(Trial(best, terms, predicted[place], score, scores[best], records))
    return trials


def _best_shape(found: ModelSearch, place: int, pool: Pool, rules: Rules) -> dict[str, float]:
    """The criterion of each shape that the meter may have."""
    has_temperature = not bool(np.isnan(pool.temps[pool.weights > 0]).any())
    shapes = [shape for shape in rules.shapes if has_temperature or shape == "mean"]
    return {shape: _criterion(found, place, shape, rules.criterion) for shape in shapes}


def _design(pool: Pool, found: ModelSearch, place: int, scores: Mapping[str, float], terms: tuple[str, ...]) -> Vector:
    """The design of the best shape over all rows, 0 where nothing is known: those rows weigh nothing."""
    shape = min(scores, key=lambda each: scores[each])
    best, parts = found.shapes[shape], [np.ones(len(pool.y))]
    if shape == "linear":
        parts.append(np.nan_to_num(pool.temps))
    for values, places in ((pool.heating, best.heating), (pool.cooling, best.cooling)):
        if places[place] >= 0:
            parts.append(values[:, places[place]])
    design: Vector = np.column_stack([*parts, *(pool.columns[term] for term in terms)])
    return design


def choose(pool: Pool, trials: Sequence[Trial]) -> Choice:
    """The model for one meter by the criteria at the head of this file; no form where nothing qualifies."""
    selection = [record for trial in trials for record in trial.records]
    fits = [trial for trial in trials if np.isfinite(trial.score)]
    if not fits:
        return Choice("", LinearForm(), tuple(selection), np.empty(0))
    taken = fits[0]
    for trial in fits[1:]:
        # Against the set that stands, so that each step earns its own part in a hundred.
        if trial.score < taken.score * (1.0 - MIN_GAIN) and trial.criterion < taken.criterion:
            taken = trial
    # The best shape is the one that was held out.
    chosen = next(record for record in taken.records if "cvrmse_held_out" in record)
    for record in selection:
        record["is_chosen"] = record is chosen
    terms = chosen["terms"]
    form = LinearForm(tuple(str(term) for term in terms) if isinstance(terms, list) else ())
    return Choice(str(chosen["model"]), form, tuple(selection), taken.held_out[pool.weights > 0])


def _criterion(found: ModelSearch, place: int, shape: str, criterion: str) -> float:
    """Lower is better: BIC, or minus the adjusted R²."""
    sse, n = float(found.shapes[shape].sse[place]), float(found.n[place])
    p = found.n_common + _SLOPES[shape]
    # Two rows for each number that is fitted or searched: with fewer, residuals say nothing of the noise. Where no base
    # is searched, more than two for each coefficient.
    numbers = p + _POINTS[shape] if n >= MIN_BILLS_TO_SEARCH else p + 0.5
    if not np.isfinite(sse) or n < MIN_ROWS_A_NUMBER * numbers:
        return float("inf")
    if criterion == "bic":
        # The floor is for made-up data that a line fits perfectly: the logarithm must stay finite.
        return n * float(np.log(max(sse, 1e-300) / n)) + (p + _POINTS[shape]) * float(np.log(n))
    return (sse / float(found.syy[place])) * (n - 1.0) / (n - p) - 1.0


def _record(
    found: ModelSearch, place: int, shape: str, terms: tuple[str, ...], rules: Rules, score: float
) -> dict[str, object]:
    best = found.shapes[shape]
    is_fit = bool(np.isfinite(best.sse[place]))
    names = [*(_shape_terms(best, shape, place, rules.bases_degc) if is_fit else ()), *terms]
    record: dict[str, object] = {
        "model": rules.names[shape],
        "terms": names,
        "tried": best.fitted,
        "disqualified": {reason: int(counts[place]) for reason, counts in best.reasons.items() if counts[place]},
    }
    if is_fit and not np.isfinite(score):
        record["disqualified"] = {"too_few_rows_a_number": 1}
    if np.isfinite(score):
        record["bic" if rules.criterion == "bic" else "r2_adj"] = score if rules.criterion == "bic" else -score
    return record


def _shape_terms(best: BestModels, shape: str, place: int, bases_degc: Vector) -> tuple[str, ...]:
    if shape in ("mean", "linear"):
        return (TEMPERATURE,) if shape == "linear" else ()
    terms = []
    for kind, places in (("hdd", best.heating), ("cdd", best.cooling)):
        if places[place] >= 0:
            terms.append(degree_day_feature(TEMPERATURE, kind, float(bases_degc[places[place]])))
    return tuple(terms)


def held_out(designs: Vector, y: Vector, weights: Vector, folds: Places) -> Vector:
    """Prediction of every row by weighted least squares on the other folds, for many meters: (meters, n).

    designs (meters, n, p), columns of zeros where a meter has fewer; rows of weight 0 are predicted and not used;
    rows of a fold stand together.
    """
    _, n, p = designs.shape
    fold = np.cumsum(np.diff(folds, prepend=folds[0]) != 0)
    starts = np.flatnonzero(np.diff(fold, prepend=-1))
    weighted = designs * weights[:, :, None]
    parts = [weighted[:, first:last] for first, last in zip(starts, [*starts[1:], n], strict=True)]
    spans = list(zip(starts, [*starts[1:], n], strict=True))
    gram = np.stack([np.swapaxes(part, 1, 2) @ designs[:, a:b] for part, (a, b) in zip(parts, spans, strict=True)])
    moments = np.stack([np.einsum("mnp,mn->mp", part, y[:, a:b]) for part, (a, b) in zip(parts, spans, strict=True)])
    left = gram.sum(axis=0) - gram
    # A column that a meter has not: its own equation says 0.
    diagonal = np.arange(p)
    left[:, :, diagonal, diagonal] += (gram.sum(axis=0)[:, diagonal, diagonal] == 0.0)[None]
    slopes = solve_stack(left, moments.sum(axis=0) - moments)
    predicted: Vector = np.matmul(designs[:, :, None, :], np.moveaxis(slopes, 0, 1)[:, fold, :, None])[:, :, 0, 0]
    return predicted
