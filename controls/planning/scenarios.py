"""From the courses of forecasts to the scenarios of a plan: few enough to solve, and true to the courses.

swanson: of load, sun and price the courses whose sums over the plan lie at P10, P50 and P90, in every combination, with
weights 0.3, 0.4, 0.3 (formulas 5.18: quantiles of single hours do not add up, so whole courses are taken). selected:
fast-forward selection (Heitsch and Römisch 2003): the course that brings all others closest is taken, again and again,
and each other one gives its weight to the nearest. Published prices are known: they have no scenarios.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.case import case_of
from controls.optimiser.objective import goals_of
from controls.planning.plan_inputs import STEP
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.plan import FORECAST_FROM, PlanRequest
from data_quality.contracts.control.plan_scenario import Risk, Scenario, ScenarioSet
from data_quality.contracts.time import CANONICAL_MINUTES

SWANSON = (0.3, 0.4, 0.3)
_LEVELS = (0.1, 0.5, 0.9)
_NAMES = ("low", "mid", "high")
# Of a price that nobody has published and nobody forecasts by courses (formulas 5.18).
_PRICE_SHARES = (0.8, 1.0, 1.2)
# As stored: digits of a guess beyond these say nothing.
_DECIMALS = 4
# Scenarios whose sums are this much narrower or wider than the forecast's are reported as such.
_MOMENT_SHARE = 0.25


@dataclass(frozen=True)
class Courses:
    """Equally likely courses of one thing that is not known: count x steps, powers in kW or prices per kWh."""

    role: str
    values: Floats

    def levels(self) -> Floats:
        """The courses whose sums lie at P10, P50 and P90."""
        order = np.argsort(self.values.sum(axis=1), kind="stable")
        found: Floats = self.values[order[[round(level * (order.size - 1)) for level in _LEVELS]]]
        return found


def with_scenarios(
    request: PlanRequest, risk: Risk, forecasts: Mapping[str, Forecast | None], *, price_forecast: Forecast | None
) -> PlanRequest:
    """The request with its scenarios, or with a label that says why it is planned without.

    forecasts: by `load` and by asset id. What is missing makes a weaker plan, never one that looks certain.
    """
    if goals_of(request.objective):
        text = "the objective is an order of goals, scenarios are weighed by one cost: planned on the P50 alone"
        return request.model_copy(update={"inputs": request.inputs | {"scenarios": text}})
    steps = [start for start, _ in case_of(request).windows_utc]
    load = _courses("load", forecasts.get("load"), steps)
    if load is None:
        text = "the load forecast has no courses for these hours: planned on its P50 alone"
        return request.model_copy(update={"inputs": request.inputs | {"scenarios": text}})
    # Of each device with a forecast, which share of it is its own: systems behind one meter have one forecast.
    shares = {}
    for device in case_of(request).devices:
        forecast = forecasts.get(device.device_id)
        if not device.forecast or forecast is None:
            continue
        whole = sum(row.p50 for row in forecast.rows if steps[0] <= row.time_utc <= steps[-1])
        per_hour = 60 / forecast.step_minutes if forecast.unit == "kwh" else 1.0
        whole_kw = whole * per_hour * forecast.step_minutes / CANONICAL_MINUTES
        own_kw = sum(getattr(device, device.per_step[0]))
        # A night without sun tells no share, and needs none.
        shares[device.device_id] = min(own_kw / whole_kw, 1.0) if whole_kw > 0 else 1.0
    sun = {name: found for name in shares if (found := _courses(name, forecasts[name], steps)) is not None}
    price = _prices(request, price_forecast, steps)
    made = _swanson(load, sun, price) if risk.method == "swanson" else _selected(load, sun, price, risk.scenarios)
    scenarios = tuple(_scenario(request, one, shares) for one in made)
    note = {"scenarios": _note(risk, scenarios, sorted(shares.keys() - sun.keys()), price is not None)}
    note |= {f"scenarios_{of.role}": _moments(of, made) for of in (load, *sun.values())}
    known = ScenarioSet(risk=risk, scenarios=scenarios)
    return request.model_copy(update={"uncertain": known, "inputs": request.inputs | note})


@dataclass(frozen=True)
class _Made:
    """One scenario as arrays: by role (`load`, `price`, or an asset id)."""

    name: str
    weight: float
    series: Mapping[str, Floats]


def _swanson(load: Courses, sun: Mapping[str, Courses], price: Courses | None) -> list[_Made]:
    axes: list[list[tuple[str, float, dict[str, Floats]]]] = [_axis("load", {"load": load.levels()})]
    if sun:
        # Systems of one site stand under one sky.
        axes.append(_axis("sun", {name: each.levels() for name, each in sun.items()}))
    if price is not None:
        axes.append(_axis("price", {"price": price.levels()}))
    return [
        _Made(
            name="-".join(name for name, _, _ in one),
            weight=float(np.prod([weight for _, weight, _ in one])),
            series={role: values for _, _, series in one for role, values in series.items()},
        )
        for one in product(*axes)
    ]


def _axis(what: str, levels: Mapping[str, Floats]) -> list[tuple[str, float, dict[str, Floats]]]:
    return [
        (f"{what}_{name}", weight, {role: values[at] for role, values in levels.items()})
        for at, (name, weight) in enumerate(zip(_NAMES, SWANSON, strict=True))
    ]


def _selected(load: Courses, sun: Mapping[str, Courses], price: Courses | None, count: int) -> list[_Made]:
    """Of every load with every sun; prices go round, so that each meets many of both."""
    roles = {"load": load, **sun} | ({"price": price} if price else {})
    suns = min((len(each.values) for each in sun.values()), default=1)
    pairs = list(product(range(len(load.values)), range(suns)))
    at = {
        role: [a if role == "load" else (a + b) % len(each.values) if role == "price" else b for a, b in pairs]
        for role, each in roles.items()
    }
    # Each role counts by how far its courses lie apart, whatever its unit.
    spread = {role: float(np.std(each.values)) or 1.0 for role, each in roles.items()}
    points = np.hstack([each.values[at[role]] / spread[role] for role, each in roles.items()])
    chosen, weights = fast_forward(points, count)
    return [
        _Made(
            name=f"course_{pairs[n][0]}_{pairs[n][1]}",
            weight=float(weight),
            series={role: each.values[at[role][n]] for role, each in roles.items()},
        )
        for n, weight in zip(chosen, weights, strict=True)
    ]


def fast_forward(points: Floats, count: int) -> tuple[list[int], Floats]:
    """Which of equally likely points (n x anything) stand for all, and their weights; at most `count` of them."""
    distances = np.sqrt(np.maximum(((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2), 0.0))
    nearest, chosen = np.full(len(points), np.inf), list[int]()
    for _ in range(min(count, len(points))):
        left = np.minimum(nearest[:, None], distances).sum(axis=0)
        left[chosen] = np.inf
        chosen.append(int(left.argmin()))
        nearest = np.minimum(nearest, distances[:, chosen[-1]])
    owner = distances[:, chosen].argmin(axis=1)
    return chosen, np.bincount(owner, minlength=len(chosen)) / len(points)


def _courses(role: str, forecast: Forecast | None, steps: Sequence[datetime]) -> Courses | None:
    """The courses of a forecast over quarter hours; None where it has none, or does not reach."""
    if forecast is None or not forecast.trajectories:
        return None
    # As of the P50: the energy of an hour in kWh is its mean power in kW, and a price stays a price.
    per_hour = 60 / forecast.step_minutes if forecast.unit == "kwh" else 1.0
    quarters = forecast.step_minutes // CANONICAL_MINUTES
    places = {row.time_utc + k * STEP: at for at, row in enumerate(forecast.rows) for k in range(quarters)}
    if any(step not in places for step in steps):
        return None
    return Courses(role, per_hour * np.array(forecast.trajectories)[:, [places[step] for step in steps]])


def _prices(request: PlanRequest, forecast: Forecast | None, steps: Sequence[datetime]) -> Courses | None:
    """Courses of the price, equal to what is published as far as that goes; None where all of it is."""
    first = request.inputs.get(FORECAST_FROM)
    if first is None:
        return None
    open_steps = np.array([f"{step:%Y-%m-%dT%H:%MZ}" >= first for step in steps])
    known = np.array(request.import_price_per_kwh)
    made = _courses("price", forecast, [step for step, is_open in zip(steps, open_steps, strict=True) if is_open])
    if made is None:
        return Courses("price", np.array([np.where(open_steps, known * share, known) for share in _PRICE_SHARES]))
    found = np.tile(known, (len(made.values), 1))
    # What a tariff adds to the market's price stays as it is.
    found[:, open_steps] += made.values - np.median(made.values, axis=0)
    return Courses("price", found)


def _scenario(request: PlanRequest, made: _Made, shares: Mapping[str, float]) -> Scenario:
    def series(role: str, share: float = 1.0) -> tuple[float, ...]:
        return tuple((share * made.series[role]).round(_DECIMALS).tolist())

    priced = {"import_price_per_kwh": series("price")} if "price" in made.series and not request.bills else {}
    return Scenario(
        name=made.name,
        weight=round(made.weight, 12),
        load_kw=series("load"),
        given_kw={name: series(name, share) for name, share in shares.items() if name in made.series},
        **priced,
    )


def _note(risk: Risk, scenarios: Sequence[Scenario], without: Sequence[str], has_prices: bool) -> str:
    note = [f"{len(scenarios)} scenarios, {risk.method}"]
    if len(scenarios) < risk.scenarios:
        note.append(f"fewer than the {risk.scenarios} asked for" + ("" if has_prices else ": all prices are published"))
    if without:
        note.append(f"no courses of {', '.join(without)}: its P50 in all of them")
    return "; ".join(note)


def _moments(of: Courses, made: Sequence[_Made]) -> str:
    """Mean and standard deviation of the sums, of the scenarios and of the forecast that they came from."""
    weights = np.array([one.weight for one in made])
    totals = np.array([one.series[of.role].sum() for one in made]) * CANONICAL_MINUTES / 60
    mean = float(weights @ totals)
    deviation = float(np.sqrt(weights @ (totals - mean) ** 2))
    whole = of.values.sum(axis=1) * CANONICAL_MINUTES / 60
    text = f"mean {mean:.3g} of {whole.mean():.3g} kWh, standard deviation {deviation:.3g} of {whole.std():.3g}"
    is_off = abs(deviation - whole.std()) > _MOMENT_SHARE * max(float(whole.std()), 1e-9)
    return f"{text}: not as wide as the forecast" if is_off and deviation < whole.std() else text
