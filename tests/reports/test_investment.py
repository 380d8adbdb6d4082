"""Net present value: values that were worked out by hand."""

from decimal import Decimal

import pytest

from reports.recompute.advice import net_present_value


def npv(cost: str, saving: str, percent: str, years: str) -> Decimal | None:
    given = {"cost": cost, "saving": saving, "percent": percent, "years": years}
    return net_present_value([(role, Decimal(text) if text else None) for role, text in given.items()])


@pytest.mark.parametrize(
    ("given", "worth"),
    [
        # 3,000 for five years at 8 %: 2,777.78 + 2,572.02 + 2,381.50 + 2,205.09 + 2,041.75 = 11,978.13.
        (("10000", "3000", "8", "5"), "1978.13"),
        # One year: 1,100 / 1.10 - 1,000.
        (("1000", "1100", "10", "1"), "0.00"),
        # Without a rate: 4 x 250 - 1,200.
        (("1200", "250", "0", "4"), "-200.00"),
        # What costs nothing is worth what it saves: 100 / 1.05 + 100 / 1.1025.
        (("0", "100", "5", "2"), "185.94"),
    ],
)
def test_a_net_present_value_is_the_one_that_a_hand_works_out(given: tuple[str, str, str, str], worth: str) -> None:
    found = npv(*given)
    assert found is not None
    assert round(found, 2) == Decimal(worth)


@pytest.mark.parametrize("at", range(4))
def test_a_net_present_value_of_something_unknown_is_unknown(at: int) -> None:
    given = ["10000", "3000", "8", "5"]
    given[at] = ""
    assert npv(*given) is None
