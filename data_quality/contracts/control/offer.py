"""Offer to a home automation: figures to look at, none of which moves a device."""

from typing import Any

from pydantic import Field

from data_quality.contracts.model import Model


class Offered(Model):
    """One figure. state: its value now in `unit`, None where it is not known; attributes: its series and what it rests
    on, `is_synthetic` always among them.
    """

    object_id: str = Field(pattern=r"^[a-z0-9_]{1,80}$")
    name: str
    state: float | None
    unit: str
    device_class: str = ""
    attributes: dict[str, Any]


class Offer(Model):
    """All that is offered of a site; without figures it is taken back."""

    site_id: str
    site_name: str
    figures: tuple[Offered, ...] = ()
