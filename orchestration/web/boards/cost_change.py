"""Causes of a site's cost change against a year before: price, production and weather, and performance."""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.time import Period
from orchestration.web.boards.site_now import SiteNow, to_compare
from reports.datasets.enpi_findings import overlapping
from reports.pages.widgets.cost_bridge import CostBridge
from reports.pages.widgets.tile import TileFigure
from reports.texts.locales import named

COST, ENERGY = "cost", "consumption_kwh"
# Days; a span that is longer is called by its year.
_ELEVEN_MONTHS = 335
Pair = tuple[TileFigure, TileFigure]


def why_it_changed(sites: Sequence[SiteNow], period: Period) -> CostBridge:
    """Of the first of these sites whose cost is known a year before too: sites have currencies of their own."""
    made = (_Change(now, period).bridge() for now in sites)
    return next((each for each in made if each.steps), CostBridge(**sites[0].common() | {"findings": ()}))


class _Change:
    """Steps from the cost of a period a year before to that of the period; quantities at the mean price before."""

    def __init__(self, now: SiteNow, period: Period) -> None:
        self.now, self.show = now, now.show
        own = period.model_copy(update={"time_zone": now.site.time_zone})
        self.spans = (to_compare(now, own, "year") or (own,))[::-1]
        self.more = partial(self.show.pair, "difference")

    def bridge(self) -> CostBridge:
        """With steps where cost and energy of both spans are whole."""
        base = CostBridge(**self.now.common() | {"findings": ()})
        cost, energy = self._both(COST, self.now.scope), self._both(ENERGY, self.now.scope)
        if cost is None or energy is None:
            return base
        currency = self.now.site.currency
        prices = [
            self.show.pair("ratio", money, kwh, f"{currency}/kwh", "mean price")
            for money, kwh in zip(cost, energy, strict=True)
        ]
        dearer = self.more(prices[1], prices[0], f"{currency}/kwh", "change of the mean price")
        steps = [("Price", self.show.pair("product", dearer, energy[1], currency, "cost by price"))]
        steps += [
            (name, self.show.pair("product", kwh, prices[0], currency, f"cost by {name.lower()}"))
            for name, kwh in self._quantities(energy)
        ]
        shown_steps = tuple((name, step) for name, step in steps if step is not None)
        change = self.more(cost[1], cost[0], currency, "change of cost")
        return base.model_copy(
            update={
                "age": named(self.now.site.name), "before": cost[0], "now": cost[1],
                "spans": (self._called(self.spans[0]), self._called(self.spans[-1])),
                "change": change, "steps": shown_steps, "budget": self._budget(),
            }
        )  # fmt: skip

    def _budget(self) -> Decimal | None:
        """Budget of the months of the period, by the site file; none for a part of one."""
        span, budgets = self.spans[-1], self.now.site.budgets
        monthly = None if budgets is None else budgets.cost_per_month.get(self.now.site.currency)
        if monthly is None or span.start.day != 1 or span.end.day != 1:
            return None
        return monthly * ((span.end.year - span.start.year) * 12 + span.end.month - span.start.month)

    def _called(self, span: Period) -> str:
        """The year of a long span, else its days in words."""
        return f"{span.start:%Y}" if span.days > _ELEVEN_MONTHS else self.now.words(span)

    def _quantities(self, energy: Pair) -> list[tuple[str, TileFigure | None]]:
        """Energy more or less: as expected by the baselines, beyond that, and of what has no baseline."""
        grown = self.more(energy[1], energy[0], "kwh", "change of use")
        # Uses that share no meter: the energy of the others would count twice.
        leaves = [
            each for each in self.now.site.seus
            if each.is_active and not each.is_aggregate and each.carrier == Carrier.ELECTRICITY
        ]  # fmt: skip
        uses = [] if overlapping(leaves, self.now.site) else leaves
        saved = [self._saved(seu) for seu in uses]
        used = [self._both(ENERGY, f"seu:{seu.seu_id}") for seu in uses]
        whole = [each for each in (*saved, *used) if each is not None]
        if not uses or len(whole) < 2 * len(uses):
            return [("Quantity", grown)]
        savings, energies = (self._sums([each for each in pairs if each is not None]) for pairs in (saved, used))
        performed = self.more(savings[0], savings[1], "kwh", "change of savings")
        known = self.more(energies[1], energies[0], "kwh", "change of use with baselines")
        driven = self.more(known, performed, "kwh", "change of what is expected")
        other = self.more(grown, known, "kwh", "change of other use")
        return [("Production and weather", driven), ("Energy performance", performed), ("Other use", other)]

    def _saved(self, seu: Seu) -> Pair | None:
        return _known([self.show.baseline_deviation(seu.seu_id, "savings_kwh", span) for span in self.spans])

    def _both(self, kpi: str, scope: str) -> Pair | None:
        """A KPI of both spans, of which no day is missing."""
        found = [self.show.over(kpi, scope, span) for span in self.spans]
        return None if any(gaps for _, gaps in found) else _known([shown for shown, _ in found])

    def _sums(self, pairs: Sequence[Pair]) -> Pair:
        sums = [
            self.show.shown(each[0] if len(each) == 1 else self.show.sum_of(each, "of the uses together"))
            for each in ([pair[at].figure for pair in pairs] for at in range(2))
        ]
        found = _known(sums)
        assert found is not None  # noqa: S101 - sums of numbers that are known
        return found


def _known(found: Sequence[TileFigure | None]) -> Pair | None:
    known = [each for each in found if each is not None and each.figure.value is not None]
    return (known[0], known[1]) if len(known) == 2 else None
