"""Which params an asset of a site file may have: those of its kind's plan, of guards and gateways, of its template.

The whole list of a kind is one closed model, so a misspelt key is refused with those there are. A key that another
room begins to read is added to the models here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Self

from pydantic import Field, create_model, model_validator

from controls.optimiser.devices.device import OnPhases
from controls.optimiser.devices.kinds import KINDS, PASSIVE, state_fault
from controls.optimiser.devices.room import RoomParams
from controls.templates.load_templates import load_template, template_names
from data_quality.contracts.model import Model
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.site_file.live_source import DeviceSource
from data_quality.contracts.site_file.site import Asset, ClockText, Site
from data_quality.contracts.time import earlier_instant
from data_quality.contracts.yaml_file import BadConfiguration, Problem, place_of, problems_at, validate_document

_Positive = Annotated[float, Field(gt=0)]


class GuardParams(OnPhases):
    """Device figures for guards, gateways and meter proofs (controls/safety/limits.py)."""

    phase_count: int | None = Field(default=None, ge=1, le=3, description="Of its cable")
    phases: int | tuple[int, ...] | None = Field(default=None, description="Of its cable, where amperes are set")
    volts: _Positive | None = None
    max_kw: _Positive | None = None
    max_load_kw: _Positive | None = None
    power_kw: _Positive | None = Field(default=None, description="What its contact switches")
    ramp_per_s: _Positive | None = None
    max_starts_per_hour: _Positive | None = None
    writes_per_hour: _Positive | None = None
    writes_per_day: _Positive | None = None
    min_on_s: _Positive | None = None
    min_off_s: _Positive | None = None
    hard_min_degc: float | None = None
    hard_max_degc: float | None = None
    max_humidity_percent: _Positive | None = Field(default=None, le=100)
    max_co2_ppm: _Positive | None = None
    zone_sensor: str | None = Field(default=None, description="Asset whose sensor tells its temperature and air")
    dso_failsafe_kw: float | None = Field(default=None, ge=0, description="While the operator's line is silent")

    @model_validator(mode="after")
    def _band_is_open(self) -> Self:
        if None not in (self.hard_min_degc, self.hard_max_degc) and self.hard_min_degc >= self.hard_max_degc:  # type: ignore[operator]
            raise ValueError(f"hard_min_degc {self.hard_min_degc:g} must be below hard_max_degc {self.hard_max_degc:g}")
        return self


class ConnectionParams(Model):
    """Of kind grid_meter: what the connection may carry."""

    import_max_kw: _Positive | None = None
    export_max_kw: float | None = Field(default=None, ge=0)
    max_imbalance_a: _Positive | None = None


class ChargerParams(Model):
    """Further parameters of kind ev_charger than those of its plan. comes, trip_kwh: how a simulated car is used."""

    id_tags: tuple[str, ...] = ()
    comes: ClockText | None = None
    trip_kwh: float | None = Field(default=None, ge=0)
    departure: Any = None

    @model_validator(mode="after")
    def _stays_a_while(self) -> Self:
        if self.comes is not None and self.comes == self.departure:
            raise ValueError(f"the car leaves at {self.departure}, when it comes: give departure or comes another time")
        return self


class _RoomOfRelay(RoomParams):
    # The relay's own power_kw is its heater's.
    heater_kw: _Positive = 1.0


class RelayParams(Model):
    """Of kind heating_relay: the room that it heats."""

    room: _RoomOfRelay | None = None


_MORE: Mapping[str, type[Model]] = {
    "grid_meter": ConnectionParams,
    "ev_charger": ChargerParams,
    "heating_relay": RelayParams,
}


def asset_problems(document: Any, site: Site, file: str, *, now_utc: datetime) -> list[Problem]:
    """Every mistake in the assets of a site, with its place in the file: kinds, templates and params.

    document: of load_yaml; site: what was read from it.
    """
    found: list[Problem] = []
    names = {"kind": sorted({*KINDS, *PASSIVE}), "template": sorted(template_names())}
    for number, asset in enumerate(site.assets):
        place = ("assets", number)
        unknown = [key for key, known in names.items() if getattr(asset, key) and getattr(asset, key) not in known]
        for key in unknown:
            value, line_column = getattr(asset, key), place_of(document, (*place, key))
            message = f"asset {asset.asset_id!r}: unknown {key} {value!r}; expected {', '.join(names[key])}"
            found.append(_problem(file, line_column, message, did_you_mean(value, names[key])))
        if not unknown:
            found += _params_problems(document, place, asset, site, file, now_utc)
        if fault := state_fault(asset, site):
            found.append(_problem(file, place_of(document, (*place, "state_meter")), fault, ""))
    return found


def param_problems(document: Any, file: str) -> list[Problem]:
    """Every mistake in the params of a file that is no site yet, of each device that can be read alone."""
    devices = document.get("assets") if isinstance(document, Mapping) else None
    found: list[Problem] = []
    for number, part in enumerate(devices if isinstance(devices, list) else []):
        try:
            asset = validate_document(part, Asset, file)
        except BadConfiguration:
            continue
        if "params" in part and (not asset.template or asset.template in template_names()):
            found += _params_problems(document, ("assets", number), asset, None, file, None)
    return found


def source_problems(document: Any, site: Site, file: str) -> list[Problem]:
    """Every source whose template or reading there is not, with its place in the file."""
    found, templates = list[Problem](), {each.asset_id: each.template for each in site.assets}
    for number, source in enumerate(site.sources):
        if not isinstance(source, DeviceSource):
            continue
        name, place = source.template or templates.get(source.asset or "", ""), ("sources", number)
        wrong: list[tuple[tuple[str | int, ...], str, str, list[str]]]
        wrong = [((*place, "template"), "template", name, sorted(template_names()))]
        if name in template_names():
            values = sorted(load_template(name).readable)
            points = enumerate(source.points)
            wrong = [((*place, "points", n, "value_name"), "value_name", one.value_name, values) for n, one in points]
        for at, key, value, known in wrong:
            if value not in known:
                message = f"source {source.source_id!r}: unknown {key} {value!r}; expected {', '.join(known)}"
                found.append(_problem(file, place_of(document, at), message, did_you_mean(value, known)))
    return found


def params_model(asset: Asset) -> type[Model]:
    """The closed model of an asset's params, by its kind and the figures that narrow its template."""
    template = load_template(asset.template) if asset.template else None
    narrowed = [f"{place.own_min} {place.own_max}" for place in template.capabilities.values()] if template else []
    return _params_model(asset.kind, tuple(sorted({name for names in narrowed for name in names.split()})))


