"""The worked bills, each line and total to the cent."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from tests.tariffs.convert_worked import WORKED


@pytest.mark.parametrize("name", WORKED)
def test_a_worked_bill_is_exact_per_line_and_total(shared_data: Path, name: str) -> None:
    folder = shared_data / "tariffs" / "worked" / name
    with (folder / "lines.csv").open() as file:
        expected = {row["line"]: row for row in csv.DictReader(file)}
    worked = WORKED[name](folder)
    (period,) = worked.bill.periods
    got = {worked.line_ids[line.line_id]: line for line in period.lines}
    for text, line in got.items():
        row = expected[text]
        assert line.amount == Decimal(row["amount"]), text
        if row["quantity"] and line.quantity is not None:
            places = Decimal(1).scaleb(-len(row["quantity"].partition(".")[2]))
            assert line.quantity.quantize(places) == Decimal(row["quantity"]), text
    assert set(expected) - set(got) <= {"subtotal", "total"}
    assert period.total == Decimal(expected["total"]["amount"])
    assert worked.bill.currency == expected["total"]["currency"]
    assert period.coverage == 1


def test_every_worked_bill_of_the_folder_is_looked_at(shared_data: Path) -> None:
    assert {path.name for path in (shared_data / "tariffs" / "worked").iterdir()} == set(WORKED)
