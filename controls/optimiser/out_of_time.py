"""Words for a search that its time limit ended: how near it came, and which limit holds it back most.

The problem without its integers has a price for every limit: how much the cost would fall if it gave one unit more in
each of its steps. It is a relaxation, told as an explanation and never handed out as a plan (formulas 5.18).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from controls.optimiser.backends.solvers import row_duals, run_highs
from controls.optimiser.case import DispatchCase
from controls.optimiser.conflicts import explain_conflict, unit_words, words_of
from controls.optimiser.lp_build import build_problem, label_of
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence, Stored

RELAXED_S = 5.0
# What is below a thousandth of the currency is rounding to whoever reads it.
_LEAST = 1e-3


class _Price(NamedTuple):
    family: str
    words: str
    unit: str
    saves: float


def not_proven(case: DispatchCase, gap: float) -> Finding:
    """A warning `plan_not_proven` of a plan that was found, but not proven to be the best when its search ended.

    gap: its own, a share. facts: gap; limit and saves_per_unit where a limit holds the relaxation back.
    """
    near = Numeral(f"{gap:.2%}")
    message = Sentence("the search ended before the plan was proven: it is at most {0} from the best there is", near)
    price = None if case.uncertain else _dearest(case)
    return _finding(
        case, "plan_not_proven", "warning", message, price if isinstance(price, _Price) else None, {"gap": gap}
    )


def least_proven(unproven: Sequence[tuple[float, DispatchCase]], *, name: str, days: int) -> Finding | None:
    """`not_proven` of the plan, of many days' by one policy, that may be the farthest from its best; None without any.

    unproven: gap and case of each.
    """
    if not unproven:
        return None
    gap, case = max(unproven, key=lambda each: each[0])
    found = not_proven(case, gap)
    message = Sentence("{0}, {1} plans of {2} days: {3}", name, len(unproven), days, found.message)
    return found.model_copy(update={"message": message})


def none_in_time(case: DispatchCase, *, solver: str, time_limit_s: float, time_zone: str) -> Finding:
    """A blocking `no_plan_in_time`; `infeasible` where already the problem without its integers has no solution."""
    message = Sentence("{0} found no plan within {1} s", solver, Numeral(f"{time_limit_s:g}"))
    price = None if case.uncertain else _dearest(case)
    if price == "infeasible":
        return explain_conflict(case, time_zone=time_zone)
    found = price if isinstance(price, _Price) else None
    return _finding(case, "no_plan_in_time", "blocking", message, found, {"time_limit_s": time_limit_s})


def _finding(
    case: DispatchCase, code: str, severity: str, message: str, price: _Price | None, facts: dict[str, float]
) -> Finding:
    details: dict[str, str | float | int | bool | None] = {**facts}
    if price is not None:
        pattern = "{0}; with switches at any share, {1} ({2}) holds it back most: one {3} more would save {4} {5}"
        saves = Numeral(f"{price.saves:.3f}")
        message = Sentence(pattern, message, price.family, Stored(price.words), price.unit, saves, case.currency)
        details |= {"limit": price.family, "saves_per_unit": round(price.saves, 6)}
    return Finding.model_validate(
        {"code": code, "severity": severity, "scope": case.case_id, "message": message, "facts": details}
    )


def _dearest(case: DispatchCase) -> _Price | str | None:
    """The limit of the highest price without integers; None where none has one, else the status of the relaxation."""
    # Without rows that only say a limit a second time: its price would be shared with them.
    implied = {label_of(case, part, name) for part in case.parts for name in part.implied}
    program = build_problem(case, without=implied).program
    whole = program.arrays(case.weights)
    arrays = replace(whole, is_integer=np.zeros_like(whole.is_integer))
    found = run_highs(arrays, gap=0.0, time_limit_s=RELAXED_S)
    if found.status != "optimal" or found.values is None:
        return found.status
    duals, prices = row_duals(arrays, found.values), dict[str, float]()
    for family in program.families:
        own = float(np.abs(duals[family.first : family.first + family.size]).sum())
        prices[family.label] = prices.get(family.label, 0.0) + own
    limits = [
        (prices.get(label_of(case, part, name), 0.0), label_of(case, part, name), part, name)
        for part in case.parts
        for name in part.limits
    ]
    saves, label, part, name = max(limits, key=lambda each: each[0])
    return _Price(label, words_of(part, name), unit_words(part.limits[name]), saves) if saves >= _LEAST else None
