"""The audit: the shared bills, bad input, dated tariffs, pairing, the command."""

import csv
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.bills.dispute.applies import TariffOverride, tariffs_in_force
from assets.bills.dispute.pairing import pair_lines
from assets.bills.dispute.reconcile import Reconciliation, make_case, reconcile
from assets.bills.dispute.scenario import scenario_bill
from assets.bills.dispute.suspect_terms import suspect_terms
from assets.bills.dispute.suspicion import PAPER
from assets.bills.documents.read_bill import read_bill
from assets.bills.documents.reads import MeterReads, ReadState, RegisteredMeter, read_meter_reads, read_site_register
from assets.tariffs.formats.tariff_file import read_simple_table, read_tariffs
from data_quality.contracts.billing.supplier_bill import BilledLine, Place
from data_quality.contracts.errors import BadInput
from orchestration.cli.main import build_app
from tests.bills.papers import Paper, Scene, cents
from tests.bills.scenes import BERLIN, demand, load, tariff
from tests.bills.scenes import bill as our_bill
from tests.bills.seeded import TABLES, register_scene
from tests.bills.seeded_intervals import interval_scene

D = Decimal
TABLE: dict[str, dict[str, str]] = {
    "T-1": {"currency": "GBP", "day_rate": "0.25", "night_rate": "0.10", "standing_per_day": "0.50", "vat": "0.20",
            "ccl_per_kwh": "0.01", "valid_from": "2024-01-01", "valid_to": "2024-07-01"},
    "T-2": {"currency": "GBP", "day_rate": "0.30", "night_rate": "0.12", "standing_per_day": "0.60", "vat": "0.20",
            "ccl_per_kwh": "0.01", "valid_from": "2024-07-01", "valid_to": "2025-01-01"},
}  # fmt: skip
TARIFFS = tuple(read_simple_table(TABLE).values())
STATES = (
    ReadState(date(2024, 4, 1), {"day": D(1000), "night": D(500)}),
    ReadState(date(2024, 5, 1), {"day": D(1400), "night": D(700)}),
    ReadState(date(2024, 6, 1), {"day": D(1900), "night": D(850)}),
)
READS = MeterReads("M", {"day": "kwh", "night": "kwh"}, STATES)
HEAD = {
    "Account": "ACC", "Meter": "M", "Period from": "2024-04-01", "Period to (exclusive)": "2024-05-01", "Tariff": "T-1",
    "Meter multiplier": "1", "Day register open": "1000", "Day register close": "1400", "Night register open": "500",
    "Night register close": "700", "Currency": "GBP",
}  # fmt: skip
# 400 x 0.25 + 200 x 0.10 + 30 x 0.50 + 600 x 0.01 = 141.00; VAT 28.20
LINES = (
    "Day units,400,kWh,0.25,100.00", "Night units,200,kWh,0.10,20.00", "Standing charge,30,day,0.50,15.00",
    "Climate change levy,600,kWh,0.01,6.00", "VAT 20 %,,,0.20,28.20", "Net,,,,141.00", "Total,,,,169.20",
)  # fmt: skip


def audit(
    tmp_path: Path, *, lines: tuple[str, ...] = LINES, head: dict[str, str] | None = None, **held: Any
) -> Reconciliation:
    pairs = {**HEAD, **(head or {})}
    path = tmp_path / "bill.csv"
    rows = [f"{label},{value}" for label, value in pairs.items() if value]
    path.write_text("\n".join([*rows, "Description,Quantity,Unit,Rate,Amount", *lines]))
    given = {"reads": READS, **held}
    return reconcile(make_case(read_bill(path), given.pop("tariffs", TARIFFS), **given))


def test_a_right_bill_agrees_to_the_cent(tmp_path: Path) -> None:
    found = audit(tmp_path)
    assert (found.verdict, found.cause, found.recomputed_net, found.recomputed_total) == (
        "agrees", "none", D("141.00"), D("169.20"),
    )  # fmt: skip
    assert [line.id for line in found.lines] == ["energy.day", "energy.night", "standing", "ccl", "vat"]