@cache
def _params_model(kind: str, narrowed: Sequence[str]) -> type[Model]:
    own = KINDS[kind].params if kind in KINDS else None
    bases = tuple(base for base in (own, _MORE.get(kind), GuardParams) if base is not None)
    known = {name for base in bases for name in base.model_fields}
    more: dict[str, Any] = {name: (_Positive | None, None) for name in narrowed if name not in known}
    return create_model(f"{kind}_params", __base__=bases, **more)


def _params_problems(
    document: Any, place: tuple[str | int, ...], asset: Asset, site: Site | None, file: str, now_utc: datetime | None
) -> list[Problem]:
    line_column = place_of(document, (*place, "params"))
    if "params" in document["assets"][place[1]]:
        found = problems_at(document, (*place, "params"), params_model(asset), file)
    else:
        found = problems_at({"params": {}}, ("params",), params_model(asset), file)
        found = [each.model_copy(update={"line": line_column[0], "column": line_column[1]}) for each in found]
    if asset.kind not in KINDS or not KINDS[asset.kind].takes(asset):
        # One that says too little to be planned is shown alone.
        found = [each for each in found if not each.message.endswith("is missing")]
    leaves = asset.params.get("departure")
    if site is not None and now_utc is not None and not found and isinstance(leaves, str) and "T" in leaves:
        mend, leaves_at = "write the next one, or a clock time as 07:30", datetime.fromisoformat(leaves)
        if earlier_instant(leaves_at, site.time_zone) <= now_utc:
            found = [_problem(file, line_column, f"departure {leaves} has passed", mend)]
    return [each.model_copy(update={"message": f"asset {asset.asset_id!r}: {each.message}"}) for each in found]


def _problem(file: str, place: tuple[int, int], message: str, mend: str) -> Problem:
    return Problem(file=file, line=place[0], column=place[1], message=message, mend=mend)
