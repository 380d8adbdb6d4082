"""The model of causes learned anew from seeded sites, and its figures on sites that taught it nothing.

Run: `python -m tests.bench.cause_learn FILE [PROJECT ...]`. Writes a table like learned_causes.yaml; one that is taken
over needs a new version. Labels that people gave in these projects teach it too. Takes some minutes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from assets.stores.lake.lake import Lake
from data_quality.contracts.site_file.site import Site
from ml.anomalies.day_grid import Matrix
from ml.anomalies.logistic import CUT
from ml.anomaly_causes.cause_model import FILE, CauseModel, FeatureWeights, shipped_causes
from ml.anomaly_scoring.learn_project import examples_of
from ml.features.series import Index, Vector
from orchestration.open_project import OpenProject
from tests.ml.anomaly_causes.judged_events import Judged, figures, judged_events
from tests.ml.anomaly_causes.seeded_sites import CAUSES, Seeded

# Numbers of sites; tests/ml/anomaly_causes/test_cause_model.py takes others.
TAUGHT, CALIBRATED, HELD_OUT = range(400), range(10_000, 10_100), range(30_000, 30_060)
PENALTY = 0.1
# The number of no seeded site.
LABELLED = -1
# A labelled event of a true site teaches as much as so many seeded ones.
LABEL_WEIGHT = 5.0


def fitted(rows: Sequence[Judged], held: Sequence[Judged], *, version: int) -> CauseModel:
    """The model of these rows, calibrated on others."""
    names = max((list(each.features) for each in rows), key=len)
    values = _matrix(rows, names)
    low, centre, high = np.nanquantile(values, (0.05, 0.5, 0.95), axis=0)
    is_kind = np.array([name.startswith("is_") for name in names])
    centre, scale = np.where(is_kind, 0.0, centre), np.where(is_kind, 0.5, np.maximum((high - low) / 3.3, 1e-2))
    model = LogisticRegression(C=PENALTY, max_iter=5000).fit(
        _scaled(values, centre, scale), _causes(rows),
        sample_weight=[LABEL_WEIGHT if each.number == LABELLED else 1.0 for each in rows],
    )  # fmt: skip
    odds = _scaled(_matrix(held, names), centre, scale) @ model.coef_.T + model.intercept_
    found = minimize_scalar(lambda t: _loss(odds / t, _causes(held)), bounds=(0.3, 4), method="bounded")
    return CauseModel(
        version=version,
        learned_from=f"{len(TAUGHT)} simulated sites with seeded causes; calibrated on {len(CALIBRATED)} others",
        temperature=round(float(found.x), 3),
        causes=CAUSES,
        intercepts=tuple(np.round(model.intercept_, 3)),
        features={
            name: FeatureWeights(centre=round(c, 4), scale=round(s, 4), weights=tuple(np.round(w, 3)))
            for name, c, s, w in zip(names, centre, scale, model.coef_.T, strict=True)
        },
    )


def labelled_rows(site: Site, lake: Lake) -> list[Judged]:
    """The labelled events of a site as rows that teach beside seeded ones."""
    return [Judged(each.features, Seeded(each.cause, "", 0, 0), LABELLED) for each in examples_of(site, lake)]


def _matrix(rows: Sequence[Judged], names: Sequence[str]) -> Matrix:
    return np.array([[each.features.get(name, np.nan) for name in names] for each in rows])


def _scaled(values: Matrix, centre: Vector, scale: Vector) -> Matrix:
    return np.nan_to_num(np.clip((values - centre) / scale, -CUT, CUT))


def _causes(rows: Sequence[Judged]) -> Index:
    return np.array([CAUSES.index(each.seeded.cause) for each in rows])


def _loss(odds: Matrix, causes: Index) -> float:
    shifted = odds - odds.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -float(logs[np.arange(len(causes)), causes].mean())


def lines_of(model: CauseModel) -> list[str]:
    """The model as lines of its file."""
    return [
        "# Log odds of each cause, in the order of `causes`: its intercept, and of each feature weight * (feature -",
        "# centre) / scale; that ratio is cut at 4. All are divided by the temperature.",
        f"version: {model.version}",
        f"learned_from: {model.learned_from}",
        f"measured: {{{', '.join(f'{name}: {value:.3g}' for name, value in model.measured.items())}}}",
        f"temperature: {model.temperature}",
        f"causes: [{', '.join(model.causes)}]",
        f"intercepts: [{', '.join(map(str, model.intercepts))}]",
        "features:",
        *(
            f"  {name}: {{centre: {each.centre}, scale: {each.scale}, weights: [{', '.join(map(str, each.weights))}]}}"
            for name, each in model.features.items()
        ),
    ]


def main() -> int:
    """Write the table, and print what the model is worth on the sites that were held out."""
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    version = shipped_causes().version + 1 if FILE.exists() else 1
    projects = [OpenProject(root) for root in sys.argv[2:]]
    labelled = [row for each in projects for site in each.sites.values() for row in labelled_rows(site, each.lake)]
    model = fitted([*judged_events(TAUGHT), *labelled], judged_events(CALIBRATED), version=version)
    found = figures(judged_events(HELD_OUT), model)
    measured = {"sites": len(HELD_OUT), "events": found.events, "macro_f1": found.macro_f1, "ece": found.ece}
    model = model.model_copy(update={"measured": measured})
    Path(sys.argv[1]).write_text("\n".join(lines_of(model)) + "\n", encoding="utf-8")
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
