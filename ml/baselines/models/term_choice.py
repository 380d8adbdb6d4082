"""Which terms a daily baseline gets: each must earn its place on months that the fit has not seen (resolution X3)."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import polars as pl

from assets.kpi.enpi.daily import degree_day_feature, feature_table
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from ml.baselines.models.choose import held_out
from ml.baselines.models.inference import solve_stack
from ml.baselines.models.statistics import Vector, cvrmse, held_out_predictions, month_folds

# Base temperatures offered for degree days, degC.
# Where heating and cooling of used buildings begin; outside of them a base only bends the line.
BASES_DEGC = tuple(float(base) for base in range(10, 23))
# CalTRACK 3.3.2.1: a base temperature needs this many days and degree-days to be worth anything.
MIN_DEGREE_DAYS, MIN_DAYS_WITH_DEGREE_DAYS = 20.0, 10
# A term that improves the held-out CV(RMSE) by less than one part in a hundred is noise that happened to help.
MIN_GAIN = 0.01
# Least eigenvalue of scaled normal equations, and share, under which two ways to solve them may differ.
CONDITION, NEARLY = 1e-8, 1e-6
DAY_TYPE_TERMS = (("is_weekend", "is_holiday"), ("is_weekend",))


class Choice(Model):
    """The chosen features and what was offered."""

    features: tuple[str, ...]
    findings: tuple[Finding, ...]


class Trial:
    """Scores sets of features on the same days and folds."""

    def __init__(self, days: pl.DataFrame, y: Vector) -> None:
        self.days, self.y = days, y
        self.folds = month_folds(days["local_date"].to_list())
        self._columns: dict[str, Vector] = {}

    def design(self, features: Sequence[str]) -> Vector:
        """The n × p matrix of ones and features, in order."""
        missing = tuple(name for name in dict.fromkeys(features) if name not in self._columns)
        if missing:
            table = feature_table(self.days, missing)
            self._columns |= {name: table[name].to_numpy() for name in missing}
        # Column by column, as a frame gives them: in another order sums differ in their last digit.
        columns = np.empty((len(self.y), len(features)), order="F")
        for place, name in enumerate(features):
            columns[:, place] = self._columns[name]
        return np.column_stack([np.ones(len(self.y)), columns])

    def score(self, features: Sequence[str]) -> float:
        """Held-out CV(RMSE), lower is better; infinite where a degree-day slope is not positive."""
        design = self.design(features)
        slopes = np.linalg.lstsq(design, self.y, rcond=None)[0][1:]
        if any("." in name and slope <= 0 for name, slope in zip(features, slopes, strict=True)):
            return float("inf")
        return cvrmse(self.y, held_out_predictions(design, self.y, self.folds), len(self.y))

    def best(self, forms: Sequence[tuple[str, ...]], others: Sequence[str]) -> tuple[float, tuple[str, ...]]:
        """The form with the lowest score next to the chosen ones, and that score; (inf, ()) where there is none.

        forms: all of one length. Normal equations of all at once say who may be it; only those are scored.
        """
        found = [(self.score([*others, *forms[place]]), forms[place]) for place in self._contenders(forms, others)]
        return min(found, default=(float("inf"), ()))

    def _contenders(self, forms: Sequence[tuple[str, ...]], others: Sequence[str]) -> list[int]:
        if not forms:
            return []
        # All at once: what the forms share is laid out once, not a hundred times.
        shared, own = self.design(others), self.design([name for form in forms for name in form])[:, 1:]
        varied = np.moveaxis(own.reshape(len(self.y), len(forms), -1), 1, 0)
        designs = np.concatenate([np.broadcast_to(shared, (len(forms), *shared.shape)), varied], axis=2)
        size = np.sqrt(np.maximum((designs**2).sum(axis=1), 1e-300))
        gram = np.swapaxes(designs, 1, 2) @ designs
        slopes = solve_stack(gram, np.swapaxes(designs, 1, 2) @ self.y) * size
        weights, y = np.ones((len(forms), len(self.y))), np.broadcast_to(self.y, (len(forms), len(self.y)))
        places = np.argmax(np.stack(self.folds), axis=0)
        errors = ((self.y - held_out(designs, y, weights, places)) ** 2).sum(axis=1)
        degree = np.array([0, *("." in name for name in (*others, *forms[0]))], dtype=np.bool_)
        lowest = (slopes[:, degree] / np.linalg.norm(self.y)).min(axis=1, initial=np.inf)
        # What these equations cannot tell for sure is left to the scores: they square the condition of the columns.
        is_unsure = np.linalg.eigvalsh(gram / (size[:, :, None] * size[:, None, :]))[:, 0] < CONDITION
        is_unsure |= np.abs(lowest) < NEARLY
        # Of a column that is nearly all zeros without some month, the other months tell hardly anything.
        values = designs != 0
        in_fold = np.add.reduceat(values, np.flatnonzero(np.diff(places, prepend=-1)), axis=1, dtype=np.int64)
        is_unsure |= (values.sum(axis=1)[:, None] - in_fold).min(axis=(1, 2)) < designs.shape[2] + 2
        is_in = lowest > 0
        least = errors[is_in & ~is_unsure].min(initial=np.inf)
        return np.flatnonzero(is_unsure | (is_in & (errors <= least * (1.0 + NEARLY)))).tolist()

    def qualifies(self, feature: str) -> bool:
        """True where a degree-day term has enough days and degree-days, and anything else varies at all."""
        values = self.design([feature])[:, 1]
        if "." in feature:
            return int((values > 0).sum()) >= MIN_DAYS_WITH_DEGREE_DAYS and values.sum() >= MIN_DEGREE_DAYS
        return bool(np.ptp(values) > 0)


def choose_features(
    days: pl.DataFrame, y: Vector, *, drivers: Sequence[str], temperature: str | None, offer_day_types: bool
) -> Choice:
    """Features of the baseline: every driver, temperature in the form that predicts best, day types if they help.

    days: usable days, drivers known; y: kWh per full day; temperature: the driver in degC that may become degree
    days. The winner's held-out score is slightly too kind, since it was chosen by it.
    """
    trial = Trial(days, y)
    plain = [name for name in drivers if name != temperature]
    day_terms = [terms for terms in DAY_TYPE_TERMS if all(trial.qualifies(term) for term in terms)]
    offered = day_terms[0] if offer_day_types and day_terms else ()
    findings: list[Finding] = []
    form: tuple[str, ...] = ()
    if temperature is not None:
        form, finding = _temperature_form(trial, [*plain, *offered], temperature)
        findings.append(finding)
    chosen = [*plain, *form]
    if offered:
        kept, finding = _day_terms(trial, chosen, day_terms)
        findings.append(finding)
        chosen += kept
    return Choice(features=tuple(chosen), findings=tuple(findings))


def _temperature_form(trial: Trial, others: list[str], driver: str) -> tuple[tuple[str, ...], Finding]:
    linear = trial.score([*others, driver])
    offered = {kind: [degree_day_feature(driver, kind, base) for base in BASES_DEGC] for kind in ("hdd", "cdd")}
    # All columns in one go.
    trial.design([name for names in offered.values() for name in names])
    heating, cooling = ([name for name in names if trial.qualifies(name)] for names in offered.values())
    single: list[tuple[str, ...]] = [(name,) for name in heating + cooling]
    # Heating ends below where cooling begins: the other way round a mild day would need both.
    both = [pair for pair in product(heating, cooling) if _base(pair[0]) <= _base(pair[1])]
    best: tuple[str, ...] = (driver,)
    best_score = linear
    # From few terms to many: each step must beat the simpler form by the least gain.
    for forms in (single, both):
        score, form = trial.best(forms, others)
        if score < best_score * (1.0 - MIN_GAIN):
            best, best_score = form, score
    return best, Finding(
        code="temperature_form",
        message=Sentence("Temperature enters as {0}.", _form_words(best, driver)),
        severity="info",
        scope=f"driver:{driver}",
        facts={"cvrmse_held_out_linear": linear, "cvrmse_held_out": best_score, "candidates": len(single + both) + 1},
    )


def _form_words(form: tuple[str, ...], driver: str) -> Sentence:
    if form == (driver,):
        return Sentence("daily mean")
    patterns = {
        "hdd": "heating degree days, base {0} °C", "cdd": "cooling degree days, base {0} °C",
        "hdd cdd": "heating degree days, base {0} °C, and cooling degree days, base {1} °C",
    }  # fmt: skip
    kinds = [feature.removeprefix(f"{driver}.").partition("_")[0] for feature in form]
    return Sentence(patterns[" ".join(kinds)], *(f"{_base(feature):g}" for feature in form))


def _base(feature: str) -> float:
    return float(feature.rpartition("_")[2])


def _day_terms(
    trial: Trial, chosen: list[str], day_terms: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], Finding]:
    without = trial.score(chosen)
    best: tuple[str, ...] = ()
    best_score = without
    # The weekend alone first: a holiday term must earn its place next to it.
    for terms in sorted(day_terms, key=len):
        score = trial.score([*chosen, *terms])
        if score < best_score * (1.0 - MIN_GAIN):
            best, best_score = terms, score
    verdict = Sentence("kept: {0}", ", ".join(best)) if best else Sentence("not kept")
    return best, Finding(
        code="day_type_terms",
        message=Sentence("Weekend and holiday terms were offered and {0}.", verdict),
        severity="info",
        facts={"cvrmse_held_out_without": without, "cvrmse_held_out": best_score, "kept": ", ".join(best)},
    )
