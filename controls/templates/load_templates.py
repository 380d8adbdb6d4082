"""Read device templates. Hardware is data: a new device is a YAML file in this folder, and no code."""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from controls.templates.mqtt_topics import MqttTopics
from controls.templates.register_places import RegisterPlace
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.yaml_file import load_model, text_of

FOLDER = Path(__file__).parent
# What stands for the number in the names of a template's `repeat`.
NUMBER = "NN"


class Place(RegisterPlace):
    """Where a value lives: Modbus register, field of the MQTT payload, or name in OCPP.

    OCPP: a set-point's field is its unit on the wire, W or A (per phase, so `scale` is of one phase); a reading's is
    the measurand, in W, Wh, A, V or Percent, or `status`, which is 1 while a car is plugged in.
    """

    field_name: str | None = Field(default=None, alias="field")

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.register_address is None) == (self.field_name is None):
            raise ValueError("exactly one of 'register' and 'field' must be given")
        return self


class Capability(Place):
    """One thing the device can do: `set_…` takes a value within [min, max], `read_…` gives one.

    min, max of a `read_…`: what can be true of it; beyond lies a wrong scale or a wrong order of words. own_min,
    own_max: figures of the site's asset that narrow [min, max], the first of these names that it has; own_min counts
    below zero, as discharging does.
    """

    unit: str = Field(min_length=1, description="Unit code, e.g. kw")
    min: float | None = None
    max: float | None = None
    own_min: str = ""
    own_max: str = ""
    expires_s: float | None = Field(default=None, gt=0, description="Longest time to live the device accepts")
    ramp_per_s: float | None = Field(default=None, gt=0, description="Largest step, in its unit and a second (I02)")
    min_on_s: float | None = Field(default=None, gt=0, description="Once on it stays on so long (I03)")
    min_off_s: float | None = Field(default=None, gt=0, description="Once off it stays off so long (I03)")
    max_starts_per_hour: int | None = Field(default=None, ge=1, description="Of a compressor (I03)")
    writes_per_day: int | None = Field(
        default=None, ge=1, description="Where a write wears the device out (I12); else it may be refreshed for ever"
    )
    effect: Literal["power", "limit", "none"] = Field(
        default="none", description="What an independent meter sees of it: the value itself, no more than it, nothing"
    )
    settle_s: float = Field(default=30.0, gt=0, description="From when on a meter shows it")
    partial_share: float = Field(
        default=0.3, gt=0, le=1, description="How far PARTIAL lets it off its safe default; 1: a switch has no parts"
    )


class ReadBackRule(Place):
    """Read-back of a set-point: its register, the time within which it must show, and the tolerance (in its unit)."""

    within_s: float = Field(gt=0)
    tolerance: float = Field(ge=0)


class Repeat(Model):
    """Set-points that differ by a number: those whose name holds NN stand for `count` of them, `every` registers on."""

    count: int = Field(ge=2, le=99)
    every: int = Field(ge=1)


