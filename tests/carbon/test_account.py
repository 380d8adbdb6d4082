"""Activities and factors: exact units, exactly one factor, no gap, no mix; sums that add up."""

import csv
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.carbon.factor_choice.gwp import gwp_of, species_of
from assets.carbon.factor_choice.match import shares
from assets.carbon.factor_choice.match_units import parse_unit, ratio
from assets.carbon.files.carbon_files import read_activities, read_factor_set
from assets.readings.tables.table_rows import MAX_BYTES
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import GwpSet
from tests.carbon.cases import account, answer, bought, factor, run, written

GAS = {"activity": "gas", "scope": 1}


@pytest.mark.parametrize(
    ("source", "target", "by"),
    [
        ("kWh (Gross CV)", "kWh gross CV", 1),
        ("kWh gross CV", "kWh net CV", None),
        ("kWh", "kWh gross CV", None),
        ("MWh", "kWh", 1000),
        ("MJ", "kWh", Fraction(5, 18)),
        ("GJ gross CV", "kWh (Gross CV)", Fraction(2500, 9)),
        ("therm", "kWh", Fraction(293071, 10000)),
        ("litres", "cubic metres", Fraction(1, 1000)),
        ("m³", "m3", 1),
        ("tonnes", "tonne", 1),
        ("kg", "tonnes", Fraction(1, 1000)),
        ("lb", "kg", Fraction(45359237, 10**8)),
        ("short tons", "t", Fraction(90718474, 10**8)),
        ("US gallons", "litres", Fraction(3785411784, 10**9)),
        ("gallons", "litres", None),
        ("ton", "tonnes", None),
        ("million litres", "m3", 1000),
        ("ccf", "cubic feet", 100),
        ("MMBtu HHV", "therms (gross CV)", Fraction(105505585262, 10**8) / Fraction(36, 10) / Fraction("29.3071")),
        ("Dth", "MMBtu", 1),
        ("TJ net CV", "GJ LHV", 1000),
        ("GJ HHV", "GJ LHV", None),
        ("miles", "km", Fraction(1609344, 10**6)),
        ("kW", "kWh", None),
        ("kWh", "m3", None),
        ("million litres", "litres", 10**6),
    ],
)
def test_units_match_exactly_or_by_a_declared_conversion(source: str, target: str, by: Fraction | int | None) -> None:
    assert ratio(source, target) == by


@settings(deadline=None)
@given(st.sampled_from(["kWh", "MWh", "MJ", "GJ", "therm", "Wh"]), st.sampled_from(["", " gross CV", " net CV"]))
def test_conversions_there_and_back_are_one(unit: str, basis: str) -> None:
    there, back = ratio(unit + basis, "kWh" + basis), ratio("kWh" + basis, unit + basis)
    assert there is not None
    assert back is not None
    assert there * back == 1
    assert parse_unit(f"({unit}{basis})") == parse_unit(f"{unit.upper()}{basis.upper()}")


def test_a_kwh_of_net_calorific_value_does_not_meet_a_gross_factor() -> None:
    with pytest.raises(
        BadInput, match=r"activity\.csv, line 2: activity 'gas' is in kWh net CV, its factors are per kWh gross"
    ):
        account(bought(activity="gas", unit="kWh net CV"), factor(unit="kWh gross CV", **GAS))


def test_a_quantity_in_another_declared_unit_is_converted_exactly() -> None:
    result = account(bought("18", unit="MJ"), factor("0.2"))
    assert (result.scope2_location_kgco2e, result.lines[0].quantity) == (Decimal(1), Decimal(18))


def test_a_factor_in_the_very_unit_stands_before_one_that_must_be_converted() -> None:
    result = account(bought("1"), factor("0.2"), factor("999", unit="MWh", factor_id="mwh"))
    assert result.scope2_location_kgco2e == Decimal("0.2")


