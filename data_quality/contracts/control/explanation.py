"""Why a plan does what it does, slot by slot: numbers of solved problems, and one sentence built from them alone."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from data_quality.contracts.model import Model


def _is_empty(value: object) -> bool:
    return not value


class Binding(Model):
    """A limit that a slot lies at. saves_per_kwh: what one kWh more room would save, at the margin.

    unit: empty for a rule that nobody chose, such as a least power; it has no room that could be given.
    """

    label: str = Field(description="The family of rows, as a conflict names it")
    device_id: str = Field(description="Empty: the connection")
    words: str
    value: float
    unit: str
    saves_per_kwh: float | None


class Moved(Model):
    """Shift between slots, at one price: energy bought or sold otherwise, where that counts most against the choice.

    time_utc: the slot of that price with the largest part of it.
    """

    time_utc: datetime
    words: Literal["more bought", "less bought", "more sold", "less sold"]
    energy_kwh: float
    price_per_kwh: float


class Alternative(Model):
    """Another decision of one device in the slot: one variable between two bounds, all else decided anew.

    upper: None where there is no bound. difference: what the best plan that does so costs more than this one; None
    where no plan can do so.
    """

    device_id: str
    words: str
    variable: str
    lower: float
    upper: float | None
    difference: float | None
    moved: Moved | None = None
    is_shared: bool = Field(default=False, exclude_if=_is_empty, description="In all scenarios alike")


class Slot(Model):
    """One step. powers_kw: decisions by device. Prices of the connection, and of one kWh more at the margin.

    marginal_price: what one kWh more of load in this slot would cost, with every switch left as it is. alternatives:
    the cheapest of each device. impossible: what no plan can do. is_explained: False where time was over before.
    """

    time_utc: datetime
    step_h: float
    powers_kw: dict[str, dict[str, float]]
    import_kw: float
    export_kw: float
    import_price_per_kwh: float
    export_price_per_kwh: float
    marginal_price: float
    binding: tuple[Binding, ...] = ()
    best_alternative: Alternative | None = None
    alternatives: tuple[Alternative, ...] = ()
    impossible: tuple[Alternative, ...] = ()
    is_explained: bool = False
    sentence: str = ""
    is_shared: bool = Field(default=False, exclude_if=_is_empty, description="The same in all scenarios")


class Explanation(Model):
    """All slots of a plan. noise: a difference that is not larger makes none; the plan is proven no closer.

    whole: limits that hold over all slots together, such as a charge to end with. Of what is the same in all scenarios,
    prices and differences are those of the whole plan; else those of the scenario that is shown.
    """

    currency: str
    time_zone: str
    objective: float
    noise: float
    whole: tuple[Binding, ...] = ()
    slots: tuple[Slot, ...]
    scenario: str = Field(default="", exclude_if=_is_empty, description="The one that is shown, of a plan over several")
    scenarios: int = Field(default=0, exclude_if=_is_empty)

    @property
    def left_open(self) -> int:
        """Number of slots that were not explained in the time given."""
        return sum(not slot.is_explained for slot in self.slots)
