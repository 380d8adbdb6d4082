"""A dispatch problem written a second time, by hand with PuLP from the words of the design: for tests only.

It shares no row with controls/optimiser/devices. A kind that it does not know raises KeyError.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import pulp

from controls.optimiser.case import DispatchCase

# What a solver's variable or linear expression is: PuLP has no types.
Linear = Any
_BIG_KWH = 200.0
_CARBON_TIMES, _COMFORT_TIMES = {"environmental": 5.0}, {"balanced": 3.0, "comfort": 10.0}
_STATES = ("blocked", "normal", "recommended", "forced")


class SecondFormulation:
    """Variables, rows and cost of one case."""

    def __init__(self, case: DispatchCase) -> None:
        self.case, self.lp, self.cost = case, pulp.LpProblem("second", pulp.LpMinimize), list[Linear]()
        self.h, self.n, self.made = case.step_h, len(case.step_h), 0
        self.at = (0.0, *accumulate(case.step_h))
        # Beyond equal parts of what a device draws, by phase and step.
        self.moved: list[list[Linear]] = [[0.0] * self.n for _ in range(3)]
        drawn = [WRITTEN[device.kind](self, device) for device in case.devices]
        net = [load + pulp.lpSum(device[t] for device in drawn) for t, load in enumerate(case.load_kw)]
        self._connection(net)
        self._phases(drawn)
        self.lp += pulp.lpSum(self.cost)

    def var(self, low: float | None = 0.0, high: float | None = None, binary: bool = False) -> Linear:
        self.made += 1
        return self.lp.add_variable(f"v{self.made}", low, high, cat="Binary" if binary else "Continuous")

    def each(self, **kinds: Any) -> list[Linear]:
        """One variable a step."""
        return [self.var(**kinds) for _ in range(self.n)]

    def need(self, *rows: Linear) -> None:
        for row in rows:
            self.lp += row

    def minimum(self) -> float | None:
        """Least cost in the case's currency; None where nothing is possible."""
        status = self.lp.solve(pulp.HiGHS(msg=False, gapRel=1e-8, gapAbs=1e-8, timeLimit=60, threads=1))
        return float(pulp.value(self.lp.objective)) if status == pulp.LpStatusOptimal else None

    def _connection(self, net: list[Linear]) -> None:
        at, aims = self.case.connection, self.case.objective
        drawn, fed, draws = self.each(), self.each(), self.each(binary=True)
        peak = self.var()
        self.cost.append((at.demand_price_per_kw + (aims.peak_price_per_kw or 0.0)) * peak)
        for t, h in enumerate(self.h):
            self.need(net[t] == drawn[t] - fed[t], peak >= drawn[t])
            self.need(drawn[t] <= at.import_max_kw * draws[t], fed[t] <= at.export_max_kw * (1 - draws[t]))
            price = at.import_price_per_kwh[t] + (aims.imports_price_per_kwh or 0.0)
            if aims.carbon_price_per_tonne and self.case.carbon_kgco2e_per_kwh:
                per_kg = _CARBON_TIMES.get(aims.preset, 1.0) * aims.carbon_price_per_tonne / 1000
                price += per_kg * self.case.carbon_kgco2e_per_kwh[t]
            self.cost.append(h * (price * drawn[t] - at.export_price_per_kwh[t] * fed[t]))
            least = aims.export_min_price_per_kwh
            if least is not None and at.export_price_per_kwh[t] < least:
                self.need(fed[t] == 0)

    def _phases(self, drawn: list[list[Linear]]) -> None:
        limits = self.case.connection.phases
        if limits is None:
            return
        for phase in range(3):
            for t in range(self.n):
                flow = self.moved[phase][t]
                for device, kw in zip(self.case.devices, drawn, strict=True):
                    single = getattr(device, "phase_count", 3) == 1
                    on = device.on_phases or ((1,) if single else (1, 2, 3))
                    flow += kw[t] / len(on) if phase + 1 in on else 0.0
                if isinstance(flow, float):
                    continue
                flow += limits.load_share[phase] * self.case.load_kw[t]
                self.need(flow <= limits.import_max_kw[phase], flow >= -limits.export_max_kw[phase])

    def comfort(self, device: Any, level: list[Linear]) -> None:
        """Limits of a heat store and the price of what it lacks."""
        for t, h in enumerate(self.h):
            self.need(level[t + 1] >= device.min_kwh, level[t + 1] <= device.max_kwh)
            if device.comfort_price_per_kwh_h:
                lack = self.var()
                self.need(lack >= device.comfort_min_kwh - level[t + 1])
                price = _COMFORT_TIMES.get(self.case.objective.preset, 1.0) * device.comfort_price_per_kwh_h
                self.cost.append(price * h * lack)
        self.need(level[-1] >= device.end_min_kwh)

    def stored_heat(self, device: Any, power: list[Linear]) -> list[Linear]:
        level = [device.init_kwh, *self.each(low=None)]
        for t, h in enumerate(self.h):
            gain = _at(device.cop, t) * power[t] - device.draw_kw[t] - _at(device.loss_kw, t)
            self.need(level[t + 1] == level[t] + h * gain)
        self.comfort(device, level)
        return level

    def stays(self, on: list[Linear], was: bool, since_h: float, least_on_h: float, least_off_h: float) -> None:
        """A switch stays on and off for its least times, also from before the plan."""
        for t in range(self.n):
            before = on[t - 1] if t else int(was)
            for later in range(t, self.n):
                past = self.at[later] - self.at[t] + 1e-9
                if past < least_on_h:
                    self.need(on[later] >= on[t] - before)
                if past < least_off_h:
                    self.need(on[later] <= 1 - before + on[t])
            if since_h + self.at[t] + 1e-9 < (least_on_h if was else least_off_h):
                self.need(on[t] == int(was))


