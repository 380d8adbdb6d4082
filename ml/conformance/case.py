"""A conformance case: a statement about a clause, the computation that shows it, and its result."""

from collections.abc import Callable
from dataclasses import dataclass


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
        """The case by its function, or of a number by its own name."""
        of: object = getattr(self.run, "__self__", self.run)
        return of.name if isinstance(of, Number) else self.run.__name__


@dataclass(frozen=True, slots=True)
class Number:
    """A case whose answer is one number: found() reads as wanted to so many decimals. No standard: the register's."""

    clause: str
    name: str
    statement: str
    found: Callable[[], float]
    wanted: float
    digits: int
    unit: str = ""
    standard: str = ""

    def run(self) -> Outcome:
        """The number beside the wanted one."""
        return expect(self.found(), self.wanted, digits=self.digits, unit=self.unit)


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

    def numbers(self, *numbers: Number) -> None:
        """Add cases whose answers are numbers."""
        self.cases += [Case(each.standard or self.standard, each.clause, each.statement, each.run) for each in numbers]


def expect(found: float, wanted: float, *, digits: int, unit: str = "") -> Outcome:
    """The same number to so many decimals."""
    # As texts: two numbers are equal where they read the same.
    shown, known = f"{found:.{digits}f}", f"{wanted:.{digits}f}"
    return Outcome(shown == known, f"{shown}{unit}" if shown == known else f"{shown}{unit}, expected {known}{unit}")
