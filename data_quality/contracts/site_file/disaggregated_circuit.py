"""Opt-in to load disaggregation: a circuit of a site, the sub-meters of its campaign, and their classes of load."""

from datetime import date
from typing import Literal, Protocol, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.reporting.disaggregation import LoadClass
from data_quality.contracts.site_file.meter import Identifier, Meter
from data_quality.contracts.site_file.premises import check_named
from data_quality.contracts.text import each_id_once


class DisaggregatedCircuit(Model):
    """A circuit whose energy is shared out. train: START/END, local dates, END excluded.

    submeters: each a class by its own id; classes: of several sub-meters, or with a power above which they are on.
    """

    circuit: Identifier
    submeters: tuple[Identifier, ...] = ()
    classes: tuple[LoadClass, ...] = ()
    train: str = Field(description="Local dates START/END of the campaign, END excluded")
    beside: tuple[Identifier, ...] = Field(default=(), description="Drivers that help, as outdoor temperature")
    step_minutes: Literal[15, 60] = 60

    @model_validator(mode="after")
    def _is_taught(self) -> Self:
        if not self.submeters and not self.classes:
            raise ValueError("name its submeters, or classes of them")
        first, end = self.train_days
        if end <= first:
            raise ValueError(f"train ends ({end}) before it starts ({first})")
        return self

    @property
    def train_days(self) -> tuple[date, date]:
        """Local days of the campaign, [start, end)."""
        try:
            first, end = map(date.fromisoformat, self.train.split("/"))
        except ValueError:
            raise ValueError(f"train {self.train!r}: expected START/END, two dates as 2025-01-06/2025-02-17") from None
        return first, end

    @property
    def load_classes(self) -> tuple[LoadClass, ...]:
        """All classes, those of several sub-meters first."""
        return (*self.classes, *(LoadClass(name=each, meters=(each,)) for each in self.submeters))


class _Named(Protocol):
    @property
    def meters(self) -> tuple[Meter, ...]: ...
    @property
    def disaggregation(self) -> tuple[DisaggregatedCircuit, ...]: ...


def check_disaggregation(site: _Named, drivers: list[str]) -> None:
    """Every circuit and sub-meter is a meter of the site, each in one place. Raises ValueError."""
    meters = [meter.meter_id for meter in site.meters]
    each_id_once("disaggregation: circuit", [each.circuit for each in site.disaggregation])
    for each in site.disaggregation:
        what = f"disaggregation of {each.circuit!r}"
        check_named(f"{what}: circuit", each.circuit, meters)
        members = [name for own in each.load_classes for name in own.meters]
        for name in members:
            check_named(f"{what}: sub-meter", name, [meter for meter in meters if meter != each.circuit])
        each_id_once(f"{what}: sub-meter", members)
        each_id_once(f"{what}: class", [own.name for own in each.load_classes])
        for name in each.beside:
            check_named(f"{what}: driver", name, drivers)
