"""Interface of a plan's device kinds: figures, variables, rows, cost, series, commands. One kind is one file beside.

Whoever solves, checks, explains, stores or commands a plan asks these methods and knows no kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import not_
from typing import Any, ClassVar, Literal, Self, TypedDict, TypeVar, Unpack

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, ValidationError

from controls.optimiser.backends.expressions import INF, Floats, Linear
from controls.optimiser.backends.program import Program, Row
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.model import Model
from data_quality.contracts.model_faults import sentence_of
from data_quality.contracts.sentence import Text
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import zone

# By name: the variables of a problem (Linear), or the numbers that they got. Mostly one entry a step.
Values = Mapping[str, Any]
Numbers = dict[str, Floats]
Columns = dict[str, tuple[float, ...]]
M = TypeVar("M", bound=Model)
# Kinds of cost that somebody pays ("stored": charge borrowed from tomorrow, "shedding": what a load's owner asks for
# going without); the others (comfort, carbon, ...) only weigh in the objective.
MONEY = frozenset({"energy", "demand", "wear", "stored", "shedding"})
# A nano-kilowatt: solver noise goes, and an hour of it is far below every tolerance.
DECIMALS = 9


@dataclass(frozen=True)
class CaseContext:
    """The case as its parts need it: hours of each step, and the most that all devices and the load together may draw
    or feed in each, kW.
    """

    step_h: Floats
    drawn_max_kw: Floats
    fed_max_kw: Floats

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.step_h.size


class Part(Model, ABC):
    """Figures of one part of a case over its steps, and its mathematics.

    limits: families of rows that somebody chose, with the unit of what they limit; the others are physics and never
    give. means: a limit in words for a person, with its figures in braces (`{part.name}`). implied: families that can
    be in no conflict because the others already say what they say. per_step: fields with one value a step, or None
    where nobody needs them. or_per_step: fields with one value for all steps, or one a step. case_key: where a case
    file holds it (empty: at the top), case_is_list: as a list of them, case_field: as a list that is this field of one
    part, and case_names: the file's names and the fields that they are.
    """

    kind: ClassVar[str]
    limits: ClassVar[Mapping[str, str]] = {}
    implied: ClassVar[frozenset[str]] = frozenset()
    per_step: ClassVar[tuple[str, ...]] = ()
    or_per_step: ClassVar[tuple[str, ...]] = ()
    limit_words: ClassVar[Mapping[str, str]] = {}
    means: ClassVar[Mapping[str, str]] = {}
    case_key: ClassVar[str] = ""
    case_is_list: ClassVar[bool] = False
    case_field: ClassVar[str] = ""
    case_names: ClassVar[Mapping[str, str]] = {}

    device_id: str

    @property
    def prefix(self) -> str:
        """Prefix of the names of its variables and rows; the connection, of which there is but one, has no id."""
        return self.device_id or "site"

    def new(self, program: Program, name: str, count: int, **options: Any) -> Linear:
        """`count` variables of this part; options as of Program.new."""
        return program.new(f"{self.prefix}_{name}", count, **options)

    def fits(self, step_h: tuple[float, ...]) -> None:
        """Raises ValueError where its own figures do not go with the steps (hours of each) of its case."""

    def over(self, known: Sequence[tuple[Self, int]]) -> Self:
        """The part resampled to other steps: each takes the values of one step (by index) of a part of its kind."""
        names = [name for name in self.per_step if getattr(self, name)] + list(self.or_per_step)
        every = {name: [_in_step(getattr(then, name), t) for then, t in known] for name in names}
        return self.model_copy(update={name: tuple(values) for name, values in every.items()})

    @abstractmethod
    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """New variables; their limits are rows, so that a conflict can be named."""

    @abstractmethod
    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """All constraints, family after family; tests/golden/lp pins them."""

    @abstractmethod
    def drawn_kw(self, x: Values) -> Any:
        """Power that it takes from the site in each step, negative where it gives: of variables, or of numbers."""

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        """Its cost by kind (see MONEY), in the case's currency, to be added up: of variables, or of numbers."""
        return ()

    def warm_start(self, columns: Numbers) -> Numbers:
        """Warm start: values of its variables by name, from its series, including the modes behind them."""
        return columns

    def short(self, family: str, amount: float) -> str:
        """Consequence of relaxing a limit by that amount, as text; empty: nothing to add."""
        return ""

    @abstractmethod
    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """Every rule that its series must keep, and by how much they break it (kW, kWh) in each step, or at all.

        Written without the rows, so that a wrong row is found.
        """


