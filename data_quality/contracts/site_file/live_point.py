"""Points of a live source: what each is, and the stream of the site that it fills. The address is the kind's own."""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Literal, Protocol, Self

from pydantic import Field, model_validator

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model, check_all
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.site_file.meter import Identifier, Meter, UnitCode
from data_quality.contracts.text import twice_in
from data_quality.contracts.units import Behaviour, unit_of

PointName = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$", description="Unique within its source")
What = Literal["register", "pulses", "interval", "mean", "live"]


class Point(Model):
    """One value that a source tells, and what it is.

    what: register (state of a counter) · pulses (a counter of pulses, each worth `value_per_pulse` in `unit`) ·
    interval (amount of `interval_minutes`, told at its end) · mean (an instant value, of which the quarter hour's mean
    is kept; drivers only) · live (for the live board alone: a power is never summed to energy).
    """

    point: str = PointName
    stream: Identifier = Field(description="Meter or driver of the site")
    register_id: Identifier = Field(default="import", description="Of a meter; a driver has none")
    what: What
    unit: UnitCode
    value_per_pulse: Decimal | None = Field(default=None, gt=0, le=Decimal(10) ** 6, description="In `unit`")
    interval_minutes: Literal[1, 5, 10, 15, 30, 60] | None = None

    @property
    def received_unit(self) -> str:
        """Unit of what comes: a counter of pulses tells how many, whatever each of them is worth."""
        return "count" if self.what == "pulses" else self.unit

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Self:
        for key, what in (("value_per_pulse", "pulses"), ("interval_minutes", "interval")):
            if (getattr(self, key) is not None) != (self.what == what):
                needs = "needs it" if self.what == what else f"this is {self.what}"
                raise ValueError(f"point {self.point!r}: {key} belongs to what: {what}, and {needs}")
        unit = unit_of(self.unit)
        if self.what in ("register", "pulses", "interval") and (unit.behaviour is Behaviour.LEVEL or unit.is_power):
            raise ValueError(
                f"point {self.point!r}: {self.what} wants an amount such as kwh, and {self.unit} is none; "
                "a power or a level is what: live, of a driver also what: mean"
            )
        return self


class Streams(Protocol):
    """The streams of a site that live points may name."""

    @property
    def meters(self) -> Sequence[Meter]:
        """Virtual ones too."""

    @property
    def drivers(self) -> Sequence[Any]:
        """Streams that are no meters."""

    def stream_ids(self) -> list[str]:
        """Ids that readings may carry."""


def check_points(what: str, points: Sequence[Point], site: Streams, filled: dict[tuple[str, str], str]) -> None:
    """Each point fills a stream that the site has, in a unit of its kind, and no two fill the same. Raises ValueError.

    what: the source, for the sentence. filled: (stream, register) -> the point that fills it, over all sources so far.
    """
    names = [point.point for point in points]
    twice = twice_in(names)
    if twice:
        raise ValueError(f"{what}: point appears twice: {', '.join(twice)}")
    check_all(partial(_check_point, f"{what}: point {point.point!r}", point, site, filled) for point in points)


def _check_point(mine: str, point: Point, site: Streams, filled: dict[tuple[str, str], str]) -> None:
    register = _check_stream(mine, point, site)
    # The live board may show a stream that another point, or a file, fills.
    if point.what == "live":
        return
    other = filled.setdefault((point.stream, register), mine)
    if other != mine:
        raise ValueError(f"{mine} fills {point.stream}.{register}, which {other} fills already")


def _check_stream(mine: str, point: Point, site: Streams) -> str:
    """The register that the point fills; empty for a driver's. Raises ValueError."""
    driver = next((each for each in site.drivers if each.driver_id == point.stream), None)
    if driver is not None:
        wanted = {"mean": "mean", "interval": "sum"}.get(point.what)
        if point.what != "live" and driver.aggregation != wanted:
            raise ValueError(
                f"{mine}: {point.what} does not fill driver {driver.driver_id!r}, whose aggregation is "
                f"{driver.aggregation}: what: {'mean' if driver.aggregation == 'mean' else 'interval'} does"
            )
        _check_unit(mine, point, f"driver {driver.driver_id!r}", driver.unit)
        return ""
    meter = next((each for each in site.meters if each.meter_id == point.stream and not each.is_virtual), None)
    if meter is None:
        message = (
            f"{mine}: stream {point.stream!r} is no meter or driver of this site that is read; "
            f"it has {', '.join(site.stream_ids())}"
        )
        raise ValueError(message) from BadInput(message, mend=did_you_mean(point.stream, site.stream_ids()))
    register = next((each for each in meter.registers if each.register_id == point.register_id), None)
    if register is None:
        has = ", ".join(each.register_id for each in meter.registers)
        message = f"{mine}: meter {meter.meter_id!r} has no register {point.register_id!r}; it has {has}"
        raise ValueError(message) from BadInput(message, mend=did_you_mean(point.register_id, has.split(", ")))
    kind = {"register": "cumulative", "pulses": "cumulative", "interval": "interval"}.get(point.what)
    if point.what == "mean":
        raise ValueError(f"{mine}: mean fills drivers; energy of meter {meter.meter_id!r} comes from a register")
    if kind not in (None, register.kind):
        raise ValueError(f"{mine}: {point.what} needs a register of kind {kind}, and {register.register_id!r} is not")
    # What a live tile shows of a meter need not be what its register counts: volts, degrees, amperes.
    if point.what != "live":
        _check_unit(mine, point, f"register {register.register_id!r}", register.unit)
    return register.register_id


def _check_unit(mine: str, point: Point, target: str, unit: str) -> None:
    if unit_of(point.unit).canonical != unit_of(unit).canonical:
        raise ValueError(f"{mine}: {point.unit} does not fill {target}, which holds {unit}")
