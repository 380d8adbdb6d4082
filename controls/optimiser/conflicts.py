"""Why there is no plan: which limits contradict one another, when, and by how much each had to give (formulas 5.18).

Limits are dropped family by family, half of them at once as long as that still leaves a contradiction: what stays is
irreducible, dropping any one of it would make a plan possible. Each of them is then made elastic alone. Nothing here
yields a plan: a relaxed problem is an explanation, not a fallback.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np

from controls.optimiser.backends.expressions import INF
from controls.optimiser.backends.program import Arrays, Outcome, Program
from controls.optimiser.backends.solvers import run_solver
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Part
from controls.optimiser.lp_build import build_problem, label_of
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding

_UNIT_WORDS = {"kw": "kW", "kwh": "kWh", "kgco2e": "kgCO2e"}
# A person waits for the answer: late is as good as none.
TIME_LIMIT_S = 10.0
# A watt: less is the noise of the solver, not a step in which a limit has to give.
_GIVES = 1e-3


@dataclass(frozen=True)
class _Limit:
    part: Part
    family: str
    unit: str

    @property
    def words(self) -> str:
        """As words_of."""
        return words_of(self.part, self.family)


def words_of(part: Part, family: str) -> str:
    """The limit of a part in words: device, meaning and figure."""
    text = part.means.get(family, family.replace("_", " ")).format(part=part)
    return f"{part.device_id} {text}".strip()


def unit_words(unit: str) -> str:
    """The unit of a limit as people write it."""
    return _UNIT_WORDS.get(unit, unit)


def explain_conflict(case: DispatchCase, *, time_zone: str = "UTC", time_limit_s: float = TIME_LIMIT_S) -> Finding:
    """A blocking finding `infeasible` that names the conflicting limits of a case that has no plan.

    time_zone: of the times in its message. facts: `families` (comma-separated), and `<family>_<unit>` = how much that
    family alone would have to give; absent where it alone would not help, or time was up; `is_smallest` false where
    time_limit_s passed before every limit was tried. Raises OurFault where the case is feasible, or infeasible without
    any limit.
    """
    ends = time.monotonic() + time_limit_s
    limits = {
        label_of(case, part, name): _Limit(part, name, unit)
        for part in case.parts
        for name, unit in part.limits.items()
    }
    search = _Search(case, ends)
    families, is_smallest = search.smallest([name for name in limits if name in search.rows])
    clauses = [f"no plan keeps {' and '.join(f'{name} ({limits[name].words})' for name in families)}"]
    clauses[0] += " together" if len(families) > 1 else ""
    facts: dict[str, str | float | int | bool | None] = {"families": ",".join(families)}
    for name in families:
        if time.monotonic() < ends and (given := search.needed(name)) is not None:
            amount, steps = given
            unit = limits[name].unit
            facts[f"{name}_{unit}"] = round(amount, 9)
            when = spans(case.windows_utc, steps, ZoneInfo(time_zone)) if steps else ""
            clauses.append(f"{name} alone would have to give {amount:.3f} {unit_words(unit)}{when}")
            if consequence := limits[name].part.short(limits[name].family, amount):
                clauses[-1] += f": {consequence}"
    if not is_smallest:
        facts["is_smallest"] = False
        clauses.append(f"not every limit was tried within {time_limit_s:g} s: some of these may not matter")
    return Finding(code="infeasible", severity="blocking", scope=case.case_id, message="; ".join(clauses), facts=facts)


def spans(windows: Sequence[tuple[datetime, datetime]], steps: Sequence[int], zone: tzinfo) -> str:
    """` between Thu 02:00 and Thu 05:00` of some steps in local time; the first three runs where there are more.

    Where the clock changes within the windows, each time says which of the two it is.
    """
    offsets = {start.astimezone(zone).utcoffset() for start, _ in windows}
    shape = "%a %H:%M" if len(offsets) == 1 else "%a %H:%M %Z"
    runs = []
    for _, run in groupby(enumerate(steps), key=lambda pair: pair[1] - pair[0]):
        numbers = [step for _, step in run]
        first, last = windows[numbers[0]][0], windows[numbers[-1]][1]
        runs.append(f"between {first.astimezone(zone):{shape}} and {last.astimezone(zone):{shape}}")
    more = f" and {len(runs) - 3} times more" if len(runs) > 3 else ""
    return f" {', '.join(runs[:3])}{more}"


class _Search:
    """One problem whose rows are dropped by their bounds: it is built once."""

    def __init__(self, case: DispatchCase, ends: float) -> None:
        self._case, self._ends = case, ends
        self._implied = {label_of(case, part, name) for part in case.parts for name in part.implied}
        program = self._program()
        # Nothing to minimise: any point will do, and the search ends at the first.
        self._arrays: Arrays = program.arrays().without_cost()
        self.rows: dict[str, list[int]] = {}
        for family in program.families:
            self.rows.setdefault(family.label, []).extend(range(family.first, family.first + family.size))

    def smallest(self, limits: list[str]) -> tuple[list[str], bool]:
        """The limits that stay when all that can be dropped are; whether each of them was tried."""
        if self._without(set()).objective is not None:
            raise OurFault("asked to explain a conflict where there is none")
        if self._is_infeasible(set(limits)):
            raise OurFault("the dispatch problem is infeasible without any limit")
        dropped: set[str] = set()
        kept = list(self._kept(limits, dropped))
        return kept, time.monotonic() < self._ends

    def needed(self, family: str) -> tuple[float, list[int]] | None:
        """Greatest concession that a family alone would have to make, and its steps; None where it would not help."""
        program = self._program()
        program.elastic(family)
        outcome = self._run(program)
        if outcome.objective is None:
            return None
        # The rows that have to give when none gives more than that: as few kW or kWh as possible in all.
        spread = self._program()
        gives = spread.elastic(family, most=outcome.objective * (1 + 1e-6) + 1e-9)
        values = self._run(spread).values
        at = np.concatenate([each.at for each in spread.families if each.label == family])
        if values is None or at.size != gives.size:
            return outcome.objective, []
        return outcome.objective, sorted(set(at[values[gives.column] > _GIVES].tolist()))

    def _kept(self, limits: list[str], dropped: set[str]) -> Iterator[str]:
        if time.monotonic() >= self._ends:
            yield from limits
            return
        # Dropping a whole block says the same as dropping its limits one after the other, in one run.
        if self._is_infeasible(dropped | set(limits)):
            dropped.update(limits)
        elif len(limits) == 1:
            yield limits[0]
        else:
            half = len(limits) // 2
            yield from self._kept(limits[:half], dropped)
            yield from self._kept(limits[half:], dropped)

    def _is_infeasible(self, without: set[str]) -> bool:
        return self._without(without).status == "infeasible"

    def _without(self, without: set[str]) -> Outcome:
        arrays = self._arrays
        if without:
            rows = [row for name in without for row in self.rows[name]]
            lower, upper = arrays.row_lower.copy(), arrays.row_upper.copy()
            lower[rows], upper[rows] = -INF, INF
            arrays = arrays.between(lower, upper)
        return self._run(Program(), arrays)

    def _program(self) -> Program:
        return build_problem(self._case, without=self._implied).program

    def _run(self, program: Program, arrays: Arrays | None = None) -> Outcome:
        left_s = max(self._ends - time.monotonic(), 0.05)
        return run_solver(program, solver="highs", gap=1e-6, time_limit_s=left_s, arrays=arrays)
