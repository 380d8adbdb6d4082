"""What every part of a plan is: figures, variables, rows, cost, series and commands. One kind is one file beside this.

Whoever solves, checks, explains, stores or commands a plan asks these methods and knows no kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import ValidationError

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Asset

if TYPE_CHECKING:
    import pulp

# By name: the variables of a problem, or the numbers that they got. Mostly one entry a step.
Values = Mapping[str, Sequence[Any]]
Columns = dict[str, tuple[float, ...]]
# Family, name (without the device's) and constraint.
Row = tuple[str, str, Any]
M = TypeVar("M", bound=Model)
# A nano-kilowatt: solver noise goes, and an hour of it is far below every tolerance.
DECIMALS = 9


@dataclass(frozen=True)
class Around:
    """What a part sees of its case: hours of each step, and the most that all devices and the load together may draw
    or feed in each, kW.
    """

    step_h: tuple[float, ...]
    drawn_max_kw: tuple[float, ...] = ()
    fed_max_kw: tuple[float, ...] = ()


class Part(Model, ABC):
    """Figures of one part of a case over its steps, and its mathematics.

    limits: families of rows that somebody chose, with the unit of what they limit; the others are physics and never
    give. implied: families that can be in no conflict because the others already say what they say. per_step: fields
    with one value a step. case_key: where a case file holds it (empty: at the top), case_is_list: as a list of them,
    and case_names: the file's names and the fields that they are.
    """

    kind: ClassVar[str]
    limits: ClassVar[Mapping[str, str]] = {}
    implied: ClassVar[frozenset[str]] = frozenset()
    per_step: ClassVar[tuple[str, ...]] = ()
    case_key: ClassVar[str] = ""
    case_is_list: ClassVar[bool] = False
    case_names: ClassVar[Mapping[str, str]] = {}

    device_id: str

    @property
    def prefix(self) -> str:
        """How the names of its variables and rows begin; the connection, of which there is but one, has no id."""
        return self.device_id or "site"

    def new(self, lp: "pulp.LpProblem", name: str, count: int, **options: Any) -> list[Any]:
        """`count` variables of this part; options as of PuLP (lowBound, upBound, cat)."""
        return [lp.add_variable(f"{self.prefix}_{name}_{t:03d}", **options) for t in range(count)]

    @abstractmethod
    def variables(self, lp: "pulp.LpProblem", around: Around) -> Values:
        """New variables; their limits are rows, so that a conflict can be named."""

    @abstractmethod
    def rows(self, x: Values, around: Around) -> Iterator[Row]:
        """All constraints, family after family; tests/golden/lp pins them."""

    @abstractmethod
    def drawn_kw(self, x: Values, t: int) -> Any:
        """Power that it takes from the site in step t, negative where it gives: of variables, or of numbers."""

    def cost(self, x: Values, step_h: tuple[float, ...]) -> Iterable[Any]:
        """Terms of its cost in the case's currency: of variables, or of numbers."""
        return ()

    @abstractmethod
    def errors(self, columns: Values, step_h: tuple[float, ...]) -> Iterator[tuple[str, float]]:
        """Every rule that its series must keep, and by how much they break it (kW, kWh). Written without the rows."""


@dataclass(frozen=True)
class Measure:
    """What a plan must know of a device's state: the template's reading, a code for findings, words for a person."""

    reading: str
    code: str
    words: str


@dataclass(frozen=True)
class State:
    """A stored amount that a plan foresees: its column (at the end of each step), its start, and its full scale."""

    column: str
    start: float
    scale: float
    words: str
    unit: str


@dataclass(frozen=True)
class Given:
    """What is known of one asset when a plan is made.

    share: of its rating that it may use. forecast_kw: one value a step, of all `siblings`, the assets of its kind on
    its meter, itself among them. state: as measured. end: what is to be left; None: as much as there is.
    """

    site_id: str
    share: float = 1.0
    forecast_kw: tuple[float, ...] = ()
    siblings: tuple[Asset, ...] = ()
    state: float | None = None
    end: float | None = None


class Device(Part):
    """A part that a site file names.

    makes_a_plan: False for a kind that alone gives nothing to plan. forecast: which forecast it needs, if any.
    measure: which state, if any. columns: its decisions, which are powers. moves: columns worth a sentence, with the
    verb.
    """

    makes_a_plan: ClassVar[bool] = True
    forecast: ClassVar[str] = ""
    measure: ClassVar[Measure | None] = None
    columns: ClassVar[tuple[str, ...]] = ()
    moves: ClassVar[Mapping[str, str]] = {}

    @classmethod
    @abstractmethod
    def figures(cls, asset: Asset, site_id: str) -> Any:
        """The asset's own figures, checked. Raises BadInput naming site, asset and key."""

    @classmethod
    @abstractmethod
    def from_asset(cls, asset: Asset, given: Given) -> Self:
        """The device as a plan needs it. Raises BadInput as `figures`."""

    @classmethod
    def measured(cls, asset: Asset, site_id: str, reading: float) -> float:  # noqa: ARG003 - most take it as it is
        """The state of which `from_asset` speaks, from what the device itself says."""
        return reading

    @property
    def state(self) -> State | None:
        """The stored amount, for a device that stores."""
        return None

    @abstractmethod
    def reach_kw(self, t: int) -> tuple[float, float]:
        """The most that it may draw and the most that it may feed in step t."""

    def solved(self, values: Values, step_h: tuple[float, ...]) -> Columns:
        """Its series from the solved variables, free of solver noise; what follows from a decision follows exactly."""
        return {name: clean(values[name]) for name in self.columns}

    def trimmed(self, columns: Columns, spare_kw: Sequence[float]) -> Columns:
        """Its series without what serves nothing, where `spare_kw` more could be fed in at no loss in each step."""
        return columns

    def shown_kw(self, columns: Values) -> list[float]:
        """Its line in a plan's picture, one value a step."""
        return [self.drawn_kw(columns, t) for t in range(len(next(iter(columns.values()))))]

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """Absolute set-points of step t by capability, each in the unit that ends the capability's name."""
        return {}

    def without_control(self) -> "Device | None":
        """What it does where nobody plans it, for the counterfactual of a saving; None: it is not there."""
        return None


def clean(values: Iterable[float]) -> tuple[float, ...]:
    """Powers without solver noise and never below zero."""
    # Adding 0.0 turns -0.0 into 0.0, which would otherwise be hashed and printed.
    return tuple(max(round(value, DECIMALS), 0.0) + 0.0 for value in values)


def params_of(model: type[M], asset: Asset, site_id: str) -> M:
    """The params of an asset as a model; names that it does not know are somebody else's. Raises BadInput."""
    known = {name: value for name, value in asset.params.items() if name in model.model_fields}
    try:
        return model.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(["params", *(str(part) for part in first["loc"])])
        message = f"site {site_id}, asset {asset.asset_id!r}, {key}: {first['msg']}"
        raise BadInput(message, reason="bad_asset") from error