@dataclass(frozen=True)
class Measure:
    """Measurement of a device's state for a plan: the template's reading, a code for findings, words for a person.

    presence: a reading that is 0 where nothing is there to have a state (no car is plugged in); empty: always there.
    """

    reading: str
    code: str
    words: str
    presence: str = ""

    @property
    def unit(self) -> str:
        """The unit of the reading, which ends its name."""
        return self.reading.rsplit("_", 1)[1]


@dataclass(frozen=True)
class State:
    """A stored amount that a plan foresees: its column (at the end of each step), its start, its full scale, and the
    least that is to be left.
    """

    column: str
    start: float
    scale: float
    words: str
    unit: str
    end: float = 0.0


@dataclass(frozen=True)
class Forced:
    """Another decision in one step: words for it, and the bounds that force one variable of the device to it."""

    words: str
    variable: str
    lower: float
    upper: float


@dataclass(frozen=True)
class AssetState:
    """State of one asset when a plan is made.

    outdoor_degc: forecast, one value a step; empty where there is none.
    share: of its rating that it may use. forecast_kw: one value a step, of all `siblings`, the assets of its kind on
    its meter, itself among them. state: as measured. end: what is to be left; None: as much as there is.
    start_utc, step_h, time_zone: the plan's steps. away_until_utc: until when nobody is at home; None: somebody is.
    load_kw, pv_kw, import_price_per_kwh: of the site, one value a step.
    import_max_kw: of the site's connection.
    """

    site_id: str
    share: float = 1.0
    forecast_kw: tuple[float, ...] = ()
    siblings: tuple[Asset, ...] = ()
    state: float | None = None
    end: float | None = None
    start_utc: datetime | None = None
    step_h: float = 0.25
    time_zone: str = "UTC"
    away_until_utc: datetime | None = None
    outdoor_degc: tuple[float, ...] = ()
    load_kw: tuple[float, ...] = ()
    pv_kw: tuple[float, ...] = ()
    import_price_per_kwh: tuple[float, ...] = ()
    import_max_kw: float = INF

    @property
    def away_steps(self) -> int:
        """Steps that are over when somebody is at home again; the one in which they return is none of them."""
        if self.away_until_utc is None or self.start_utc is None:
            return 0
        return max(int((self.away_until_utc - self.start_utc) / timedelta(hours=self.step_h) + 1e-9), 0)

    def by_hour(self, value: float | tuple[float, ...], steps: int) -> tuple[float, ...]:
        """A figure of a site file in each of so many steps: one value for all of them, or those of the local hours."""
        if not isinstance(value, tuple):
            return (value,) * steps
        first, here = self.start_utc or datetime(2000, 1, 1, tzinfo=UTC), zone(self.time_zone)
        hours = ((first + t * timedelta(hours=self.step_h)).astimezone(here).hour for t in range(steps))
        return tuple(value[hour % len(value)] for hour in hours)


class ReplayState(TypedDict, total=False):
    """State of a device in a replay: another amount to begin with and at least to leave (None: as its own figures
    require), and the actual values in place of its forecast, one a step. An amount unreachable in its steps (step_h:
    hours of each) is not required.
    """

    start: float | None
    end: float | None
    forecast_kw: Floats | None
    step_h: Floats | None


_PHASES = (1, 2, 3)


class OnPhases(Model):
    """Which phases a device hangs on, a param of its asset: `on_phases: [1]`; empty: all three alike."""

    on_phases: tuple[Literal[1, 2, 3], ...] = Field(default=(), exclude_if=not_)


