"""A machine with a fixed programme: it starts once in each of its windows, and runs through (formulas 5.18)."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from controls.optimiser.backends.expressions import INF, Floats, Linear, Places
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.devices.device import (
    AssetState,
    CaseContext,
    Device,
    Forced,
    Measure,
    Numbers,
    Values,
    clean,
)
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Asset, ClockText
from data_quality.contracts.time import earlier_instant, local_day, zone

# Hours that sums of step lengths may be off by.
_HAIR_H = 1e-9
# Of a plan, for its words alone.
_MOST_RUNS = 99
Power = Annotated[float, Field(ge=0)]


class Window(Model):
    """Local clock times; one that ends before it begins goes over midnight."""

    earliest: ClockText
    latest_end: ClockText


class ApplianceParams(Model):
    """A machine: its programme (mean powers), and when on any local day it may begin and must be done."""

    programme_kw: tuple[Power, ...] = Field(min_length=1)
    programme_step_h: float = Field(default=0.25, gt=0)
    windows: tuple[Window, ...] = Field(min_length=1)


class Appliance(Device):
    """`windows`: steps [from, to) in each of which it runs once, begun at the start of a step and done by the end.

    programme_kw: mean powers of programme_step_h hours each; over steps of another length its energy is kept.
    """

    kind = "appliance"
    params = ApplianceParams
    limits: ClassVar = {"runs": "runs", "one_at_a_time": "runs"}
    means: ClassVar = {"runs": "runs {part.run_count} times", "one_at_a_time": "runs once at a time"}
    limit_words: ClassVar = {f"run{n}": "must run once in its window" for n in range(_MOST_RUNS)} | {
        "alone": "runs already"
    }
    case_key = "appliances"
    case_is_list = True
    case_names: ClassVar = {
        "programme_kw": "programme_kw",
        "programme_step_h": "programme_step_h",
        "windows": "windows",
    }
    measure = Measure(reading="read_waiting_count", code="appliance", words="whether the machine waits for its start")
    columns = ("appliance_kw",)
    moves: ClassVar = {"appliance_kw": "runs"}

    programme_kw: tuple[Power, ...] = Field(min_length=1)
    programme_step_h: float = Field(default=0.25, gt=0)
    windows: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()
    is_uncontrolled: bool = Field(default=False, description="Nobody plans: it starts as early as it may")

    @model_validator(mode="after")
    def _windows_are_open(self) -> Self:
        for first, after in self.windows:
            if not 0 <= first < after:
                raise ValueError(f"a window from step {first} to step {after}")
        return self

    @property
    def remarks(self) -> tuple[str, ...]:
        """Of its runs."""
        return self.notes

    @property
    def run_count(self) -> int:
        """Number of its runs."""
        return len(self.windows)

    @property
    def programme_h(self) -> float:
        """Length of its run."""
        return len(self.programme_kw) * self.programme_step_h

    def fits(self, step_h: tuple[float, ...]) -> None:
        """Every window ends with the case at the latest, and holds the programme."""
        at_h = np.cumsum([0.0, *step_h])
        for first, after in self.windows:
            if after >= at_h.size:
                raise ValueError(f"{self.device_id}: a window ends with step {after}, the case has {len(step_h)}")
            if (length_h := at_h[after] - at_h[first]) < self.programme_h - _HAIR_H:
                message = f"the window of steps {first} to {after} ({length_h:g} h) is shorter than its programme"
                raise ValueError(f"{self.device_id}: {message} ({self.programme_h:g} h)")

    @classmethod
    def takes(cls, asset: Asset) -> bool:
        """One of which no programme is known is part of the load."""
        return "programme_kw" in asset.params

    @classmethod
    def assumed(cls, asset: Asset, site_id: str) -> tuple[float, str]:  # noqa: ARG003 - as all kinds
        """Empty: a start without a request is no plan."""
        return 0.0, "not waiting for a start"

    @classmethod
    def from_asset(cls, asset: Asset, given: AssetState) -> Self:
        """As many runs as are waiting (given.state), each in the next window that still holds one."""
        params: ApplianceParams = cls.figures(asset, given.site_id)
        name = asset.asset_id
        figures = params.model_dump(exclude={"windows"}) | {"device_id": name}
        waiting = round(given.state or 0)
        # A start is all or nothing, and the guards of a partial mode let none of it through.
        if waiting == 0 or given.share < 1:
            why = "the mode allows no start, so no run is planned"
            if waiting == 0:
                why = "nothing waits for a start, so no run is planned"
            return cls.model_validate(figures | {"notes": (f"{name}: {why}",)})
        steps, windows, free = len(given.load_kw), list[tuple[int, int]](), 0
        needed = int(np.ceil(len(params.programme_kw) * params.programme_step_h / given.step_h - _HAIR_H))
        for first, after in _next_windows(params, given):
            if max(first, free) + needed <= after <= steps:
                windows.append((first, after))
                free = max(first, free) + needed
        note = f"{waiting - len(windows)} runs find no window in the plan"
        notes = () if len(windows) >= waiting else (f"{name}: {note}",)
        return cls.model_validate(figures | {"windows": tuple(windows[:waiting]), "notes": notes})

    def reach_kw(self) -> tuple[ArrayLike, ArrayLike]:
        """Its highest power."""
        return (max(self.programme_kw) if self.windows else 0.0), 0.0

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """`appliance_kw` has one entry a step, `is_started` one for each start that a window allows."""
        _, at = self._starts(around.step_h)
        # Two windows may allow a start in the same step: their names follow the order, not the step.
        return {
            "appliance_kw": self.new(program, "kw", around.steps),
            "is_started": self.new(program, "is_started", at.size, upper=1.0, is_integer=True, at=np.arange(at.size)),
        }

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """One start in each window, its power follows from it, and no two runs at the same time."""
        if not self.windows:
            yield Row("programme", "programme", x["appliance_kw"] == 0.0)
            return
        window, at = self._starts(around.step_h)
        power, started = self._power(around.step_h, at), x["is_started"]
        which, step = np.nonzero(power)
        expected = (power[which, step] * started[which]).into(step, around.steps)
        yield Row("programme", "programme", x["appliance_kw"] == expected)
        for n, run in enumerate(started.into(window, self.run_count)[[n]] for n in range(self.run_count)):
            # A window is no step: numbered as one, it would be told by a wrong time.
            yield Row("runs", f"run{n}", run >= 1.0)
            yield Row("programme", f"once{n}", run <= 1.0)
        if self.run_count > 1:
            # For how long a run from each start (rows) lasts in each step (columns).
            at_h = np.cumsum([0.0, *around.step_h.tolist()])
            begin_h = at_h[at][:, None]
            lasts: Floats = np.minimum(at_h[1:], begin_h + self.programme_h) - np.maximum(at_h[:-1], begin_h)
            which, step = np.nonzero(lasts > _HAIR_H)
            yield Row("one_at_a_time", "alone", started[which].into(step, around.steps) <= 1.0)

    def drawn_kw(self, x: Values) -> Any:
        """Its power."""
        return x["appliance_kw"]

    def solved(self, values: Numbers, step_h: Floats) -> Numbers:
        """Starts (1 in the step in which it starts), and the power that follows from them."""
        _, at = self._starts(step_h)
        starts = np.round(values["is_started"])
        power_kw = starts @ self._power(step_h, at) if at.size else np.zeros(step_h.size)
        count = np.bincount(at, starts, step_h.size).astype(np.float64)
        return {"appliance_kw": clean(power_kw), "appliance_starts": count + 0.0}

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """One run in each window, by the earliest that must be done; and the power of exactly these."""
        at_h = np.cumsum([0.0, *step_h.tolist()])
        left, expected = sorted(self.windows, key=lambda window: window[1]), np.zeros(step_h.size)
        late_h, free_h, astray = 0.0, 0.0, 0
        for step in np.flatnonzero(np.round(columns["appliance_starts"])).tolist():
            mine = next((window for window in left if window[0] <= step < window[1]), None)
            if mine is None:
                astray += 1
                continue
            left.remove(mine)
            late_h = max(late_h, at_h[step] + self.programme_h - at_h[mine[1]], free_h - at_h[step])
            free_h = at_h[step] + self.programme_h
            for number, power_kw in enumerate(self.programme_kw):
                begin, end = (at_h[step] + self.programme_step_h * (number + more) for more in (0, 1))
                shared_h = np.minimum(at_h[1:], end) - np.maximum(at_h[:-1], begin)
                expected += power_kw * np.maximum(shared_h, 0.0) / step_h
        yield "runs that its windows do not ask for", float(astray)
        yield "windows without a run", float(len(left))
        yield "hours beyond its window or into another run", late_h
        yield "a power that is not its programme's", np.abs(columns["appliance_kw"] - expected)

    def alternatives(self, columns: Numbers, t: int) -> list[Forced]:
        """Not to run in this step, or to run."""
        if columns["appliance_kw"][t] > 0:
            return [Forced("not running now", "appliance_kw", 0.0, 0.0)]
        least_kw = min((power for power in self.programme_kw if power > 0), default=0.0)
        is_allowed = any(first <= t < after for first, after in self.windows)
        return [Forced("running now", "appliance_kw", least_kw, INF)] if is_allowed and least_kw else []

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """A start in the step in which it starts: it runs through by itself, and a start sent twice is one."""
        return {"set_start_count": 1.0} if step["appliance_starts"] > 0 else {}

    def without_control(self) -> Self:
        """It starts as early as it may."""
        return self.model_copy(update={"is_uncontrolled": True})

    def _starts(self, step_h: Floats) -> tuple[Places, Places]:
        """Every start that is allowed: the number of its window, and its step."""
        at_h, allowed = np.cumsum([0.0, *step_h.tolist()]), list[Places]()
        for first, after in self.windows:
            steps = np.arange(first, after)
            allowed.append(steps[at_h[steps] + self.programme_h <= at_h[after] + _HAIR_H])
        if self.is_uncontrolled:
            allowed = self._first_come(at_h, allowed)
        found = [(number, step) for number, steps in enumerate(allowed) for step in steps.tolist()]
        window, at = np.array(found, np.int64).reshape(-1, 2).T
        return window, at

    def _first_come(self, at_h: Floats, allowed: list[Places]) -> list[Places]:
        """One start for each window: whatever may begin does, and of several the one that must be done first.

        All that are allowed where runs in such an order do not fit: then nobody saves anything by planning them.
        """
        found, left, free_h = dict[int, Places](), dict(enumerate(allowed)), 0.0
        while left:
            left = {n: steps[at_h[steps] >= free_h - _HAIR_H] for n, steps in left.items()}
            if not all(steps.size for steps in left.values()):
                return allowed
            number = min(left, key=lambda n: (left[n][0], self.windows[n][1]))
            found[number] = left.pop(number)[:1]
            free_h = at_h[found[number][0]] + self.programme_h
        return [found[number] for number in range(self.run_count)]

    def _power(self, step_h: Floats, at: Places) -> Floats:
        """Mean power in each step (columns) of a run from each start (rows), kW: its energy is kept."""
        energy_kwh = np.cumsum([0.0, *self.programme_kw]) * self.programme_step_h
        at_h = np.cumsum([0.0, *step_h.tolist()])
        since_h = at_h[None, :] - at_h[at][:, None]
        used_kwh = np.interp(since_h, np.arange(energy_kwh.size) * self.programme_step_h, energy_kwh)
        power: Floats = np.diff(used_kwh, axis=1) / step_h
        return power


def _next_windows(params: ApplianceParams, given: AssetState) -> list[tuple[int, int]]:
    """The windows of the next local days as steps of the plan, in the order in which they end."""
    start = given.start_utc or datetime(1970, 1, 1, tzinfo=UTC)
    today = local_day(start, given.time_zone)
    found = []
    # From yesterday on: a window over midnight may have begun then.
    for day in (today + timedelta(days=number) for number in range(-1, 4)):
        for each in params.windows:
            over = timedelta(days=each.latest_end <= each.earliest)
            # A time that clocks skip comes late for a start, which may not be early, and early for an end.
            begin = _local(day, each.earliest).replace(tzinfo=zone(given.time_zone)).astimezone(UTC)
            end = earlier_instant(_local(day + over, each.latest_end), given.time_zone)
            first = int(np.ceil((begin - start) / timedelta(hours=given.step_h) - _HAIR_H))
            found.append((max(first, 0), int(np.floor((end - start) / timedelta(hours=given.step_h) + _HAIR_H))))
    return sorted((each for each in found if each[1] > each[0]), key=lambda each: (each[1], each[0]))


def _local(day: date, clock: str) -> datetime:
    # 24:00 is the midnight after.
    midnight = clock == "24:00"
    return datetime.fromisoformat(f"{day + timedelta(days=midnight)}T{'00:00' if midnight else clock}")