def test_of_one_table_s_units_the_next_in_size_is_taken_and_of_two_tables_none() -> None:
    water = {"activity": "water", "scope": 3}
    cubic, million = factor("0.15311", unit="m3", **water), factor("153.108", unit="million litres", **water)
    result = account(bought("500", unit="litres", activity="water"), million, cubic)
    assert [line.kgco2e for line in result.lines] == [Decimal("0.076555")]
    with pytest.raises(BadInput, match="two factors for activity 'water'"):
        account(bought("500", unit="litres", activity="water"), cubic, million.model_copy(update={"file": "b.csv"}))


def test_no_factor_and_two_factors_name_the_line() -> None:
    with pytest.raises(BadInput, match=r"activity\.csv, line 2: no factor for activity 'steam'"):
        account(bought(activity="steam"), factor())
    with pytest.raises(
        BadInput, match=r"activity\.csv, line 2: two factors .* factors\.csv line 2 and factors\.csv line 3"
    ):
        account(bought(), factor(), factor("0.3", line=3))
    with pytest.raises(BadInput, match="no factor for activity 'electricity' from 2025-01-01 to 2025-12-31"):
        account(bought(start=date(2025, 1, 1), end=date(2026, 1, 1)), factor())


def test_a_missing_month_is_named_and_never_spread_over() -> None:
    rows = [
        factor(
            factor_id=f"m{month}", valid_from=date(2024, month, 1), valid_to=date(2024 + month // 12, month % 12 + 1, 1)
        )
        for month in range(1, 13)
        if month != 3
    ]
    with pytest.raises(BadInput, match=r"from 2024-03-01 to 2024-03-31 \(31 of its 366 days\)"):
        account(bought(), *rows)


def test_region_and_supplier_tell_factors_apart() -> None:
    rows = [factor("0.2", region="GB"), factor("0.4", region="DE", factor_id="de", line=3)]
    assert account(bought(region="de"), *rows).scope2_location_kgco2e == 400
    with pytest.raises(BadInput, match="two factors"):
        account(bought(), *rows)
    with pytest.raises(BadInput, match="in region 'FR'"):
        account(bought(region="FR"), *rows)


def test_an_activity_across_a_change_of_factor_is_divided_by_days() -> None:
    activity = bought("366", start=date(2023, 4, 1), end=date(2024, 4, 1))
    older = factor("0.3", factor_id="y2023", valid_from=date(2023, 1, 1), valid_to=date(2024, 1, 1))
    result = account(activity, factor("0.2", factor_id="y2024"), older)
    assert [(line.factor_id, line.quantity) for line in result.lines] == [("y2023", 275), ("y2024", 91)]
    assert result.scope2_location_kgco2e == Decimal("100.7")
    assert result.findings[0].code == "split_by_days"
    assert "y2023 275, y2024 91" in result.findings[0].message


@settings(deadline=None)
@given(st.decimals(0, 10**9, places=9), st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_shares_by_days_sum_to_the_whole(quantity: Decimal, days: list[int]) -> None:
    parts = shares(quantity, days)
    assert sum(parts) == quantity
    assert all(part >= 0 for part in parts)
    assert all(
        abs(part - quantity * each / sum(days)) <= Decimal("1.1e-9") for part, each in zip(parts, days, strict=True)
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.decimals(0, 10**6, places=3), min_size=1, max_size=8), st.decimals(0, 5, places=10), st.randoms())
def test_order_and_division_of_activities_change_no_total(
    quantities: list[Decimal], value: Decimal, random: object
) -> None:
    lines = [bought(str(each), activity_id=f"a{number}") for number, each in enumerate(quantities)]
    shuffled = list(lines)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    whole = account(bought(str(sum(quantities))), factor(str(value)))
    assert account(lines, factor(str(value))).scope2_location_kgco2e == whole.scope2_location_kgco2e
    assert account(shuffled, factor(str(value))).scope2_market_kgco2e == whole.scope2_market_kgco2e


def test_two_rows_of_one_factor_that_overlap_are_refused_even_where_no_activity_meets_them() -> None:
    rows = [factor(activity="gas", factor_id="one"), factor(activity="gas", factor_id="two", line=9)]
    with pytest.raises(BadInput, match=r"factors\.csv, line 9: factor 'two' for 'gas' overlaps 'one'"):
        account(bought(), factor(), *rows)


def gases(**changes: object) -> list[object]:
    return [
        factor(None, gas=gas, kg_per_unit=kg, activity="diesel", scope=1, unit="litres", **changes)
        for gas, kg in (("CO2", "2.5"), ("CH4", "0.001"), ("N2O", "0.0001"))
    ]


@pytest.mark.parametrize(("gwp", "expected"), [("AR4", "2.5548"), ("AR5", "2.5545"), ("AR6", "2.5552")])
def test_gases_are_weighed_by_the_named_set_and_shown_apart(gwp: str, expected: str) -> None:
    result = account(bought("1", activity="diesel", unit="l"), *gases(), gwp=GwpSet(gwp))  # type: ignore[arg-type]
    assert (result.scope1_kgco2e, result.gwp_set) == (Decimal(expected), gwp)
    assert {gas.gas: gas.kg for gas in result.lines[0].gases} == {
        "CO2": Decimal("2.5"), "CH4": Decimal("0.001"), "N2O": Decimal("0.0001"),
    }  # fmt: skip


def test_gases_without_a_gwp_set_and_sets_that_are_mixed_are_refused() -> None:
    diesel = bought("1", activity="diesel", unit="litres")
    with pytest.raises(BadInput, match="has no GWP set"):
        account(diesel, *gases())  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="are in AR4, the account in AR5: GWP sets may not be mixed"):
        account(diesel, *gases(gwp_set="AR4"), gwp=GwpSet.AR5)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="in the GWP sets AR4, AR5"):
        account(diesel, *gases(gwp_set="AR4"), *gases(gwp_set="AR5"))  # type: ignore[arg-type]
    half = [*gases(gwp_set="AR5")[:1], *gases(gwp_set="AR4")[1:]]
    with pytest.raises(BadInput, match="mixed"):
        account(diesel, *half, gwp=GwpSet.AR5)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"activity\.csv, line 2: a is in the GWP set AR5, d in AR4"):
        account(
            [bought("1", activity="diesel", unit="litres", activity_id="d"), bought()],
            *gases(gwp_set="AR4"),  # type: ignore[arg-type]
            factor(gwp_set="AR5"),
        )


