"""Stored bills of a site: added once, audited against its readings, reported above its threshold, laid over months."""

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from assets.bills.defs import CHECK, core_bill__reconciliation
from assets.bills.documents.read_bill import read_bill
from assets.bills.stored import bill_kwh, bill_months
from assets.stores.ledgers.bill_ledger import notifications_of
from assets.stores.published.publications import PublicationStore
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from orchestration.partitions import SITES
from orchestration.resources import ProjectResource
from orchestration.schedules import daily_bill_audits
from reports.evidence.people_keys import give_keys

D = Decimal
SITE = """\
site_id: works
name: Works
time_zone: Europe/Berlin
currency: EUR
country: DE
meters: [{meter_id: m1}]
bill_variance: {amount: 5, share: 1}
tariffs:
  - {tariff_id: FLAT, name: FLAT, periods: [{period_id: all, price_per_kwh: 0.20}]}
"""
PEOPLE = "people: [{person_id: anna, name: Anna, roles: [analyst]}, {person_id: ben, name: Ben, roles: [operator]}]\n"


def paper(number: int, start: str, end: str, kwh: str, amount: str, *, more: str = "", account: str = "A1") -> str:
    return (
        f"Invoice number,N{number}\nAccount,{account}\nMeter,M1\nTariff,FLAT\nPeriod from,{start}\n"
        f"Period to (exclusive),{end}\nCurrency,EUR\n{more}\nDescription,Quantity,Unit,Rate,Amount\n"
        f"Energy,{kwh},kWh,0.20,{amount}\nTotal,,,,{amount}\n"
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A site with one meter of 1 kWh an hour in January, and three bills: right, 20 EUR too dear, 1 EUR too dear."""
    folder = tmp_path / "project"
    assert call("init", folder)[0] == 0
    for old in (folder / "sites").glob("*.yaml"):
        old.unlink()
    (folder / "sites" / "works.yaml").write_text(SITE)
    (folder / "people.yaml").write_text(PEOPLE)
    rows = [f"2025-01-{day:02d}T{hour:02d}:00:00+01:00,1.0" for day in range(1, 32) for hour in range(24)]
    (tmp_path / "M1.csv").write_text("\n".join(["meter,timestamp,kwh", *(f"m1,{row}" for row in rows), ""]))
    code, _, message = call("ingest", tmp_path / "M1.csv", "--site", "works", "--project", folder)
    assert code == 0, message
    bills = tmp_path / "bills"
    bills.mkdir()
    (bills / "right.csv").write_text(paper(1, "2025-01-01", "2025-02-01", "744", "148.80"))
    (bills / "dear.csv").write_text(paper(2, "2025-01-01", "2025-02-01", "844", "168.80", account="A2"))
    (bills / "little.csv").write_text(paper(3, "2025-01-01", "2025-02-01", "749", "149.80", account="A3"))
    return folder


def call(*words: object) -> tuple[int, Any, str]:
    result = CliRunner().invoke(build_app(("init", "ingest", "bill")), [*(str(word) for word in words), "--json"])
    return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr


def add(project: Path, *names: str) -> tuple[int, Any, str]:
    files = [project.parent / "bills" / name for name in names]
    return call("bill", "add", *files, "--site", "works", "--project", project)


def test_a_bill_is_added_once_and_what_is_none_is_refused_beside_it(project: Path) -> None:
    (project.parent / "bills" / "empty.pdf").write_bytes(b"%PDF-1.4\nno\n")
    code, found, message = add(project, "right.csv", "empty.pdf")
    assert (code, [each["is_new"] for each in found["bills"]]) == (2, [True])
    assert found["refused"][0]["path"].endswith("empty.pdf")
    assert "empty.pdf" in message
    assert [each["is_new"] for each in add(project, "right.csv")[1]["bills"]] == [False]
    _, listed, _ = call("bill", "list", "--site", "works", "--project", project)
    assert [(each["account"], each["total"], each["verdict"]) for each in listed["bills"]] == [("A1", 148.8, "")]


def test_what_a_bill_lacks_is_said_by_its_name_and_what_was_not_read_by_its_line(project: Path) -> None:
    text = paper(1, "2025-01-01", "2025-02-01", "744", "148.80")
    lacks = text.replace("Period from,2025-01-01\n", "").replace("Currency,EUR", "Currency,pounds")
    assert lacks != text
    (project.parent / "bills" / "part.csv").write_text(lacks)
    lines = add(project, "part.csv")[2].splitlines()
    assert "part.csv: expected the label 'Period from'" in lines
    assert any(re.match(r"part\.csv, line \d+: 'pounds': expected ", each) for each in lines), lines


def test_stored_bills_are_audited_against_the_sites_readings_and_told_above_the_threshold(project: Path) -> None:
    add(project, "right.csv", "dear.csv", "little.csv")
    code, found, message = call("bill", "reconcile", "--stored", "--site", "works", "--project", project)
    assert code == 1
    assert (found["bills"], found["agree"], found["differ"], found["told"]) == (3, 1, 2, 1)
    (audit,) = [each for each in found["audits"] if each["event_id"]]
    assert audit["notice"].startswith("bill N2 of account A2, 2025-01-01 to 2025-02-01: 20.00 EUR more than recomputed")
    assert audit["notice"] in message
    _, listed, _ = call("bill", "list", "--site", "works", "--account", "A1", "--project", project)
    assert [each["verdict"] for each in listed["bills"]] == ["agrees"]
    _, listed, _ = call("bill", "list", "--site", "works", "--project", project)
    assert {each["account"]: each["notice"] for each in listed["bills"]} == {
        "A1": "",
        "A2": audit["notice"],
        "A3": "",
    }
    assert all((each["told_at_utc"] is not None) == bool(each["notice"]) for each in listed["bills"])
    shown = CliRunner().invoke(build_app(("bill",)), ["bill", "list", "--site", "works", "--project", str(project)])
    assert audit["notice"] in shown.stdout
    code, none, _ = call(
        "bill", "reconcile", "--stored", "--site", "works", "--period", "2025-02", "--project", project
    )
    assert (code, none["bills"]) == (0, 0)


def test_an_audit_takes_the_holidays_of_the_site_where_the_tariff_names_none(project: Path) -> None:
    rest = "{period_id: rest, price_per_kwh: 0.10, windows: [{day_types: [weekend, holiday]}]}"
    work = "{period_id: work, price_per_kwh: 0.20, windows: [{day_types: [weekday]}]}"
    site = project / "sites" / "works.yaml"
    site.write_text(site.read_text().replace("{period_id: all, price_per_kwh: 0.20}", f"{work}, {rest}"))
    # 1 January is a Wednesday without rest but for the site's calendar: 22 days of work, 9 of rest.
    lines = "Work,528,kWh,0.20,105.60\nRest,216,kWh,0.10,21.60\nTotal,,,,127.20\n"
    text = paper(1, "2025-01-01", "2025-02-01", "0", "0").partition("Energy")[0] + lines
    (project.parent / "bills" / "right.csv").write_text(text)
    add(project, "right.csv")
    code, found, _ = call("bill", "reconcile", "--stored", "--site", "works", "--project", project)
    assert (code, found["agree"]) == (0, 1)


def test_a_bill_that_cannot_be_audited_says_why_and_the_others_go_on(project: Path) -> None:
    text = paper(4, "2026-01-01", "2026-02-01", "10", "2.00").replace("EUR", "GBP")
    (project.parent / "bills" / "pounds.csv").write_text(text)
    add(project, "right.csv", "pounds.csv")
    code, found, message = call("bill", "reconcile", "--stored", "--site", "works", "--project", project)
    assert (code, found["agree"]) == (1, 1)
    assert "the bill is in GBP, the site in EUR" in found["not_audited"][0]
    assert "the bill is in GBP" in message


def override(project: Path, person: str = "anna", **changes: str) -> tuple[int, Any, str]:
    options = {"tariff": "FLAT", "from": "2025-01-01", "to": "2025-02-01", "reason": "contract"} | changes
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return call("bill", "override", "A1", "--site", "works", *words, "--as", person, "--project", project)


def test_an_override_is_a_dated_row_with_person_and_reason(project: Path) -> None:
    code, found, message = override(project)
    assert code == 0, message
    assert (found["override"]["person_id"], found["override"]["reason"]) == ("anna", "contract")
    assert "no stored bill of site works is of account 'A1'" in message


def test_an_override_is_signed_where_people_hold_keys(project: Path) -> None:
    resource = ProjectResource(root=str(project))
    give_keys(resource.project.people_file, resource.people, resource.project.keys_dir)
    assert override(project)[0] == 0
    (signed,) = PublicationStore(resource.store).signatures("works/A1")
    resource.close()
    assert (signed.kind, signed.person_id) == ("bill override", "anna")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tariff": "NIGHT"}, "site works has no tariff 'NIGHT'; it has FLAT"),
        ({"to": "2024-12-31"}, "the override ends (2024-12-31) before it starts"),
        ({"from": "1/1/2025"}, "--from: expected a date"),
        ({"reason": " "}, "a tariff override needs a reason"),
        ({"person": "ben"}, "Ben has not the role 'analyst'"),
    ],
)
def test_a_wrong_override_is_one_sentence(project: Path, changes: dict[str, str], words: str) -> None:
    code, _, message = override(project, **changes)
    assert (code, words in message) == (2, True), message


def test_stored_needs_a_site_and_takes_no_bill_file(project: Path) -> None:
    code, _, message = call("bill", "reconcile", "--stored", "--project", project)
    assert (code, "needs --site" in message) == (2, True)


def test_the_asset_observes_what_is_told_and_its_check_warns_without_blocking(project: Path) -> None:
    add(project, "right.csv", "dear.csv", "little.csv")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(SITES.name or "", ["works"])
        resource = ProjectResource(root=str(project))
        result = dg.materialize(
            [core_bill__reconciliation], instance=instance, partition_key="works",
            resources={"project": resource, "clock": FixedClock(datetime(2025, 3, 1, tzinfo=UTC))},
        )  # fmt: skip
        (check,) = result.get_asset_check_evaluations()
        observed = [event for event in result.all_events if event.is_asset_observation]
        (made,) = result.asset_materializations_for_node("core_bill__reconciliation")
    assert (check.check_name, check.passed, check.severity) == (CHECK, False, dg.AssetCheckSeverity.WARN)
    assert result.success
    assert len(observed) == 1
    assert made.metadata["differ"].value == 2
    with_store = ProjectResource(root=str(project))
    assert [row["kind"] for row in notifications_of(with_store.store, "works")] == ["bill_variance"]
    with_store.close()


def test_odd_periods_and_estimates_come_to_calendar_months(project: Path) -> None:
    bills = project.parent / "bills"
    (bills / "one.csv").write_text(paper(5, "2025-01-11", "2025-02-11", "310", "62.00"))
    (bills / "two.csv").write_text(
        paper(6, "2025-02-11", "2025-03-01", "180", "36.00").replace("Energy,", "Energy (estimated),", 1).replace(
            "Currency,EUR", "Currency,EUR\nRegister open,100 E\nRegister close,280 E"
        )
    )  # fmt: skip
    code, _, message = add(project, "one.csv", "two.csv")
    assert code == 0, message
    _, found, _ = call("bill", "list", "--site", "works", "--calendarised", "--project", project)
    january, february = found["months"]
    assert (january["start"], january["kwh"], january["cost"]) == ("2025-01-01", 210.0, 42.0)
    assert january["coverage"] == pytest.approx(21 / 31)
    assert (february["kwh"], february["cost"], february["coverage"]) == (280.0, 56.0, 1.0)
    assert (january["estimated_share"], february["estimated_share"]) == (0.0, pytest.approx(180 / 280))


def bill_of(folder: Path, *lines: str, more: str = "") -> Any:
    path = folder / "b.csv"
    text = paper(1, "2025-01-01", "2025-02-01", "300", "60.00", more=more)
    path.write_text(text.replace("Total,", "\n".join([*lines, "Total,"])))
    return read_bill(path)


def test_kwh_that_levies_repeat_are_counted_once_or_not_at_all(tmp_path: Path) -> None:
    assert bill_kwh(bill_of(tmp_path)) == 300
    assert bill_kwh(bill_of(tmp_path, "Night,200,kWh,0.1,20.00", "Levy,500,kWh,0.01,5.00")) == 500
    assert bill_kwh(bill_of(tmp_path, "Levy,300,kWh,0.01,3.00")) is None
    unclear = bill_of(tmp_path, "Levy,300,kWh,0.01,3.00")
    (month,) = bill_months([unclear])
    assert (month.kwh, month.cost) == (None, D("60.00"))


def test_two_bills_for_the_same_days_are_refused(tmp_path: Path) -> None:
    one = bill_of(tmp_path)
    with pytest.raises(BadInput, match="both cover 2025-01-01"):
        bill_months([one, one])
    with pytest.raises(BadInput, match="the dates of the bill could not be read"):
        bill_months([one.model_copy(update={"start": None})])
    assert bill_months([]) == []
    assert one.start == date(2025, 1, 1)


def test_a_site_with_stored_bills_is_audited_once_a_day(project: Path, tmp_path: Path) -> None:
    def tick(instance: dg.DagsterInstance) -> list[str | None]:
        with dg.build_schedule_context(
            instance=instance,
            resources={"project": ProjectResource(root=str(project))},
            scheduled_execution_time=datetime(2025, 2, 3, 3, 40, tzinfo=UTC),
        ) as context:
            return [each.run_key for each in daily_bill_audits(context) if isinstance(each, dg.RunRequest)]

    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        assert tick(instance) == []
        add(project, "right.csv")
        assert tick(instance) == ["bills:works:2025-02-03"]
