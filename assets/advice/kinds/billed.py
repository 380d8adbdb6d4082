"""Bills of a supply by the bill engine, as the kinds that change the bill compare them."""

import numpy as np

from assets.advice.site_hours import SiteHours, Supply
from assets.bills.engine.bill_load import Load
from assets.bills.engine.compute import make_bill
from data_quality.contracts.billing.bill import Bill


def bill_of(supply: Supply, load: Load) -> Bill:
    """The bill of a load by the supply's tariffs. Raises BadInput."""
    return make_bill(
        supply.tariffs, load, time_zone=supply.time_zone, currency=supply.currency, day_types=supply.day_types
    )


def paid(supply: Supply, load: Load) -> float:
    """The total of that bill."""
    return float(bill_of(supply, load).total)


def months_of(site: SiteHours, size: int) -> np.ndarray:
    """The month of each interval of the load, by its local day."""
    days = np.arange(np.datetime64(site.start), np.datetime64(site.end))
    per_hour = size // site.day.size
    return np.asarray(np.repeat(days[site.day].astype("datetime64[M]").astype(int), per_hour)[:size])