def test_scope_1_is_told_by_fuel_and_by_gas_and_both_sum_to_it() -> None:
    lines = [
        bought("10", activity="diesel", unit="litres", activity_id="d"),
        bought("100", activity="gas", activity_id="g"),
    ]
    result = account(lines, *gases(gwp_set="AR5"), factor("0.18", activity="gas", scope=1))  # type: ignore[arg-type]
    assert result.scope1_by_activity_kgco2e == {"diesel": Decimal("25.545"), "gas": 18}
    assert result.scope1_by_gas_kgco2e == {
        "CO2": 25, "CH4": Decimal("0.28"), "N2O": Decimal("0.265"), "not split": 18,
    }  # fmt: skip
    assert sum(result.scope1_by_gas_kgco2e.values()) == result.scope1_kgco2e


def test_a_supplier_tells_fuels_apart_too() -> None:
    rows = [
        factor("0.18", supplier="A", activity="gas", scope=1),
        factor("0.1", supplier="B", factor_id="b", line=3, activity="gas", scope=1),
    ]
    assert account(bought(activity="gas", supplier="b"), *rows).scope1_kgco2e == 100
    with pytest.raises(BadInput, match="two factors"):
        account(bought(activity="gas"), *rows)


def test_a_gas_is_met_by_any_of_its_names() -> None:
    row = factor("1430", activity="HFC134a", scope=1, unit="kg", gwp_set="AR4")
    assert account(bought("2", activity="R-134a", unit="kg"), row).scope1_kgco2e == 2860


def test_the_same_gases_in_several_sets_are_chosen_by_the_account() -> None:
    diesel = bought("1", activity="diesel", unit="litres")
    both = [*gases(gwp_set="AR4"), *gases(gwp_set="AR5", factor_id="ar5")]
    assert account(diesel, *both, gwp=GwpSet.AR4).scope1_kgco2e == Decimal("2.5548")  # type: ignore[arg-type]


