"""Losses and wear of a battery: its cells step by step, and in linear rows, exact: power at them, the cost of cycles.

Power at the AC terminals and at the cells are joined piece by piece: a piece may begin only when the one before it is
full, which a binary says. Without the binaries a plan could fill the worst piece first and burn energy at negative
prices. Where efficiency falls with power and prices are positive, the pieces fill in order by themselves and no binary
is ever branched on.

The wear of a cycle grows with its depth: charge lies in bands, shallow ones cheap and deep ones dear, and what is
drawn comes from the cheapest band that holds any (Xu, Zhao, Zheng, Litvinov, Kirschen 2018: Factoring the cycle aging
cost of batteries participating in electricity markets). Prices that rise with depth need no binary for that order.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from controls.optimiser.backends.expressions import Floats, Linear
from controls.optimiser.backends.program import Row
from controls.optimiser.devices.device import Values
from data_quality.contracts.control.plan import BatteryParams

# (kW at the AC terminals, kW at the cells), rising, without the origin.
Curve = tuple[tuple[float, float], ...]
# (kWh, currency per kWh drawn), from the shallow to the deep.
Bands = tuple[tuple[float, float], ...]
New = Callable[..., Linear]


class ConversionCurve(NamedTuple):
    """One way between the AC terminals and the cells, kW. name: charge or discharge. efficiency: where no curve is."""

    name: Literal["charge", "discharge"]
    efficiency: float
    curve: Curve | None = None

    def at_cells(self, power_kw: Any) -> Any:
        """Power at the cells by that at the terminals; of a variable too, where no curve is."""
        if self.curve:
            return at_cells(self.curve, power_kw)
        return self.efficiency * power_kw if self.name == "charge" else power_kw / self.efficiency

    def at_terminals(self, cells_kw: float) -> float:
        """Power at the terminals by that at the cells."""
        if self.curve:
            return float(at_cells([(cells, ac) for ac, cells in self.curve], cells_kw))
        return cells_kw / self.efficiency if self.name == "charge" else cells_kw * self.efficiency

    def variables(self, new: New, steps: int) -> dict[str, Linear]:
        """For each piece of its curve the power in it, and for all but the last whether it is full, in each step."""
        widths = self._widths
        parts = {f"{self.name}_piece{k}": {"upper": width} for k, width in enumerate(widths)}
        full = {f"{self.name}_full{k}": {"upper": 1.0, "is_integer": True} for k in range(widths.size - 1)}
        return {name: new(name, steps, **options) for name, options in (parts | full).items()}

    def rows(self, x: Values) -> Iterator[Row]:
        """The pieces add up to the power, each beginning when the one before is full."""
        widths, family = self._widths, f"{self.name}_curve"
        parts = [x[f"{self.name}_piece{k}"] for k in range(widths.size)]
        if parts:
            yield Row(family, f"{self.name}_pieces", sum(parts[1:], start=parts[0]) == x[f"battery_{self.name}_kw"])
        for k in range(widths.size - 1):
            full = x[f"{self.name}_full{k}"]
            yield Row(family, f"{self.name}_full{k}", parts[k] >= widths[k] * full)
            yield Row(family, f"{self.name}_next{k}", parts[k + 1] <= widths[k + 1] * full)

    def cells_kw(self, x: Values) -> Any:
        """Power at the cells: of variables (from the pieces of a curve), or of numbers."""
        if not self.curve or f"{self.name}_piece0" not in x:
            return self.at_cells(x[f"battery_{self.name}_kw"])
        ac_kw, cells_kw = _corners(self.curve)
        slopes = np.diff(cells_kw) / np.diff(ac_kw)
        parts: list[Linear] = [slope * x[f"{self.name}_piece{k}"] for k, slope in enumerate(slopes)]
        return sum(parts[1:], start=parts[0])

    @property
    def _widths(self) -> Floats:
        return np.diff(_corners(self.curve or ())[0])


class Cells(NamedTuple):
    """Battery cells behind their AC terminals: the one physics of a battery, whoever steps it.

    low_kwh, high_kwh: the window of their charge.
    """

    low_kwh: float
    high_kwh: float
    charge: ConversionCurve
    discharge: ConversionCurve

    @classmethod
    def of(cls, params: BatteryParams, full_kwh: float) -> "Cells":
        """By the figures of a site file. full_kwh: the charge that its window is shares of."""
        curve, kws = params.efficiency_curve, (params.max_charge_kw, params.max_discharge_kw)
        into, out = (curve_of(curve, kw, is_charging=n == 0) if curve and kw else None for n, kw in enumerate(kws))
        ways = (
            ConversionCurve("charge", params.charge_efficiency, into),
            ConversionCurve("discharge", params.discharge_efficiency, out),
        )
        return cls(params.soc_min * full_kwh, params.soc_max * full_kwh, *ways)

    def step(self, held_kwh: float, wanted_kw: float, step_h: float) -> tuple[float, float]:
        """Mean power at the terminals (kW) and what it adds to the charge (kWh) in a step above 0 h; charging positive.

        What is wanted is done as far as it fits and is there: it adds efficiency P h, or takes P h / efficiency
        (formulas 5.18). Charge outside the window stays, and goes no further.
        """
        way, sign = (self.charge, 1) if wanted_kw >= 0 else (self.discharge, -1)
        room_kwh = max(self.high_kwh - held_kwh if sign > 0 else held_kwh - self.low_kwh, 0.0)
        moved_kwh = step_h * float(way.at_cells(abs(wanted_kw)))
        if moved_kwh <= room_kwh:
            return wanted_kw, sign * moved_kwh
        return sign * way.at_terminals(room_kwh / step_h), sign * room_kwh


def curve_of(shares: Curve, rating_kw: float, *, is_charging: bool) -> Curve:
    """The curve of one direction from (share of the rating, one-way efficiency) points.

    Below the first point its efficiency holds, above the last that of the last.
    """
    points = [*shares, *([(1.0, shares[-1][1])] if shares[-1][0] < 1 else [])]
    return tuple(
        (share * rating_kw, share * rating_kw * (efficiency if is_charging else 1 / efficiency))
        for share, efficiency in points
    )


def at_cells(curve: Sequence[tuple[float, float]], power_kw: ArrayLike) -> Floats:
    """Power at the cells, kW. Beyond the last point the last piece goes on."""
    ac_kw, cells_kw = _corners(curve)
    power = np.asarray(power_kw, np.float64)
    beyond = np.maximum(power - ac_kw[-1], 0.0) * (cells_kw[-1] - cells_kw[-2]) / (ac_kw[-1] - ac_kw[-2])
    return np.asarray(np.interp(power, ac_kw, cells_kw) + beyond, np.float64)


def band_variables(new: New, bands: Bands, steps: int) -> dict[str, Linear]:
    """For each band its charge (one entry more than steps: the start), what comes in and what is drawn, kWh."""
    found = {}
    for k, (width_kwh, _) in enumerate(bands):
        found[f"band{k}_kwh"] = new(f"band{k}_kwh", steps + 1, upper=width_kwh)
        found[f"band{k}_in"], found[f"band{k}_out"] = new(f"band{k}_in", steps), new(f"band{k}_out", steps)
    return found


def band_rows(x: Values, bands: Bands, start_kwh: float, stored_kwh: Linear, drawn_kwh: Linear) -> Iterator[Row]:
    """Balance of the wear bands, kWh: energy stored goes in, energy drawn out; at the start the cheap ones are full."""
    for k, begun_kwh in enumerate(_filled(bands, start_kwh)):
        held, into, out = x[f"band{k}_kwh"], x[f"band{k}_in"], x[f"band{k}_out"]
        yield Row("wear_band", f"band{k}_start", held[0] == begun_kwh)
        yield Row("wear_band", f"band{k}", held[1:] == held[:-1] + into - out)
    for name, total in (("in", stored_kwh), ("out", drawn_kwh)):
        parts = [x[f"band{k}_{name}"] for k in range(len(bands))]
        yield Row("wear_band", f"bands_{name}", sum(parts[1:], start=parts[0]) == total)


def band_cost(bands: Bands, start_kwh: float, stored_kwh: Floats, drawn_kwh: Floats) -> float:
    """Wear of the charge stored and drawn in each step (kWh at the cells), in the currency of the bands."""
    held, cost = _filled(bands, start_kwh), 0.0
    for stored, drawn in zip(stored_kwh.tolist(), drawn_kwh.tolist(), strict=True):
        to_draw, to_store = drawn, stored
        for k, (width_kwh, price) in enumerate(bands):
            taken = min(held[k], to_draw)
            into = min(width_kwh - held[k] + taken, to_store)
            cost, to_draw, to_store = cost + taken * price, to_draw - taken, to_store - into
            held[k] += into - taken
    return cost


def _corners(curve: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    ac_kw, cells_kw = np.array([(0.0, 0.0), *curve]).T
    return ac_kw, cells_kw


def _filled(bands: Bands, charge_kwh: float) -> list[float]:
    held = []
    for width_kwh, _ in bands:
        held.append(min(width_kwh, charge_kwh))
        charge_kwh -= held[-1]
    return held