class Device(Part, OnPhases):
    """A part that a site file names.

    params: what a site file says of it. makes_a_plan: False for a kind that alone gives nothing to plan. forecast:
    which forecast it needs, if any. measure: which state, if any. columns: its decisions, which are powers. moves:
    columns worth a sentence, with the verb. metered: registers of its meter, and the decision that each shows
    afterwards. is_taken_away: what it stores leaves with its owner, who wants a certain amount of it. is_slow: what
    it does is the same in every scenario. wants_outdoor: a forecast of the outdoor temperature makes its plan
    better.
    """

    params: ClassVar[type[Model]]
    makes_a_plan: ClassVar[bool] = True
    forecast: ClassVar[str] = ""
    measure: ClassVar[Measure | None] = None
    columns: ClassVar[tuple[str, ...]] = ()
    moves: ClassVar[Mapping[str, str]] = {}
    metered: ClassVar[Mapping[str, str]] = {}
    is_taken_away: ClassVar[bool] = False
    is_slow: ClassVar[bool] = False
    wants_outdoor: ClassVar[bool] = False

    @classmethod
    def takes(cls, asset: Asset) -> bool:  # noqa: ARG003 - most kinds plan every asset of theirs
        """Whether a plan moves this asset; one with too few figures to be planned is only shown."""
        return True

    @classmethod
    def figures(cls, asset: Asset, site_id: str) -> Any:
        """The asset's own figures, checked: `params`. Raises BadInput naming site, asset and key."""
        return params_of(cls.params, asset, site_id)

    @classmethod
    @abstractmethod
    def from_asset(cls, asset: Asset, given: AssetState) -> Self:
        """The device as a plan needs it. Raises BadInput as `figures`."""

    @classmethod
    def away(cls, asset: Asset, site_id: str) -> Text:  # noqa: ARG003 - most kinds do nothing else then
        """Set-back during absence, as text; empty: none. Raises BadInput as `figures`."""
        return ""

    @classmethod
    def measured(cls, asset: Asset, site_id: str, reading: float) -> float:
        """The state for `from_asset`, from the device's reading; percent are of `full`."""
        full = cls.full(asset, site_id)
        return reading if full is None else full * reading / 100

    @classmethod
    def assumed(cls, asset: Asset, site_id: str) -> tuple[float | None, str]:
        """Default initial state of a plan where none is measured, and its meaning, as text."""
        raise OurFault(f"site {site_id}, asset {asset.asset_id!r}: a {cls.kind} has no state to assume")

    @classmethod
    def assumed_at(cls, asset: Asset, given: AssetState) -> tuple[float | None, str]:
        """The same of a plan that begins at given.start_utc; most kinds assume alike at all hours."""
        return cls.assumed(asset, given.site_id)

    @classmethod
    def full(cls, asset: Asset, site_id: str) -> float | None:  # noqa: ARG003 - most say no limit
        """The most that its measured state can be; None: not given."""
        return None

    @property
    def remarks(self) -> tuple[str, ...]:
        """Assumptions for unknown figures, and exclusions: sentences for the readers of a plan."""
        return ()

    @property
    def phase_share(self) -> tuple[float, float, float]:
        """Which share of its power lies on L1, L2 and L3."""
        on = set(self.on_phases or _PHASES)
        one, two, three = ((phase in on) / len(on) for phase in _PHASES)
        return one, two, three

    def phase_kw(self, x: Values, phase: int) -> Any:
        """Power drawn on a phase (0 for L1) in each step, kW: of variables, or of numbers; 0 where not connected."""
        share = self.phase_share[phase]
        return share * self.drawn_kw(x) if share else 0.0

    @property
    def is_absent(self) -> bool:
        """Nothing was there to have a state when the plan was made: no car at a charger."""
        return False

    @property
    def state(self) -> State | None:
        """The stored amount, for a device that stores."""
        return None

    @abstractmethod
    def reach_kw(self) -> tuple[ArrayLike, ArrayLike]:
        """The most that it may draw and the most that it may feed in, in each step or in all."""

    def solved(self, values: Numbers, step_h: Floats) -> Numbers:
        """Its series from the solved variables, free of solver noise; what follows from a decision follows exactly."""
        return {name: clean(values[name]) for name in self.columns}

    def trimmed(self, columns: Numbers, spare_kw: Floats) -> Numbers:
        """Its series without what serves nothing, where `spare_kw` more could be fed in at no loss in each step."""
        return columns

    def alternatives(self, columns: Numbers, t: int) -> list[Forced]:
        """Alternatives to its series in step t: each is solved again for its additional cost."""
        return []

    def unused_kw(self, columns: Numbers) -> Floats:
        """Available power not used in each step, kW."""
        return np.zeros_like(self.drawn_kw(columns))

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """Absolute set-points of step t by capability, each in the unit that ends the capability's name."""
        return {}

    def without_control(self) -> "Device | None":
        """The device without planning, for the counterfactual of a saving; None: left out of it."""
        return None

    def ending_as(self, columns: Columns) -> Self:
        """The same that leaves as much heat as the series of a plan; what stores no heat stays as it is."""
        return self

    def with_state(self, **known: Unpack[ReplayState]) -> "Device | None":
        """The device in the given state for a replay; None: the replay keeps it as planned."""
        return None

    def giving(self, family: str, amount: float | None) -> "Device | None":
        """The device with a wish of that family lowered by an amount (None: none that suffices is known), so that the
        rest of a site can be planned; None: that limit must stand.
        """
        return None

    def unconstrained(self) -> "Device":
        """The same with all that its physics allow, without what somebody wishes of it: bounds what any policy does."""
        return self

    def carried(self, columns: Columns, t: int) -> float | None:
        """Amount stored at the end of step t, the start of a later plan; None: it stores nothing."""
        return columns[self.state.column][t] if self.state else None

    def kept(self, decisions: Numbers, step_h: Floats) -> Numbers:
        """Decisions as the device itself carries them out: a full store takes no more."""
        return decisions

    def acted(self, set_points: Mapping[str, float], t: int) -> dict[str, float]:
        """Its decisions in step t under these set-points: the inverse of `commands`."""
        return dict.fromkeys(self.columns, 0.0)

    def by_rule(self, net_kw: Floats, step_h: Floats) -> Numbers | None:
        """Its decisions where it follows what everything else draws (`net_kw`), as it does by itself: surplus is stored
        and need is met, step by step without foresight. None: no such rule.
        """
        return None