def test_one_cent_of_rounding_is_no_accusation_and_two_are_a_variance(tmp_path: Path) -> None:
    def off(by: str) -> tuple[str, ...]:
        return (*LINES[:4], f"VAT,,,,{D('28.20') + D(by)}", f"Total,,,,{D('169.20') + D(by)}")

    assert audit(tmp_path, lines=off("0.01")).verdict == "agrees"
    assert audit(tmp_path, lines=off("0.02")).cause == "tax"


def test_a_printed_tax_rate_below_one_may_be_a_share_or_per_cent(tmp_path: Path) -> None:
    # 0.5 % of 141.00
    assert audit(tmp_path, lines=(*LINES[:4], "VAT,,,0.5,0.71", "Total,,,,141.71")).cause == "tax"
    case = make_case(read_bill(tmp_path / "bill.csv"), TARIFFS, reads=READS)
    tried = suspect_terms(case, pair_lines(case.bill.lines, scenario_bill(case.truth)))
    printed = [each.sentence for each in tried if (each.cause, each.rank) == ("tax", PAPER)]
    assert [text.partition(" is billed")[0] for text in printed] == ["vat: 0.5 %", "vat: 50 %"]


def test_a_bill_without_reads_is_held_against_its_own_registers(tmp_path: Path) -> None:
    found = audit(tmp_path, reads=None)
    assert found.verdict == "agrees"
    assert "the registers printed on the bill are taken" in found.notes[0]


def test_reads_that_do_not_stand_on_the_dates_do_not_accuse_possible_registers(tmp_path: Path) -> None:
    wide = MeterReads("M", READS.units, (STATES[0], STATES[2]))
    found = audit(tmp_path, reads=wide)
    assert found.verdict == "agrees"
    assert "they are possible" in found.notes[0]


def test_registers_that_no_read_allows_are_an_estimate(tmp_path: Path) -> None:
    early = ReadState(date(2024, 4, 29), {"day": D(1450), "night": D(760)})
    found = audit(tmp_path, reads=MeterReads("M", READS.units, (STATES[0], early, STATES[2])))
    assert found.cause == "estimated_read"
    assert "spread by days" in " ".join(found.notes)


def test_an_estimated_read_of_the_reads_file_is_used_and_said(tmp_path: Path) -> None:
    marked = replace(STATES[1], is_estimated=True)
    found = audit(tmp_path, reads=MeterReads("M", READS.units, (STATES[0], marked, STATES[2])))
    assert found.verdict == "agrees"
    assert "itself an estimate" in found.notes[0]


def test_an_estimate_of_another_date_does_not_move_the_dates_of_a_bill(tmp_path: Path) -> None:
    guess = replace(STATES[1], on=date(2024, 5, 11), is_estimated=True)
    found = audit(tmp_path, reads=MeterReads("M", READS.units, (STATES[0], guess, STATES[2])))
    assert (found.verdict, found.period) == ("agrees", ("2024-04-01", "2024-05-01"))
    assert "they are possible" in found.notes[0]


def test_a_bill_over_two_tariffs_is_split_by_date(tmp_path: Path) -> None:
    table = {
        **TABLE,
        "T-1": {**TABLE["T-1"], "valid_to": "2024-04-16"},
        "T-2": {**TABLE["T-2"], "valid_from": "2024-04-16"},
    }
    lines = (
        "Day units,200,kWh,0.25,50.00", "Day units,200,kWh,0.30,60.00", "Night units,100,kWh,0.10,10.00",
        "Night units,100,kWh,0.12,12.00", "Standing charge,15,day,0.50,7.50", "Standing charge,15,day,0.60,9.00",
        "Climate change levy,600,kWh,0.01,6.00", "VAT,,,0.20,30.90", "Total,,,,185.40",
    )  # fmt: skip
    found = audit(tmp_path, lines=lines, tariffs=tuple(read_simple_table(table).values()))
    assert (found.verdict, found.tariffs) == ("agrees", ("T-1", "T-2"))
    assert "energy.day@2024-04-16" in [line.id for line in found.lines]
    old = audit(tmp_path, tariffs=tuple(read_simple_table(table).values()))
    assert old.cause == "wrong_tariff_period"


