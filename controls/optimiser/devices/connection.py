"""The site's connection to the grid: import and export never both, prices, limits, highest import (formulas 5.18)."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, partial
from itertools import accumulate
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from assets.tariffs.linear_evaluate import Slopes, joined, slopes_of
from assets.tariffs.linear_model import LinearTerms
from controls.optimiser.backends.expressions import Floats, Linear, Places
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.bill_columns import BillColumns
from controls.optimiser.devices.device import CaseContext, Numbers, Part, Values, clean
from data_quality.contracts.control.plan import PhaseLimits
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Site

_WAYS = ("import", "export")
# Line to neutral of Europe's low voltage: a fuse of 35 A carries 8.05 kW.
_PHASE_KV = 0.23


class Connection(Part):
    """Price of a kWh bought and sold in each step, and the limits of the connection. A case has exactly one.

    bills: the tariff itself, as linear terms of bills that follow one another over all steps. They are then the cost,
    less what the bills come to without these steps, and the prices only tell what the next kWh would be worth.
    interval_steps: the step that each interval of the bills lies in, where steps are longer than those.
    """

    kind = "connection"
    limits: ClassVar = {f"{way}_limit{phase}": "kw" for phase in ("", "_l1", "_l2", "_l3") for way in _WAYS}
    means: ClassVar = {f"{way}_limit": f"the connection {way}s at most {{part.{way}_max_kw:g}} kW" for way in _WAYS} | {
        f"{way}_limit_l{n}": f"phase L{n} {way}s at most {{part.phases.{way}_max_kw[{n - 1}]:g}} kW"
        for way in _WAYS
        for n in (1, 2, 3)
    }
    # Netting import against export keeps every limit; its tight factors would only hide how much another has to give.
    # The rows of a bill only say what it comes to.
    implied = frozenset({"exchange_mode", "bill"})
    per_step = ("import_price_per_kwh", "export_price_per_kwh")
    case_names: ClassVar = {
        "p_imp": "import_price_per_kwh",
        "p_exp": "export_price_per_kwh",
        "imp_max": "import_max_kw",
        "exp_max": "export_max_kw",
        "demand_price": "demand_price_per_kw",
    }

    device_id: str = ""
    import_price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    import_max_kw: float = Field(ge=0)
    export_max_kw: float = Field(ge=0)
    demand_price_per_kw: float = Field(default=0.0, ge=0, description="Currency per kW of the highest import")
    bills: tuple[LinearTerms, ...] = ()
    interval_steps: tuple[int, ...] = ()
    phases: PhaseLimits | None = None

    @model_validator(mode="after")
    def _bills_cover_the_steps(self) -> Self:
        covered, steps = sum(terms.size for terms in self.bills), len(self.import_price_per_kwh)
        if self.bills and (covered != len(self._places) or {*self._places.tolist()} != {*range(steps)}):
            raise ValueError(f"the bills have {covered} intervals, the case {steps} steps")
        return self

    @property
    def limit_words(self) -> Mapping[str, str]:  # type: ignore[override]  # which peaks there are its bills say
        """As Part; a step that sets the peak of a demand charge is worth a word too."""
        limits = {
            f"{way}_max{phase.lower()}": f"{way}s all that {phase[1:] or 'it'} may"
            for phase in ("", "_L1", "_L2", "_L3")
            for way in _WAYS
        }
        peaks = {row: f"sets the peak of {charge}" for bill in self.priced for row, charge in bill.peaks.items()}
        return limits | {"peak": "sets the highest import"} | peaks

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """`is_importing` has an entry only for steps whose prices would pay for both at once, `peak_kw` at most one."""
        tempting = np.flatnonzero(self._both_pay)
        found = {
            "import_kw": self.new(program, "import_kw", around.steps),
            "export_kw": self.new(program, "export_kw", around.steps),
            "is_importing": self.new(program, "is_importing", tempting.size, upper=1.0, is_integer=True, at=tempting),
        }
        if self.demand_price_per_kw > 0:
            found["peak_kw"] = self.new(program, "peak_kw", 1)
        billed_h = np.zeros(around.steps)
        for bill in self.priced:
            billed_h += np.bincount(bill.places, minlength=around.steps) * bill.hours
            found[bill.tag] = bill.variables(partial(self.new, program))
        if self.bills and not np.allclose(around.step_h, billed_h):
            raise ValueError(f"a bill of {self.bills[0].step_minutes}-minute intervals does not fit the steps")
        return found

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """Up to what the connection carries; never both ways where prices tempt; the peak is at least every import.

        The factors of "never both" are as tight as physics allows: a connection "without limit" must not become a
        huge coefficient. The price of the peak makes it no more than the highest import.
        """
        buy, sell, mode = x["import_kw"], x["export_kw"], x["is_importing"]
        yield Row("import_limit", "import_max", buy <= self.import_max_kw)
        yield Row("export_limit", "export_max", sell <= self.export_max_kw)
        if mode.size:
            at = np.flatnonzero(self._both_pay)
            most_in = np.minimum(self.import_max_kw, around.drawn_max_kw[at])
            most_out = np.minimum(self.export_max_kw, around.fed_max_kw[at])
            yield Row("exchange_mode", "imports", buy[at] <= most_in * mode, at)
            yield Row("exchange_mode", "exports", sell[at] <= most_out * (1 - mode), at)
        if "peak_kw" in x:
            # Rows instead of a maximum, which no linear problem has; the price presses the peak down onto them.
            yield Row("peak", "peak", x["peak_kw"] >= buy)
        for bill in self.priced:
            yield from bill.rows(x[bill.tag], buy, sell)

    def drawn_kw(self, x: Values) -> Any:
        """To the grid it takes, from the grid it gives."""
        return x["export_kw"] - x["import_kw"]

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        """Import, less what export earns, and the highest import; or what the steps add to the bills."""
        if not self.bills:
            yield "energy", step_h * np.array(self.import_price_per_kwh) * x["import_kw"]
            yield "energy", -step_h * np.array(self.export_price_per_kwh) * x["export_kw"]
        for bill in self.priced:
            yield from bill.cost(x.get(bill.tag), x["import_kw"], x["export_kw"])
        if self.demand_price_per_kw:
            # Numbers hold no peak of their own.
            yield "demand", self.demand_price_per_kw * (x["peak_kw"] if "peak_kw" in x else np.max(x["import_kw"]))

    def closing(self, net_kw: Floats) -> Numbers:
        """Import and export from one net power of everything else (drawn is positive), so that they are never both."""
        return {"import_kw": clean(net_kw), "export_kw": clean(-net_kw)}

    def spare_kw(self, net_kw: Floats) -> Floats:
        """Power that could be fed in beside at no loss in each step, where everything else draws `net_kw`."""
        # At a negative price feeding in costs, or drawing earns: curtailing has its reason then.
        is_free = (self._slopes.import_low >= 0) & (self._slopes.export_high <= 0)
        return np.where(is_free, self.export_max_kw + net_kw, 0.0)

    def warm_start(self, columns: Numbers) -> Numbers:
        """Its powers, and the mode where prices tempt."""
        return columns | {"is_importing": (columns["import_kw"][self._both_pay] > 0).astype(np.float64)}

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """The sentences of a case's own statement."""
        buy, sell = columns["import_kw"], columns["export_kw"]
        yield "import above the connection", buy - self.import_max_kw
        yield "export above the connection", sell - self.export_max_kw
        yield "import and export at once", np.minimum(buy, sell)
        yield "a power below zero", -np.minimum(buy, sell)

    def widened(self, around: CaseContext) -> Self:
        """As wide as everything behind it may need at most."""
        return self.model_copy(
            update={
                "import_max_kw": max(self.import_max_kw, float(around.drawn_max_kw.max())),
                "export_max_kw": max(self.export_max_kw, float(around.fed_max_kw.max())),
                "phases": None,
            }
        )

    @property
    def _both_pay(self) -> NDArray[np.bool_]:
        # Where import costs strictly more than export earns, doing both only burns money and no binary is needed.
        return self._slopes.import_low + self._slopes.export_low <= 0

    @cached_property
    def _slopes(self) -> Slopes:
        """Bounds of the marginal price of a kWh in each step, over all loads."""
        if not self.bills:
            bought, sold = np.array(self.import_price_per_kwh), -np.array(self.export_price_per_kwh)
            return Slopes(bought, bought, sold, sold)
        each = joined([slopes_of(terms) for terms in self.bills])
        first = np.searchsorted(self._places, np.arange(len(self.import_price_per_kwh)))
        return Slopes(
            np.minimum.reduceat(each.import_low, first),
            np.maximum.reduceat(each.import_high, first),
            np.minimum.reduceat(each.export_low, first),
            np.maximum.reduceat(each.export_high, first),
        )

    @property
    def _places(self) -> Places:
        """The step of each interval of the bills."""
        return np.array(self.interval_steps or range(len(self.import_price_per_kwh)), np.int64)

    @cached_property
    def priced(self) -> tuple[BillColumns, ...]:
        """Its bills as columns and rows, each with what it comes to without these steps (`base`)."""
        ends = accumulate((terms.size for terms in self.bills), initial=0)
        return tuple(
            BillColumns(terms, places=self._places[at : at + terms.size], tag=f"bill{n}" if n > 1 else "bill")
            for n, (terms, at) in enumerate(zip(self.bills, ends, strict=False), start=1)
        )


