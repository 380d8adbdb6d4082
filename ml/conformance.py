"""What we say we follow, clause by clause, each with a case that is computed on the spot: `meterloom conformance`.

A case is a small sum with a known answer, run by the code that also computes real figures; no test framework is needed.
The cases stand in conformance_caltrack.py, conformance_hourly.py, conformance_statistics.py, conformance_savings.py and
conformance_platform.py. "pass" means that the case holds, not that a standard's owner has certified anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from data_quality.contracts.model import Model

Result = Literal["pass", "fail", "deviation"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """holds: the case came out as it must; note: what was computed; deviation: why we differ on purpose, or nothing."""

    holds: bool
    note: str
    deviation: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One executable statement about a clause; `statement` is the sentence that must be true."""

    standard: str
    clause: str
    statement: str
    run: Callable[[], Outcome]

    @property
    def name(self) -> str:
        """The case by its function."""
        return self.run.__name__


class Row(Model):
    """One line of the table. test: the case's name; note: what it computed, or why we deviate."""

    standard: str
    clause: str
    statement: str
    test: str
    result: Result
    note: str


class Register:
    """The cases of one module, in order."""

    def __init__(self, standard: str) -> None:
        self.standard = standard
        self.cases: list[Case] = []

    def case(self, clause: str, *, standard: str = "") -> Callable[[Callable[[], Outcome]], Callable[[], Outcome]]:
        """Register a function; its docstring is the statement."""

        def add(run: Callable[[], Outcome]) -> Callable[[], Outcome]:
            statement = (run.__doc__ or "").strip().partition("\n")[0].rstrip(".")
            self.cases.append(Case(standard or self.standard, clause, statement, run))
            return run

        return add


def expect(found: float, wanted: float, *, digits: int, unit: str = "") -> Outcome:
    """The same number to so many decimals."""
    shown, known = f"{found:.{digits}f}", f"{wanted:.{digits}f}"
    return Outcome(shown == known, f"{shown}{unit}" if shown == known else f"{shown}{unit}, expected {known}{unit}")


def all_cases() -> tuple[Case, ...]:
    """Every case, standard by standard."""
    from ml.conformance_caltrack import CALTRACK
    from ml.conformance_hourly import HOURLY
    from ml.conformance_platform import PLATFORM
    from ml.conformance_savings import SAVINGS
    from ml.conformance_statistics import STATISTICS

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
