"""A price by reference: prices per interval, laid over the slots of a load. A missing price is refused, never zero."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import polars as pl

from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_charges import SeriesPrice
from data_quality.contracts.errors import BadInput
from data_quality.contracts.units import QUANTUM_DECIMALS

_SCALE = 10**QUANTUM_DECIMALS
_MINUTE_US = 60_000_000


@dataclass(frozen=True)
class PriceSeries:
    """Prices per kWh that hold from start for `minutes`. start_us: microseconds since 1970, ascending;
    price_nano: 1e-9 of the currency per kWh.
    """

    name: str
    start_us: np.ndarray
    minutes: np.ndarray
    price_nano: np.ndarray
    currency: str | None = None

    @classmethod
    def of(cls, name: str, rows: pl.DataFrame, *, currency: str | None = None) -> "PriceSeries":
        """From interval_start_utc, minutes, price_per_kwh (Float64 or Decimal)."""
        ordered = rows.sort("interval_start_utc")
        # Through its shortest digits: 0.1 as a float is a little more than 0.1, and the bill would show it.
        prices = [int((Decimal(str(value)) * _SCALE).to_integral_value()) for value in ordered["price_per_kwh"]]
        return cls(
            name=name,
            start_us=ordered["interval_start_utc"].dt.epoch("us").to_numpy(),
            minutes=ordered["minutes"].cast(pl.Int64).to_numpy(),
            price_nano=np.array(prices, dtype=np.int64),
            currency=currency,
        )

    def on(self, start_us: np.ndarray, step_minutes: int, needed: np.ndarray) -> np.ndarray:
        """Price of each slot, 1e-9 per kWh, int64. Raises BadInput for the first needed slot without a price, and
        where a price changes inside a slot.
        """
        if not self.start_us.size:
            raise BadInput(f"price series {self.name!r} is empty", reason="price_gap")
        # A slot that begins with a price has that price.
        index = np.searchsorted(self.start_us, start_us, side="right") - 1
        # Before the first price the index is -1, which numpy takes for the last one; such slots count as missing below.
        safe = index.clip(min=0)
        ends = self.start_us[safe] + self.minutes[safe] * _MINUTE_US
        missing = ((index < 0) | (start_us >= ends)) & needed
        if missing.any():
            raise BadInput(
                f"price series {self.name!r} has no price for {_text(int(start_us[int(np.argmax(missing))]))}; "
                "a missing price is not zero",
                reason="price_gap",
            )
        # An hourly load under prices of 15 minutes cannot say which quarter hour used the energy.
        inside = (start_us + step_minutes * _MINUTE_US > ends) & needed
        if inside.any():
            raise BadInput(
                f"price series {self.name!r} changes inside the {step_minutes}-minute interval of the load at "
                f"{_text(int(start_us[int(np.argmax(inside))]))}; expected a load at least as fine as the prices",
                reason="price_finer_than_load",
            )
        # Slots that nobody needs may lack a price: no energy falls on them, so zero is never charged.
        return np.where((index < 0) | (start_us >= ends), 0, self.price_nano[safe])


def series_of(tariff: Tariff, price: SeriesPrice, prices: Mapping[str, PriceSeries]) -> PriceSeries:
    """The series that the tariff's price goes by. Raises BadInput where it is not given, or in another currency."""
    series = prices.get(price.series)
    if series is None:
        raise BadInput(
            f"tariff {tariff.tariff_id} takes its price from series {price.series!r}; none was given",
            reason="no_prices",
            mend="give --prices FILE",
        )
    # Told, not converted: an exchange rate is no part of a bill.
    if tariff.currency and series.currency and series.currency.upper() != tariff.currency:
        raise BadInput(
            f"prices are in {series.currency.upper()}, tariff {tariff.tariff_id} in {tariff.currency}",
            reason="currency_mismatch",
        )
    return series


def _text(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us / 1e6, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