def connection_kw(site: Site) -> float | None:
    """Capacity of the grid connection, kW, either way: the connected load of its electricity meters; None unknown.

    For a meter with only its fuse given: three times the power of one phase.
    """
    limits = [
        meter.connected_load_kw or 3 * _PHASE_KV * (meter.fuse_a or 0.0)
        for meter in at_the_grid(site)
        if meter.connected_load_kw is not None or meter.fuse_a is not None
    ]
    # Several connections to the grid carry the sum of their capacities.
    return sum(limits) if limits else None


def phase_limits(site: Site) -> PhaseLimits | None:
    """Limits of each phase by the fuses of the site's one connection; None where none are given.

    Of several connections nobody can say which device hangs on which, so their phases are not limited.
    """
    meters = at_the_grid(site)
    if len(meters) != 1 or meters[0].fuse_a is None:
        return None
    each = (_PHASE_KV * meters[0].fuse_a,) * 3
    shares = {"load_share": meters[0].load_share} if meters[0].load_share is not None else {}
    return PhaseLimits.model_validate({"import_max_kw": each, "export_max_kw": each} | shares)


def at_the_grid(site: Site) -> list[Meter]:
    """The site's electricity meters at the grid; sub-meters hang behind these: their loads are in them already."""
    return [meter for meter in site.meters if meter.carrier == Carrier.ELECTRICITY and meter.parent is None]
