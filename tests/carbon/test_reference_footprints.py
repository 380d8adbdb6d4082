"""The published tables and the worked footprints beside them, to 0.01 kg."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from assets.carbon.factor_choice.gwp import BLENDS, GWP100, gwp_of
from assets.carbon.files.carbon_files import factor_csv, read_activities, read_factor_set, write_factor_set
from assets.carbon.files.public_tables import import_table
from assets.carbon.inventory.account import carbon_of
from data_quality.contracts.emissions.carbon import CarbonResult
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Factor, GwpSet
from tests.carbon.cases import answer, written

UK = "year,scope,level1,level2,level3,uom,ghg,kg_co2e_per_uom"
EGRID = "egrid_year,subregion,co2_lb_per_mwh,ch4_lb_per_mwh,n2o_lb_per_mwh"
TABLES = {
    "uk_ghg": ("uk_ghg_2016_2024.csv", 1610, 1610),
    "egrid": ("egrid2020_subregion_total_output.csv", 28, 84),
    "egrid ": ("egrid_subregion_co2e_loss_adjusted_2007_2019.csv", 208, 208),
    "ember": ("country_grid_intensity_ember.csv", 222, 222),
    "gwp": ("gwp100_core.csv", 18, 195),
    "gwp ": ("globalwarmingpotentials.csv", 105, 410),
}
UK_NAMES = {
    "electricity": ("UK electricity / Electricity generated / Electricity: UK", "kWh"),
    "electricity T&D": ("Transmission and distribution / T&D- UK electricity / Electricity: UK", "kWh"),
    "natural gas": ("Fuels / Gaseous fuels / Natural gas", "kWh gross CV"),
    "district heat": ("Heat and steam / District heat and steam", "kWh"),
    "water supply": ("Water supply", "m3"),
}


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "emission_factors"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def imported(path: Path, kind: Any) -> tuple[Factor, ...]:
    return import_table(path, kind)[0].factors


def worst_kg(result: CarbonResult, expected: list[dict[str, str]]) -> Decimal:
    found = {line.line_id: line.kgco2e for line in result.lines}
    return max(abs(found[row["case_id"]] - Decimal(row["expected_kg_co2e"])) for row in expected)


def activity_lines(expected: list[dict[str, str]]) -> Iterator[str]:
    yield "id,activity,quantity,unit,year"
    for row in expected:
        yield f"{row['case_id']},{row['activity']},{row['quantity']},{row['quantity_unit']},{row['factor_year']}"


def test_every_worked_footprint_is_met_by_the_command_to_a_hundredth_of_a_kilogram(
    folder: Path, tmp_path: Path
) -> None:
    expected = rows_of(folder / "expected_footprints.csv")
    factors = {
        f"{row['boundary'][5]},{row['activity']},{row['quantity_unit']},{row['factor_kg_co2e_per_unit']},"
        f"{row['factor_year']}"
        for row in expected
    }
    activity = written(tmp_path / "activity.csv", *activity_lines(expected))
    set_file = written(tmp_path / "factors.csv", "scope,activity,unit,kg_co2e_per_unit,year", *sorted(factors))
    found = answer("carbon", "--activity", activity, "--factors", set_file)
    kg = {line["id"]: line["kgco2e"] for line in found["lines"]}
    assert len(kg) == len(expected) == 60
    assert max(abs(kg[row["case_id"]] - float(row["expected_kg_co2e"])) for row in expected) < 0.01


def test_the_uk_footprints_of_all_years_come_from_the_imported_table(folder: Path, tmp_path: Path) -> None:
    expected = [row for row in rows_of(folder / "expected_footprints.csv") if row["case_id"].startswith("UK")]
    lines = ["id,activity,quantity,unit,year"]
    lines += [
        f"{row['case_id']},{UK_NAMES[row['activity']][0]},{row['quantity']},{UK_NAMES[row['activity']][1]},{row['factor_year']}"
        for row in expected
    ]
    activities = read_activities(written(tmp_path / "activity.csv", *lines))
    result = carbon_of(activities, imported(folder / "uk_ghg_2016_2024.csv", "uk_ghg"))
    assert worst_kg(result, expected) < Decimal("0.01")
    assert {line.scope for line in result.lines} == {1, 2, 3}
    third = sum(line.kgco2e for line in result.lines if line.scope == 3)
    assert third > 0
    assert result.scope1_kgco2e + result.scope2_location_kgco2e == sum(line.kgco2e for line in result.lines) - third


@pytest.mark.parametrize("gwp", list(GwpSet))
def test_the_us_footprints_come_from_egrid_gases_in_each_gwp_set(folder: Path, tmp_path: Path, gwp: GwpSet) -> None:
    expected = [row for row in rows_of(folder / "expected_footprints.csv") if row["case_id"].endswith(gwp.value)]
    lines = ["id,activity,quantity,unit,year,region"]
    lines += [
        f"{row['case_id']},electricity,{row['quantity']},kWh,2020,{row['case_id'].split('-')[1]}" for row in expected
    ]
    activities = read_activities(written(tmp_path / "activity.csv", *lines))
    egrid = imported(folder / "egrid2020_subregion_total_output.csv", "egrid")
    assert worst_kg(carbon_of(activities, egrid, gwp=gwp), expected) < Decimal("0.01")
    other = next(each for each in GwpSet if each is not gwp)
    assert worst_kg(carbon_of(activities, egrid, gwp=other), expected) > Decimal("0.01")


def test_loss_adjusted_rates_never_stand_in_for_total_output_rates(folder: Path) -> None:
    adjusted = imported(folder / "egrid_subregion_co2e_loss_adjusted_2007_2019.csv", "egrid")
    total = imported(folder / "egrid2020_subregion_total_output.csv", "egrid")
    assert {row.activity for row in adjusted}.isdisjoint({row.activity for row in total})


def test_blends_have_the_gwp_of_their_composition_in_each_set(folder: Path) -> None:
    for row in rows_of(folder / "refrigerant_blends_expected.csv"):
        for gwp in GwpSet:
            assert abs(gwp_of(row["blend"], gwp) - Decimal(row[f"{gwp.value.lower()}_gwp100"])) < Decimal("0.01")


def test_our_table_of_gwps_is_the_published_one(folder: Path) -> None:
    for row in rows_of(folder / "gwp100_core.csv"):
        assert [GWP100[row["species"]][gwp] for gwp in GwpSet] == [
            Decimal(row[f"{gwp.value.lower()}_gwp100"]) for gwp in GwpSet
        ]
    published = {(row.activity, row.gwp_set): row for row in imported(folder / "globalwarmingpotentials.csv", "gwp")}
    for gas in GWP100.keys() - {"CO2"}:
        for gwp in GwpSet:
            assert published[gas, gwp].kg_co2e_per_unit == GWP100[gas][gwp]


# Rounded to whole numbers, as the tables of European and US law print them for AR4.
PRINTED_AR4 = {
    "R-401A": 1182, "R-401B": 1288, "R-404A": 3922, "R-407A": 2107, "R-407C": 1774, "R-407F": 1825, "R-407H": 1495,
    "R-408A": 3152, "R-409A": 1585, "R-410A": 2088, "R-421A": 2631, "R-423A": 2280, "R-427A": 2138, "R-442A": 1888,
    "R-500": 8077, "R-502": 4657, "R-507A": 3985,
}  # fmt: skip


def test_blends_sum_to_one_and_have_the_potentials_that_tables_print() -> None:
    assert all(sum(parts.values()) == 1 for parts in BLENDS.values())
    for blend, printed in PRINTED_AR4.items():
        assert abs(gwp_of(blend, GwpSet.AR4) - printed) <= Decimal("0.5")


@pytest.mark.parametrize("gwp", list(GwpSet))
def test_refrigerants_from_an_imported_gwp_table_are_split_by_gas(folder: Path, tmp_path: Path, gwp: GwpSet) -> None:
    blends = rows_of(folder / "refrigerant_blends_expected.csv")
    lines = ["id,activity,quantity,unit,year", *(f"{row['blend']},{row['blend']},1,kg,2024" for row in blends)]
    activities = read_activities(written(tmp_path / "activity.csv", *lines))
    for table in ("gwp100_core.csv", "globalwarmingpotentials.csv"):
        result = carbon_of(activities, imported(folder / table, "gwp"), gwp=gwp)
        for row, line in zip(blends, result.lines, strict=True):
            assert abs(line.kgco2e - Decimal(row[f"{gwp.value.lower()}_gwp100"])) < Decimal("0.01")
            assert sum(gas.kgco2e for gas in line.gases) == line.kgco2e
            assert {gas.gas for gas in line.gases} == {
                part.split("=")[0] for part in row["composition_mass_fraction"].split(";")
            }


@pytest.mark.parametrize(
    ("kind", "table", "expected"),
    [
        # The headings of the flat file of 2025 and of the yearly long format, with factors of their editions.
        (
            "uk_ghg",
            "ID,Scope,Level 1,Level 2,Level 3,Level 4,Column Text,UOM,GHG/Unit,GHG Conversion Factor 2023\n"
            "1_1,Scope 1,Fuels,Gaseous fuels,Natural gas,,Energy - Gross CV,kWh (Gross CV),kg CO2e,0.18293\n"
            "2_1,Scope 2,UK electricity,Electricity generated,Electricity: UK,,2023,kWh,kg CO2e,0.207074\n"
            "9_1,Scope 3,Waste disposal,Waste,Landfill,,,tonnes,kg CO2e,\n",
            {("Fuels / Gaseous fuels / Natural gas", "GB", 2023): "0.18293",
             ("UK electricity / Electricity generated / Electricity: UK", "GB", 2023): "0.207074"},
        ),
        (
            "ember",
            "Area,ISO 3 code,Year,Area type,Category,Subcategory,Variable,Unit,Value\n"
            "Israel,ISR,2023,Country or economy,Power sector emissions,CO2,CO2 intensity,gCO2/kWh,558.83\n"
            "World,,2023,Region,Power sector emissions,CO2,CO2 intensity,gCO2/kWh,480.1\n"
            "Israel,ISR,2023,Country or economy,Electricity generation,Total,Total generation,TWh,80\n",
            {("electricity", "ISR", 2023): "0.55883", ("electricity", "World", 2023): "0.4801"},
        ),
    ],
)  # fmt: skip
def test_a_table_is_read_under_the_headings_that_its_publisher_gives(
    tmp_path: Path, kind: Any, table: str, expected: dict[tuple[str, str, int], str]
) -> None:
    found, rows = import_table(written(tmp_path / "table.csv", table), kind)
    assert rows == table.count("\n") - 1
    assert {(each.activity, each.region, each.valid_from.year): each.kg_co2e_per_unit for each in found.factors} == {
        key: Decimal(value) for key, value in expected.items()
    }


@pytest.mark.parametrize("kind", TABLES)
def test_a_public_table_becomes_a_set_that_reads_back_unchanged(folder: Path, tmp_path: Path, kind: Any) -> None:
    name, rows, count = TABLES[kind]
    found = answer("factors", "import", folder / name, "--kind", kind.strip(), "--out", tmp_path / "out.csv")
    assert (found["rows"], found["factors"], found["path"]) == (rows, count, str(tmp_path / "out.csv"))
    made, _ = import_table(folder / name, kind.strip())
    back = read_factor_set(tmp_path / "out.csv")
    plain = [row.model_copy(update={"file": "", "line": 0}) for row in back.factors]
    assert plain == [row.model_copy(update={"file": "", "line": 0}) for row in made.factors]
    assert {row.sha256 for row in back.factors} == {found["sha256"]}
    keys = [
        (row.activity, row.unit, row.region, row.gas, row.gwp_set, row.valid_from, row.scope) for row in back.factors
    ]
    assert len(set(keys)) == len(keys)


def test_gas_rows_of_the_uk_table_are_the_split_of_their_total(folder: Path, tmp_path: Path) -> None:
    activity = written(
        tmp_path / "a.csv",
        "id,activity,quantity,unit,year",
        "g,Fuels / Gaseous fuels / Natural gas,80000,kWh gross CV,2023",
    )
    (line,) = carbon_of(read_activities(activity), imported(folder / "uk_ghg_2016_2024.csv", "uk_ghg")).lines
    assert line.kgco2e == Decimal("14634.3144")
    assert {gas.gas: gas.kgco2e for gas in line.gases}["CO2"] == Decimal("14604.8")
    assert abs(sum(gas.kgco2e for gas in line.gases) - line.kgco2e) < Decimal("0.01")


def test_overseas_losses_of_the_uk_table_are_known_as_co2_alone(folder: Path, tmp_path: Path) -> None:
    rows = imported(folder / "uk_ghg_2016_2024.csv", "uk_ghg")
    name = "Transmission and distribution / T&D- overseas electricity / Electricity: Middle East (average)"
    activity = written(tmp_path / "a.csv", "id,activity,quantity,unit,year", f"t,{name},10,kWh,2016")
    result = carbon_of(read_activities(activity), rows)
    assert [finding.code for finding in result.findings] == ["co2_alone"]


def test_a_set_with_instruments_reads_back_unchanged(tmp_path: Path) -> None:
    text = (
        "scope,activity,unit,kg_co2e_per_unit,year,basis,factor_id,instrument_kwh,is_redeemed,is_unique,vintage_from,"
        "vintage_to\n2,electricity,kWh,0,2024,certificate,c,500,true,false,2024-01-01,2024-07-01\n"
    )
    path = tmp_path / "set.csv"
    path.write_text(text)
    first = read_factor_set(path)
    write_factor_set(first, path)
    assert factor_csv(read_factor_set(path)) == factor_csv(first)
    assert (first.factors[0].criteria.is_unique, first.factors[0].criteria.is_conveyed) == (False, None)


@pytest.mark.parametrize("year", ["02024", "24", "202"])
def test_a_year_has_four_digits(tmp_path: Path, year: str) -> None:
    with pytest.raises(BadInput, match="year"):
        read_activities(written(tmp_path / "a.csv", "id,activity,quantity,unit,year", f"t,coal,10,kWh,{year}"))


@pytest.mark.parametrize("dates", ["2024-01-01,", ",2024-07-01"])
def test_a_vintage_of_one_date_is_refused_and_not_left_out(tmp_path: Path, dates: str) -> None:
    path = written(
        tmp_path / "set.csv",
        "scope,activity,unit,kg_co2e_per_unit,year,basis,factor_id,instrument_kwh,vintage_from,vintage_to",
        f"2,electricity,kWh,0,2024,certificate,c,500,{dates}",
    )
    with pytest.raises(BadInput, match="vintage"):
        read_factor_set(path)


@pytest.mark.parametrize(
    ("kind", "lines", "sentence"),
    [
        ("ember", ["code,year,gco2_per_kwh", "DEU,2023,"], "line 2: has no gco2_per_kwh"),
        ("ember", ["code,year,gco2_per_kwh", "DEU,2023,-5"], "line 2: gco2_per_kwh is negative"),
        ("ember", ["code,year", "DEU,2023"], "lacks the column gco2_per_kwh"),
        ("ember", ["code,year,gco2_per_kwh"], "has no rows"),
        ("egrid", ["egrid_year,subregion", "2020,CAMX"], "lacks the columns co2_lb_per_mwh"),
        ("egrid", [EGRID, ",CAMX,1,1,1"], "without a year"),
        ("gwp", ["species,sar", "CH4,21"], "has no column ar4_gwp100"),
        ("uk_ghg", [UK, "2024,Scope 9,a,b,c,kWh,kg CO2e,1"], "Scope 9"),
        ("uk_ghg", [UK, "2024,Scope 1,a,b,c,kWh,kg SF6,1"], "kg SF6"),
        ("uk_ghg", [UK, "2024,Scope 1,,,,kWh,kg CO2,1"], "names no"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_what_it_should_be_is_refused_by_line(
    tmp_path: Path, kind: Any, lines: list[str], sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        import_table(written(tmp_path / "table.csv", *lines), kind)


def test_every_total_of_every_year_of_the_uk_table_is_met_in_its_own_unit(folder: Path, tmp_path: Path) -> None:
    totals = [row for row in imported(folder / "uk_ghg_2016_2024.csv", "uk_ghg") if not row.gas]
    lines = [
        f'r{number},"{row.activity}",{number + Decimal("0.25")},{row.unit},{row.valid_from.year}'
        for number, row in enumerate(totals)
    ]
    result = carbon_of(
        read_activities(written(tmp_path / "a.csv", "id,activity,quantity,unit,year", *lines)),
        imported(folder / "uk_ghg_2016_2024.csv", "uk_ghg"),
    )
    found = {line.line_id: line.kgco2e for line in result.lines}
    published = [row for row in rows_of(folder / "uk_ghg_2016_2024.csv") if row["ghg"] == "kg CO2e"]
    assert len(published) == len(totals) == len(found) > 500
    for number, row in enumerate(published):
        assert found[f"r{number}"] == (number + Decimal("0.25")) * Decimal(row["kg_co2e_per_uom"])


@pytest.mark.parametrize("year", range(2016, 2025))
def test_natural_gas_of_each_year_in_each_unit_by_hand(folder: Path, tmp_path: Path, year: int) -> None:
    published = {
        row["uom"]: Decimal(row["kg_co2e_per_uom"])
        for row in rows_of(folder / "uk_ghg_2016_2024.csv")
        if (row["year"], row["level1"], row["level3"], row["ghg"]) == (str(year), "Fuels", "Natural gas", "kg CO2e")
    }
    gross, net, mass = (published[unit] for unit in ("kWh (Gross CV)", "kWh (Net CV)", "tonnes"))
    volume = published["cubic metres"]
    by_hand = {
        "MWh (Gross CV)": 1000 * gross,
        "GJ HHV": Decimal(1000) / Decimal("3.6") * gross,
        "therms gross CV": Decimal("29.3071") * gross,
        "MMBtu HHV": Decimal("1055.05585262") / Decimal("3.6") * gross,
        "GJ LHV": Decimal(1000) / Decimal("3.6") * net,
        "kWh NCV": net,
        "t": mass,
        "kg": mass / 1000,
        "m3": volume,
        "litres": volume / 1000,
        "ccf": Decimal("2.8316846592") * volume,
    }
    lines = [
        f"g{number},Fuels / Gaseous fuels / Natural gas,1234.5,{unit},{year}" for number, unit in enumerate(by_hand)
    ]
    result = carbon_of(
        read_activities(written(tmp_path / "a.csv", "id,activity,quantity,unit,year", *lines)),
        imported(folder / "uk_ghg_2016_2024.csv", "uk_ghg"),
    )
    for line, (unit, per_unit) in zip(result.lines, by_hand.items(), strict=True):
        assert abs(line.kgco2e - Decimal("1234.5") * per_unit) < Decimal("0.01"), unit