def test_biogenic_co2_stands_outside_the_scopes() -> None:
    rows = [
        factor(None, gas="biogenic CO2", kg_per_unit="0.35", activity="wood", scope=1),
        factor(None, gas="CH4", kg_per_unit="0.001", activity="wood", scope=1),
    ]
    result = account(bought("100", activity="wood"), *rows, gwp=GwpSet.AR5)
    assert (result.scope1_kgco2e, result.outside_scopes_kgco2e) == (Decimal("2.8"), Decimal(35))
    alone = account(bought("100", activity="wood"), rows[0])
    assert (alone.scope1_kgco2e, alone.outside_scopes_kgco2e) == (0, 35)


@pytest.mark.parametrize("outside", [{"kg_per_unit": "0.35"}, {"kg_co2e_per_unit": "0.35"}])
@pytest.mark.parametrize(
    ("inside", "kgco2e"),
    [
        ([{"kg_co2e_per_unit": "0.04"}], 4),
        ([{"kg_co2e_per_unit": "0.04"}, {"kg_co2e_per_unit": "0.03", "gas": "CH4"}], 4),
        ([{"kg_co2e_per_unit": "0.03", "gas": "CH4"}, {"kg_co2e_per_unit": "0.02", "gas": "N2O"}], 5),
        ([{"kg_per_unit": "0.001", "gas": "CH4", "gwp_set": "AR5"}], Decimal("2.8")),
    ],
)
def test_biogenic_co2_stands_beside_a_factor_of_any_shape(
    inside: list[dict[str, str]], kgco2e: Decimal, outside: dict[str, str]
) -> None:
    wood = {"activity": "wood", "scope": 1}
    rows = [factor(None, **wood, **row) for row in ({"gas": "biogenic CO2", **outside}, *inside)]
    result = account(bought("100", activity="wood"), *rows)
    assert (result.scope1_kgco2e, result.outside_scopes_kgco2e) == (kgco2e, 35)
    assert [line.scope for line in result.lines] == [1, 0]


def test_scope_3_is_listed_and_in_no_total() -> None:
    result = account(bought(), factor(scope=3))
    assert (result.lines[0].scope, result.lines[0].kgco2e) == (3, 200)
    assert result.scope1_kgco2e == result.scope2_location_kgco2e == result.scope2_market_kgco2e == 0


def test_purchased_steam_heat_and_cooling_are_scope_2() -> None:
    names = ("steam", "heat", "cooling")
    lines = [bought("10", activity=name, activity_id=name) for name in names]
    result = account(lines, *(factor("0.1", activity=name, factor_id=name) for name in names))
    assert (result.scope1_kgco2e, result.scope2_location_kgco2e, result.scope2_market_kgco2e) == (0, 3, 3)


def test_names_of_gases_are_known_in_their_usual_spellings() -> None:
    assert {species_of(name) for name in ("HFC-134a", "R-134a", "hfc134a", "R134A")} == {"HFC134a"}
    assert gwp_of("R-22", GwpSet.AR5) == 1760
    assert gwp_of("R-410a", GwpSet.AR6) == Decimal("2255.5")
    with pytest.raises(BadInput, match="not in the table of global warming potentials"):
        gwp_of("unobtanium", GwpSet.AR5)


