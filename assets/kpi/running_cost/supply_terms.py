"""Inputs of a supply's running cost other than its energy: reactive energy, prices at every quarter hour. Pure."""

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from assets.bills.engine.bill_load import Load
from assets.sites.meter_tree import has_import, total_meters, tree_spans
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site

_MINUTE_US = 60_000_000


def needs_reactive(tariffs: Iterable[Tariff]) -> bool:
    """True where a charge goes by reactive energy: kvarh, kVA or a power factor."""
    return any(
        bool(tariff.reactive)
        or any(each.unit == "kva" or each.reference_power_factor is not None for each in tariff.demand)
        or any(each.unit == "kva" for each in tariff.capacity)
        for tariff in tariffs
    )


def reactive_rows(site: Site, readings: pl.DataFrame) -> pl.DataFrame | None:
    """Readings of the main meters' reactive registers; None where one of them has none at some time."""
    named: dict[str, set[str]] = {}
    for span in tree_spans(site):
        mains = frozenset(total_meters(site, Carrier.ELECTRICITY, span.start))
        for meter in site.meters:
            if meter.meter_id in mains and has_import(meter):
                register = meter.register_in("kvarh")
                if register is None:
                    # One meter without the register makes the reactive energy of the supply unknown.
                    return None
                named.setdefault(register, set()).add(meter.meter_id)
    wanted = [(pl.col("register") == name) & pl.col("meter_id").is_in(sorted(own)) for name, own in named.items()]
    return readings.filter(pl.any_horizontal(wanted)) if wanted else readings.clear()


def without_gaps(
    tariffs: Iterable[Tariff], load: Load, prices: Mapping[str, PriceSeries]
) -> tuple[dict[str, PriceSeries], pl.Series]:
    """The series with a zero at each quarter hour that lacks a price, and the starts of those in which energy flowed.

    What flowed there has no known cost: the zero only lets the rest of the bill be made. Raises BadInput where a
    tariff names a series that there is not at all.
    """
    start_us = int(load.start_utc.timestamp()) * 1_000_000 + np.arange(load.size) * load.step_minutes * _MINUTE_US
    unpriced = np.zeros(load.size, dtype=np.bool_)
    filled = dict(prices)
    for tariff in tariffs:
        bought = [charge.series.series for charge in tariff.energy_charges if charge.series is not None]
        sold = [tariff.export_terms.series.series] if tariff.export_terms.series is not None else []
        for name, flow in [
            *((name, load.imported(is_gross=False)) for name in bought),
            *((name, load.exported(is_gross=False)) for name in sold),
        ]:
            if name not in prices:
                raise BadInput(f"there is no price series {name!r}", reason="no_prices")
            missing = ~_is_priced(prices[name], start_us)
            # Where nothing flows no price is needed.
            unpriced |= missing & (flow != 0)
            series = prices[name]
            starts = np.concatenate([series.start_us, start_us[missing]])
            # Stable, and by start: the search for a price needs them ascending.
            order = np.argsort(starts, kind="stable")
            count = int(missing.sum())
            filled[name] = PriceSeries(
                name=series.name,
                start_us=starts[order],
                minutes=np.concatenate([series.minutes, np.full(count, load.step_minutes)])[order],
                price_nano=np.concatenate([series.price_nano, np.zeros(count, dtype=np.int64)])[order],
                currency=series.currency,
            )
    return filled, pl.Series(start_us[unpriced]).cast(pl.Datetime("us", "UTC"))


def _is_priced(series: PriceSeries, start_us: np.ndarray) -> np.ndarray:
    if not series.start_us.size:
        return np.zeros(start_us.size, dtype=np.bool_)
    index = np.searchsorted(series.start_us, start_us, side="right") - 1
    safe = index.clip(min=0)
    found: np.ndarray = (index >= 0) & (start_us < series.start_us[safe] + series.minutes[safe] * _MINUTE_US)
    return found
