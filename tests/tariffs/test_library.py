"""Shipped tariffs: each names its sources, and a bill of each can be added up by hand."""

import ast
import json
import operator
import re
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from assets.bills.dispute.pairing import pair_lines
from assets.bills.engine.bill_load import Load
from assets.bills.engine.bill_terms import bill_terms
from assets.bills.engine.compute import make_bill
from assets.bills.engine.settle import Account
from assets.kpi.incremental.mart_sources import carrier_prices
from assets.sites.load_sites import load_site, site_sha256
from assets.stores.published.report_ledger import keep_site_version, site_version
from assets.stores.transactions import open_store
from assets.tariffs.formats.tariff_file import read_tariffs
from assets.tariffs.formats.tariff_text import price_weeks
from assets.tariffs.linear_evaluate import evaluate
from assets.tariffs.linear_model import LinearTerms
from assets.tariffs.periods import quarter_hour_prices, tariffs_of
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.bill import Bill
from data_quality.contracts.billing.shipped_tariffs import LIBRARY, library_names, shipped_tariffs
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import SystemClock, local_midnight_utc
from orchestration.cli.main import build_app
from tests.bills.scenes import bill, load, tariff

GOLDEN: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "library_bills.yaml").read_text())
NAMED = [f"{each['tariff']}-{each['load']['from']:%Y-%m}" for each in GOLDEN]
_DO = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def worth(text: object) -> Decimal:
    """A sum in numbers, worked out in decimals: by nothing that bills are made with."""

    def of(node: ast.expr) -> Decimal:
        if isinstance(node, ast.BinOp):
            return _DO[type(node.op)](of(node.left), of(node.right))
        if isinstance(node, ast.UnaryOp):
            return -of(node.operand)
        assert isinstance(node, ast.Constant)
        return Decimal(str(node.value))

    return of(ast.parse(str(text), mode="eval").body)


