"""A schedule held against its case, step by step, without any solver: whose answer it is does not matter."""

from collections.abc import Iterator

from controls.optimiser.case import DispatchCase
from controls.optimiser.solution import Series, cost_of
from data_quality.contracts.model import Model

# A milliwatt: far above the nine decimals kept of a series, far below what a device can tell apart.
TOLERANCE = 1e-6


class Replay(Model):
    """What the schedule costs, and every sentence that it breaks by more than the tolerance."""

    cost: float
    problems: tuple[str, ...]
    worst_error: float


def replay_case(case: DispatchCase, series: Series, *, tolerance: float = TOLERANCE) -> Replay:
    """Check every constraint of the case on the series (kW, kWh). Raises ValueError where a series has another length.

    Source: formulas 5.18; the sentences are those of the case's own statement.
    """
    for columns in (series.connection, *series.devices.values()):
        for name, values in columns.items():
            if len(values) != len(case.step_h):
                raise ValueError(f"{name} has {len(values)} values, the case {len(case.step_h)} steps")
    errors = list(_errors(case, series))
    broken = tuple(f"{name} by {error:.3g}" for name, error in errors if error > tolerance)
    return Replay(
        cost=cost_of(case, series),
        problems=broken,
        worst_error=max((error for _, error in errors), default=0.0),
    )


def _errors(case: DispatchCase, series: Series) -> Iterator[tuple[str, float]]:
    known = {device.device_id: device for device in case.devices}
    for name in series.devices.keys() - known.keys():
        # Not an error by itself: a device that does nothing changes no sum.
        moved = (abs(value) for values in series.devices[name].values() for value in values)
        yield f"{name}: a device that is not there", max(moved, default=0.0)
    for t, net_kw in enumerate(case.net_kw(series.devices)):
        yield f"step {t}: balance", abs(net_kw + case.connection.drawn_kw(series.connection, t))
    yield from case.connection.errors(series.connection, case.step_h)
    for name, device in known.items():
        for sentence, error in device.errors(series.devices[name], case.step_h):
            yield f"{name}, {sentence}", error