def _at(value: Any, t: int) -> float:
    return float(value[t] if isinstance(value, tuple) else value)


def _on_curve(m: SecondFormulation, curve: Sequence[tuple[float, float]], x: Linear) -> Linear:
    """Value at x of the line through (0, 0) and the points of a curve, on one piece at a time."""
    points = [(0.0, 0.0), *curve]
    weight = [m.var() for _ in points]
    piece = [m.var(binary=True) for _ in curve]
    m.need(pulp.lpSum(weight) == 1, pulp.lpSum(piece) == 1)
    m.need(x == pulp.lpSum(w * point[0] for w, point in zip(weight, points, strict=True)))
    for q, w in enumerate(weight):
        m.need(w <= pulp.lpSum(piece[max(q - 1, 0) : q + 1]))
    return pulp.lpSum(w * point[1] for w, point in zip(weight, points, strict=True))


def _battery(m: SecondFormulation, d: Any) -> list[Linear]:
    charge, discharge, soc = m.each(), m.each(), [d.soc_init_kwh, *m.each(low=None)]
    gap = max(d.soc_min_kwh - d.soc_init_kwh, d.soc_init_kwh - d.soc_max_kwh, 0.0)
    held: list[Linear] = []
    for width, _ in d.wear_bands or ():
        held.append(min(width, d.soc_init_kwh - sum(held)))
    for t, h in enumerate(m.h):
        charges = m.var(binary=True)
        most_in = min(d.max_charge_kw, d.charge_most_kw[t] if d.charge_most_kw else d.max_charge_kw)
        most_out = min(d.max_discharge_kw, d.discharge_most_kw[t] if d.discharge_most_kw else d.max_discharge_kw)
        m.need(charge[t] <= most_in * charges, discharge[t] <= most_out * (1 - charges))
        stored = h * (_on_curve(m, d.charge_curve, charge[t]) if d.charge_curve else d.charge_efficiency * charge[t])
        taken = _on_curve(m, d.discharge_curve, discharge[t]) if d.discharge_curve else None
        spent = h * (discharge[t] * (1 / d.discharge_efficiency) if taken is None else taken)
        m.need(soc[t + 1] == soc[t] + stored - spent)
        m.cost.append(d.wear_per_kwh * h * discharge[t])
        if d.return_price_per_kwh is not None:
            before, gap = gap, m.var()
            m.need(gap <= before)
            m.cost.append(d.return_price_per_kwh * gap)
        m.need(soc[t + 1] >= d.soc_min_kwh - gap, soc[t + 1] <= d.soc_max_kwh + gap)
        if d.wear_bands:
            into, out = [m.var() for _ in held], [m.var() for _ in held]
            m.need(pulp.lpSum(into) == stored, pulp.lpSum(out) == spent)
            for q, (width, price) in enumerate(d.wear_bands):
                after = m.var(high=width)
                m.need(after == held[q] + into[q] - out[q])
                m.cost.append(price * out[q])
                held[q] = after
    m.need(soc[-1] >= d.soc_end_min_kwh)
    m.cost.append((d.end_value_per_kwh or 0.0) * (d.soc_init_kwh - soc[-1]))
    return [charge[t] - discharge[t] for t in range(m.n)]