def load_of(case: dict[str, Any], zone: str) -> Load:
    spec = case["load"]
    begun = local_midnight_utc(spec["from"], zone)
    step = timedelta(minutes=spec["step"])
    kw = np.full((local_midnight_utc(spec["to"], zone) - begun) // step, float(spec["kw"]))
    for at, hours, value in spec.get("at", ()):
        local = datetime.fromisoformat(str(at)).replace(tzinfo=ZoneInfo(zone))
        first = (local - begun) // step
        kw[first : first + int(timedelta(hours=hours) / step)] = value
    energy = np.rint(kw * spec["step"] / 60 * 1e9).astype(np.int64)
    present = np.ones(energy.size, dtype=np.bool_)
    return Load(start_utc=begun, step_minutes=spec["step"], load=energy, is_present=present)


def prices_of(case: dict[str, Any], used: Load, zone: str) -> dict[str, PriceSeries]:
    spec = dict(case.get("prices", {}))
    hours, second = spec.pop("hours", (0, 0)), spec.pop("second", None)
    found = {}
    for name, price in spec.items():
        starts = [used.start_utc + timedelta(minutes=used.step_minutes) * n for n in range(used.load.size)]
        rows = [second if hours[0] <= at.astimezone(ZoneInfo(zone)).hour < hours[1] else price for at in starts]
        frame = {"interval_start_utc": starts, "minutes": used.step_minutes, "price_per_kwh": list(map(float, rows))}
        found[name] = PriceSeries.of(name, pl.DataFrame(frame))
    return found


def made(case: dict[str, Any]) -> tuple[tuple[Tariff, ...], Load, Bill]:
    tariffs = read_tariffs(Path(case["tariff"]))
    zone = tariffs[0].time_zone
    assert zone is not None
    used = load_of(case, zone)
    start, end = case.get("bill", (None, None))
    prices = prices_of(case, used, zone)
    return tariffs, used, make_bill(tariffs, used, time_zone=zone, start=start, end=end, prices=prices)


@pytest.mark.parametrize("case", GOLDEN, ids=NAMED)
def test_each_line_of_a_shipped_tariffs_bill_is_its_sum_in_numbers(case: dict[str, Any]) -> None:
    tariffs, _, found = made(case)
    (period,) = found.periods
    wanted = {name: Decimal(amount) for name, (_, amount) in case["lines"].items()}
    assert {line.line_id: line.amount for line in period.lines} == wanted
    for name, (sum_, amount) in case["lines"].items():
        unit = Decimal(amount) if tariffs[0].rounding == "line" else Decimal("1E-9")
        assert worth(sum_).quantize(unit, ROUND_HALF_UP) == Decimal(amount), name
    assert period.total == sum(wanted.values())
    assert sum(found.by_owner().values()) == period.total
    codes = {finding.code for finding in found.findings}
    assert codes == {code for code in (case.get("finds"),) if code} | (
        {"example_prices"} if tariffs[0].prices == "example" else set()
    )


@pytest.mark.parametrize("case", GOLDEN, ids=NAMED)
def test_a_plans_terms_come_to_the_bill_of_each_shipped_tariff_or_are_refused_by_name(case: dict[str, Any]) -> None:
    tariffs, used, found = made(case)
    zone = str(tariffs[0].time_zone)
    (period,) = found.periods
    prices = prices_of(case, used, zone)
    in_force = [each for each in tariffs if each.is_in_force(period.start)]
    account = Account()
    if "bill" in case:
        begun = case["load"]["from"]
        peak = Decimal(max(at[2] for at in case["load"]["at"] if str(at[0]) < str(period.start)))
        account.peaks[in_force[0].demand[0].charge_id] = {(begun.year, begun.month): {"all": peak}}
    terms = bill_terms(
        in_force, time_zone=zone, start=period.start, end=period.end, step_minutes=used.step_minutes,
        account=account, prices=prices, max_import_kw=Decimal(200), max_export_kw=Decimal(200),
    )  # fmt: skip
    if case["tariff"] == "no_capacity_steps":
        assert not isinstance(terms, LinearTerms)
        assert (terms.component, terms.why) == (
            "capacity", "a block of demand costs an amount: the cost jumps where the next begins",
        )  # fmt: skip
        return
    assert isinstance(terms, LinearTerms), terms
    part = used.between(local_midnight_utc(period.start, zone), local_midnight_utc(period.end, zone))
    unrounded = make_bill(
        tariffs, used, time_zone=zone, start=period.start, end=period.end, prices=prices, rounding="none"
    )
    kwh = part.load.astype(np.float64) / 1e9
    assert float(evaluate(terms, kwh, np.zeros(terms.size))) == pytest.approx(float(unrounded.total), abs=1e-6)


def test_the_library_has_twelve_structures_of_six_countries_each_with_a_source_and_a_golden_bill() -> None:
    shipped = shipped_tariffs()
    about = [file.about for file in shipped.values()]
    assert all(about)
    assert len(shipped) >= 12
    assert len({each.country for each in about if each}) >= 6
    kinds = {each.kind for each in about if each}
    assert kinds == {
        "day_colours", "dynamic_hourly", "dynamic_half_hourly", "capacity", "time_of_use", "demand_ratchet", "tiered",
    }  # fmt: skip
    assert set(library_names()) == {case["tariff"] for case in GOLDEN}
    for name, file in shipped.items():
        assert {each.prices for each in file.tariffs} <= {"published", "example"}, name
        assert all(each.tariff_id.startswith(name.partition("_example")[0]) for each in file.tariffs), name
        assert read_tariffs(Path(name)) == read_tariffs(LIBRARY / f"{name}.yaml")


def test_the_seasons_of_a_shipped_rate_bill_as_the_database_says(shared_data: Path) -> None:
    theirs = read_tariffs(shared_data / "tariffs" / "urdb" / "sce_gs2_tou_b.json")
    used = load(start=date(2015, 6, 1), end=date(2015, 12, 1), step=60, zone="America/Los_Angeles")
    rng = np.random.default_rng(3)
    used = Load(used.start_utc, 60, rng.integers(0, 50_000_000_000, used.load.size), used.is_present)
    totals = [
        [period.total for period in make_bill(each, used, time_zone="America/Los_Angeles").periods]
        for each in (theirs, read_tariffs(Path("us_seasons_tou")))
    ]
    assert len(totals[0]) == 6
    assert totals[0] == totals[1]


def test_a_day_whose_colour_is_not_published_is_billed_by_nobody() -> None:
    tariffs = read_tariffs(Path("fr_tempo"))
    august = load(start=date(2025, 8, 1), end=date(2025, 9, 1), zone="Europe/Paris")
    with pytest.raises(BadInput, match="no tariff is in force on 2025-08-01"):
        make_bill(tariffs, august, time_zone="Europe/Paris")


COLOURS = {
    "valid_from": "2025-01-01",
    "valid_to": "2025-02-01",
    "calendar": {
        "seasons": [{"season_id": "red", "dates": ["2025-01-10"]}, {"season_id": "rest", "other_than": ["red"]}],
    },
    "periods": [
        {"period_id": "red", "price_per_kwh": 1, "seasons": ["red"]},
        {"period_id": "rest", "price_per_kwh": "0.1", "seasons": ["rest"]},
    ],
}  # fmt: skip


def test_a_published_day_has_its_price_and_the_others_theirs() -> None:
    (period,) = bill(tariff(**COLOURS), load(1)).periods
    assert {line.line_id: line.quantity for line in period.lines} == {"energy.red": 24, "energy.rest": 720}
    weeks = price_weeks(tariff(**COLOURS))
    assert [week.label for week in weeks] == ["Jan, rest", "Jan, red"]


def test_a_day_that_starts_at_six_keeps_its_colour_until_the_next_morning() -> None:
    night = COLOURS["calendar"] | {"day_starts": "06:00"}  # type: ignore[operator]
    only = load(0, s864=4.0)  # the first quarter hour of 10 January
    later = load(0, s983=4.0)  # 05:45 of 11 January
    for used, red in ((only, 0), (later, 1)):
        (period,) = bill(tariff(**{**COLOURS, "calendar": night}), used).periods
        assert {line.line_id: line.quantity for line in period.lines}["energy.red"] == red


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valid_to": None}, "needs valid_from and valid_to, the day after the last that is published"),
        ({"valid_to": "2025-01-05"}, "2025-01-10 of a season lies outside"),
        ({"calendar": {"seasons": [{"season_id": "red"}]}}, "is given by start and end, by dates, or by other_than"),
        ({"calendar": {"seasons": [{"season_id": "red", "start": "01-01"}]}}, "is given by start and end, by dates"),
        ({"calendar": {"seasons": [{"season_id": "r", "other_than": ["blue"]}]}}, "is other than blue, which no"),
        ({"calendar": {"day_starts": "06:10"}}, "day_starts must be on a quarter hour"),
    ],
)  # fmt: skip
def test_seasons_that_say_too_little_are_refused(change: dict[str, Any], message: str) -> None:
    parts = {key: value for key, value in (COLOURS | change).items() if value is not None}
    with pytest.raises(ValidationError, match=message):
        tariff(**parts)