HEAD = "scope,activity,unit,kg_co2e_per_unit,year"
DATED = "scope,activity,unit,kg_co2e_per_unit,valid_from,valid_to"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([HEAD, "1,gas,,0.2,2024"], "line 2: factor without a unit"),
        ([HEAD, "1,gas,kWh,0.2,"], "line 2: factor without validity"),
        ([HEAD, "1,gas,kWh,,2024"], "line 2: factor without a value"),
        ([HEAD, "1,gas,kWh,-0.2,2024"], "line 2: kg_co2e_per_unit is negative"),
        ([HEAD, "1,gas,kWh,NaN,2024"], "line 2: kg_co2e_per_unit: expected a finite number"),
        ([HEAD, "1,gas,kWh,0;2,2024"], "line 2: kg_co2e_per_unit: expected a number"),
        ([HEAD, "4,gas,kWh,0.2,2024"], "line 2: scope: expected 1, 2 or 3"),
        ([HEAD, "1,,kWh,0.2,2024"], "line 2: names no activity"),
        ([HEAD, "1,gas,kWh,0.2,24"], "line 2: year: expected four digits"),
        ([HEAD, "1,gas,kWh,0.2,2024,9"], "line 2: has 6 cells, the header 5"),
        ([HEAD], "has no factors"),
        (["scope,activity,kg_co2e_per_unit,year", "1,gas,0.2,2024"], "line 1: lacks the column unit"),
        (["scope,activity,unit,unit", "1,gas,a,b"], "column appears twice: unit"),
        ([HEAD + ",basis", "2,gas,kWh,0.2,2024,green"], "basis: expected one of location, residual"),
        ([HEAD + ",gwp_set", "2,gas,kWh,0.2,2024,AR9"], "gwp_set: expected one of AR4, AR5, AR6"),
        ([HEAD + ",is_unique", "2,gas,kWh,0.2,2024,maybe"], "is_unique: expected true or false"),
        (["scope,activity,unit,kg_per_unit,year", "1,gas,kWh,1,2024"], "kg_per_unit needs the gas"),
        (["scope,activity,unit,gas,kg_per_unit,year", "1,x,kg,PHLOGISTON,1,2024"], "line 2: gas 'PHLOGISTON'"),
        ([DATED, "1,g,kWh,1,2024-01-01,2024-01-01"], "must be after"),
        ([DATED, "1,g,kWh,1,2024-13-01,2025-01-01"], "expected a date"),
        ([], "is empty"),
    ],
)  # fmt: skip
def test_a_factor_set_that_says_too_little_is_refused_by_line(tmp_path: Path, lines: list[str], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        read_factor_set(written(tmp_path / "factors.csv", *lines))


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            ["id,activity,quantity,unit,year", "a,gas,,kWh,2024"],
            "line 2: has no quantity; an unknown amount is not zero",
        ),
        (["id,activity,quantity,unit,year", "a,gas,-1,kWh,2024"], "line 2: quantity is negative"),
        (["id,activity,quantity,unit,year", "a,gas,1,,2024"], "line 2: has no unit"),
        (["id,activity,quantity,unit,year", "a,gas,1,kWh,"], "line 2: has no time"),
        (["id,activity,quantity,unit,year", "a,gas,1,kWh,2024", "a,gas,1,kWh,2024"], "line 3: id 'a' is in line 2"),
        (["id,activity,quantity,unit,year"], "has no activities"),
        (["id,activity,quantity,unit,start,end", "a,gas,1,kWh,2024-02-01,2024-01-01"], "must be after"),
    ],
)
def test_an_activity_that_says_too_little_is_refused_by_line(tmp_path: Path, lines: list[str], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        read_activities(written(tmp_path / "activity.csv", *lines))


def test_the_command_answers_with_the_keys_of_its_contract_and_with_sentences(tmp_path: Path) -> None:
    activity = written(tmp_path / "a.csv", "id,activity,quantity,unit,year", "x,electricity,1000,kWh,2024")
    factors = written(tmp_path / "f.csv", HEAD, "2,electricity,kWh,0.20705,2024")
    found = answer("carbon", "--activity", activity, "--factors", factors)
    assert {"scope1_kgco2e", "scope2_location_kgco2e", "scope2_market_kgco2e", "lines"} <= set(found)
    assert {"id", "scope", "basis", "quantity", "unit", "factor_id", "kgco2e"} <= set(found["lines"][0])
    assert found["scope2_location_kgco2e"] == 207.05
    assert (
        "Scope 2, location-based: 207.0 kg CO2e" in run("carbon", "--activity", activity, "--factors", factors).stdout
    )
    two = run("carbon", "--activity", activity, "--factors", factors, "--factors", factors, code=2).stderr
    assert "a.csv, line 2: two factors" in two
    assert run("carbon", "--activity", activity, code=2).stderr.startswith("carbon needs")
    assert (
        "AR4, AR5 or AR6" in run("carbon", "--activity", activity, "--factors", factors, "--gwp", "AR1", code=2).stderr
    )
    assert "cannot be opened" in run("carbon", "--activity", tmp_path / "no.csv", "--factors", factors, code=2).stderr
    assert "go with --hourly-load" in run("carbon", "--certificates", factors, code=2).stderr


cells = st.sampled_from(
    [
        "", "0", "-1", "1e9", "1e-9", "1e999999", "1E-400", "NaN", "inf", "9" * 50, "kWh", "MWh", "kWh gross CV",
        "0001-01-01", "9999-12-31", "2024-01-01", "2025-01-01", "2024", "9999", "0000", "electricity", "CO2", "R-410A",
        "AR5", "location", "certificate", "residual", "1", "2", "3", "outside", "true", "x,y", "é", "\x00",
    ]
)  # fmt: skip
FACTOR_COLUMNS = (
    "scope", "activity", "unit", "kg_co2e_per_unit", "gas", "kg_per_unit", "gwp_set", "year", "valid_from", "valid_to",
    "basis", "instrument_kwh", "is_redeemed", "vintage_from", "vintage_to",
)  # fmt: skip
ACTIVITY_COLUMNS = ("id", "activity", "quantity", "unit", "year", "start", "end", "region", "instrument")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_the_cells_hold_there_is_an_account_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    usual = {
        "scope": "2", "activity": "electricity", "unit": "kWh", "kg_co2e_per_unit": "0.2", "year": "2024", "id": "a",
        "quantity": "10",
    }  # fmt: skip

    def table(name: str, columns: tuple[str, ...]) -> Path:
        changed = data.draw(
            st.lists(st.dictionaries(st.sampled_from(columns), cells, max_size=4), min_size=1, max_size=3)
        )
        rows = [[(usual | row).get(column, "") for column in columns] for row in changed]
        path = folder / name
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *rows])
        return path

    activity, factors = table("fuzz_a.csv", ACTIVITY_COLUMNS), table("fuzz_f.csv", FACTOR_COLUMNS)
    try:
        result = account(
            read_activities(activity),
            *read_factor_set(factors).factors,
            gwp=data.draw(st.sampled_from([None, *GwpSet])),
        )
    except BadInput:
        return
    assert result.scope2_location_kgco2e >= 0
    assert sum(line.quantity for line in result.lines if line.is_market) == sum(
        line.quantity for line in result.lines if line.is_location
    )


