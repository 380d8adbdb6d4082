"""Power factor: reactive energy that the tariff charges, by the bill's own lines."""

from collections.abc import Iterator

import numpy as np

from assets.advice.estimate import Estimate
from assets.advice.kinds.billed import bill_of
from assets.advice.site_hours import SiteHours

# A compensation in steps leaves some of it, and the class of a meter of reactive energy is 2 to 3 %.
_ERROR_SHARE = 0.03
_LEAST_SHARE = 0.002


def find(site: SiteHours) -> Iterator[Estimate]:
    """One estimate for the supply, where its bills have lines of reactive energy."""
    supply = site.supply
    if supply is None or supply.load.kvarh is None or not any(tariff.reactive for tariff in supply.tariffs):
        return
    bill = bill_of(supply, supply.load)
    lines = [line for period in bill.periods for line in period.lines if line.component == "reactive"]
    money = float(sum(line.amount for line in lines))
    if money <= _LEAST_SHARE * float(bill.total):
        return
    real, reactive = float(supply.load.load.sum()) * 1e-9, float(supply.load.kvarh.sum()) * 1e-9
    numbers = {"power_factor": (float(real / np.hypot(real, reactive)), "ratio"), "kvarh": (reactive, "kvarh")}
    yield Estimate(f"site:{site.site_id}", money=money, money_error=_ERROR_SHARE * money, numbers=numbers)