def test_colours_that_leave_a_day_without_a_price_are_refused(tmp_path: Path) -> None:
    hole = COLOURS | {"periods": [{"period_id": "red", "price_per_kwh": 1, "seasons": ["red"]}]}
    path = tmp_path / "hole.yaml"
    path.write_text(json.dumps({"tariff_id": "hole", "currency": "EUR", **hole}))
    with pytest.raises(BadInput, match="exactly one period must hold on a weekday in January \\(rest\\)"):
        read_tariffs(path)


@pytest.mark.parametrize(
    ("demand", "message"),
    [
        ({"ratchet": {"rule": "mean", "of_periods": ["all"]}}, "a mean over months is of each period by itself"),
        ({"periods": [{"period_id": "all", "tiers": [{"amount": 1, "up_to": 2, "up_to_unit": "kw"}, {"price": 3}]}]},
         "an amount is that of every tier of a demand period, or of none"),
        ({"periods": [{"period_id": "all", "tiers": [{"amount": 1, "price": 3}]}]}, "a tier needs a price or steps"),
    ],
)  # fmt: skip
def test_demand_that_says_two_things_is_refused(demand: dict[str, Any], message: str) -> None:
    base = {"charge_id": "d", "periods": [{"period_id": "all", "price_per_kw": 1}]}
    with pytest.raises(ValidationError, match=message):
        tariff(demand=[base | demand])


def test_energy_has_no_block_of_an_amount() -> None:
    with pytest.raises(ValidationError, match="an amount is that of every tier of a demand period"):
        tariff(periods=[{"period_id": "all", "tiers": [{"amount": 1}]}])


@pytest.mark.parametrize(("kw", "step", "amount"), [(1, 1, 10), (2, 1, 10), (2.5, 2, 30)])
def test_a_block_costs_its_amount_and_its_end_belongs_to_it(kw: float, step: int, amount: int) -> None:
    blocks = [{"amount": 10, "up_to": 2, "up_to_unit": "kw"}, {"amount": 30}]
    charge = {"charge_id": "step", "periods": [{"period_id": "all", "tiers": blocks}]}
    (period,) = bill(tariff(demand=[charge]), load(kw)).periods
    line = period.lines[1]
    assert (line.line_id, line.amount, line.rate_unit) == (f"step.all.{step}", amount, "EUR/month")


