"""What was lost against perfect foresight, and to which error: parts that add up to it exactly."""

from controls.planning.replay.decisions import decided, executed_decisions
from controls.planning.replay.policies import Judged, PolicyRun, run_of
from data_quality.contracts.model import Model


class Lost(Model):
    """Cost of `policy` less that of perfect foresight, and what it is made of, in the currency of the day.

    Each part is the difference of two costs, from one policy to the next of a chain in which one thing changes:
    perfect_foresight -> (horizon) -> right_forecasts -> (forecast) -> planned -> (execution) -> what is proven to have
    been done, in the model's physics -> (physics) -> the same with the stores as measured.

    forecast_error: load, sun and prices came otherwise than foreseen. model_error: horizon_error (a plan sees no
    further than its horizon, asks for an end charge of its own, and switches relays for whole steps) and physics_error
    (what was done filled the stores otherwise than the model says, at the price of what is missing). execution_error:
    devices did otherwise than planned. None: not known, and nothing of it is in the total. Each may be below zero: luck
    is not filtered out.
    """

    policy: str
    total: float
    forecast_error: float
    model_error: float
    horizon_error: float
    physics_error: float | None
    execution_error: float | None


def lost(judged: Judged) -> Lost | None:
    """The split of what was lost, of what was executed or, where that is not known, planned; None without bounds."""
    bound, right, told, done = (
        judged.run(name) for name in ("perfect_foresight", "right_forecasts", "planned", "executed")
    )
    if not (isinstance(bound, PolicyRun) and isinstance(right, PolicyRun) and isinstance(told, PolicyRun)):
        return None
    horizon = judged.cost(right) - judged.cost(bound)
    forecast = judged.cost(told) - judged.cost(right)
    execution = physics = None
    if isinstance(done, PolicyRun):
        by_model = run_of(judged, decided(judged.day, executed_decisions(judged.day)[0]))
        execution = judged.cost(by_model) - judged.cost(told)
        # Without a measured store nothing says whether the model was right about it.
        physics = judged.cost(done) - judged.cost(by_model) if judged.day.measured else None
    return Lost(
        policy="planned" if execution is None else "executed",
        total=horizon + forecast + (execution or 0.0) + (physics or 0.0),
        forecast_error=forecast,
        model_error=horizon + (physics or 0.0),
        horizon_error=horizon,
        physics_error=physics,
        execution_error=execution,
    )
