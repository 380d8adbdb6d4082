"""A bill as linear terms for an optimiser: variables by name, each a sum, a maximum, a cap or tiers of others.

The models and their algebra stand here; linear_build.py writes them and proves what is an LP,
linear_rows.py makes rows of them. No solver is known here.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from data_quality.contracts.model import Model

ZERO, ONE = Decimal(0), Decimal(1)
Side = Literal["import", "export"]
How = Literal["lp", "binary"]


class NotLinear(Model):
    """A typed refusal, or what exact terms leave out: the charge or part of the bill by name, and why."""

    component: str
    why: str


class Refused(Exception):
    """Carries a NotLinear out of the compiler: an answer, never seen outside it."""

    def __init__(self, component: str, why: str) -> None:
        super().__init__(f"{component}: {why}")
        self.answer = NotLinear(component=component, why=why)


class Form(Model):
    """constant + sum of coefficient x variable; parts: (variable, coefficient), each variable once, no zeros.

    A number of a plan's bill: it is added to forms and decimals, and times a decimal it is a form again.
    """

    constant: Decimal = ZERO
    parts: tuple[tuple[str, Decimal], ...] = ()

    @classmethod
    def of(cls, value: "Form | Decimal") -> "Form":
        """The value as a form."""
        return value if isinstance(value, Form) else cls(constant=value)

    def __add__(self, other: "Form | Decimal") -> "Form":
        return self._plus(Form.of(other), ONE)

    __radd__ = __add__

    def __sub__(self, other: "Form | Decimal") -> "Form":
        return self._plus(Form.of(other), -ONE)

    def __rsub__(self, other: Decimal) -> "Form":
        return Form.of(other) - self

    def __mul__(self, factor: Decimal) -> "Form":
        return Form()._plus(self, factor)

    def __truediv__(self, divisor: int) -> "Form":
        return self * (ONE / divisor)

    def __neg__(self) -> "Form":
        return self * -ONE

    def __bool__(self) -> bool:
        """False where it is zero whatever the variables are."""
        return bool(self.parts or self.constant)

    def _plus(self, other: "Form", factor: Decimal) -> "Form":
        merged = dict(self.parts)
        for name, coefficient in other.parts:
            merged[name] = merged.get(name, ZERO) + coefficient * factor
        return Form(
            constant=self.constant + other.constant * factor,
            # Zeros are dropped: a variable that cancels out must not keep its term in the program.
            parts=tuple((name, coefficient) for name, coefficient in merged.items() if coefficient),
        )


# A number of a bill: exact where all is known, a form where a plan has yet to decide.
N = TypeVar("N", Decimal, Form)


class Energy(Model):
    """incurred + sum of weight x kWh over intervals of the horizon; weights: one per interval, none: all 1.

    incurred: the same sum over what is known of the bill outside the horizon.
    """

    kind: Literal["energy"] = "energy"
    name: str
    side: Side
    intervals: tuple[int, ...]
    weights: tuple[Decimal, ...] = ()
    incurred: Decimal = ZERO


class Peak(Model):
    """Mean of the `count` highest group maxima of average import power, kW; one group: the maximum of all windows.

    Window n holds the intervals [first[n], last[n]) of the horizon and known_kwh beside it, and belongs to group[n];
    its power is kw_per_kwh x energy. floor_kw: per group, the highest window that lies outside the horizon.
    """

    kind: Literal["peak"] = "peak"
    name: str
    first: tuple[int, ...]
    last: tuple[int, ...]
    known_kwh: tuple[Decimal, ...]
    group: tuple[int, ...]
    floor_kw: tuple[Decimal, ...]
    kw_per_kwh: Decimal
    count: int = 1


class Cap(Model):
    """incurred + sum of weight x min(kWh, cap_kwh) over intervals of export; weights >= 0.

    how: `lp` where it earns money; `binary` where it costs: one binary an interval says that the cap is passed.
    """

    kind: Literal["cap"] = "cap"
    name: str
    intervals: tuple[int, ...]
    weights: tuple[Decimal, ...]
    cap_kwh: Decimal
    incurred: Decimal = ZERO
    how: How = "lp"


class Maximum(Model):
    """The greatest of the forms. how: `lp`: a row below each suffices; `binary`: one binary a form says which it is."""

    kind: Literal["maximum"] = "maximum"
    name: str
    forms: tuple[Form, ...] = Field(min_length=2)
    meaning: str
    how: How = "lp"


class Tiers(Model):
    """Money (or kWh) of an amount that fills tiers: sum of price x part. up_to: ends, cumulative, the last None.

    how: `lp`: prices rise, so cheap tiers fill first by themselves; `binary`: one binary an end says that it is passed.
    """

    kind: Literal["tiers"] = "tiers"
    name: str
    form: Form
    up_to: tuple[Decimal | None, ...]
    prices: tuple[Decimal, ...]
    how: How = "lp"


Term = Annotated[Energy | Peak | Cap | Maximum | Tiers, Field(discriminator="kind")]


def forms_of(term: Term) -> tuple[Form, ...]:
    """Forms that a term is worked out from; empty for one of energies alone."""
    return term.forms if isinstance(term, Maximum) else (term.form,) if isinstance(term, Tiers) else ()


class LinearTerms(Model):
    """The unrounded total of one bill as a function of the import and export of each interval of a horizon, kWh.

    cost = constant + import_price . import + export_price . export + sum of coefficient x variable of `objective`.
    Prices stand after riders, discounts and taxes; export_price is negative where export is paid. terms: variables in
    the order in which they can be worked out. left_out: what later bills feel of this one, named, not counted.
    """

    tariff_id: str
    currency: str
    start: date
    end: date
    time_zone: str
    start_utc: datetime
    step_minutes: int
    size: int
    constant: Decimal
    import_price_per_kwh: tuple[Decimal, ...]
    export_price_per_kwh: tuple[Decimal, ...]
    objective: tuple[tuple[str, Decimal], ...]
    terms: tuple[Term, ...]
    max_import_kwh: Decimal | None = Field(
        default=None, description="Most that an interval can import; bounds binaries"
    )
    max_export_kwh: Decimal | None = None
    left_out: tuple[NotLinear, ...] = ()