def _pv(m: SecondFormulation, d: Any) -> list[Linear]:
    return [m.var(high=max(kw - d.limit_min_kw, 0.0)) - kw for kw in d.pv_kw]


def _ev_charger(m: SecondFormulation, d: Any) -> list[Linear]:
    net: list[Linear] = [0.0] * m.n
    first = min(d.on_phases or (1,)) - 1
    for s in d.sessions:
        held: Linear = s.start_kwh
        for t in range(s.from_step, s.to_step):
            all_on, one_on, feeds = (m.var(binary=True) for _ in range(3))
            full, one, fed = m.var(), m.var(), m.var()
            m.need(all_on + one_on + feeds <= 1, full <= s.max_kw * all_on, full >= s.min_kw * all_on)
            one_least, one_most = (s.one_phase.min_kw, s.one_phase.max_kw) if s.one_phase else (0.0, 0.0)
            m.need(one <= one_most * one_on, one >= one_least * one_on)
            fed_least, fed_most = (s.feed_in.min_kw, s.feed_in.max_kw) if s.feed_in else (0.0, 0.0)
            m.need(fed <= fed_most * feeds, fed >= fed_least * feeds)
            before, held = held, m.var(low=None)
            spent = fed * (1 / s.feed_in.efficiency) if s.feed_in else 0.0
            m.need(held == before + m.h[t] * (s.efficiency * (full + one) - spent))
            if s.ceiling_kwh is not None:
                m.need(held <= s.ceiling_kwh)
            if s.feed_in:
                m.cost.append(s.feed_in.wear_per_kwh * m.h[t] * fed)
                m.need(held >= min(s.feed_in.floor_kwh, s.start_kwh))
            if s.taper:
                slope = (s.max_kw - s.taper.end_kw) / (s.taper.full_kwh - s.taper.from_kwh)
                m.need(full + one <= s.max_kw - slope * (held - s.taper.from_kwh))
            net[t] = full + one - fed
            for phase in range(3):
                m.moved[phase][t] += (2 / 3 if phase == first else -1 / 3) * one if s.one_phase else 0.0
        m.need(held >= s.start_kwh + s.energy_kwh)
    return net


def _tank(m: SecondFormulation, d: Any) -> list[Linear]:
    relays = [m.each(binary=True) for _ in d.relays_kw]
    for q, on in enumerate(relays):
        was, since_h = bool(d.was_on) and d.was_on[q], d.since_h[q] if d.since_h else 8760.0
        m.stays(on, was, since_h, d.min_on_h, d.min_off_h)
        for t in range(m.n):
            starts = m.var()
            m.need(starts >= on[t] - (on[t - 1] if t else int(was)))
            m.cost.append((d.switch_price or 0.0) * starts)
    power = [pulp.lpSum(kw * on[t] for kw, on in zip(d.relays_kw, relays, strict=True)) for t in range(m.n)]
    level = m.stored_heat(d, power)
    if d.reheats:
        heated: Linear = int(d.was_reheating)
        for t in range(m.n):
            before, heated = heated, m.var(binary=True)
            m.need(level[t] >= d.thermostat_on_kwh - _BIG_KWH * heated)
            m.need(level[t] >= d.thermostat_off_kwh - _BIG_KWH * (1 - before + heated))
            m.need(pulp.lpSum(on[t] for on in relays) >= heated)
    return power


