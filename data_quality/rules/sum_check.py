"""Sum check: submeters of one parent add up to more than the parent."""

from data_quality.contracts.site_file.vee import Action
from data_quality.rules.shared.energy_balance import Balance, DailySums, Excess, excesses

NAME = "sum_check"
MEANING = "The submeters together show more than their parent"
ACTION = Action.FLAG
UNIT = "share of the parent's day"
REASON = "accuracy classes of both sides and clocks some minutes apart"


def find(sums: DailySums, balance: Balance, *, tolerance: float, first: int, end: int) -> list[Excess]:
    """Days on which the submeters exceed their parent by more than the tolerance."""
    return excesses(sums, balance, tolerance=tolerance, first=first, end=end)
