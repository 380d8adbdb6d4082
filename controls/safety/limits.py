"""The limits that guards hold a command to: the template's rating, narrowed by the site's own figures."""

from typing import Self

from pydantic import Field, model_validator

from controls.templates.load_templates import Template
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Asset


class DeviceLimits(Model):
    """Limits of one capability of one device. Values in `unit`.

    partial_share: in PARTIAL a value may differ from the safe default by this share of the rating. soc_min,
    soc_max: shares of capacity, None for a device without storage. excludes: capabilities of the device that must not
    be active together with this one.
    """

    device_id: str
    capability: str
    unit: str
    min_value: float
    max_value: float
    safe_default: float
    partial_share: float = Field(default=0.3, gt=0, le=1)
    soc_min: float | None = Field(default=None, ge=0, le=1)
    soc_max: float | None = Field(default=None, ge=0, le=1)
    # A battery at full power moves about a percent of its charge in a minute.
    max_soc_age_s: float = Field(default=60.0, gt=0)
    # Two looks of the agent's five seconds: one may fail.
    max_read_age_s: float = Field(default=10.0, gt=0)
    # A day plan is made once a day: the age at which its forecast is refused too.
    max_plan_age_s: float = Field(default=26 * 3600.0, gt=0)
    # NTP slews by half a millisecond a second and steps only when it must.
    max_clock_step_s: float = Field(default=1.0, gt=0)
    max_reference_offset_s: float = Field(default=2.0, gt=0)
    excludes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _limits_hold_together(self) -> Self:
        if self.min_value >= self.max_value:
            raise ValueError(f"min_value {self.min_value} must be below max_value {self.max_value}")
        if not self.min_value <= self.safe_default <= self.max_value:
            raise ValueError(f"safe_default {self.safe_default} is outside {self.min_value}..{self.max_value}")
        return self

    @property
    def rating(self) -> float:
        """The largest magnitude the device may be set to."""
        return max(abs(self.min_value), abs(self.max_value))


def limits_of(asset: Asset, template: Template, capability: str) -> DeviceLimits:
    """Limits of a settable capability of a site's device. Raises BadInput for a capability the template lacks.

    Of the template's rating and the asset's own figure the narrower one counts. A device that reports its state of
    charge is held between the asset's soc_min and soc_max (default: 0 and 1).
    """
    (low, high), place, params = template.limits(capability), template.capability(capability), asset.numbers
    # Discharging counts below zero on the wire, but makers and site files state it as a positive rating.
    low = max(low, -params.get(place.own_min, -low))
    high = min(high, params.get(place.own_max, high))
    has_soc = "read_soc_percent" in template.readable
    # A site's own figure may be narrower than the template's default, e.g. an inverter limited by contract.
    safe = min(max(template.safe_default[capability], low), high)
    return DeviceLimits(
        device_id=asset.asset_id,
        capability=capability,
        unit=place.unit,
        min_value=low,
        max_value=high,
        safe_default=safe,
        partial_share=place.partial_share,
        soc_min=params.get("soc_min", 0.0) if has_soc else None,
        soc_max=params.get("soc_max", 1.0) if has_soc else None,
    )