def test_lines_belong_to_who_is_named_and_others_to_nobody() -> None:
    known = tariff(
        periods=[{"period_id": "all", "price_per_kwh": "0.10"}],
        energy=[{"charge_id": "grid", "price_per_kwh": "0.05", "owner": "distributor"}],
        fixed=[{"charge_id": "fee", "amount": 10, "owner": "supplier"}],
        taxes=[{"charge_id": "vat", "share": "0.2", "owner": "state"}],
        export={"price_per_kwh": "0.08", "owner": "supplier"},
    )
    found = bill(known, load(1))
    assert {line.line_id: line.owner for line in found.periods[0].lines} == {
        "energy.all": "unknown", "grid": "distributor", "fee": "supplier", "vat": "state",
    }  # fmt: skip
    assert found.by_owner() == {
        "supplier": Decimal(10),
        "distributor": Decimal("37.20"),
        "state": Decimal("24.32"),
        "unknown": Decimal("74.40"),
    }


def run(*words: object, code: int = 0) -> Any:
    result = CliRunner().invoke(build_app(("tariff", "bill")), [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def test_shipped_tariffs_are_listed_shown_and_billed_by_name(tmp_path: Path) -> None:
    rows = {row["name"]: row for row in json.loads(run("tariff", "list", "--json").stdout)["tariffs"]}
    assert set(rows) == set(library_names())
    assert (rows["fr_tempo"]["country"], rows["fr_tempo"]["prices"]) == ("FR", "published")
    assert (rows["gb_half_hourly"]["prices"], rows["gb_half_hourly"]["valid_from"]) == ("example", None)
    shown = run("tariff", "show", "be_capacity").stdout
    assert "the mean of 12 months" in shown
    assert "grid (Fluvius, distributor)" in shown
    assert "not in it" in shown
    hours = tmp_path / "load.csv"
    lines = [f"2025-08-{day:02d}T{hour:02d}:00:00+02:00,1.0" for day in range(1, 32) for hour in range(24)]
    hours.write_text("\n".join(["timestamp,kw", *lines, ""]))
    found = json.loads(run("bill", "--tariff", "it_two_bands", "--load", hours, "--json").stdout)
    assert found["by_owner"] == {"supplier": 66.93}
    assert {line["owner"] for line in found["periods"][0]["lines"]} == {"supplier"}
    assert "supplier 66.93 EUR" in run("bill", "--tariff", "it_two_bands", "--load", hours).stdout


def test_made_up_prices_are_said_where_tariffs_are_ranked_and_a_cap_where_one_is_shown(tmp_path: Path) -> None:
    assert "'unit_rate' + 0 GBP/kWh, at most 1.0 GBP/kWh" in run("tariff", "show", "gb_half_hourly").stdout
    hours, prices, own = tmp_path / "load.csv", tmp_path / "unit_rate.csv", tmp_path / "own.yaml"
    starts = [f"2025-06-{day:02d}T{hour:02d}:00:00+01:00" for day in range(1, 31) for hour in range(24)]
    hours.write_text("\n".join(["timestamp,kw", *(f"{at},1.0" for at in starts), ""]))
    prices.write_text("\n".join(["timestamp,price_per_kwh", *(f"{at},0.2" for at in starts), ""]))
    own.write_text("tariff_id: own\ncurrency: GBP\nperiods: [{period_id: all, price_per_kwh: 0.3}]\n")
    words = ("bill", "compare", "--load", hours, "--prices", prices, "--tariff", own, "--tariff", "gb_half_hourly")
    assert "example_prices: Tariff gb_half_hourly_example has example prices" in run(*words).stdout
    found = json.loads(run(*words, "--json").stdout)
    assert [each["code"] for each in found["findings"]] == ["example_prices"]
    assert json.loads(run(*words[:-2], "--json").stdout)["findings"] == []


def test_a_name_that_is_neither_file_nor_shipped_is_one_sentence() -> None:
    assert "did you mean 'fr_tempo'" in run("tariff", "show", "fr_temp", code=2).stderr
    assert "`meterloom tariff list` names those" in run("tariff", "show", "quux", code=2).stderr


def test_a_file_of_ones_own_comes_before_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fr_tempo").write_text("tariff_id: mine\ncurrency: EUR\nperiods: [{period_id: all, price_per_kwh: 0.2}]\n")
    assert read_tariffs(Path("fr_tempo"))[0].tariff_id == "mine"


def site_with(tmp_path: Path, tariffs: str, *, currency: str = "EUR", more: str = "") -> Path:
    path = tmp_path / "works.yaml"
    path.write_text(
        f"site_id: works\nname: Works\ntime_zone: Europe/Paris\ncountry: FR\ncurrency: {currency}\n"
        f"meters: [{{meter_id: main}}{more}]\ntariffs: {tariffs}\n"
    )
    return path


OWN = "{tariff_id: own, valid_to: 2024-09-01, currency: EUR, periods: [{period_id: all, price_per_kwh: 0.2}]}"


def test_a_site_file_takes_a_shipped_tariff_by_its_name(tmp_path: Path) -> None:
    site = load_site(site_with(tmp_path, f"[fr_tempo, {OWN}]"))
    # What the name stands for is part of what the file means, and of its hash.
    assert [each.tariff_id for each in tariffs_of(site)] == ["own", "fr_tempo_2024", "fr_tempo_2025"]
    assert site_sha256(site) != site_sha256(load_site(site_with(tmp_path, f"[{OWN}]")))
    prices = quarter_hour_prices(site, date(2025, 1, 31), date(2025, 2, 2))
    assert prices["price_per_kwh"][[23, 24, 96 + 23, 96 + 24]].to_list() == [
        Decimal(price) for price in ("0.1568", "0.7562", "0.1518", "0.1792")
    ]


def test_a_kept_site_has_the_prices_of_its_day_whatever_is_shipped_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site_with(tmp_path, "[fr_tempo]")
    site, before = load_site(path), shipped_tariffs()
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    keep_site_version(store, site, site_sha256(site), SystemClock())
    first, *rest = before["fr_tempo"].tariffs
    dearer = first.model_copy(update={"fixed": (first.fixed[0].model_copy(update={"amount": Decimal(99)}),)})
    later = before | {"fr_tempo": before["fr_tempo"].model_copy(update={"tariffs": (dearer, *rest)})}
    monkeypatch.setattr("data_quality.contracts.billing.shipped_tariffs._shipped", later.__getitem__)
    assert load_site(path).tariffs[0].fixed[0].amount == 99
    assert site_sha256(load_site(path)) != site_sha256(site)
    kept = site_version(store, site_sha256(site))
    store.close()
    assert kept is not None
    assert kept.tariffs == site.tariffs


@pytest.mark.parametrize(
    ("tariffs", "currency", "message"),
    [
        ("[fr_temp]", "EUR", "line 7, column 1: tariffs: no tariff 'fr_temp' is shipped; did you mean 'fr_tempo'?"),
        ("[fr_tempo]", "GBP", "tariff 'fr_tempo_2024' is in EUR, the site in GBP"),
        (f"[fr_tempo, {OWN.replace('0.2', 'x')}]", "EUR", "tariffs.1.periods.0.price_per_kwh: expected a number"),
    ],
)
def test_a_name_that_is_none_and_a_mistake_beside_one_are_told_at_their_place(
    tmp_path: Path, tariffs: str, currency: str, message: str
) -> None:
    with pytest.raises(BadInput, match=re.escape(message)):
        load_site(site_with(tmp_path, tariffs, currency=currency))


@pytest.mark.parametrize("carrier", ["steam", "cooling", "compressed_air"])
def test_each_carrier_has_a_price_of_its_own(tmp_path: Path, carrier: str) -> None:
    sold = (
        f"{{tariff_id: sold, currency: EUR, commodity: {carrier}, periods: [{{period_id: all, price_per_kwh: 0.09}}]}}"
    )
    more = f", {{meter_id: other, carrier: {carrier}, is_secondary: false}}"
    site = load_site(site_with(tmp_path, f"[{sold}]", more=more))
    frame = carrier_prices(site, date(2025, 1, 1), date(2025, 1, 2))
    assert frame["carrier"].unique().to_list() == [carrier]
    assert set(frame["price_per_unit"]) == {Decimal("0.09")}
    # One price of two carriers is none of either: electricity asks for its own.
    assert tariffs_of(site) == ()


def test_a_tariff_sells_one_carrier_and_a_carrier_has_one_tariff_a_day(tmp_path: Path) -> None:
    both = "{tariff_id: both, currency: EUR, commodity: [heat, gas], periods: [{period_id: all, price_per_kwh: 0.1}]}"
    with pytest.raises(BadInput, match="commodity: expected 'electricity', 'gas', 'heat'"):
        load_site(site_with(tmp_path, f"[{both}]"))
    site = load_site(site_with(tmp_path, f"[fr_tempo, {OWN.replace('2024-09-01', '2025-01-01')}]"))
    with pytest.raises(BadInput, match="tariffs own and fr_tempo_2024 are both in force on 2024-09-01"):
        tariffs_of(site)


def test_an_audits_line_belongs_to_who_ours_belongs_to() -> None:
    known = tariff(
        energy=[{"charge_id": "grid", "price_per_kwh": "0.05", "owner": "distributor"}],
        fixed=[{"charge_id": "fee", "amount": 10}],
    )
    pairs = pair_lines([], bill(known, load(1)).periods[0])
    assert {pair.line_id: pair.owner for pair in pairs} == {"grid": "distributor", "fee": "unknown"}
