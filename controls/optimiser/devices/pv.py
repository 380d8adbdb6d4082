"""A PV system: it gives what the sun gives, less what is curtailed (formulas 5.18)."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from controls.optimiser.backends.expressions import Floats, Linear
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.devices.device import (
    AssetState,
    CaseContext,
    Device,
    Forced,
    Numbers,
    ReplayState,
    Values,
    clean,
    params_of,
    watts_up,
)
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Asset

# Commands have whole watts: less than one curtailed is no limit that could be sent.
_WATT = 0.001


class PvParams(Model):
    """PV figures of a site file: its rating, and the plane of its modules."""

    nameplate_kw: float | None = Field(default=None, gt=0)
    peak_kw: float | None = Field(default=None, gt=0)
    tilt_deg: float | None = Field(default=None, ge=0, le=90, description="0 lies flat")
    azimuth_deg: float | None = Field(default=None, ge=0, le=360, description="90 is east, 180 south")

    @model_validator(mode="after")
    def _has_a_rating(self) -> Self:
        if self.nameplate_kw is None and self.peak_kw is None:
            raise ValueError("nameplate_kw or peak_kw is needed")
        return self

    @property
    def rating_kw(self) -> float:
        """Two names for one figure are in use: makers print "nameplate", installers "peak"."""
        return self.nameplate_kw or self.peak_kw or 0.0


class Pv(Device):
    """`pv_kw` is what the sun gives, one value a step; standby use at night is below zero and cannot be curtailed."""

    kind = "pv"
    params = PvParams
    limits: ClassVar = {"curtailment_limit": "kw"}
    means: ClassVar = {"curtailment_limit": "is never limited below {part.limit_min_kw:g} kW"}
    per_step = ("pv_kw",)
    case_names: ClassVar = {"pv": "pv_kw"}
    makes_a_plan = False
    forecast = "pv"
    columns = ("curtailed_kw",)
    moves: ClassVar = {"curtailed_kw": "curtails"}
    limit_words: ClassVar = {"curtail_max": "is curtailed as far as it may be"}

    pv_kw: tuple[float, ...]
    limit_min_kw: float = Field(default=0.0, ge=0, description="Never limited below this generation")
    rating_kw: float | None = Field(default=None, description="None: not said, and so not commanded")

    @classmethod
    def figures(cls, asset: Asset, site_id: str) -> float:
        """Its rating, kW."""
        return params_of(cls.params, asset, site_id).rating_kw

    @classmethod
    def from_asset(cls, asset: Asset, given: AssetState) -> Self:
        """Systems behind one meter share its forecast by their ratings."""
        rating_kw = cls.figures(asset, given.site_id)
        others_kw = sum(cls.figures(one, given.site_id) for one in given.siblings if one != asset)
        share = rating_kw / (rating_kw + others_kw) if others_kw else 1.0
        return cls(
            device_id=asset.asset_id,
            pv_kw=tuple(share * power for power in given.forecast_kw),
            # The safe default of an inverter is its full rating: a share of it counts downwards from there.
            limit_min_kw=watts_up((1 - given.share) * rating_kw),
            rating_kw=rating_kw,
        )

    @property
    def curtailment_max_kw(self) -> Floats:
        """Power that may be taken away in each step."""
        return np.maximum(np.array(self.pv_kw) - self.limit_min_kw, 0.0)

    def reach_kw(self) -> tuple[ArrayLike, ArrayLike]:
        """Own consumption at night and generation by day, kW."""
        # An inverter's own consumption at night is metered as negative generation.
        return np.maximum(-np.array(self.pv_kw), 0.0), np.maximum(self.pv_kw, 0.0)

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """Curtailed power in each step, kW."""
        return {"curtailed_kw": self.new(program, "curtailed_kw", around.steps)}

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """No more than is generated above the lowest limit allowed."""
        yield Row("curtailment_limit", "curtail_max", x["curtailed_kw"] <= self.curtailment_max_kw)

    def drawn_kw(self, x: Values) -> Any:
        """It gives, so below zero."""
        return x["curtailed_kw"] - np.array(self.pv_kw)

    def trimmed(self, columns: Numbers, spare_kw: Floats) -> Numbers:
        """At an export price of zero a solver is free to curtail or not; a command to an inverter needs a reason."""
        cut_kw = columns["curtailed_kw"]
        return {"curtailed_kw": clean(cut_kw - np.minimum(cut_kw, np.maximum(spare_kw, 0.0)))}

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """The sentences of a case's own statement."""
        yield "more curtailed than allowed", columns["curtailed_kw"] - self.curtailment_max_kw
        yield "a power below zero", -columns["curtailed_kw"]

    def unused_kw(self, columns: Numbers) -> Floats:
        """Curtailed power, kW."""
        return columns["curtailed_kw"]

    def alternatives(self, columns: Numbers, t: int) -> list[Forced]:
        """Nothing curtailed where something is."""
        return [Forced("not curtailing", "curtailed_kw", 0.0, 0.0)] if columns["curtailed_kw"][t] > 0 else []

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """A limit: its rating where nothing is curtailed."""
        if self.rating_kw is None:
            return {}
        # Rounded down to watts like every value: a limit that is a watt low costs nothing.
        limit_kw = self.pv_kw[t] - step["curtailed_kw"] if step["curtailed_kw"] > _WATT else self.rating_kw
        return {"set_power_limit_kw": min(max(limit_kw, 0.0), self.rating_kw)}

    def without_control(self) -> Self:
        """It is curtailed all the same where that pays: that is its own merit, not that of the others."""
        return self

    def with_state(self, **known: Unpack[ReplayState]) -> Self:
        """With the sun that shone."""
        sun_kw = known.get("forecast_kw")
        return self if sun_kw is None else self.model_copy(update={"pv_kw": tuple(sun_kw.tolist())})

    def acted(self, set_points: Mapping[str, float], t: int) -> dict[str, float]:
        """Curtailment of the generation above the limit, kW; 0 without one."""
        return {"curtailed_kw": max(self.pv_kw[t] - set_points.get("set_power_limit_kw", self.pv_kw[t]), 0.0)}
