"""Parameters of a kind of model, searched within a stated time on inner folds, never on those it is judged on.

Optuna's tree-structured Parzen estimator proposes (Bergstra et al. 2011), and what lies behind the median of the
trials before it after a fold is given up. A seed gives the same proposals; how many are tried is up to the time.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from data_quality.contracts.model import Model
from ml.features.forecast_case import Case
from ml.forecasts.backtest import Fold, forecast_origins
from ml.forecasts.forecast_model import Fitter, TooShort
from ml.forecasts.lifecycle.trial import daily_losses, recent_folds

if TYPE_CHECKING:
    import optuna

Number = float | int
# name -> lowest, highest and whether steps are by factors. Whole numbers where the bounds are.
Space = Mapping[str, tuple[Number, Number, bool]]
BOOSTING: Space = {
    "learning_rate": (0.02, 0.2, True),
    "num_leaves": (7, 63, True),
    "min_data_in_leaf": (5, 100, True),
    "feature_fraction": (0.3, 1.0, False),
    "lambda_l2": (0.001, 10.0, True),
}
TUNING_FILE = "tuning.json"
INNER_FOLDS, INNER_DAYS = 3, 21
# Before the median of others says anything.
UNPRUNED_TRIALS = 4


class Tuned(Model):
    """Result of a search. loss: mean pinball loss of the inner folds' days with the parameters chosen.

    default_loss: the same with none set. trials: finished ones; pruned: given up before their last fold.
    """

    parameters: dict[str, Number]
    loss: float
    default_loss: float
    trials: int
    pruned: int
    within_s: float
    seed: int
    folds: tuple[str, ...]

    @property
    def params(self) -> dict[str, str]:
        """For the registry's run."""
        chosen = {f"tuned_{name}": f"{value:.6g}" for name, value in self.parameters.items()}
        return {**chosen, "tuning": f"{self.trials} trials within {self.within_s:g} s, seed {self.seed}"}

    def to_file(self) -> dict[str, bytes]:
        """Beside the model's own files."""
        return {TUNING_FILE: json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=1).encode()}


def tune(
    case: Case,
    make: Callable[[Mapping[str, Number]], Fitter],
    *,
    judged_from: int,
    within_s: float,
    space: Space = BOOSTING,
    seed: int = 0,
    most_trials: int | None = None,
    now_s: Callable[[], float] = time.monotonic,
) -> Tuned | None:
    """Search parameters on the last days before step `judged_from`, the first that they will be judged on.

    Nothing at or behind that step is looked at. make: a fitter with these parameters set ({}: its own). within_s: no
    fit begins after so many seconds. Returns None where not even the fitter's own parameters were scored in that time,
    or the history is too short for them.
    """
    import optuna

    case = case.before(judged_from)
    folds = recent_folds(case, count=INNER_FOLDS, days=INNER_DAYS)
    deadline = now_s() + within_s

    def is_over() -> bool:
        return now_s() >= deadline

    try:
        default_loss = _loss(case, make({}), folds, is_over) if folds else None
    except (optuna.TrialPruned, TooShort):
        return None
    if default_loss is None:
        return None
    study = _study(seed)
    while not is_over() and (most_trials is None or len(study.trials) < most_trials):
        study.optimize(
            lambda trial: _loss(case, make(_proposed(trial, space)), folds, is_over, trial),
            n_trials=1,
            catch=(TooShort,),
        )
    done = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    best = min(done, key=lambda each: each.value or 0.0, default=None)
    is_better = best is not None and best.value is not None and best.value < default_loss
    return Tuned(
        # Its own parameters stand where none found did better.
        parameters=dict(best.params) if best is not None and is_better else {},
        loss=float(best.value or 0.0) if best is not None and is_better else default_loss,
        default_loss=default_loss,
        trials=len(done),
        pruned=len(study.trials) - len(done),
        within_s=within_s,
        seed=seed,
        folds=tuple(fold.name for fold in folds),
    )


def _loss(
    case: Case,
    fitter: Fitter,
    folds: Sequence[Fold],
    is_over: Callable[[], bool],
    trial: "optuna.Trial | None" = None,
) -> float:
    """Mean daily loss over the folds. Raises TrialPruned where time is over or the trial is given up, TooShort."""
    import optuna

    losses: list[float] = []
    for number, fold in enumerate(folds):
        if is_over():
            raise optuna.TrialPruned
        model = fitter.fit(case.before(fold.start))
        run = forecast_origins(model, case, fold.origins, case.civil.per_day + 1)
        losses += daily_losses(run, case.civil).values()
        if not losses:
            raise TooShort("no inner day can be scored")
        if trial is not None:
            trial.report(sum(losses) / len(losses), number)
            if trial.should_prune():
                raise optuna.TrialPruned
    return sum(losses) / len(losses)


def _study(seed: int) -> "optuna.Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS)
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)


def _proposed(trial: "optuna.Trial", space: Space) -> dict[str, Number]:
    found: dict[str, Number] = {}
    for name, (low, high, is_log) in space.items():
        if isinstance(low, int) and isinstance(high, int):
            found[name] = trial.suggest_int(name, low, high, log=is_log)
        else:
            found[name] = trial.suggest_float(name, low, high, log=is_log)
    return found
