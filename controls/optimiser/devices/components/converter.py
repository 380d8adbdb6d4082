"""A converter between the site and a store: it charges or discharges, by one signed set-point."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from controls.optimiser.devices.device import Device, Numbers, Values


class Converter(Device):
    """Its two columns are the power that it charges with and the power that it discharges with, kW."""

    kind = ""

    def drawn_kw(self, x: Values) -> Any:
        """Charge less discharge, kW."""
        into, out = self.columns
        return x[into] - x[out] if out in x else x[into]

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """Charge positive, discharge negative."""
        return {"set_charge_power_kw": self.drawn_kw(step)}

    def acted(self, set_points: Mapping[str, float], t: int) -> dict[str, float]:
        """Charge positive, discharge negative; nothing without a set-point."""
        power_kw, (into, out) = set_points.get("set_charge_power_kw", 0.0), self.columns
        return {into: max(power_kw, 0.0), out: max(-power_kw, 0.0)}

    def power_errors(self, columns: Numbers) -> Iterator[tuple[str, ArrayLike]]:
        """Both ways at once, or a power below zero."""
        least_kw = np.minimum(*(columns[name] for name in self.columns))
        yield "charge and discharge at once", least_kw
        yield "a power below zero", -least_kw
