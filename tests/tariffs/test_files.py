"""Tariff files of three shapes, and how a tariff is shown."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assets.tariffs.calendar_layout import check_periods
from assets.tariffs.formats.tariff_file import read_tariffs
from assets.tariffs.formats.tariff_text import price_weeks, tariff_text
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.yaml_file import BadConfiguration

TABLE = {
    "T1": {
        "supplier": "Northmoor",
        "currency": "GBP",
        "day_rate": "0.2610",
        "night_rate": "0.1385",
        "standing_per_day": "0.6240",
        "ccl_per_kwh": "0.00775",
        "vat": "0.20",
        "valid_from": "2024-01-01",
        "valid_to": "2024-07-01",
    }
}
RICH: dict[str, Any] = {
    "tariff_id": "rich",
    "name": "Everything at once",
    "supplier": "A supplier",
    "currency": "EUR",
    "valid_from": "2025-01-01",
    "valid_to": "2026-01-01",
    "calendar": {
        "weekend": ["sat", "sun"],
        "holidays": [{"month_day": "12-25"}],
        "seasons": [{"season_id": "summer", "start": "04-01", "end": "10-01"}],
    },
    "energy": [
        {
            "charge_id": "supply",
            "periods": [
                {
                    "period_id": "peak",
                    "day_types": ["weekday"],
                    "start": "08:00",
                    "end": "20:00",
                    "price_per_kwh": "0.30",
                },
                {
                    "period_id": "rest",
                    "windows": [
                        {"day_types": ["weekday"], "start": "20:00", "end": "08:00"},
                        {"day_types": ["weekend", "holiday"]},
                    ],
                    "tiers": [{"price": "0.20", "up_to": 500}, {"price": "0.15"}],
                },
            ],
        },
        {"charge_id": "network", "price_per_kwh": "0.05", "party": "grid operator"},
        {"charge_id": "spot", "series": {"series": "spot", "adder_per_kwh": "0.01"}},
    ],
    "demand": [
        {
            "charge_id": "power",
            "method": "rolling",
            "window_minutes": 30,
            "periods": [{"period_id": "all", "price_per_kw": 8}],
            "ratchet": {"share": "0.8", "months": 11},
            "minimum_kw": 5,
            "contracted_kw": 100,
            "contracted_share": "0.6",
            "reference_power_factor": "0.9",
        }
    ],
    "capacity": [{"charge_id": "contract", "contracted": 100, "price_per_unit": 2, "excess_price_per_unit": 4}],
    "reactive": [{"charge_id": "reactive", "tan_phi": "0.5", "price_per_kvarh": "0.01"}],
    "fixed": [{"charge_id": "base", "amount": 12}],
    "riders": [
        {"charge_id": "discount", "share": "-0.02", "of": ["supply"]},
        {"charge_id": "levy", "price_per_kwh": "0.01"},
        {"charge_id": "day", "price_per_day": "0.1"},
        {"charge_id": "kw", "price_per_kw": "0.1"},
    ],
    "export": {"periods": [{"period_id": "all_day", "price_per_kwh": "0.06"}]},
    "metering": {"arrangement": "net_billing_carry", "true_up_month": 3, "payout_per_kwh": "0.02"},
    "minimum": {"monthly": 20},
    "taxes": [{"charge_id": "vat", "share": "0.19"}],
}


def written(folder: Path, document: object, name: str = "tariff.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(document))
    return path


def test_a_simple_table_becomes_dated_tariffs_by_register(tmp_path: Path) -> None:
    (found,) = read_tariffs(written(tmp_path, TABLE))
    assert (found.tariff_id, found.currency, found.energy[0].by_register) == ("T1", "GBP", True)
    assert [period.price_per_kwh for period in found.energy[0].periods] == [Decimal("0.2610"), Decimal("0.1385")]
    assert found.charge_ids() == ["energy", "standing", "ccl", "vat"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vat": None}, "tariff T1: taxes.0.share"),
        ({"colour": "1"}, "tariff T1: unknown key colour"),
        ({"day_rate": "x"}, "tariff T1: energy"),
        ({"valid_to": "2024-01-01"}, "tariff T1: .*ends"),
    ],
)
def test_a_wrong_row_of_a_simple_table_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_tariffs(written(tmp_path, {"T1": TABLE["T1"] | change}))


def test_a_simple_table_without_a_key_names_it(tmp_path: Path) -> None:
    row = {key: value for key, value in TABLE["T1"].items() if key != "vat"}
    with pytest.raises(BadInput, match="tariff T1: key vat is missing"):
        read_tariffs(written(tmp_path, {"T1": row}))


def test_our_own_language_is_read_from_yaml_and_json(tmp_path: Path) -> None:
    assert read_tariffs(written(tmp_path, RICH)) == (Tariff.model_validate(RICH),)
    path = tmp_path / "tariff.yaml"
    path.write_text("tariff_id: flat\ncurrency: EUR\nperiods: [{period_id: all, price_per_kwh: 0.218}]\n")
    (flat,) = read_tariffs(path)
    assert flat.periods[0].price_per_kwh == Decimal("0.218")
    assert [len(charge.all_periods) for charge in flat.energy_charges] == [1]


def test_a_file_of_several_dated_tariffs_gives_all_of_them(tmp_path: Path) -> None:
    later = RICH | {"tariff_id": "later", "valid_from": "2026-01-01", "valid_to": "2027-01-01"}
    assert [each.tariff_id for each in read_tariffs(written(tmp_path, {"tariffs": [RICH, later]}))] == ["rich", "later"]


def test_a_mistake_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "tariff.yaml"
    path.write_text("tariff_id: t\nperiods:\n  - {period_id: all, price_per_kwh: 0.1}\nfixt: []\n")
    with pytest.raises(
        BadConfiguration, match=r"line 4, column 1: unknown key 'fixt'; allowed here: .*; did you mean 'fixed'"
    ):
        read_tariffs(path)


def test_steps_inside_a_shared_block_must_end_at_the_same_energy() -> None:
    tiers = [{"steps": [{"price": 1, "up_to_kwh": 10}, {"price": 2}], "up_to": 9, "up_to_unit": "kwh_per_kw"}]
    plain = [{"price": 1, "up_to": 9, "up_to_unit": "kwh_per_kw"}]
    periods = [
        {"period_id": "am", "end": "12:00", "tiers": [*tiers, {"price": 3}]},
        {"period_id": "pm", "start": "12:00", "tiers": [*plain, {"price": 3}]},
    ]
    known = Tariff.model_validate({"tariff_id": "t", "periods": periods, "tier_basis": "total"})
    with pytest.raises(BadInput, match="period pm end at 9 kwh_per_kw, those of am at 10 kwh, 9 kwh_per_kw"):
        check_periods(known)


def test_a_hole_between_periods_is_refused_with_the_file(tmp_path: Path) -> None:
    document = {
        "tariff_id": "t",
        "periods": [{"period_id": "day", "price_per_kwh": 1, "start": "06:00", "end": "22:00"}],
    }
    with pytest.raises(BadInput, match=r"tariff.json, line 1.*tariff t: exactly one period must hold on a weekday at"):
        read_tariffs(written(tmp_path, document))


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        ("periods: [\n  {period_id: a, price_per_kwh: 1},\n  {period_id: b, price_per_kwh: 2}]\n", 4),
        ("periods:\n  - {period_id: a, price_per_kwh: 1, start: '06:00', end: '22:00'}\n", 2),
        (
            "periods: [{period_id: a, price_per_kwh: 1}]\ndemand:\n  - charge_id: kw\n    periods:\n"
            "      - {period_id: a, price_per_kw: 1}\n      - {period_id: b, price_per_kw: 2}\n",
            7,
        ),
        (
            "periods: [{period_id: a, price_per_kwh: 1}]\nexport:\n  periods:\n"
            "    - {period_id: a, price_per_kwh: 1, end: '22:00'}\n",
            4,
        ),
    ],
)
def test_the_period_that_is_not_exact_is_named_with_its_line(tmp_path: Path, extra: str, line: int) -> None:
    path = tmp_path / "tariff.yaml"
    path.write_text("tariff_id: t\n" + extra)
    with pytest.raises(BadInput, match=f"tariff.yaml, line {line}, column"):
        read_tariffs(path)


def test_a_file_that_is_no_tariff_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected a tariff"):
        read_tariffs(written(tmp_path, [1, 2]))
    with pytest.raises(BadInput, match="no such file"):
        read_tariffs(tmp_path / "none.json")


def test_the_rendering_counts_published_instants() -> None:
    charge = {
        "charge_id": "power",
        "periods": [{"period_id": "all", "price_per_kw": 1}],
        "coincident_at": ["2025-01-15T12:00:00Z", "2025-01-16T12:00:00Z"],
    }
    periods = [{"period_id": "all", "price_per_kwh": 1}]
    tariff = Tariff.model_validate({"tariff_id": "t", "currency": "EUR", "periods": periods, "demand": [charge]})
    assert "power: highest 15-minute block kW, at 2 published instants\n" in tariff_text(tariff)


def test_the_rendering_names_every_charge() -> None:
    text = tariff_text(Tariff.model_validate(RICH))
    for words in (
        "rich: Everything at once",
        "2025-01-01 to 2026-01-01 (end exclusive)",
        "rounding: each line half up to the minor unit",
        "season     summer: 04-01 to 10-01",
        "peak         0.30 EUR/kWh  weekdays 08:00-20:00",
        "tier 1: 0.20 EUR/kWh up to 500 kWh",
        "tier 2: 0.15 EUR/kWh above that",
        "network (grid operator): 0.05 EUR/kWh",
        "spot: 1 x price series 'spot' + 0.01 EUR/kWh",
        "power: highest 30-minute rolling, moved by 5 minutes kW\n",
        "at least 80 % of the highest of 11 months",
        "contracted 100 kW, at least 60 % of it",
        "contract: 100 kW x 2 EUR a month; above: 4 EUR/kW",
        "reactive: 0.01 EUR/kvarh beyond tan phi 0.5",
        "base: 12 EUR a month",
        "discount: -2 % of supply",
        "true-up with Mar: pay, 0.02 EUR/kWh",
        "all_day      0.06 EUR/kWh export  every day",
        "minimum    20 EUR a month",
        "vat: 19 % of all lines above",
    ):
        assert words in text, words


def test_price_weeks_join_months_that_are_alike(shared_data: Path) -> None:
    (sce,) = read_tariffs(shared_data / "tariffs" / "urdb" / "sce_gs2_tou_b.json")
    weeks = price_weeks(sce)
    assert [week.label for week in weeks] == ["Jan-May, Oct-Dec", "Jun-Sep"]
    assert weeks[1].price_per_kwh.shape == (7, 96)
    assert weeks[1].price_per_kwh[0, 12 * 4] == 0.1355
    assert weeks[1].price_per_kwh[6, 12 * 4] == 0.066


def test_prices_by_reference_or_register_have_no_week() -> None:
    assert price_weeks(Tariff.model_validate({"tariff_id": "t", "energy": [{"charge_id": "s", "series": {}}]})) == ()
