"""A simulated device made from its template alone: power follows its set-point with a lag and noise, the rest rests."""

import math
import random
from collections.abc import Callable

from controls.gateways.served_unit import RATING, ModbusUnit
from controls.templates.load_templates import Capability, Template

POWER, SOC_PERCENT = "read_power_kw", 50.0
# A device that settles within settle_s has come within two percent of the value after four time constants.
_CONSTANTS = 4.0
# How much a device that is only limited would give or take: of what it can.
_UNLIMITED_SHARE = 0.6
# What stands where a template says nothing, by unit.
_RESTING = {"v": 230.0, "hz": 50.0, "percent": SOC_PERCENT, "degc": 20.0, "state": 1.0}


class TemplatePhysics:
    """What a device measures. `value_of(capability)`: the set-point it follows now; monotonic: seconds."""

    def __init__(
        self, template: Template, *, monotonic: Callable[[], float], seed: int = 0, noise_share: float = 0.0
    ) -> None:
        self._template, self._monotonic = template, monotonic
        self._random, self._noise_share = random.Random(seed), noise_share
        self._power_kw, self._at_s = 0.0, monotonic()
        self.value_of: Callable[[str], float] = lambda name: template.safe_default[name]

    def measure(self) -> dict[str, float]:
        """Every value that the template reads, each within its bounds."""
        return {name: self._bounded(name, self._template.capability(name)) for name in self._template.readable}

    def _bounded(self, name: str, place: Capability) -> float:
        value = self._power() if name == POWER else _RESTING.get(place.unit, 0.0)
        low, high = place.min, place.max
        value = value if low is None else max(value, low)
        return value if high is None else min(value, high)

    def _power(self) -> float:
        """The first-order answer to the set-point, at this moment, kW."""
        now_s = self._monotonic()
        passed_s, self._at_s = now_s - self._at_s, now_s
        for name in self._template.settable:
            place = self._template.capability(name)
            if place.unit != "kw" or place.effect == "none":
                continue
            most_kw = min(self._template.limits(name)[1], RATING)
            wanted_kw = min(self.value_of(name), most_kw)
            if place.effect == "limit":
                wanted_kw = min(wanted_kw, _UNLIMITED_SHARE * most_kw)
            share = 1.0 - math.exp(-_CONSTANTS * passed_s / place.settle_s)
            self._power_kw += share * (wanted_kw - self._power_kw)
            return self._power_kw + self._random.gauss(0.0, self._noise_share * most_kw)
        return self._power_kw


def simulated_unit(
    template: Template, *, monotonic: Callable[[], float], seed: int = 0, noise_share: float = 0.0
) -> ModbusUnit:
    """A unit of the template, with physics of its own."""
    physics = TemplatePhysics(template, monotonic=monotonic, seed=seed, noise_share=noise_share)
    unit = ModbusUnit(template, measure=physics.measure, monotonic=monotonic)
    # Asked of the unit each time: a reboot gives it other leases.
    physics.value_of = lambda name: unit.leases[name].state(monotonic()).value
    return unit
