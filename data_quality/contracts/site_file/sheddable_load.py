"""The library of sheddable loads of a site: how far each may go down, for how long, at what cost, by what evidence."""

from datetime import date
from itertools import pairwise
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.meter import Identifier
from data_quality.contracts.site_file.premises import check_named
from data_quality.contracts.text import each_id_once

Basis = Literal["nameplate", "tested", "learnt"]
Power = Annotated[float, Field(ge=0)]
# A nameplate says what a machine may draw, and not what it draws.
NAMEPLATE_HALF_WIDTH = 0.5


class Evidence(Model):
    """Ground of a load's sensitivity. half_width_share: 90 % interval about it, as a share of it, either way."""

    basis: Basis = "nameplate"
    on: date | None = Field(default=None, description="Day of the test, or of the newest event learnt from")
    half_width_share: float = Field(default=NAMEPLATE_HALF_WIDTH, ge=0, le=1)

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.basis != "nameplate" and (self.on is None or "half_width_share" not in self.model_fields_set):
            raise ValueError(f"evidence {self.basis!r} needs its day (on) and its interval (half_width_share)")
        return self


class ShedByDriver(Model):
    """Most that may be shed as a function of a driver, as outdoor temperature or output: straight between points."""

    driver: Identifier
    points: tuple[tuple[float, Power], ...] = Field(min_length=2, description="(value of the driver, kW)")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if any(left[0] >= right[0] for left, right in pairwise(self.points)):
            raise ValueError("points: values of the driver must rise from point to point")
        return self

    def at_kw(self, value: float) -> float:
        """Most that may be shed at a value of the driver, kW; at the ends it stays level."""
        for (left, left_kw), (right, right_kw) in pairwise(self.points):
            if value < right:
                return left_kw + (right_kw - left_kw) * max(value - left, 0.0) / (right - left)
        return self.points[-1][1]


class SheddableLoad(Model):
    """A load of the library. max_shed_kw: fixed, by hour of the local day (24 values), or by a driver."""

    load_id: Identifier
    name: str = Field(default="", max_length=80)
    asset: Identifier | None = Field(default=None, description="Device that is commanded; none: shed by hand")
    meter: Identifier | None = Field(default=None, description="Meter of its circuit, which proves it")
    max_shed_kw: Annotated[float, Field(gt=0)] | tuple[Power, ...] | ShedByDriver
    is_whole: bool = Field(default=False, description="A contact: shed whole or not at all")
    max_minutes: int = Field(gt=0, le=24 * 60, description="Of one shed")
    rest_minutes: int | None = Field(
        default=None, gt=0, le=24 * 60, description="Between two sheds; none: max_minutes are all of an event"
    )
    notice_minutes: int = Field(default=0, ge=0, le=7 * 24 * 60)
    rebound_share: float = Field(default=0, ge=0, le=2, description="Of the energy shed, drawn again afterwards")
    limit: str = Field(default="", max_length=200, description="Comfort or process limit, for people")
    discomfort: float = Field(default=0, ge=0, le=1, description="What people notice of it, from 0 to 1")
    cost_per_kwh: float = Field(default=0, ge=0, description="Of a kWh shed, in the site's currency")
    evidence: Evidence = Evidence()

    @model_validator(mode="after")
    def _has_24_hours(self) -> Self:
        if isinstance(self.max_shed_kw, tuple) and len(self.max_shed_kw) != 24:
            raise ValueError(f"max_shed_kw by hour: expected 24 values, got {len(self.max_shed_kw)}")
        if isinstance(self.max_shed_kw, tuple) and not any(self.max_shed_kw):
            raise ValueError("max_shed_kw: nothing may be shed in any hour")
        if self.asset is None and self.meter is None:
            raise ValueError("name its asset or its meter: what can neither be commanded nor measured sheds nothing")
        return self

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.name or self.load_id.replace("_", " ")

    @property
    def highest_kw(self) -> float:
        """Most that may ever be shed, kW."""
        most = self.max_shed_kw
        if isinstance(most, ShedByDriver):
            return max(kw for _, kw in most.points)
        return max(most) if isinstance(most, tuple) else most

    def shed_kw(self, hour: int, driver_value: float | None) -> float | None:
        """Most that may be shed at an hour of the local day, kW; None where its driver's value is not known."""
        most = self.max_shed_kw
        if isinstance(most, ShedByDriver):
            return None if driver_value is None else most.at_kw(driver_value)
        return most[hour] if isinstance(most, tuple) else most


class _Named(Protocol):
    @property
    def sheddable_loads(self) -> tuple[SheddableLoad, ...]: ...


def check_loads(site: _Named, meters: list[str], drivers: list[str], assets: list[str]) -> None:
    """Every load names what the site has, each id once. Raises ValueError."""
    each_id_once("sheddable load", [load.load_id for load in site.sheddable_loads])
    for load in site.sheddable_loads:
        what = f"sheddable load {load.load_id!r}"
        if load.asset is not None:
            check_named(f"{what}: asset", load.asset, assets)
        if load.meter is not None:
            check_named(f"{what}: meter", load.meter, meters)
        if isinstance(load.max_shed_kw, ShedByDriver):
            check_named(f"{what}: driver", load.max_shed_kw.driver, drivers)
