"""Plant balance: the meters of one significant energy use show more than the building takes in."""

from data_quality.contracts.site_file.vee import Action
from data_quality.rules.shared.energy_balance import Balance, DailySums, Excess, excesses

NAME = "plant_balance"
MEANING = "The plant of one energy use shows more than the whole building takes in"
ACTION = Action.FLAG
UNIT = "share of the building's day"
REASON = "accuracy classes of both sides and clocks some minutes apart"


def find(sums: DailySums, balance: Balance, *, tolerance: float, first: int, end: int) -> list[Excess]:
    """Days on which the plant exceeds the building's total by more than the tolerance."""
    return excesses(sums, balance, tolerance=tolerance, first=first, end=end)