def test_printed_dates_that_reach_into_another_tariff_are_a_wrong_read_date(tmp_path: Path) -> None:
    table = {
        "T-0": {**TABLE["T-2"], "valid_from": "2023-01-01", "valid_to": "2024-04-01"},
        "T-1": {**TABLE["T-1"], "valid_from": "2024-04-01"},
    }
    tariffs = tuple(read_simple_table(table).values())
    # 33 days of standing charge: all at T-1's price, or three of them at T-0's with its share of the use.
    one = (
        "Standing charge,33,day,0.50,16.50",
        "Climate change levy,600,kWh,0.01,6.00",
        "VAT,,,0.20,28.50",
        "Total,,,,171.00",
    )
    found = audit(tmp_path, lines=(*LINES[:2], *one), head={"Period from": "2024-03-29"}, tariffs=tariffs)
    assert (found.cause, found.period, found.recomputed_total) == (
        "wrong_read_date",
        ("2024-04-01", "2024-05-01"),
        D("169.20"),
    )


def test_two_faults_at_once_are_both_named(tmp_path: Path) -> None:
    # T-2's prices and two registers' states ten times too large.
    lines = (
        "Day units,4000,kWh,0.30,1200.00", "Night units,2000,kWh,0.12,240.00", "Standing charge,30,day,0.60,18.00",
        "Climate change levy,6000,kWh,0.01,60.00", "VAT,,,0.20,303.60", "Total,,,,1821.60",
    )  # fmt: skip
    found = audit(tmp_path, lines=lines)
    assert (found.cause, found.also) == ("meter_multiplier", ("wrong_tariff_period",))


def test_a_line_that_the_tariff_does_not_have_is_unexplained(tmp_path: Path) -> None:
    lines = (*LINES[:4], "Paper bill fee,,,,2.50", "VAT,,,0.20,28.70", "Total,,,,172.20")
    found = audit(tmp_path, lines=lines)
    assert found.cause == "unexplained"
    assert "billed.5 (Paper bill fee): billed 2.50, recomputed no such line" in found.evidence[0]


def test_a_line_that_could_not_be_read_is_missing_data(tmp_path: Path) -> None:
    found = audit(tmp_path, lines=(LINES[0].replace("100.00", "1OO.00"), *LINES[1:]))
    assert found.cause == "missing_data"
    assert "line 13: '1OO.00' could not be read" in found.evidence[0]


