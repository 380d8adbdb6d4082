"""Import prices of a site per quarter hour as a plan needs them; an unknown price is left out, never guessed."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from assets.stores.lake.lake import Lake
from assets.tariffs.price_in_force import prices_in_force
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.price_age import staleness

# Between the medians of a day and of the days before. Crises moved a market's prices tenfold within months; a price per
# MWh, or in cents, is a thousand or a hundred times too much overnight.
MAX_RATIO = 20.0
LOOK_BACK = timedelta(days=14)
_A_DAY = 96
# A tariff of day and night repeats itself rightly, a market does not.
_FEW = 6


def prices_between(
    site: Site, lake: Lake, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
) -> pl.DataFrame:
    """interval_start_utc, price_per_kwh (Float64, the site's currency) of the priced quarter hours of [start, end)."""
    known = prices_in_force(site, lake, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
    return known.drop_nulls("price_per_kwh").with_columns(pl.col("price_per_kwh").cast(pl.Float64))


def price_age(site: Site, lake: Lake, *, now_utc: datetime) -> tuple[Finding, ...]:
    """What is wrong with the age of a market's prices; nothing of a tariff's, or of prices that a person brings."""
    feeds = [point.stream for source in site.sources if source.kind == "prices" for point in source.points]
    if site.price_stream not in feeds:
        return ()
    # A market that was away for longer than this is as stale as can be said.
    span: dict[str, Any] = {"start_utc": now_utc - LOOK_BACK, "end_utc": now_utc + 2 * LOOK_BACK}
    known = lake.current(site.site_id, **span, meters=[site.price_stream])["interval_start_utc"].to_list()
    until_utc = max(known) + timedelta(minutes=CANONICAL_MINUTES) if known else span["start_utc"]
    return staleness(until_utc, now_utc)


def price_doubt(prices: pl.DataFrame, before: pl.DataFrame) -> Finding | None:
    """Why the published prices of a window cannot be believed, by those of the days before it; None where they can.

    prices, before: interval_start_utc, price_per_kwh. Negative prices are prices. Without a day before there is nothing
    to compare with. Blocking: a plan that follows a slipped decimal costs more than none.
    """
    now, then = (frame["price_per_kwh"].drop_nulls().abs() for frame in (prices, before))
    if now.is_empty() or then.len() < _A_DAY:
        return None
    usual, found = _median(then), _median(now)
    facts: dict[str, str | float | int | bool | None] = {"median": found, "median_before": usual}
    if usual > 0 and now.max() == 0:
        said = f"every price from {_first(prices)} on is 0; over the days before it was {usual:.4g} at the median"
        return Finding(code="prices_all_zero", message=said, severity="blocking", facts=facts)
    if usual > 0 and found > 0 and not 1 / MAX_RATIO <= found / usual <= MAX_RATIO:
        said = (
            f"prices from {_first(prices)} on are {found:.4g} at the median, {found / usual:.3g} times those of the "
            "days before: another unit is suspected"
        )
        return Finding(code="prices_of_another_unit", message=said, severity="blocking", facts=facts)
    if _repeats(prices, before):
        said = f"prices from {_first(prices)} on are those of the day before to the last digit: the feed stands still"
        return Finding(code="prices_stand_still", message=said, severity="blocking", facts=facts)
    return None


def _median(values: pl.Series) -> float:
    return float(np.median(values.to_numpy()))


def _first(prices: pl.DataFrame) -> str:
    return f"{min(prices['interval_start_utc'].to_list()):%Y-%m-%dT%H:%MZ}"


def _repeats(prices: pl.DataFrame, before: pl.DataFrame) -> bool:
    """A day that is the day before once more, of prices that are not the same every day anyway."""
    known = dict(pl.concat([before, prices]).select("interval_start_utc", "price_per_kwh").iter_rows())
    day = timedelta(days=1)

    def same(starts: list[datetime]) -> bool:
        pairs = [(known[at], known[at - day]) for at in starts if at - day in known]
        return len(pairs) >= _A_DAY // 2 and all(new == old for new, old in pairs)

    starts = prices["interval_start_utc"].to_list()
    is_varied = len({known[at] for at in starts}) > _FEW
    return is_varied and same(starts) and not same([at - day for at in starts])
