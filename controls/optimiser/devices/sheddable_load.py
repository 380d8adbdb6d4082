"""A load that may go down for a price: how much, for how long at a time, with what rest, and how long in all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from controls.optimiser.backends.expressions import INF, Floats, Linear
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.devices.components.switching import Bank, recent
from controls.optimiser.devices.device import AssetState, CaseContext, Device, Forced, Numbers, Values, watts_up
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.site_file.site import Asset

# Hours that sums of step lengths may be off by.
_HAIR_H = 1e-9
# Less is solver noise and no shedding.
_IDLE_KW = 1e-6
Power = Annotated[float, Field(ge=0)]
Hours = Annotated[float, Field(gt=0)]


class _Terms(Model):
    # What somebody agreed to; a site file and a case file have the same names for it.
    price_per_kwh: float = Field(ge=0, description="What a kWh not used costs its owner")
    max_share: float = Field(default=1.0, gt=0, le=1, description="Of its own power")
    max_kw: float | None = Field(default=None, gt=0)
    max_duration_h: Hours | None = Field(default=None, description="Of one shedding")
    min_rest_h: Hours | None = Field(default=None, description="Between two sheddings")
    max_h: Hours | None = Field(default=None, description="In all steps together")
    is_whole: bool = Field(default=False, description="A contact: shed whole or not at all")


class SheddableParams(_Terms):
    """The terms, and the load itself: one power, or one for each hour of the local day, kW."""

    load_kw: Power | tuple[Power, ...]
    max_load_kw: float | None = Field(default=None, gt=0, description="Its rating; else the highest of load_kw")


class SheddableLoad(_Terms, Device):
    """`own_kw`: what it takes in each step where nobody sheds it; that is part of the site's load already."""

    kind = "sheddable_load"
    params = SheddableParams
    limits: ClassVar = {"shed_power": "kw", "shed_duration": "steps", "shed_rest": "steps", "shed_hours": "h"}
    means: ClassVar = {
        "shed_power": "sheds no more than it takes, and as was agreed",
        "shed_duration": "is shed for at most {part.max_duration_h:g} h at a time",
        "shed_rest": "rests for {part.min_rest_h:g} h after it was shed",
        "shed_hours": "is shed for at most {part.max_h:g} h",
    }
    implied = frozenset({"shed_runs"})
    limit_words: ClassVar = {
        "most": "is shed as far as it may be",
        "duration": "has been shed for as long as it may be",
        "stay_off": "rests after it was shed",
        "hours": "has been shed for all the hours it may be",
    }
    per_step = ("own_kw",)
    case_key = "sheddable_loads"
    case_is_list = True
    case_names: ClassVar = {name: name for name in ("own_kw", *_Terms.model_fields)}
    columns = ("shed_kw",)
    moves: ClassVar = {"shed_kw": "is shed"}
    # What counts as shed sheds so much at least: two sheddings are not made one by an hour in which nothing is shed.
    least_kw: ClassVar[float] = 1e-3

    own_kw: tuple[Power, ...]
    limit_min_kw: float = Field(default=0.0, ge=0, description="Never limited below this power")
    rating_kw: float | None = Field(default=None, description="None: a case file's load, which nobody commands")

    @classmethod
    def takes(cls, asset: Asset) -> bool:
        """One without a price to shed is part of the load."""
        return "price_per_kwh" in asset.params

    @classmethod
    def from_asset(cls, asset: Asset, given: AssetState) -> Self:
        """Its power by the local clock, never more than the site's whole load is expected to be."""
        params: SheddableParams = cls.figures(asset, given.site_id)
        own_kw = given.by_hour(params.load_kw, len(given.load_kw))
        rating_kw = params.max_load_kw or float(np.max(params.load_kw))
        terms = params.model_dump(exclude={"load_kw", "max_load_kw"})
        return cls.model_validate(
            terms
            | {
                "device_id": asset.asset_id,
                "own_kw": tuple(max(min(own, load), 0.0) for own, load in zip(own_kw, given.load_kw, strict=True)),
                "rating_kw": rating_kw,
                # As of PV: its safe default is its rating, and a share of it counts downwards from there.
                "limit_min_kw": watts_up((1 - given.share) * rating_kw),
            }
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """That its price is in the plan's cost and on no bill."""
        pattern = "the plan's cost holds {0} for each kWh of {1} that is not used, which is on no bill"
        note = Sentence(pattern, Numeral(f"{self.price_per_kwh:g}"), self.device_id)
        return (note,) if any(self.most_kw) else ()

    def doubt(self, import_price_per_kwh: Sequence[float]) -> str:
        """Warning where shedding a kWh costs less than buying one in every step that the load runs in; else empty."""
        cheapest = min((price for price, kw in zip(import_price_per_kwh, self.most_kw, strict=True) if kw), default=0.0)
        if cheapest <= self.price_per_kwh:
            return ""
        return (
            f"a kWh that {self.device_id} does not use costs {self.price_per_kwh:g}, and one that is bought never less "
            f"than {cheapest:g}: it is shed whenever its terms allow; price_per_kwh is what a lost kWh is worth to you"
        )

    @property
    def most_kw(self) -> Floats:
        """Power that may be shed in each step."""
        agreed_kw = np.minimum(self.max_share * np.array(self.own_kw), self.max_kw or INF)
        return np.clip(np.array(self.own_kw) - self.limit_min_kw, 0.0, agreed_kw)

    def reach_kw(self) -> tuple[ArrayLike, ArrayLike]:
        """Shedding is as feeding in."""
        return 0.0, self.most_kw

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """Whether it is shed matters only where hours are counted."""
        found = {"shed_kw": self.new(program, "shed_kw", around.steps)}
        if self._counts_hours:
            found["is_shed"] = self.new(program, "is_shed", around.steps, upper=1.0, is_integer=True)
        if self.min_rest_h:
            found["starts"] = self.new(program, "starts", around.steps, upper=1.0)
        return found

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """Up to its most; never longer than it may at a time, nor sooner again, nor longer in all."""
        if not self._counts_hours:
            yield Row("shed_power", "most", x["shed_kw"] <= self.most_kw)
            return
        shed = x["is_shed"]
        yield Row("shed_power", "most", x["shed_kw"] <= self.most_kw * shed)
        if self.is_whole:
            yield Row("shed_whole", "whole", x["shed_kw"] >= self.most_kw * shed)
        if self.max_duration_h:
            first, after = self._too_long(around.step_h)
            if first.size:
                steps = np.concatenate([np.arange(a, b) for a, b in zip(first, after, strict=True)])
                row = np.repeat(np.arange(first.size), after - first)
                yield Row("shed_duration", "duration", shed[steps].into(row, first.size) <= after - first - 1.0, first)
        if self.min_rest_h:
            yield Row("shed_least", "least", x["shed_kw"] >= self.least_kw * shed)
            bank = Bank("", 1, shed, x["starts"], (), (INF,))
            for each in bank.rows(around.step_h, min_on_h=0.0, min_off_h=self.min_rest_h):
                yield each._replace(family="shed_rest" if each.family == "minimum_off" else each.family)
            # Each shedding has its one start: far fewer half sheddings than the rows of its duration let through.
            yield Row("shed_runs", "began", x["starts"] <= shed)
            if self.max_duration_h:
                # What is shed by the end of a step began no longer ago than one shedding may last.
                within_h = self.max_duration_h - around.step_h + 2 * _HAIR_H
                at_h = np.cumsum(around.step_h) - around.step_h
                yield Row("shed_runs", "run", shed <= recent(x["starts"], at_h, within_h))
        if self.max_h:
            yield Row("shed_hours", "hours", (around.step_h * shed).sum() <= self.max_h)

    def drawn_kw(self, x: Values) -> Any:
        """Shed power, kW, as a reduction of the site's load."""
        return -1 * x["shed_kw"]

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        """The owner's compensation for the shed energy."""
        yield "shedding", step_h * self.price_per_kwh * x["shed_kw"]

    def warm_start(self, columns: Numbers) -> Numbers:
        """Its power, whether it is shed, and where a shedding starts."""
        if not columns:
            return {}
        shed = columns["shed_kw"] > _IDLE_KW
        starts = shed & ~np.concatenate([[False], shed[:-1]])
        return columns | {"is_shed": shed.astype(np.float64), "starts": starts.astype(np.float64)}

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """The terms, run by run."""
        shed_kw = columns["shed_kw"]
        yield "a power below zero", -shed_kw
        yield "more is shed than it takes", shed_kw - self.max_share * np.array(self.own_kw)
        if self.max_kw is not None:
            yield "more is shed than was agreed", shed_kw - self.max_kw
        below_kw = self.limit_min_kw - (np.array(self.own_kw) - shed_kw)
        yield "it is limited below its least limit", np.where(shed_kw > _IDLE_KW, below_kw, 0.0)
        if self.is_whole:
            yield "it is shed in part", np.where(shed_kw > _IDLE_KW, self.most_kw - shed_kw, 0.0)
        run_h, rest_h, whole_h, longest_h, missing_h = 0.0, INF, 0.0, 0.0, 0.0
        for hours, is_shed in zip(step_h.tolist(), (shed_kw > _IDLE_KW).tolist(), strict=True):
            if is_shed:
                if run_h == 0:
                    missing_h = max(missing_h, (self.min_rest_h or 0.0) - rest_h)
                run_h, rest_h, whole_h = run_h + hours, 0.0, whole_h + hours
                longest_h = max(longest_h, run_h)
            else:
                run_h, rest_h = 0.0, rest_h + hours
        yield "shed for too long at a time, hours", longest_h - (self.max_duration_h or INF)
        yield "shed again too soon, hours", missing_h
        yield "shed for too long in all, hours", whole_h - (self.max_h or INF)

    def alternatives(self, columns: Numbers, t: int) -> list[Forced]:
        """Not to shed, or to shed all that may be."""
        most_kw = float(self.most_kw[t])
        if columns["shed_kw"][t] > _IDLE_KW:
            return [Forced("shedding nothing", "shed_kw", 0.0, 0.0)]
        return [Forced(f"shedding {most_kw:.2f} kW", "shed_kw", most_kw, most_kw)] if most_kw else []

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """A limit: what it takes less what is shed; its rating where nothing is."""
        if self.rating_kw is None:
            return {}
        return {
            "set_power_limit_kw": self.own_kw[t] - step["shed_kw"] if step["shed_kw"] > _IDLE_KW else self.rating_kw
        }

    def acted(self, set_points: Mapping[str, float], t: int) -> dict[str, float]:
        """Shed power, kW: its own power above the limit, up to the most that may be shed."""
        limit_kw = set_points.get("set_power_limit_kw", INF)
        return {"shed_kw": min(max(self.own_kw[t] - limit_kw, 0.0), float(self.most_kw[t]))}

    @property
    def _counts_hours(self) -> bool:
        return any((self.is_whole, self.max_duration_h, self.min_rest_h, self.max_h))

    def _too_long(self, step_h: Floats) -> tuple[Any, Any]:
        """From each step on, the fewest steps [first, after) that last longer than one shedding may."""
        at_h = np.cumsum([0.0, *step_h.tolist()])
        after = np.searchsorted(at_h, at_h[:-1] + (self.max_duration_h or INF) + _HAIR_H, side="right")
        first = np.flatnonzero(after < at_h.size)
        return first, after[first]