class Template(Model):
    """One kind of device. `safe_default` is what the device falls back to, and what a revert writes.

    models: the SunSpec models that it needs, with the length that each must have.
    """

    template: str
    name: str = ""
    brand: str = Field(default="", description="Maker, or the standard that devices of several makers keep")
    kinds: tuple[str, ...] = Field(default=(), description="Kinds of device of a site file that it drives")
    protocol: Literal["modbus_tcp", "mqtt5", "mqtt_topics", "ocpp16", "ocpp201"]
    models: dict[int, int] = {}
    repeat: Repeat | None = None
    unit_id: int = Field(default=1, ge=1, le=247, description="Modbus unit, where the address names none")
    source: str = Field(default="", description="Public register map or topic list that it was made from")
    has_device_ttl: bool = Field(default=False, description="The device reverts by itself when not refreshed")
    is_synthetic: bool = Field(default=False, description="A simulator's device")
    mqtt: MqttTopics | None = Field(default=None, description="Of protocol mqtt_topics: a device that does not know us")
    capabilities: dict[str, Capability]
    read_back: dict[str, ReadBackRule] = {}
    safe_default: dict[str, float] = {}

    @model_validator(mode="before")
    @classmethod
    def _numbered(cls, document: Any) -> Any:
        """Names with NN, once for each number."""
        if not isinstance(document, dict) or not isinstance(document.get("repeat"), dict):
            return document
        repeat = Repeat.model_validate(document["repeat"])
        # Kept: a template that is read again from its own dump has been spread already.
        return document | {
            part: _spread(document[part], repeat)
            for part in ("capabilities", "read_back", "safe_default")
            if part in document
        }

    @model_validator(mode="after")
    def _set_points_are_complete(self) -> Self:
        wants_register = self.protocol == "modbus_tcp"
        places = [*self.capabilities.items(), *self.read_back.items()]
        for name, place in places:
            if (place.register_address is not None) != wants_register:
                raise ValueError(f"{name}: {self.protocol} wants {'register' if wants_register else 'field'}")
            for each in (place, place.share_of):
                if each is not None and each.model is not None and each.model not in self.models:
                    raise ValueError(f"{name}: model {each.model} is not among the template's models")
        for name, capability in self.capabilities.items():
            if not name.startswith(("set_", "read_")):
                raise ValueError(f"capability {name!r} must start with set_ or read_")
            if name.startswith("set_"):
                self._check_set_point(name, capability)
        settable = set(self.settable)
        for name in {*self.read_back, *self.safe_default} - settable:
            raise ValueError(
                f"{name!r} is not a settable capability; those are {', '.join(sorted(settable)) or 'none'}"
            )
        return self

    @model_validator(mode="after")
    def _topics_fit(self) -> Self:
        if (self.mqtt is not None) != (self.protocol == "mqtt_topics"):
            raise ValueError("'mqtt' belongs to protocol mqtt_topics, which needs it")
        faults = (
            self.mqtt.faults(settable=self.settable, readable=self.readable, has_device_ttl=self.has_device_ttl)
            if self.mqtt is not None
            else []
        )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _check_set_point(self, name: str, capability: Capability) -> None:
        low, high = capability.min, capability.max
        if not capability.is_writable:
            raise ValueError(f"{name}: table {capability.table} cannot be written")
        if self.protocol == "modbus_tcp" and self.has_device_ttl != capability.has_timer:
            has = "has" if capability.has_timer else "has not"
            raise ValueError(f"{name}: has_device_ttl is {self.has_device_ttl}, and its frame {has} a ttl_s")
        # A set-point without a longest life would outlive us on a device that never forgets.
        if low is None or high is None or capability.expires_s is None:
            raise ValueError(f"{name}: min, max and expires_s are needed")
        if low >= high:
            raise ValueError(f"{name}: min {low} must be below max {high}")
        if name not in self.read_back or name not in self.safe_default:
            raise ValueError(f"{name}: read_back and safe_default are needed")
        if not low <= self.safe_default[name] <= high:
            raise ValueError(f"{name}: safe_default {self.safe_default[name]} is outside {low}..{high}")

    @property
    def settable(self) -> tuple[str, ...]:
        """Names of the capabilities that take a set-point."""
        return tuple(name for name in self.capabilities if name.startswith("set_"))

    @property
    def readable(self) -> tuple[str, ...]:
        """Names of the measured values."""
        return tuple(name for name in self.capabilities if name.startswith("read_"))

    def capability(self, name: str) -> Capability:
        """The capability of that name. Raises BadInput naming those that exist."""
        found = self.capabilities.get(name)
        if found is None:
            raise BadInput(
                f"template {self.template!r} has no capability {name!r}; it has {', '.join(self.capabilities)}",
                reason="unknown_capability",
                mend=did_you_mean(name, list(self.capabilities)),
            )
        return found

    def limits(self, name: str) -> tuple[float, float]:
        """Rating (min, max) of a settable capability, in its unit. Raises BadInput."""
        found = self.capability(name)
        if found.min is None or found.max is None or not name.startswith("set_"):
            raise BadInput(f"capability {name!r} of {self.template!r} takes no value", reason="not_settable")
        return found.min, found.max

    def own_limits(self, name: str, figures: Mapping[str, float]) -> tuple[float, float, float]:
        """(min, max, safe default) of a settable capability on a site that states these figures. Raises BadInput.

        Of the template's rating and the site's own figure the narrower one counts; of several names the first given.
        """
        (low, high), place = self.limits(name), self.capability(name)
        own_min = next((figures[each] for each in place.own_min.split() if each in figures), -low)
        own_max = next((figures[each] for each in place.own_max.split() if each in figures), high)
        # Discharging counts below zero on the wire, but makers and site files state it as a positive rating.
        low, high = max(low, -own_min), min(high, own_max)
        # A site's own figure may be narrower than the template's default, e.g. an inverter limited by contract.
        return low, high, min(max(self.safe_default[name], low), high)


def _spread(known: Any, repeat: Repeat) -> Any:
    if not isinstance(known, dict):
        return known
    found: dict[str, Any] = {}
    for name, held in known.items():
        if NUMBER not in name:
            found[name] = held
            continue
        for number in range(repeat.count):
            is_placed = isinstance(held, dict) and isinstance(held.get("register"), int)
            placed = held | {"register": held["register"] + number * repeat.every} if is_placed else held
            found[name.replace(NUMBER, f"{number + 1:02}")] = placed
    return found


def template_names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Names of the templates in the folder, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load_template(name: str, folder: Path = FOLDER) -> Template:
    """The template of that name. Raises BadInput (no such template) and BadConfiguration (a fault in its file)."""
    # Looked up in the folder's list: a name from a site file never becomes a path.
    with os.scandir(folder) as entries:
        is_there = any(each.name == f"{name}.yaml" for each in entries)
    if not is_there:
        known = template_names(folder)
        raise BadInput(
            f"unknown device template {name!r}; there are {', '.join(known) or 'none'}",
            reason="unknown_template",
            mend=did_you_mean(name, list(known)),
        )
    path = folder / f"{name}.yaml"
    template = _parsed(path, text_of(path))
    # A copied file whose name was changed and whose content was not would drive another device.
    if template.template != name:
        raise BadInput(
            f"the file says template {template.template!r}; expected {name!r}",
            file=str(path),
            reason="bad_configuration",
        )
    return template


# A list of devices asks for the same few templates some twenty times, and each takes some 10 ms to parse.
@lru_cache(maxsize=64)
def _parsed(path: Path, _text: str) -> Template:
    return load_model(path, Template)
