"""Billing faults: bills of suppliers that stand above what the site's own readings and tariff make of them."""

from collections.abc import Iterator

from assets.advice.estimate import Estimate
from assets.advice.site_hours import SiteHours


def find(site: SiteHours) -> Iterator[Estimate]:
    """One estimate for all bills with a notified variance in the supplier's favour."""
    over = {name: amount for name, amount in (site.overbilled or {}).items() if amount > 0}
    if over:
        money = float(sum(over.values()))
        yield Estimate(f"site:{site.site_id}", money=money, numbers={"bills": (float(len(over)), "count")})
