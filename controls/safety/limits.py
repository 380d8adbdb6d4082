"""The limits that guards hold a command to: the template's rating, narrowed by the site's own figures."""

import re
from collections.abc import Callable, Mapping
from typing import Self

from pydantic import Field, model_validator

from controls.safety.live_meters import live_meters
from controls.templates.load_templates import Capability, Template
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Asset, Site

# Line to neutral of Europe's low voltage: a fuse of 35 A carries 8.05 kW.
PHASE_KV = 0.23
# What a device may still draw in all when its network operator curtails it (EnWG 14a: 4.2 kW).
DSO_FAILSAFE_KW = 4.2
DSO_READING = "read_import_limit_kw"
DSO_SILENT_S = 110.0
PHASE_READINGS = tuple(f"read_current_l{n}_a" for n in (1, 2, 3))
_KW = {"kw": 1.0, "w": 0.001}
# Capabilities whose names differ by one of these words alone pull against each other.
_FIGHTING = (("charge", "discharge"), ("heat", "cool"), ("heating", "cooling"))


class DeviceLimits(Model):
    """Limits of one capability of one device. Values in `unit`, ages and times in seconds, powers in kW.

    partial_share: in PARTIAL a value may differ from the safe default by this share of the rating. soc_min,
    soc_max: shares of capacity, None for a device without storage. excludes: capabilities of the device that must not
    be active together with this one.

    kw_per_unit: what one unit draws (below zero: feeds in), None where the value is no power; is_limit: the value caps
    a power instead of setting it; switched_kw: what hangs on a contact. phase_share: how a power lies on L1 to L3.
    fuse_a, import_max_kw, export_max_kw: of the site's connection, None where it says none. has_grid_meter,
    has_phase_meter: the site measures there, so a meter that is silent means unknown. dso_failsafe_kw: the ceiling
    without word from the network operator; None: there is no such line. export_failsafe_kw: the same of feeding in.
    device_floor_kw: what the device may draw under any ceiling of the operator. min_degc, max_degc: the hard band.
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
    capacity_kwh: float | None = Field(default=None, gt=0)
    max_soc_drift: float = Field(default=0.05, gt=0, le=1)
    # A battery at full power moves about a percent of its charge in a minute.
    max_soc_age_s: float = Field(default=60.0, gt=0)
    # Two looks of the agent's five seconds: one may fail.
    max_read_age_s: float = Field(default=10.0, gt=0)
    max_meter_age_s: float = Field(default=10.0, gt=0)
    # Rooms and tanks are slow.
    max_degc_age_s: float = Field(default=300.0, gt=0)
    # A network operator's line that is silent for longer than this counts as cut: the failsafe value holds after two
    # minutes, of which ten seconds are for the way home.
    max_dso_age_s: float = Field(default=DSO_SILENT_S, gt=0)
    # A day plan is made once a day: the age at which its forecast is refused too.
    max_plan_age_s: float = Field(default=26 * 3600.0, gt=0)
    # NTP slews by half a millisecond a second and steps only when it must.
    max_clock_step_s: float = Field(default=1.0, gt=0)
    max_reference_offset_s: float = Field(default=2.0, gt=0)
    excludes: tuple[str, ...] = ()
    ramp_per_s: float | None = Field(default=None, gt=0)
    # How far the read-back may differ from what was written.
    tolerance: float = Field(default=0.0, ge=0)
    min_on_s: float | None = Field(default=None, gt=0)
    min_off_s: float | None = Field(default=None, gt=0)
    max_starts_per_hour: int | None = Field(default=None, ge=1)
    writes_per_hour: int | None = Field(default=None, ge=1)
    writes_per_day: int | None = Field(default=None, ge=1)
    kw_per_unit: float | None = None
    is_limit: bool = False
    switched_kw: float | None = Field(default=None, ge=0)
    phase_share: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    fuse_a: float | None = Field(default=None, gt=0)
    max_imbalance_a: float | None = Field(default=None, gt=0)
    import_max_kw: float | None = Field(default=None, ge=0)
    export_max_kw: float | None = Field(default=None, ge=0)
    dso_failsafe_kw: float | None = Field(default=None, ge=0)
    export_failsafe_kw: float | None = Field(default=None, ge=0)
    device_floor_kw: float | None = Field(default=None, gt=0)
    has_grid_meter: bool = False
    has_phase_meter: bool = False
    min_degc: float | None = None
    max_degc: float | None = None
    max_humidity_percent: float | None = None
    max_co2_ppm: float | None = None

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

    @property
    def is_timed(self) -> bool:
        """True where it may not be switched at will, so that its history is kept."""
        return any(limit is not None for limit in (self.min_on_s, self.min_off_s, self.max_starts_per_hour))

    @property
    def is_budgeted(self) -> bool:
        """True where every write is counted."""
        return self.writes_per_hour is not None or self.writes_per_day is not None

    def is_on(self, value: float) -> bool:
        """True where a device that is set to `value` may run; contacts and SG-ready states are off at their lowest."""
        return value != 0 if self.min_value < 0 else value > self.min_value

    def power_kw(self, value: float, own_kw: float | None = None) -> tuple[float, float] | None:
        """The least and the most that the device may draw at `value`; None where that is not known.

        A power may be taken in full or, by a full battery or a car that is away, not at all. A limit leaves alone what
        is below it, where the device's own power is known.
        """
        if self.kw_per_unit is None:
            on = self.is_on(value)
            return None if self.switched_kw is None else (0.0, self.switched_kw if on else 0.0)
        full = value * self.kw_per_unit
        near = 0.0
        if self.is_limit and own_kw is not None and own_kw * self.kw_per_unit > 0:
            near = own_kw if abs(own_kw) < abs(full) else full
        return (near, full) if near <= full else (full, near)

    def span_kw(self) -> tuple[float, float]:
        """The least and the most that the device may draw at all, for whoever does not know what it draws now."""
        ends = [self.power_kw(value) or (0.0, 0.0) for value in (self.min_value, self.max_value)]
        return min(0.0, *(low for low, _ in ends)), max(0.0, *(high for _, high in ends))


def limits_of(
    asset: Asset, template: Template, capability: str, connection: Mapping[str, object] | None = None
) -> DeviceLimits:
    """Limits of a settable capability of a site's device. Raises BadInput for a capability the template lacks.

    Of the template's rating and the asset's own figure the narrower one counts. A device that reports its state of
    charge is held between the asset's soc_min and soc_max (default: 0 and 1). connection: of `connection_of`.
    """
    place, params = template.capability(capability), asset.numbers
    low, high, safe = template.own_limits(capability, params)
    has_soc = "read_soc_percent" in template.readable
    words = capability.split("_")
    turns = {one: other for pair in _FIGHTING for one, other in (pair, pair[::-1])}
    others = {"_".join([*words[:n], turns[word], *words[n + 1 :]]) for n, word in enumerate(words) if word in turns}
    return DeviceLimits.model_validate(
        {
            "device_id": asset.asset_id,
            "capability": capability,
            "unit": place.unit,
            "min_value": low,
            "max_value": high,
            "safe_default": safe,
            "partial_share": place.partial_share,
            "soc_min": params.get("soc_min", 0.0) if has_soc else None,
            "soc_max": params.get("soc_max", 1.0) if has_soc else None,
            "capacity_kwh": params.get("capacity_kwh") if has_soc and capability == "set_charge_power_kw" else None,
            "tolerance": template.read_back[capability].tolerance,
            "excludes": tuple(sorted(others & set(template.settable))),
            **_slow(place, params),
            **_powers(asset, place, capability),
            **_comfort(params),
            **(connection or {}),
        }
    )


def connection_of(site: Site, load: Callable[[str], Template]) -> dict[str, object]:
    """Capacity and measurements of the site's connection, for `limits_of`.

    Of several connections the sum; their phases stay open: nobody can say which device hangs on which.
    """
    roots = _root_meters(site)
    loads = [
        meter.connected_load_kw or 3 * PHASE_KV * (meter.fuse_a or 0.0)
        for meter in roots
        if meter.connected_load_kw is not None or meter.fuse_a is not None
    ]
    grid, lines = grid_asset(site), dso_assets(site, load)
    own = grid.numbers if grid is not None else {}
    contract = [sum(loads)] if loads else []
    failsafes = [line.numbers.get("dso_failsafe_kw", DSO_FAILSAFE_KW) for line in lines]
    return {
        "fuse_a": roots[0].fuse_a if len(roots) == 1 else None,
        "import_max_kw": min([*contract, *_given(own, "import_max_kw")], default=None),
        "export_max_kw": min([*contract, *_given(own, "export_max_kw")], default=None),
        "max_imbalance_a": own.get("max_imbalance_a"),
        "has_grid_meter": grid is not None,
        "has_phase_meter": bool(grid and grid.template and {*PHASE_READINGS} & {*load(grid.template).readable}),
        "dso_failsafe_kw": min([*failsafes, *_stated(site, "failsafe_import_kw")], default=None),
        "export_failsafe_kw": min(_stated(site, "failsafe_export_kw"), default=None),
        "device_floor_kw": min(_stated(site, "device_floor_kw"), default=None),
    }


def grid_asset(site: Site) -> Asset | None:
    """The asset that measures the connection: of kind grid_meter, or naming the site's meter at the grid.

    One that is asked speaks before one of which a live source tells.
    """
    roots, live = {meter.meter_id for meter in _root_meters(site)}, live_meters(site)
    found = [asset for asset in site.assets if asset.template and asset.kind == "grid_meter"]
    found += [asset for asset in site.assets if asset.template and asset.meter in roots]
    found += [asset for asset in site.assets if asset.asset_id in live and asset.meter in roots]
    return found[0] if found else None


def dso_assets(site: Site, load: Callable[[str], Template]) -> list[Asset]:
    """The assets by which the network operator tells its ceiling."""
    return [asset for asset in site.assets if asset.template and DSO_READING in load(asset.template).readable]


def _given(numbers: Mapping[str, float], name: str) -> list[float]:
    return [numbers[name]] if name in numbers else []


def _stated(site: Site, name: str) -> list[float]:
    return [value for source in site.signal_sources if (value := getattr(source, name)) is not None]


def _root_meters(site: Site) -> list[Meter]:
    # The others hang behind these: their loads are in them already.
    return [meter for meter in site.meters if meter.carrier == Carrier.ELECTRICITY and meter.parent is None]


def _slow(place: Capability, params: dict[str, float]) -> dict[str, float | None]:
    """Ramp, minimum times and write budget: of template and asset the one that asks more of us."""
    least = ("ramp_per_s", "max_starts_per_hour", "writes_per_hour", "writes_per_day")
    found: dict[str, float | None] = {}
    for name in (*least, "min_on_s", "min_off_s"):
        known = [each for each in (getattr(place, name, None), params.get(name)) if each is not None]
        # The smaller ramp and count, and the longer time.
        found[name] = None if not known else min(known) if name in least else max(known)
    return found


def _powers(asset: Asset, place: Capability, capability: str) -> dict[str, object]:
    """Power of a unit of the value, kW, and its phases; below zero for PV, which feeds in."""
    params = asset.numbers
    on = asset.params.get("on_phases")
    # A cable of one phase hangs on L1 where nobody says on which, as in plans.
    phases = set(on) if isinstance(on, list) and on else {1} if params.get("phase_count") == 1 else {1, 2, 3}
    rated_kw = params.get("max_kw", params.get("peak_kw"))
    sign = -1.0 if asset.kind == "pv" else 1.0
    kw: float | None = _KW.get(place.unit)
    if place.unit == "a":
        kw = PHASE_KV * len(phases)
    elif place.unit == "percent" and rated_kw is not None:
        kw = rated_kw / 100
    number = re.search(r"_(\d+)_", capability)
    rods = asset.params.get("relays_kw")
    switched: object = params.get("max_kw", params.get("power_kw"))
    if number and isinstance(rods, list) and 0 < int(number[1]) <= len(rods):
        switched = rods[int(number[1]) - 1]
    return {
        "kw_per_unit": None if kw is None else kw * sign,
        "is_limit": place.effect == "limit" or (place.effect == "none" and "_limit_" in capability),
        "switched_kw": None if kw is not None else switched,
        "phase_share": tuple((phase in phases) / len(phases) for phase in (1, 2, 3)),
    }


def _comfort(params: dict[str, float]) -> dict[str, float | None]:
    """The hard band of a zone or tank, where the asset gives one: its comfort, or between empty and full."""
    return {
        "min_degc": params.get("hard_min_degc", params.get("empty_degc")),
        "max_degc": params.get("hard_max_degc", params.get("full_degc")),
        "max_humidity_percent": params.get("max_humidity_percent"),
        "max_co2_ppm": params.get("max_co2_ppm"),
    }
