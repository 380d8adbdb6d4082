"""The site's connection to the grid: import and export never both, prices, limits, highest import (formulas 5.18)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from controls.optimiser.devices.device import Around, Columns, Part, Row, Values, clean
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site

if TYPE_CHECKING:
    import pulp


class Connection(Part):
    """What a kWh costs and earns in each step, and what the connection carries. A case has exactly one."""

    kind = "connection"
    limits: ClassVar = {"import_limit": "kw", "export_limit": "kw"}
    # Netting import against export keeps every limit; its tight factors would only hide how much another has to give.
    implied = frozenset({"exchange_mode"})
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

    def variables(self, lp: "pulp.LpProblem", around: Around) -> Values:
        """`is_importing` has an entry only for steps whose prices would pay for both at once, `peak_kw` at most one."""
        count = len(around.step_h)
        tempting = [
            lp.add_variable(f"{self.prefix}_is_importing_{t:03d}", cat="Binary") if self._both_pay(t) else None
            for t in range(count)
        ]
        return {
            "import_kw": self.new(lp, "import_kw", count, lowBound=0),
            "export_kw": self.new(lp, "export_kw", count, lowBound=0),
            "is_importing": tempting,
            "peak_kw": [lp.add_variable(f"{self.prefix}_peak_kw", lowBound=0)] if self.demand_price_per_kw > 0 else [],
        }

    def rows(self, x: Values, around: Around) -> Iterator[Row]:
        """Up to what the connection carries; never both ways where prices tempt; the peak is at least every import.

        The factors of "never both" are as tight as physics allows: a connection "without limit" must not become a
        huge coefficient. The price of the peak makes it no more than the highest import.
        """
        buy, sell = x["import_kw"], x["export_kw"]
        for t in range(len(buy)):
            yield "import_limit", f"import_max_{t:03d}", buy[t] <= self.import_max_kw
        for t in range(len(sell)):
            yield "export_limit", f"export_max_{t:03d}", sell[t] <= self.export_max_kw
        for t, mode in enumerate(x["is_importing"]):
            if mode is not None:
                most_in, most_out = around.drawn_max_kw[t], around.fed_max_kw[t]
                yield "exchange_mode", f"imports_{t:03d}", buy[t] <= min(self.import_max_kw, most_in) * mode
                yield "exchange_mode", f"exports_{t:03d}", sell[t] <= min(self.export_max_kw, most_out) * (1 - mode)
        for peak_kw in x["peak_kw"]:
            for t in range(len(buy)):
                # Rows instead of a maximum, which no linear problem has; the price presses the peak down onto them.
                yield "peak", f"peak_{t:03d}", peak_kw >= buy[t]

    def drawn_kw(self, x: Values, t: int) -> Any:
        """To the grid it takes, from the grid it gives."""
        return x["export_kw"][t] - x["import_kw"][t]

    def cost(self, x: Values, step_h: tuple[float, ...]) -> Iterable[Any]:
        """Import, less what export earns, and the highest import."""
        for t, hours in enumerate(step_h):
            yield (hours * self.import_price_per_kwh[t]) * x["import_kw"][t]
            yield (-hours * self.export_price_per_kwh[t]) * x["export_kw"][t]
        # Numbers hold no peak of their own.
        for peak_kw in x["peak_kw"] if "peak_kw" in x else [max(x["import_kw"])]:
            yield self.demand_price_per_kw * peak_kw

    def closing(self, net_kw: Sequence[float]) -> Columns:
        """Import and export from one net power of everything else (drawn is positive), so that they are never both."""
        return {"import_kw": clean(net_kw), "export_kw": clean(-power for power in net_kw)}

    def spare_kw(self, net_kw: Sequence[float]) -> list[float]:
        """How much more could be fed in at no loss in each step, where everything else draws `net_kw`."""
        steps = zip(net_kw, self.import_price_per_kwh, self.export_price_per_kwh, strict=True)
        # At a negative price feeding in costs, or drawing earns: curtailing has its reason then.
        return [self.export_max_kw + net if min(buy, sell) >= 0 else 0.0 for net, buy, sell in steps]

    def errors(self, columns: Values, step_h: tuple[float, ...]) -> Iterator[tuple[str, float]]:
        """The sentences of a case's own statement."""
        for t, (buy, sell) in enumerate(zip(columns["import_kw"], columns["export_kw"], strict=True)):
            yield f"step {t}: import above the connection", buy - self.import_max_kw
            yield f"step {t}: export above the connection", sell - self.export_max_kw
            yield f"step {t}: import and export at once", min(buy, sell)
            yield f"step {t}: a power below zero", -min(buy, sell)

    def widened(self, around: Around) -> Self:
        """As wide as everything behind it may need at most."""
        return self.model_copy(
            update={
                "import_max_kw": max(self.import_max_kw, *around.drawn_max_kw),
                "export_max_kw": max(self.export_max_kw, *around.fed_max_kw),
            }
        )

    def _both_pay(self, t: int) -> bool:
        # Where import costs strictly more than export earns, doing both only burns money and no binary is needed.
        return self.export_price_per_kwh[t] >= self.import_price_per_kwh[t]


def connection_kw(site: Site) -> float | None:
    """What the grid connection carries, kW, either way: the connected load of its electricity meters; None unknown."""
    limits = [
        meter.connected_load_kw
        for meter in site.meters
        # Sub-meters hang behind these: their loads are in them already.
        if meter.carrier == Carrier.ELECTRICITY and meter.parent is None and meter.connected_load_kw is not None
    ]
    # Several connections to the grid carry together what each may.
    return sum(limits) if limits else None