@pytest.mark.parametrize(
    ("head", "held", "words"),
    [
        ({"Currency": "EUR"}, {}, "the bill is in EUR, tariff T-1 in GBP"),
        ({"Currency": ""}, {}, "label 'Currency' could not be read: it is missing"),
        ({"Period from": "04/05/2024"}, {}, "label 'Period from' could not be read: line 3: '04/05/2024'"),
        ({}, {"register": (RegisteredMeter("X", "", "", D(1)),)}, "meter 'M' is not in the site register, which has X"),
        ({"Period from": "2023-04-01"}, {"reads": None}, "no tariff is in force on 2023-04-01"),
        ({"Day register open": "", "Night register open": ""}, {"reads": None}, "the bill prints no registers"),
        (
            {"Day register open": "", "Night register open": ""},
            {"reads": MeterReads("M", READS.units, STATES[1:])},
            "the reads of meter M cover 2024-05-01 to 2024-06-01",
        ),
    ],
)
def test_what_cannot_be_audited_is_refused_by_name(
    tmp_path: Path, head: dict[str, str], held: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        audit(tmp_path, head=head, **held)


def test_a_bill_without_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no line with an amount"):
        audit(tmp_path, lines=())


def override(start: str, end: str, tariff_id: str = "T-2") -> TariffOverride:
    return TariffOverride(
        account="ACC", tariff_id=tariff_id, valid_from=date.fromisoformat(start), valid_to=date.fromisoformat(end),
        person_id="kim", reason="contract of March",
    )  # fmt: skip


def test_an_override_puts_an_account_on_a_tariff_for_its_dates_only() -> None:
    april: dict[str, Any] = {"start": date(2024, 4, 1), "end": date(2024, 5, 1), "codes": ("T-1",), "account": "ACC"}
    rows = [override("2024-04-11", "2024-04-21", "T-1"), override("2024-04-11", "2024-05-01")]
    found = tariffs_in_force(TARIFFS, overrides=rows, **april)
    assert [(t.tariff_id, t.valid_from.day, t.valid_to.day) for t in found] == [("T-1", 1, 11), ("T-2", 11, 1)]
    assert tariffs_in_force(TARIFFS, overrides=rows, **{**april, "account": "B"}) == (TARIFFS[0],)
    with pytest.raises(BadInput, match="on tariff T-9 from 2024-04-01, which is not given"):
        tariffs_in_force(TARIFFS, overrides=[override("2024-04-01", "2024-05-01", "T-9")], **april)


def test_of_two_tariffs_in_force_the_nearest_of_the_same_kind_stands_in_and_else_none() -> None:
    single = TARIFFS[0].model_copy(update={"tariff_id": "S-1", "supplier": "other"})
    june: dict[str, Any] = {"start": date(2024, 6, 1), "end": date(2024, 7, 1)}
    assert tariffs_in_force([*TARIFFS, single], codes=("T-2",), **june) == (TARIFFS[0],)
    with pytest.raises(BadInput, match="on 2024-06-01 the tariffs T-1, S-1 are in force"):
        tariffs_in_force([*TARIFFS, single], **june)


def test_the_register_may_name_the_tariff(tmp_path: Path) -> None:
    other = TARIFFS[0].model_copy(update={"tariff_id": "Z-1"})
    register = (RegisteredMeter("M", "ACC", "", D(1), "Z-1"),)
    assert audit(tmp_path, tariffs=(*TARIFFS, other), register=register).tariffs == ("Z-1",)


def billed(label: str, unit: str = "kWh", amount: int = 1) -> BilledLine:
    return BilledLine(place=Place(line=1), label=label, unit=unit, amount=D(amount))


def test_lines_meet_by_what_they_are_called_and_counted_in() -> None:
    known = tariff(
        periods=[
            {"period_id": "on_peak", "price_per_kwh": "0.3", "start": "08:00", "end": "20:00"},
            {"period_id": "off_peak", "price_per_kwh": "0.1", "start": "20:00", "end": "08:00"},
        ],
        demand=[demand()],
        fixed=[{"charge_id": "base", "amount": 9}],
        taxes=[{"charge_id": "vat", "share": "0.19"}],
    )
    period = our_bill(known).periods[0]
    lines = [
        billed("Off-peak consumption"), billed("Peak consumption"), billed("Maximum demand", "kW"),
        billed("Monthly service charge", "month"), billed("MwSt 19 %", ""), billed("Goodwill", ""),
    ]  # fmt: skip
    pairs = {pair.label: pair.line_id for pair in pair_lines(lines, period)}
    assert pairs == {
        "Off-peak consumption": "energy.off_peak", "Peak consumption": "energy.on_peak",
        "Maximum demand": "demand.all", "Monthly service charge": "base", "MwSt 19 %": "vat", "Goodwill": "billed.6",
    }  # fmt: skip


def test_registers_prove_what_a_gap_in_the_load_hides(tmp_path: Path) -> None:
    scene: Scene = interval_scene("gap", 0)
    assert scene.load is not None
    path = tmp_path / "bill.csv"
    path.write_text(scene.paper.csv())
    present = scene.load.between(scene.load.start_utc, scene.load.end_utc)
    full = interval_scene("right", 0).load
    assert full is not None
    first = int((date(2024, 5, 1) - date(2024, 2, 1)).days * 96 - 4)
    kwh = D(int(full.load[first : first + 31 * 96].sum())) / 10**9
    states = (ReadState(date(2024, 5, 1), {"": D(0)}), ReadState(date(2024, 6, 1), {"": kwh}))
    reads = MeterReads("L", {"": "kwh"}, states)
    found = reconcile(make_case(read_bill(path), scene.tariffs, load=present, reads=reads, time_zone=scene.time_zone))
    assert found.cause == "missing_data"
    assert found.coverage < 1


def files(scene: Scene, folder: Path) -> list[str]:
    assert scene.reads is not None
    (folder / "bill.csv").write_text(scene.paper.csv())
    table = {code: {"currency": "GBP", "supplier": "Any Power", **row} for code, row in TABLES[0].items()}
    (folder / "tariffs.json").write_text(json.dumps(table))
    rows = [f"M,{s.on},{s.states['day']},{s.states['night']}" for s in scene.reads.states]
    (folder / "reads.csv").write_text("\n".join(["meter,read_date,day_register,night_register", *rows]))
    assert scene.register is not None
    (folder / "register.csv").write_text(f"meter,account,site,multiplier\nM,ACC,Works,{scene.register[0].multiplier}\n")
    named = {"--bill": "bill.csv", "--tariff": "tariffs.json", "--reads": "reads.csv", "--register": "register.csv"}
    return [part for option, name in named.items() for part in (option, str(folder / name))]


@pytest.mark.parametrize(("name", "code"), [("right", 0), ("multiplier_one", 1)])
def test_the_command_answers_with_its_contract(tmp_path: Path, name: str, code: int) -> None:
    scene = register_scene(name, 4)
    arguments = ["bill", "reconcile", *files(scene, tmp_path)]
    answer = CliRunner().invoke(build_app(("bill",)), [*arguments, "--json"])
    assert answer.exit_code == code, answer.output
    document = json.loads(answer.stdout)
    assert {"lines", "verdict", "cause", "evidence", "unread"} <= set(document)
    assert {"id", "billed", "recomputed", "delta"} <= set(document["lines"][0])
    assert document["cause"] == scene.cause
    output = CliRunner().invoke(build_app(("bill",)), arguments)
    assert ("differs by -13,007.95 GBP: meter multiplier" if code else "agrees") in output.output


def test_the_command_reads_a_load_and_asks_for_what_it_lacks(tmp_path: Path) -> None:
    assert CliRunner().invoke(build_app(("bill",)), ["bill", "reconcile"]).exit_code == 2
    (tmp_path / "load.csv").write_text(
        "timestamp,kwh\n" + "".join(f"2025-01-{d:02d}T{h:02d}:00Z,1\n" for d in range(1, 32) for h in range(24))
    )
    (tmp_path / "tariff.yaml").write_text(
        "tariff_id: t\ncurrency: EUR\nperiods: [{period_id: all, price_per_kwh: 0.10}]\n"
    )
    (tmp_path / "bill.csv").write_text(
        "Period from,2025-01-01\nPeriod to,2025-02-01\nCurrency,EUR\n\nDescription,Quantity,Unit,Rate,Amount\n"
        "Energy,744,kWh,0.10,74.40\nTotal,,,,74.40\n"
    )
    named = {"--bill": "bill.csv", "--tariff": "tariff.yaml", "--load": "load.csv"}
    options = [part for option, name in named.items() for part in (option, str(tmp_path / name))]
    answer = CliRunner().invoke(build_app(("bill",)), ["bill", "reconcile", *options, "--json"])
    assert (answer.exit_code, json.loads(answer.stdout)["verdict"]) == (0, "agrees"), answer.output


def test_the_shared_bills_are_audited_as_their_answers_say(shared_data: Path) -> None:
    folder = shared_data / "bills"
    tariffs = read_tariffs(folder / "tariffs.json")
    register = read_site_register(folder / "site_register.csv")
    with (folder / "answers.csv").open() as file:
        answers = list(csv.DictReader(file))
    for row in answers:
        bill = read_bill(folder / row["file"])
        reads = read_meter_reads(folder / "meter_reads.csv", meter=bill.meter)
        found = reconcile(make_case(bill, tariffs, reads=reads, register=register))
        assert (found.cause, found.billed_total) == (row["fault"], D(row["total_gbp"])), row["file"]
        assert (found.recomputed_net, found.recomputed_total) == (D(row["net_correct"]), D(row["total_correct"]))
        assert -found.delta_total == D(row["correction_gbp"])


def test_a_gas_bill_in_m3_is_held_against_kwh(tmp_path: Path) -> None:
    gas = tariff(
        tariff_id="G",
        currency="GBP",
        commodity="gas",
        gas={"calorific_value_mj_per_m3": "39.6", "volume_correction": 1},
        periods=[{"period_id": "all", "price_per_kwh": "0.05"}],
    )
    head = {**dict.fromkeys(HEAD, ""), "Period from": "2024-04-01", "Period to": "2024-05-01", "Currency": "GBP"}
    head |= {"Register open": "100", "Register close": "200"}
    # 100 m3 x 39.6 / 3.6 = 1,100 kWh; a meter that counts hundreds of cubic feet: 2.83 times as much.
    right = ("Gas used,1100,kWh,0.05,55.00", "Total,,,,55.00")
    assert audit(tmp_path, lines=right, head=head, tariffs=(gas,), reads=None).verdict == "agrees"
    cubic_feet = ("Gas used,3113,kWh,0.05,155.65", "Total,,,,155.65")
    found = audit(tmp_path, lines=cubic_feet, head=head, tariffs=(gas,), reads=None)
    assert found.cause == "meter_multiplier"


@pytest.mark.parametrize("seed", range(5))
def test_a_wrong_line_that_nothing_gives_is_given_no_cause(tmp_path: Path, seed: int) -> None:
    scene = register_scene("right", seed)
    (label, quantity, unit, rate, amount), *rest = scene.paper.lines[:-1]
    lines = [(label, quantity, unit, rate, str(D(amount) - D("7.31") * (seed + 1))), *rest]
    vat = scene.paper.lines[-1]
    net = sum((D(line[4]) for line in lines), D(0))
    tax = cents(net * D(vat[3]))
    paper = Paper(scene.paper.head, [*lines, (*vat[:4], str(tax))], net, net + tax)
    (tmp_path / "bill.csv").write_text(paper.csv())
    found = reconcile(
        make_case(read_bill(tmp_path / "bill.csv"), scene.tariffs, reads=scene.reads, register=scene.register)
    )
    assert found.cause == "unexplained"
    assert "its own quantity" in found.evidence[1]


def test_a_gap_that_a_flat_load_fills_to_the_last_kwh_is_missing_data(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_text(
        "Account,A\nPeriod from,2025-01-01\nPeriod to (exclusive),2025-02-01\nCurrency,EUR\n\n"
        "Description,Quantity,Unit,Rate,Amount\nEnergy,1488,kWh,0.10,148.80\nTotal,,,,148.80\n"
    )
    whole = load(2, step=60)
    present = whole.is_present.copy()
    present[100:200] = False
    gap = replace(whole, load=whole.load * present, is_present=present)
    found = reconcile(make_case(read_bill(path), [tariff()], load=gap, time_zone=BERLIN))
    assert (found.verdict, found.cause) == ("differs", "missing_data")
    assert "the gap could hold up to 200 kWh" in found.evidence[0]