def _in_step(value: Any, t: int) -> Any:
    return value[t] if isinstance(value, tuple) else value


def guarded_degc(asset: Asset) -> float | None:
    """The temperature below which the guard of the asset withholds no heat; None: not given."""
    found = asset.params.get("hard_min_degc")
    return float(found) if isinstance(found, int | float) else None


def clean(values: ArrayLike) -> Floats:
    """Powers without solver noise and never below zero."""
    # Adding 0.0 turns -0.0 into 0.0, which would otherwise be hashed and printed.
    return np.maximum(np.round(np.asarray(values, np.float64), DECIMALS), 0.0) + 0.0


def watts_up(power_kw: float) -> float:
    """Whole watts, in kW, never less: commands are cut to them, and one at a lower bound must not fall below it."""
    return float(np.ceil(power_kw * 1000 - 1e-6) / 1000 + 0.0)


def followed(start: float, change: Floats) -> Floats:
    """A stored amount at the end of each step, from its start and what each step adds."""
    # Summed up anew from cleaned powers: the solver's own path carries its noise.
    return np.round(start + np.cumsum(change), DECIMALS) + 0.0


def numbers(columns: Mapping[str, Iterable[float]]) -> Numbers:
    """Stored series as arrays."""
    return {name: np.array(tuple(values), np.float64) for name, values in columns.items()}


def params_of(model: type[M], asset: Asset, site_id: str) -> M:
    """The params of an asset as a model; names that it does not know are somebody else's. Raises BadInput."""
    known = {name: value for name, value in asset.params.items() if name in model.model_fields}
    try:
        return model.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(["params", *(str(part) for part in first["loc"])])
        message = f"site {site_id}, asset {asset.asset_id!r}, {key}: {sentence_of(first)}"
        raise BadInput(message, reason="bad_asset") from error


class Converter(Device):
    """Its two columns are the power that it charges with and the power that it discharges with, kW."""

    kind = ""

    def drawn_kw(self, x: Values) -> Any:
        """Charge less discharge, kW."""
        into, out = self.columns
        return x[into] - x[out] if out in x else x[into]

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """Charge positive, discharge negative."""
        return {"set_charge_power_kw": self.drawn_kw(step)}

    def acted(self, set_points: Mapping[str, float], t: int) -> dict[str, float]:
        """Charge positive, discharge negative; nothing without a set-point."""
        power_kw, (into, out) = set_points.get("set_charge_power_kw", 0.0), self.columns
        return {into: max(power_kw, 0.0), out: max(-power_kw, 0.0)}

    def power_errors(self, columns: Numbers) -> Iterator[tuple[str, ArrayLike]]:
        """Both ways at once, or a power below zero."""
        least_kw = np.minimum(*(columns[name] for name in self.columns))
        yield "charge and discharge at once", least_kw
        yield "a power below zero", -least_kw