def _heat_pump(m: SecondFormulation, d: Any) -> list[Linear]:
    state = {name: m.each(binary=True) for name in _STATES}
    for number, name in enumerate(_STATES, 1):
        was = d.state_before == number
        m.stays(state[name], was, d.since_h if was else 24.0, d.min_state_h, 0.0)
    own = m.each()
    forced = (d.recommended_kw, d.forced_kw)
    power = [own[t] + forced[0] * state["recommended"][t] + forced[1] * state["forced"][t] for t in range(m.n)]
    level = m.stored_heat(d, power)
    for t, h in enumerate(m.h):
        normal, blocked = state["normal"][t], state["blocked"]
        below, above = m.var(binary=True), m.var(binary=True)
        free = _BIG_KWH * (1 - normal)
        m.need(pulp.lpSum(states[t] for states in state.values()) == 1, above + below <= 1)
        # Its own controller: full power below the level of the normal state, none above it, else just that level.
        m.need(own[t] <= d.normal_kw * normal, own[t] <= d.normal_kw * (1 - above))
        m.need(own[t] >= d.normal_kw * (below + normal - 1))
        m.need(level[t + 1] <= d.normal_kwh + free + _BIG_KWH * above)
        m.need(level[t + 1] <= d.normal_kwh + free + _BIG_KWH * (1 - below))
        m.need(level[t + 1] >= d.normal_kwh - free - _BIG_KWH * below)
        m.need(level[t + 1] >= d.normal_kwh - free - _BIG_KWH * (1 - above))
        past_h = d.blocked_before_h if m.at[t] + h <= 24 + 1e-9 else 0.0
        day = [m.h[r] * blocked[r] for r in range(t + 1) if m.at[r] > m.at[t] - 24 + 1e-9]
        m.need(pulp.lpSum(day) + past_h <= max(d.blocked_max_h, d.blocked_before_h))
    return power


def _appliance(m: SecondFormulation, d: Any) -> list[Linear]:
    energy: list[list[Linear]] = [[] for _ in m.h]
    busy: list[list[Linear]] = [[] for _ in m.h]
    for first, last in d.windows:
        starts = {t: m.var(binary=True) for t in range(first, last) if m.at[t] + d.programme_h <= m.at[last] + 1e-9}
        m.need(pulp.lpSum(starts.values()) == 1)
        for t, start in starts.items():
            for r in range(m.n):
                for j, kw in enumerate(d.programme_kw):
                    begin = m.at[t] + j * d.programme_step_h
                    overlap_h = min(begin + d.programme_step_h, m.at[r + 1]) - max(begin, m.at[r])
                    energy[r].append(kw * max(overlap_h, 0.0) * start)
                if min(m.at[t] + d.programme_h, m.at[r + 1]) - max(m.at[t], m.at[r]) > 1e-9:
                    busy[r].append(start)
    for runs in filter(None, busy):
        m.need(pulp.lpSum(runs) <= 1)
    return [pulp.lpSum(parts) * (1 / h) for parts, h in zip(energy, m.h, strict=True)]


def _sheddable_load(m: SecondFormulation, d: Any) -> list[Linear]:
    shed, sheds = m.each(), m.each(binary=True)
    for t, h in enumerate(m.h):
        own = d.own_kw[t]
        most = max(min(d.max_share * own, own if d.max_kw is None else d.max_kw, own - d.limit_min_kw), 0.0)
        # Less than a watt counts as nothing shed.
        m.need(shed[t] <= most * sheds[t], shed[t] >= (most if d.is_whole else 1e-3) * sheds[t])
        m.cost.append(d.price_per_kwh * h * shed[t])
        for r in range(t, m.n) if d.max_duration_h else ():
            if m.at[r + 1] - m.at[t] > d.max_duration_h + 1e-9:
                m.need(pulp.lpSum(sheds[t : r + 1]) <= r - t)
                break
        for r in range(t - 1) if d.min_rest_h else ():
            if m.at[t] - m.at[r + 1] < d.min_rest_h - 1e-9:
                m.need(sheds[r] + sheds[t] - pulp.lpSum(sheds[r + 1 : t]) <= 1)
    if d.max_h:
        m.need(pulp.lpSum(h * on for h, on in zip(m.h, sheds, strict=True)) <= d.max_h)
    return [-1 * kw for kw in shed]


WRITTEN: dict[str, Callable[[SecondFormulation, Any], list[Linear]]] = {
    "battery": _battery,
    "pv": _pv,
    "ev_charger": _ev_charger,
    "tank": _tank,
    "heat_pump": _heat_pump,
    "appliance": _appliance,
    "sheddable_load": _sheddable_load,
}