def test_a_compressed_table_and_one_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    import gzip

    text = "\ufeffID,Activity,Quantity,Unit,Year\r\nx,electricity,1,kWh,2024\r\n"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert read_activities(tmp_path / "a.csv.gz")[0].end - timedelta(days=366) == date(2024, 1, 1)
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="cannot be read as a UTF-8 table"):
        read_activities(tmp_path / "b.csv")


def test_a_damaged_gzip_file_is_refused_by_name_and_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    import gzip

    whole = gzip.compress(b"id,activity,quantity,unit,year\n" + bytes(range(256)) * 20)
    bomb = gzip.compress(b"x" * (MAX_BYTES + 1))
    for name, raw, words in (
        ("cut", whole[:-12], "the gzip file is cut or broken"),
        ("damaged", whole[:20] + b"\xff\xff\xff\xff" + whole[24:], "the gzip file is cut or broken"),
        ("bomb", bomb, "more than .* MiB of content"),
    ):
        (tmp_path / f"{name}.csv.gz").write_bytes(raw)
        with pytest.raises(BadInput, match=f"{name}.csv.gz: {words}"):
            read_activities(tmp_path / f"{name}.csv.gz")


def assert_golden() -> None:
    result = account(bought("125000"), factor("0.20705"))
    assert result.scope2_location_kgco2e == Decimal("25881.25")


def test_the_golden_footprint_of_2024() -> None:
    assert_golden()


@pytest.mark.parametrize("broken", ["0.2070", "0.20705001"])
def test_the_golden_footprint_notices_a_changed_factor(broken: str) -> None:
    assert account(bought("125000"), factor(broken)).scope2_location_kgco2e != Decimal("25881.25")
