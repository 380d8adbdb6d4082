"""Acts of programs: every row of the table of addresses is answered, every permission guards something, and what was
sent under a key is done once.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO

import pytest

from assets.sites import edit_site
from assets.stores.api_keys import ApiKeyStore
from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.access.api_key import FOR_MACHINES
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.baselines.baseline import Adjustment
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import parse_period
from data_quality.contracts.yaml_file import load_yaml
from orchestration.open_project import OpenProject
from orchestration.operations.commands import command
from orchestration.operations.operation import Operation
from orchestration.web import idempotency
from orchestration.web.api.acts_api import ACTS, body_of, sent_parameters, words_of
from orchestration.web.api.openapi import gate_of, routes_of
from orchestration.web.app import make_app
from reports.datasets.base import ReportInput
from reports.datasets.bills import BillData
from tests.bills.test_scans import SEEN
from tests.conftest import ROOT
from tests.web.asking import Answer
from tests.web.marts_world import Asking
from tests.web.sending import file_of, sent
from tests.web.served import Served
from tests.web.test_seed0 import written_by_hand
from tests.web.why_world import posted

EMS = "/api/v1/ems"
BILL = (
    "Invoice number,N1\nAccount,A1\nMeter,M1\nTariff,FLAT\nPeriod from,2025-02-01\nPeriod to (exclusive),2025-03-01\n"
    "Currency,EUR\n\nDescription,Quantity,Unit,Rate,Amount\nEnergy,100,kWh,0.20,20\nTotal,,,,20\n"
)
TARIFF = (
    "tariff_id: NIGHT\ncurrency: EUR\nvalid_from: 2030-01-01\nvalid_to: 2031-01-01\n"
    "periods: [{period_id: all, price_per_kwh: 0.2}]\n"
)
FACTORS = "scope,activity,unit,kg_co2e_per_unit,valid_from,valid_to\n2,electricity,kWh,0.4,2025-01-01,2026-01-01\n"
APP = make_app(OpenProject("."), clock=None, signed_in=lambda _: None)  # type: ignore[arg-type]
ROUTES = {(method, re.sub(r":\w+}", "}", route.path)) for route in routes_of(APP) for method in route.methods or ()}
OPERATIONS: dict[tuple[str, str], Operation] = {(each.method, each.path): command(each.name) for each in ACTS}


def rows() -> list[tuple[str, str]]:
    """(method, path) of every address that the table of docs/ems/api.md names as answering a row of it."""
    text = (ROOT / "docs" / "ems" / "api.md").read_text(encoding="utf-8")
    section = text.partition("## The whole of it")[2].partition("\n## ")[0]
    return re.findall(r"`(GET|POST|PATCH) (/[^`?]*)`", section)


def test_every_row_of_the_table_is_answered_by_a_route() -> None:
    assert len(rows()) >= 37
    missing = [(method, path) for method, path in rows() if (method, EMS + path) not in ROUTES]
    assert missing == []


def test_every_permission_guards_a_route() -> None:
    guarding = {gate[0] for route in routes_of(APP) if (gate := gate_of(route))}
    assert [each.value for each in Permission if each not in guarding] == []


def test_no_act_that_is_a_person_s_is_for_machines() -> None:
    theirs = {Permission.BASELINE_APPROVE, Permission.REPORT_PUBLISH, Permission.REPORT_REVIEW, Permission.DR_APPROVE,
              Permission.DISPATCH_MODE, Permission.DISPATCH_OVERRIDE, Permission.DR_EXECUTE, Permission.KEYS_OWN,
              Permission.PEOPLE_ADMIN, Permission.BILL_RECONCILE, Permission.WORKFLOW_DECIDE}  # fmt: skip
    assert not theirs & FOR_MACHINES


@pytest.mark.parametrize("act", ACTS, ids=lambda each: f"{each.method} {each.path}")
def test_the_body_of_an_act_is_made_of_the_options_of_its_command(act) -> None:  # type: ignore[no-untyped-def]
    operation = OPERATIONS[act.method, act.path]
    words = {each.word for each in sent_parameters(act, operation)}
    if not act.file:
        schema = body_of(act, operation).model_json_schema()
        assert words <= set(schema["properties"])
        needed = {each.word for each in sent_parameters(act, operation) if each.is_required}
        assert set(schema.get("required", ())) == needed
    known = {each.name for each in operation.parameters}
    assert {*act.only.split()} - {"none"} <= known
    assert {*act.fixed, *act.of.values()} <= known


def test_an_argument_is_never_read_as_an_option() -> None:
    operation = command("baseline project")
    assert words_of(operation, {"name": "plant/led", "fit": True}) == ("baseline", "project", "plant/led", "--fit")
    with pytest.raises(BadInput, match="hyphen"):
        words_of(operation, {"name": "--project=/elsewhere"})


def test_a_text_that_no_command_takes_or_a_use_that_there_is_not_is_refused(acted: Asking) -> None:
    for seu, status, code in (
        ("a\0b", 400, "bad_request"),
        ("x" * 200_000, 400, "bad_request"),
        ("moon", 422, "refused"),
    ):
        answer = posted(acted, f"{EMS}/baselines?site=plant", {"seu": seu})
        assert (answer.status, answer.said["code"]) == (status, code), answer.text
    day = {"meter": "main", "value": "1", "reason": "as read", "at": "0001-01-01T00:00", "dry_run": True}
    early = posted(acted, f"{EMS}/readings/edits?site=plant", day)
    assert (early.status, early.said["code"]) == (400, "bad_time"), early.text


def test_the_keys_of_one_person_outlast_those_of_another(acted: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MOST_KEPT", 2)
    written_by_hand(acted)
    path, body = f"{EMS}/meters/hall_2?site=plant", {"reason": "new hall"}
    made = posted(acted, path, body, idempotency_key="one")
    people = acted.project.project.people_file
    people.write_text(people.read_text().replace("]}]", "]}, {person_id: busy, name: Busy, roles: [engineer]}]"))
    busy = Asking(acted.project, acted.clock, acted.person.model_copy(update={"person_id": "busy"}))
    for key in ("a", "b", "c"):
        other = posted(busy, f"{EMS}/meters/hall_{key}?site=plant", body, idempotency_key=key)
        assert other.status == 200, other.text
    assert posted(acted, path, body, idempotency_key="one").said == made.said


def file_sent(asking: Asking, path: str, name: str, content: str) -> Answer:
    return sent(asking, f"{EMS}{path}", file_of(name, content.encode()))


def test_a_meter_is_written_into_the_site_file_with_its_comments_and_once(acted: Asking) -> None:
    written_by_hand(acted)
    path = acted.project.project.sites_dir / "plant.yaml"
    body = {"carrier": "electricity", "name": "Hall 2: north", "parent": "main", "reason": "new hall"}
    made = posted(acted, f"{EMS}/meters/hall_2?site=plant", body, idempotency_key="one")
    assert made.status == 200, made.text
    assert [each["parent"] for each in made.said["meters"]] == ["main"]
    assert load_yaml(path)["meters"][-1]["name"] == "Hall 2: north"
    assert path.read_text().startswith("# The plant, as its people know it\n")
    # The same under its key is answered and not done; without the key it is there already.
    assert posted(acted, f"{EMS}/meters/hall_2?site=plant", body, idempotency_key="one").said == made.said
    assert posted(acted, f"{EMS}/meters/hall_2?site=plant", body).status == 409
    other = posted(acted, f"{EMS}/meters/hall_2?site=plant", body | {"name": "x"}, idempotency_key="one")
    assert (other.status, other.said["code"]) == (422, "other_body")


def test_what_is_no_meter_or_no_body_is_refused_by_name(acted: Asking) -> None:
    written_by_hand(acted)
    before = (acted.project.project.sites_dir / "plant.yaml").read_bytes()
    for path, body, status, code in (
        ("/meters/HALL", {"reason": "x"}, 422, "bad_meter"),
        ("/meters/hall_2", {"reason": "x", "parent": "nowhere"}, 422, "faulty_text"),
        ("/meters/hall_2", {}, 422, "wrong_shape"),
        ("/meters/hall_2", {"reason": "x", "moon": 1}, 422, "wrong_shape"),
        ("/baselines/plant/hvac/enb/adjustments", {"percent": 1, "reason": "x"}, 422, "wrong_shape"),
        ("/baselines/elsewhere/hvac/enb/adjustments", {"percent": "1", "reason": "x"}, 404, "unknown_site"),
    ):
        answer = posted(acted, f"{EMS}{path}?site=plant", body)
        assert (answer.status, answer.said["code"]) == (status, code), answer.text
    assert (acted.project.project.sites_dir / "plant.yaml").read_bytes() == before


def test_an_adjustment_is_approved_by_another_person_and_ended_and_each_step_stays(acted: Asking) -> None:
    people = acted.project.project.people_file
    people.write_text(people.read_text().replace("]}]", "]}, {person_id: bea, name: Bea, roles: [approver]}]"))
    shift = Adjustment(
        baseline_id="plant/hvac/enb", start=date(2025, 3, 10), end=date(2025, 3, 12), kwh_per_day=Decimal(5),
        reason="a third shift", method="submeter", evidence="rota",
    )  # fmt: skip
    ledger = AdjustmentStore(acted.project.store)
    known = ledger.propose(shift, acted.person, acted.clock)
    path = f"{EMS}/baselines/adjustments/{known.adjustment_id}"
    approver = Asking(acted.project, acted.clock, Person(person_id="bea", name="Bea", roles=(Role.APPROVER,)))
    assert posted(acted, f"{path}/approve", {"reason": "seen"}).status == 403
    own = Asking(acted.project, acted.clock, acted.person.model_copy(update={"roles": (Role.ANALYST, Role.APPROVER)}))
    assert posted(own, f"{path}/approve", {"reason": "my own"}).status >= 400
    elsewhere = Asking(acted.project, acted.clock, approver.person.model_copy(update={"sites": ("other",)}))
    hidden = posted(elsewhere, f"{path}/approve", {"reason": "seen"})
    assert (hidden.status, hidden.said["code"]) == (404, "unknown_site")
    acted.clock.advance(timedelta(minutes=1))
    done = posted(approver, f"{path}/approve", {"reason": "seen on site"})
    assert done.status == 200, done.text
    [said] = done.said["adjustments"]
    assert (said["status"], said["approved_by"], said["proposed_by"]) == ("approved", "bea", acted.person.person_id)
    assert posted(approver, f"{path}/approve", {"reason": "again"}).status >= 400
    acted.clock.advance(timedelta(minutes=1))
    ended = posted(approver, f"{path}/withdraw", {"reason": "the shift ended"})
    assert ended.said["adjustments"][0]["status"] == "withdrawn", ended.text
    # Nothing was written over: each step is a row, and as known then it was in force.
    then = ledger.records(baseline_id=shift.baseline_id, as_of_utc=acted.clock.now_utc() - timedelta(seconds=30))
    assert [each.status.value for each in then] == ["approved"]


def test_a_name_is_said_where_the_file_has_none(acted: Asking) -> None:
    written_by_hand(acted)
    # As an editor of Windows leaves it, which every act keeps.
    file = acted.project.project.sites_dir / "plant.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    added = posted(acted, f"{EMS}/meters/hall_2?site=plant", {"reason": "x", "parent": "main"})
    assert added.status == 200, added.text
    assert file.read_bytes().startswith(b"\xef\xbb\xbf# The plant")
    assert b"hall_2" in file.read_bytes()
    assert file.read_bytes().count(b"\n") == file.read_bytes().count(b"\r\n")
    path, body = f"{EMS}/meters/hall_2?site=plant", {"name": "Hall 2", "reason": "they call it so"}
    changed = posted(acted, path, body, method="PATCH")
    assert changed.said["meters"][0]["name"] == "Hall 2", changed.text
    again = posted(acted, path, body | {"name": "Hall 3"}, method="PATCH")
    assert (again.status, again.said["code"]) == (422, "has_key")


def test_a_bill_comes_in_as_a_file_once_and_is_reconciled_by_its_id(acted: Asking) -> None:
    first = file_sent(acted, "/bills?site=plant", "feb.csv", BILL)
    assert first.status == 200, first.text
    [bill] = first.said["bills"]
    assert (bill["path"], bill["is_new"], bill["total"]) == ("feb.csv", True, 20.0)
    assert not file_sent(acted, "/bills?site=plant", "feb.csv", BILL).said["bills"][0]["is_new"]
    assert len(BillStore(acted.project.project.data_dir / "bills", acted.project.store).bills("plant")) == 1
    assert [each["account"] for each in acted.json("/accounts", site="plant")["accounts"]] == ["A1"]
    checked = posted(acted, f"{EMS}/bills/{bill['bill_id'][:8]}/reconcile?site=plant", {})
    assert checked.status == 200, checked.text
    assert [each["bill_id"] for each in checked.said["audits"]] == [bill["bill_id"]]
    assert posted(acted, f"{EMS}/bills/none/reconcile?site=plant", {}).status == 404
    none = file_sent(acted, "/bills?site=plant", "note.csv", "dear all\n")
    assert (none.status, none.said["code"]) == (422, "refused")
    assert str(acted.project.project.root) not in none.text + first.text


def test_a_bill_of_a_picture_is_confirmed_over_the_api_and_once(acted: Asking, tmp_path: Path) -> None:
    picture = tmp_path / "scan.png"
    picture.write_bytes(b"a picture")
    books = BillStore(acted.project.project.data_dir / "bills", acted.project.store)
    seen = SEEN.model_copy(update={"sha256": hashlib.sha256(b"a picture").hexdigest()})
    draft = books.keep_bill(picture, seen, site_id="plant", clock=acted.clock)
    assert (
        books.keep_bill(picture, seen.model_copy(update={"total": None}), site_id="plant", clock=acted.clock) == draft
    )
    assert acted.json("/accounts", site="plant")["accounts"] == []
    site, sources = acted.project.site("plant"), acted.project.sources()

    def in_reports() -> list[str]:
        month = parse_period("2025-02", site.time_zone)
        now_utc = acted.project.reports.store.known_at(acted.clock)
        given = ReportInput(site=site, period=month, as_of_utc=now_utc, sources=sources, versions={})
        return [str(each["total"]) for each in BillData(given).of_period(month)]

    assert in_reports() == []
    unchecked = posted(acted, f"{EMS}/bills/{draft}/reconcile?site=plant", {})
    assert (unchecked.status, unchecked.said["code"]) == (422, "not_confirmed"), unchecked.text
    path, body = f"{EMS}/bills/{draft}/confirm?site=plant", {"set": ["total=20", "account=A1"], "reason": "on paper"}
    assert posted(acted, path, body | {"set": ["moon=1"]}).said["code"] == "unknown_field"
    done = posted(acted, path, body)
    assert done.status == 200, done.text
    assert done.said["bills"][0]["changed"] == ["total", "account"]
    assert [each["account"] for each in acted.json("/accounts", site="plant")["accounts"]] == ["A1"]
    assert in_reports() == ["20"]
    assert posted(acted, path, body).status == 404


def test_readings_and_factors_come_in_as_files(acted: Asking) -> None:
    rows = "timestamp,meter,kwh\n" + "".join(f"2025-04-01T{hour:02d}:00+02:00,main,5\n" for hour in range(24))
    tried = file_sent(acted, "/readings?site=plant&dry_run=true", "april.csv", rows)
    assert tried.status == 200, tried.text
    assert tried.said["files"][0]["path"] == "april.csv"
    told = file_sent(acted, "/carbon/factors?tenant=plant", "f.csv", FACTORS)
    assert (told.status, told.said["new_rows"]) == (200, 1), told.text
    assert file_sent(acted, "/carbon/factors?tenant=plant", "f.csv", FACTORS).said["unchanged_rows"] == 1


def test_a_tariff_comes_in_as_a_file_and_is_listed(acted: Asking) -> None:
    written_by_hand(acted)
    broken = file_sent(acted, "/tariffs?site=plant", "night.yaml", TARIFF.replace("price_per_kwh", "price"))
    assert (broken.status, broken.said["code"]) == (422, "faulty_text"), broken.text
    listed = acted.json("/tariffs", site="plant")["tariffs"]
    made = file_sent(acted, "/tariffs?site=plant", "night.yaml", TARIFF)
    assert made.status == 200, made.text
    after = [each["tariff_id"] for each in acted.json("/tariffs", site="plant")["tariffs"]]
    assert after == [*(each["tariff_id"] for each in listed), "NIGHT"]


def test_a_tariff_s_next_version_begins_where_the_one_before_ends_and_nothing_is_lost(acted: Asking) -> None:
    written_by_hand(acted)
    assert file_sent(acted, "/tariffs?site=plant", "night.yaml", TARIFF).status == 200
    path = acted.project.project.sites_dir / "plant.yaml"
    text = path.read_text()
    after = TARIFF.replace("NIGHT", "NIGHT-2").replace("2030-01-01", "2030-07-01").replace("0.2", "0.3")

    def changed(name: str, content: str, reason: str = "reason=new+prices&") -> Answer:
        return sent(
            acted,
            f"{EMS}/tariffs?tariff={name}&{reason}site=plant",
            file_of("n.yaml", content.encode()),
            method="PATCH",
        )

    for answer, code in (
        (changed("MOON", after), "unknown_tariff"),
        (changed("NIGHT", TARIFF), "exists"),
        (changed("NIGHT", after.replace("2030-07-01", "2029-07-01")), "bad_period"),
        (changed("NIGHT", after.replace("2031", "2033").replace("2030-07-01", "2032-07-01")), "bad_period"),
        (changed("NIGHT", after.replace("price_per_kwh", "price")), "faulty_text"),
        (changed("NIGHT", after, reason=""), "bad_address"),
    ):
        assert (400 <= answer.status < 500, answer.said["code"]) == (True, code), answer.text
    assert path.read_text() == text
    texts = acted.project.project.site_texts_dir / "plant"
    before = set(texts.iterdir())
    done = changed("NIGHT", after)
    assert done.status == 200, done.text
    dates = {each["tariff_id"]: (each["valid_from"], each["valid_to"]) for each in done.said["tariffs"]}
    assert dates["NIGHT"] == ("2030-01-01", "2030-07-01")
    assert dates["NIGHT-2"] == ("2030-07-01", "2031-01-01")
    # Every other line stays in its place, and so does the text before, beside the file.
    now = iter(path.read_text().splitlines())
    assert all(line in now for line in text.replace("valid_to: '2031-01-01'", "valid_to: 2030-07-01").splitlines())
    [kept] = set(texts.iterdir()) - before
    assert kept.read_text() == text


def keyed(served: Served, owner: str, *scopes: Permission) -> list[tuple[str, str]]:
    _, text = ApiKeyStore(served.project.store).issue(
        owner, name="program", sites=["works"], scopes=scopes, days=9, clock=served.clock
    )
    return [("authorization", f"Bearer {text}"), ("content-type", "application/json")]


def test_the_guide_s_posts_work_with_a_key_of_the_right_scope_and_no_other(served: Served) -> None:
    browser, use = (
        served.browser(),
        {"name": "Line", "energy_source": "electricity", "machine_ids": ["main"], "site": "works"},
    )
    reads = keyed(served, "engineer", Permission.READ, Permission.BASELINE_READ)
    tag = ("if-match", browser.ask("/api/v1/seus?site=works", headers=reads).headers["etag"])
    refused = browser.ask("/api/v1/seus", "POST", [*reads, tag], json.dumps(use).encode())
    assert (refused.status, refused.said["code"]) == (403, "missing_role")
    writes = [*keyed(served, "engineer", Permission.WRITE), tag, ("idempotency-key", "once")]
    made = browser.ask("/api/v1/seus", "POST", writes, json.dumps(use).encode())
    assert made.status == 201, made.text
    # The tag of the file is another now: what was sent under its key is answered all the same.
    again = browser.ask("/api/v1/seus", "POST", writes, json.dumps(use).encode())
    assert (again.status, again.said) == (201, made.said)
    wrong = browser.ask("/api/v1/seus", "POST", writes, json.dumps(use | {"moon": 1}).encode())
    assert wrong.status == 422
    other = keyed(served, "engineer", Permission.WRITE)
    hidden = browser.ask("/api/v1/seus", "POST", [*other, tag], json.dumps(use | {"site": "other"}).encode())
    assert (hidden.status, hidden.said["code"]) == (404, "unknown_site")
    trains = keyed(served, "analyst", Permission.BASELINE_CREATE)
    body = {"seu_id": "works/line", "baseline_year": 2025, "start_date": "2025-01-01", "end_date": "2024-12-31"}
    trained = browser.ask("/api/v1/baseline/seu/train", "POST", trains, json.dumps(body).encode())
    assert (trained.status, trained.said["code"]) == (400, "bad_period")
    report = {"seu_id": "works/line", "report_year": 2025, "baseline_year": 2024, "period": "Q1"}
    shown = browser.ask("/api/v1/reports/seu-performance", "POST", keyed(served, "viewer", Permission.REPORT_READ),
                        json.dumps(report).encode())  # fmt: skip
    assert (shown.status, shown.said["code"]) == (404, "no_baseline")


def test_a_key_of_one_site_is_told_nothing_of_another_whatever_a_path_names(served: Served) -> None:
    browser = served.browser()
    runs = keyed(served, "analyst", Permission.MV_RUN)
    for named in ("other", "other/led", "nowhere"):
        answer = browser.ask(f"{EMS}/mv/runs/{named}", "POST", runs, b"{}")
        assert (answer.status, answer.said["code"]) == (404, "unknown_site"), answer.text
    reads = keyed(served, "viewer", Permission.REPORT_READ)
    unknown = browser.ask(f"{EMS}/reports/runs/x", headers=reads)
    # Not with the names of all that there are.
    assert (unknown.status, unknown.said["code"]) == (404, "unknown_revision"), unknown.text
    assert "of a site that you see" in unknown.text


def test_an_answer_under_a_key_is_told_to_that_key_alone(served: Served) -> None:
    browser, once = served.browser(), ("idempotency-key", "one")
    sent_file = [each for each in keyed(served, "engineer", Permission.TARIFF_UPDATE) if each[0] == "authorization"]
    path, kind = f"{EMS}/tariffs?site=works&name=night.yaml", ("content-type", "application/octet-stream")
    made = browser.ask(path, "POST", [*sent_file, kind, once], TARIFF.encode())
    assert made.status == 200, made.text
    assert browser.ask(path, "POST", [*sent_file, kind, once], TARIFF.encode()).said == made.said
    _, text = ApiKeyStore(served.project.store).issue(
        "engineer", name="other", sites=["other"], scopes=[Permission.TARIFF_UPDATE], days=9, clock=served.clock
    )
    foreign = browser.ask(path, "POST", [("authorization", f"Bearer {text}"), kind, once], TARIFF.encode())
    assert (foreign.status, foreign.said["code"]) == (404, "unknown_site"), foreign.text


def test_a_key_takes_no_reading_at_somebody_s_word(served: Served) -> None:
    rows = b"timestamp,meter,kwh\n2026-01-01T00:00+01:00,main,5\n"
    head = [*keyed(served, "engineer", Permission.READINGS_PUSH)[:1], ("content-type", "application/octet-stream")]
    path = f"{EMS}/readings?site=works&name=a.csv&dry_run=true"
    taken = served.browser().ask(f"{path}&accept_scale=true", "POST", head, rows)
    assert (taken.status, taken.said["code"]) == (403, "missing_role"), taken.text
    assert served.browser().ask(path, "POST", head, rows).said.get("code") != "missing_role"


def test_what_a_program_sends_is_not_kept_where_files_wait_and_may_have_any_name(acted: Asking) -> None:
    for name, kept in (("feb.csv", "feb.csv"), ("../../feb.csv", "feb.csv"), ("電" * 200 + ".csv", "電" * 32 + ".csv")):
        answer = file_sent(acted, "/bills?site=plant", name, BILL)
        assert answer.status == 200, answer.text
        assert answer.said["bills"][0]["path"] == kept
    assert not [*(acted.project.project.data_dir / "uploads").rglob("*.csv")]


def test_of_two_tariffs_that_are_sent_at_once_the_later_is_told_so(acted: Asking) -> None:
    written_by_hand(acted)
    path = acted.project.project.sites_dir / "plant.yaml"
    with ThreadPoolExecutor(1) as pool:
        with edit_site.one_writer(path, edit_site.text_tag(path)):
            later = pool.submit(file_sent, acted, "/tariffs?site=plant", "night.yaml", TARIFF)
            assert not wait([later], timeout=2).done
            path.write_text(path.read_text() + "# somebody was here\n")
        assert later.result().said["code"] == "changed_since"
    assert path.read_text().endswith("# somebody was here\n")


def test_a_site_file_is_edited_where_no_lock_is_given_for_a_file_open_for_reading(
    acted: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS has it."""
    written_by_hand(acted)

    def locks_as_nfs(file: IO[str], how: int) -> None:
        number = file.fileno()
        if how & fcntl.LOCK_EX and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(fcntl, "flock", locks_as_nfs)
    assert file_sent(acted, "/tariffs?site=plant", "night.yaml", TARIFF).status == 200


def test_a_command_in_another_process_and_the_pages_change_a_site_s_file_one_after_the_other(acted: Asking) -> None:
    written_by_hand(acted)
    path = acted.project.project.sites_dir / "plant.yaml"
    before = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + before)
    assert file_sent(acted, "/tariffs?site=plant", "night.yaml", TARIFF).status == 200
    after = TARIFF.replace("NIGHT", "NIGHT-2").replace("2030-01-01", "2030-07-01").encode()
    words, head = f"{EMS}/tariffs?tariff=NIGHT&reason=new&site=plant", file_of("n.yaml", after)
    # A lock of a file that is opened anew is as that of another process.
    held = (path.parent / ".lock").open("a")
    with ThreadPoolExecutor(1) as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        later = pool.submit(sent, acted, words, head, method="PATCH")
        assert not wait([later], timeout=2).done
        path.write_bytes(path.read_bytes() + b"# another process was here\n")
        held.close()
        assert later.result().said["code"] == "changed_since"
    assert sent(acted, words, head, method="PATCH").status == 200
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert path.read_bytes().endswith(b"# another process was here\n")
