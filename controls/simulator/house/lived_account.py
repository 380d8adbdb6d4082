"""Account of a simulated span by an observer who sees all: money, carbon, comfort, wear."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from controls.simulator.house.truth import MINUTE_H
from controls.simulator.physics.noise import Series
from data_quality.contracts.control.closed_loop import SiteAccount

# A room is felt to miss its band from here on: half a kelvin, what a good thermostat lets it swing.
FELT_K = 0.5


@dataclass(frozen=True)
class Stored:
    """Content of the house's stores now, in kWh that the grid would have to give to put it there."""

    kwh: float
    discharged_kwh: float


@dataclass
class Account:
    """Sums since it was opened. A kWh in store counts as much as one of the grid did in the mean of the span's time:
    battery and car over their charging efficiency, heat of the tank, rooms and walls as it is.
    """

    opened: Stored
    kgco2e_per_kwh: float
    capacity_kwh: float
    relays: int
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, powers_kw: tuple[Series, Series], prices: tuple[Series, Series]) -> None:
        """Some minutes more. powers_kw: net at the grid, and of the sun; prices: of each minute."""
        (net, pv), (buys, sells) = powers_kw, prices
        taken, given = np.maximum(net, 0.0), np.maximum(-net, 0.0)
        self.sums["cost"] += float(taken @ buys - given @ sells) * MINUTE_H
        self.sums["import_kwh"] += float(taken.sum()) * MINUTE_H
        self.sums["export_kwh"] += float(given.sum()) * MINUTE_H
        self.sums["pv_kwh"] += float(pv.sum()) * MINUTE_H
        self.sums["price_sum"] += float(buys.sum())
        self.sums["minutes"] += float(net.size)

    def feel(self, air: Series, low: Series, high: Series, is_wanted: np.ndarray) -> None:
        """Temperatures of some minutes, one column a room, and the bands in which somebody there wants them."""
        away = np.maximum(np.maximum(low - air, air - high), 0.0) * is_wanted[:, None]
        self.sums["discomfort_kh"] += float(away.sum()) * MINUTE_H
        self.sums["breach"] += float((away > FELT_K).sum())
        self.sums["wanted"] += float(is_wanted.sum()) * air.shape[1]

    def switched(self, count: int) -> None:
        """Heating relays went on or off so many times."""
        self.sums["switched"] += float(count)

    def lived(self, stored: Stored) -> SiteAccount:
        """Results of the account. stored: present amounts."""
        of = self.sums
        price = of["price_sum"] / max(of["minutes"], 1.0)
        return SiteAccount(
            cost=of["cost"] - price * (stored.kwh - self.opened.kwh),
            kgco2e=self.kgco2e_per_kwh * of["import_kwh"],
            discomfort_kh=of["discomfort_kh"],
            breach_share=of["breach"] / max(of["wanted"], 1.0),
            cycles=(stored.discharged_kwh - self.opened.discharged_kwh) / self.capacity_kwh,
            switchings=of["switched"] / self.relays,
            import_kwh=of["import_kwh"],
            export_kwh=of["export_kwh"],
            pv_kwh=of["pv_kwh"],
        )
