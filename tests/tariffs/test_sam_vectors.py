"""The published SAM vectors: every year and month within a cent, and the faulty ones refused by name."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from assets.bills.engine.compute import make_bill
from assets.tariffs.calendar_layout import check_periods
from data_quality.contracts.billing.bill import Bill
from data_quality.contracts.errors import BadInput
from tests.tariffs.convert_sam import ZONE, sam_load, sam_tariff

CENT = Decimal("0.01")
VECTORS = (
    "Test_Commercial_Demand_Charges",
    "Test_Commercial_kWh_per_kW_charges",
    "Test_Residential_TOU_Rates",
    "Test_Residential_TOU_Rates_annual_minimum",
    "Test_Residential_TOU_Rates_buyall_sellall",
    "Test_Residential_TOU_Rates_net_billing",
    "Test_Residential_TOU_Rates_net_billing_carryover",
    "Test_Residential_TOU_Rates_net_billing_w_sell_rates",
    "Test_Residential_TOU_Rates_net_metering_credits",
    "Test_Residential_TOU_Rates_subhourly_gen",
    "Test_Residential_TOU_Rates_w_tiers",
    "Test_Residential_net_metering_credits_in_may",
)
FAULTY = {
    "Test_Commercial_Demand_Charges_exception": "ur_dc_tou_mat: demand tiers of period 2 in month 1 end at 50.0 kW, "
    "expected 100.0 kW",
    "Test_Residential_TOU_Rates_net_billing_carryover_incorrect_month": "true_up_month",
    "Test_Residential_TOU_Rates_w_tiers_exception": "in June the tiers of period 2 end at 13.0 kwh_per_day, "
    "those of 1 at 11.7 kwh_per_day",
}


def bill_of(folder: Path, name: str, *, with_system: bool) -> Bill:
    vector = json.loads((folder / "sam" / f"{name}.json").read_text())
    load = sam_load(
        folder / "profiles",
        vector["load_profile"],
        vector["gen_profile"] if with_system else None,
        vector["steps_per_hour_gen"],
    )
    return make_bill([sam_tariff(vector["inputs"], name)], load, time_zone=ZONE)


def monthly(bill: Bill, *names: str) -> list[Decimal]:
    """Sum of those components or charges a month; credit that is applied counts as energy, as SAM has it."""
    return [
        sum((line.amount for line in period.lines if {line.component, line.charge_id} & set(names)), Decimal(0))
        for period in bill.periods
    ]


def close(got: list[Decimal], expected: list[float]) -> bool:
    return len(got) == len(expected) and all(
        abs(mine - Decimal(str(theirs))) <= CENT for mine, theirs in zip(got, expected, strict=True)
    )


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_without_its_plant_is_billed_to_the_cent(shared_data: Path, name: str) -> None:
    expected = json.loads((shared_data / "tariffs" / "sam" / f"{name}.json").read_text())["expected"]
    bill = bill_of(shared_data / "tariffs", name, with_system=False)
    assert close([bill.total], [expected["utility_bill_wo_sys_year1"]])
    assert close([period.total for period in bill.periods], expected["monthly_bill_wo_sys"])
    assert close(monthly(bill, "energy"), expected["monthly_energy_charge_wo_sys"])
    assert close(monthly(bill, "fixed"), expected["monthly_fixed_charge_wo_sys"])
    assert close(monthly(bill, "minimum"), expected["monthly_minimum_charge_wo_sys"])
    assert close(monthly(bill, "demand_flat"), expected["monthly_demand_flat_wo_sys"])
    assert close(monthly(bill, "demand_tou"), expected["monthly_demand_tou_wo_sys"])


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_with_its_plant_is_billed_to_the_cent(shared_data: Path, name: str) -> None:
    expected = json.loads((shared_data / "tariffs" / "sam" / f"{name}.json").read_text())["expected"]
    bill = bill_of(shared_data / "tariffs", name, with_system=True)
    assert close([bill.total], [expected["utility_bill_w_sys_year1"]])
    assert close([period.total for period in bill.periods], expected["monthly_bill_w_sys"])
    assert close(monthly(bill, "energy", "export", "credit_applied"), expected["monthly_energy_charge_w_sys"])


@pytest.mark.parametrize("name", sorted(FAULTY))
def test_a_faulty_vector_is_refused_by_name(shared_data: Path, name: str) -> None:
    vector = json.loads((shared_data / "tariffs" / "sam" / f"{name}.json").read_text())
    assert "error" in vector["expected"]
    with pytest.raises((BadInput, ValidationError), match=FAULTY[name]):
        check_periods(sam_tariff(vector["inputs"], name))


def test_every_vector_of_the_folder_is_looked_at(shared_data: Path) -> None:
    files = {path.stem for path in (shared_data / "tariffs" / "sam").glob("*.json")}
    assert files == {*VECTORS, *FAULTY}
