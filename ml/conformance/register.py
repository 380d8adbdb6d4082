"""What we say we follow, clause by clause, each with a case that is computed on the spot: `meterloom conformance`.

A case is a small sum with a known answer, run by the code that also computes real figures; no test framework is needed.
The cases stand in caltrack.py, hourly.py, statistics.py, savings.py and
platform.py. "pass" means that the case holds, not that a standard's owner has certified anything.
"""

from collections.abc import Sequence
from typing import Literal

from data_quality.contracts.model import Model
from ml.conformance.caltrack import CALTRACK
from ml.conformance.case import Case
from ml.conformance.hourly import HOURLY
from ml.conformance.platform import PLATFORM
from ml.conformance.savings import SAVINGS
from ml.conformance.statistics import STATISTICS

Result = Literal["pass", "fail", "deviation"]


class Row(Model):
    """One line of the table. test: the case's name; note: what it computed, or why we deviate."""

    standard: str
    clause: str
    statement: str
    test: str
    result: Result
    note: str


def all_cases() -> tuple[Case, ...]:
    """Every case, standard by standard."""
    return tuple(case for each in (CALTRACK, HOURLY, STATISTICS, SAVINGS, PLATFORM) for case in each.cases)


def conformance_rows(cases: Sequence[Case] | None = None) -> tuple[Row, ...]:
    """Run the cases. A case that raises is a fault of ours and is not hidden."""
    return tuple(_row(case) for case in (all_cases() if cases is None else cases))


def _row(case: Case) -> Row:
    outcome = case.run()
    result: Result = "fail" if not outcome.holds else "deviation" if outcome.deviation else "pass"
    note = f"{outcome.note}; {outcome.deviation}" if outcome.deviation else outcome.note
    return Row(
        standard=case.standard,
        clause=case.clause,
        statement=case.statement,
        test=case.name,
        result=result,
        note=note,
    )
