"""The bills of a site as pages: the numbers of the commands, each led to where it is recomputed."""

import hashlib
import html
import json
import re
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from assets.bills.dispute.reconcile import ReconciledLine
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.billing.supplier_bill import Scan, SupplierBill
from data_quality.contracts.people import Role
from reports.pages.bill_lines import in_words
from tests.bills.scans import drawn, needs_tesseract
from tests.web.asking import PAGE
from tests.web.bills_world import billed, command
from tests.web.every_number import OneApp, Seen, check_page
from tests.web.marts_world import THEO, VERA, Asking
from tests.web.sending import file_of, sent
from tests.web.why_world import ANNE, posted

__all__ = ["billed"]
pytestmark = pytest.mark.slow


def stored(asking: Asking) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(command(asking, "bill", "list", "--site", "plant", "--json"))["bills"]
    return found


def page_of(asking: Asking, path: str, **query: str) -> str:
    found = asking.get(path, headers=[PAGE], site="plant", **query)
    assert found.status == 200, found.text
    return html.unescape(found.text)


def test_the_inbox_has_the_amounts_and_states_of_the_command(billed: Asking) -> None:
    page, bills = page_of(billed, "/bills"), stored(billed)
    head, listed = page.split('id="card-bills"')
    assert [each["state"] for each in bills] == ["not_checked", "matches", "differs"]
    # What is done about the bill that differs is a button of the page.
    assert f'/bills/{bills[-1]["bill_id"]}?site=plant">Dispute ' in head
    for each, word in zip(bills, ("Not checked", "Matches", "Differs"), strict=True):
        row = listed[listed.index(f"/bills/{each['bill_id']}") :].split("</tr>")[0]
        assert word in row
        assert f"{each['total']:,.2f}" in row
        assert each["expected"] is None or f"{each['expected']:,.2f}" in row
    assert "+100.00" in page
    assert billed.json("/bills", site="plant")["bills"] == bills


def test_a_bill_line_by_line_has_the_numbers_of_the_command(billed: Asking) -> None:
    wrong = stored(billed)[2]
    told = json.loads(command(billed, "bill", "show", str(wrong["bill_id"]), "--site", "plant", "--json"))
    page = page_of(billed, f"/bills/{wrong['bill_id']}")
    assert told["difference"] == 100
    for line in told["checked"]["lines"]:
        assert f"{line['billed']:,.2f}" in page
        assert f"{line['recomputed']:,.2f}" in page
    assert f"{told['checked']['recomputed_total']:,.2f}" in page
    assert "Cause: " in page
    # The plant's tariff names nobody: no column says so line by line.
    assert {each["owner"] for each in told["checked"]["lines"]} == {"unknown"}
    assert "Belongs to" not in page
    assert "not stated" not in page


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ("energy.all.1 (Work price): billed 5", "“Work price”: billed 5"),
        ("meter (Metering): billed 5", "“Metering”: billed 5"),
        (
            "billed again so, energy.all.1 comes to it; tariff mv-1",
            "billed again so, “Work price” comes to it; tariff “Medium”",
        ),
        ("the reads of meter main cover 1 of 2 days", "the reads of meter main cover 1 of 2 days"),
        ("it is valid from 2025-01-01 to 2026-01-01", "it is valid from 1 Jan 2025 to 1 Jan 2026"),
    ],
)
def test_evidence_calls_tariffs_and_lines_by_their_names_and_leaves_words_and_numbers(
    evidence: str, words: str
) -> None:
    given = dict.fromkeys(
        ("billed", "recomputed", "billed_quantity", "recomputed_quantity", "billed_rate", "recomputed_rate")
    )
    told = {"energy.all.1": "Work price", "meter": "Metering", "1": "First"}
    lines = [ReconciledLine(id=each, label=label, delta=Decimal(0), unit="", **given) for each, label in told.items()]
    found = in_words(evidence, {"mv-1": "Medium"}, lines)
    assert re.sub("[\u2068\u2069]", "", found) == words


def test_each_number_leads_to_where_it_is_made_again_from_the_readings(billed: Asking) -> None:
    seen, asking = Seen(), OneApp(billed.project, billed.clock, billed.person)
    for path in ("/bills", f"/bills/{stored(billed)[2]['bill_id']}"):
        check_page(asking, path, asking.get(f"{path}?site=plant", [PAGE]).text, seen)
    assert seen.faults == []
    assert seen.again > 15, seen


def test_a_bill_of_another_site_or_span_has_no_number_here(billed: Asking) -> None:
    bill = stored(billed)[0]["bill_id"]
    for term in (f"billed@bill:{bill}@2025-02@bill", "billed@bill:none@2025-01@bill", f"cost@bill:{bill}@2025-01@bill"):
        assert billed.get("/why", headers=[PAGE], site="plant", of=term).status == 404


def test_who_may_not_see_the_whole_site_sees_no_bill(billed: Asking) -> None:
    bill = str(stored(billed)[0]["bill_id"])
    theo, vera = (Asking(billed.project, billed.clock, each) for each in (THEO, VERA))
    assert {theo.get(path, headers=[PAGE], site="plant").status for path in ("/bills", f"/bills/{bill}")} == {403}
    why = f"billed@bill:{bill}@2025-01-01/2025-02-01@bill"
    assert theo.get("/why", headers=[PAGE], site="plant", of=why).status == 404
    assert vera.get("/why", headers=[PAGE], site="plant", of=why).status == 200
    assert vera.get("/bills/none", headers=[PAGE], site="plant").status == 404


def test_the_pages_are_in_the_language_of_their_address(billed: Asking) -> None:
    german = page_of(billed, "/bills", locale="de")
    assert "Weicht ab" in german
    assert "Not checked" not in german
    assert 'dir="rtl"' in page_of(billed, "/bills", locale="ar")


def wrong(asking: Asking) -> tuple[str, str]:
    """Id and state of the bill that was too high."""
    bill = stored(asking)[2]
    return str(bill["bill_id"]), str(bill["state"])


def decide(asking: Asking, act: str, bill_id: str = "", **form: str) -> tuple[int, str]:
    found = posted(asking, f"/bills/{bill_id or wrong(asking)[0]}/{act}?site=plant", form=form)
    return found.status, html.unescape(found.text)


def seen_by_form(asking: Asking) -> str:
    page = page_of(asking, f"/bills/{wrong(asking)[0]}")
    return page.split('name="seen" value="')[1].split('"')[0]


def test_a_bill_is_disputed_and_the_dispute_withdrawn_with_name_and_reason(billed: Asking) -> None:
    path = f"/bills/{wrong(billed)[0]}"
    assert "Dispute 100.00 €" in page_of(billed, path)
    assert decide(billed, "dispute", seen="", reason="tariff <b>2024</b>")[0] == 303
    page = page_of(billed, path)
    assert wrong(billed)[1] == "disputed"
    assert "tariff <b>2024</b>" in page
    assert "tariff &lt;b&gt;2024" in billed.get(path, headers=[PAGE], site="plant").text
    assert "Dispute 100.00 €" not in page
    # Who takes care of it is known: it needs nobody, and says so to who asks for all.
    assert [each for each in billed.json("/anomalies", site="plant")["findings"] if "too high" in each["what"]] == []
    every = billed.json("/anomalies", site="plant", all="true")["findings"]
    assert [each["state"] for each in every if "too high" in each["what"]] == ["disputed"]
    assert decide(billed, "withdraw", seen=seen_by_form(billed), reason="wrong")[0] == 303
    assert wrong(billed)[1] == "differs"
    assert "too high" in str(billed.json("/anomalies", site="plant")["findings"])


def test_page_and_command_do_the_same(billed: Asking) -> None:
    words = ("--site", "plant", "--as", "anne", "--reason", "the supplier explained it", "--json")
    told = json.loads(command(billed, "bill", "accept", wrong(billed)[0], *words))
    assert told["bills"][0].items() <= stored(billed)[2].items()
    assert told["bills"][0]["state"] == "accepted"
    assert "the supplier explained it" in page_of(billed, f"/bills/{wrong(billed)[0]}")
    assert "Accepted" in page_of(billed, "/bills")


def test_a_form_sent_twice_is_one_act_and_a_stale_one_is_refused(billed: Asking) -> None:
    form = {"seen": seen_by_form(billed), "reason": "too high"}
    assert [decide(billed, "dispute", **form)[0] for _ in range(2)] == [303, 303]
    assert page_of(billed, f"/bills/{wrong(billed)[0]}").count("too high") == 1
    status, said = decide(billed, "accept", **form)
    assert status == 412
    assert "it was disputed by anne since this form was opened" in said
    assert wrong(billed)[1] == "disputed"


def test_what_is_wrong_with_a_decision_is_said_and_nothing_is_written(billed: Asking) -> None:
    right = str(stored(billed)[1]["bill_id"])
    assert decide(billed, "dispute", reason=" ", seen="")[0] == 422
    assert decide(billed, "pay", reason="x", seen="")[0] == 400
    assert decide(billed, "dispute", "none", reason="x", seen="")[0] == 404
    status, said = decide(billed, "dispute", right, reason="x", seen="")
    assert (status, "matches readings and tariff" in said) == (409, True)
    assert decide(billed, "withdraw", reason="x", seen="")[0] == 409
    assert wrong(billed)[1] == "differs"


def test_who_only_reads_decides_nothing(billed: Asking) -> None:
    vera, path = Asking(billed.project, billed.clock, VERA), f"/bills/{wrong(billed)[0]}"
    assert "Analysts dispute and accept bills." in page_of(vera, path)
    assert "Accept as billed" not in page_of(vera, path)
    assert decide(vera, "dispute", reason="x", seen="")[0] == 403
    assert decide(billed, "dispute", reason="x", seen="")[0] == 303
    # A dispute is not reopened by who may act on findings alone.
    otto = Asking(billed.project, billed.clock, VERA.model_copy(update={"roles": (Role.OPERATOR,)}))
    [finding] = [
        each for each in billed.json("/anomalies", site="plant", all="true")["findings"] if "too high" in each["what"]
    ]
    assert posted(otto, f"/findings/{finding['finding_id']}/reopen?site=plant", form={"reason": "x"}).status == 403


BILL = b"""Supplier,Stadtwerke
Invoice number,NEW-1
Account,4711
Meter,main
Period from,2025-02-01
Period to (exclusive),2025-03-01
Currency,EUR

Description,Quantity,Unit,Rate,Amount
"energy, day",1000,kWh,0.2,200.00
"energy, night",twelve,kWh,0.1,10.00
Total,,,,210.00
"""


def previewed(asking: Asking, content: bytes = BILL, name: str = "new.csv") -> tuple[int, str]:
    found = sent(asking, "/upload/bill/preview?site=plant", file_of(name, content))
    return found.status, html.unescape(found.text)


def added(asking: Asking, page: str) -> int:
    [kept] = re.findall(r'name="kept" value="(\w+)"', page) or ["0" * 32]
    return posted(asking, "/upload/bill/add?site=plant", form={"kept": kept}).status


def test_a_bill_is_shown_with_what_was_not_read_then_accepted_once_and_checked(billed: Asking) -> None:
    assert "/upload/bill?site=plant" in page_of(billed, "/bills")
    status, page = previewed(billed)
    assert status == 200
    assert all(
        each in page for each in ("NEW-1", "210.00", "twelve", "1 parts of the bill could not be read", "Accept bill")
    )
    assert len(stored(billed)) == 3
    assert [added(billed, page) for _ in range(2)] == [303, 303]
    [new] = [each for each in stored(billed) if each["invoice"] == "NEW-1"]
    assert new["state"] == "differs"
    again = previewed(billed)[1]
    assert "This file is stored already" in again
    assert "Accept bill" not in again
    assert "is stored already, of another file" in previewed(billed, BILL + b"\n")[1]


@pytest.mark.parametrize(
    ("content", "name", "status", "said"),
    [
        (b"\x89PNG no bill", "photo.png", 422, "photo.png: "),
        (b"", "empty.csv", 422, "empty.csv: "),
        (BILL, "", 400, "without a name that can be read"),
        (b"", "", 400, "no file was sent"),
        (b"x" * (17 << 20), "large.pdf", 413, "at most 16 MB together"),
    ],
)
def test_what_is_no_bill_is_refused_with_the_way_on_and_stored_nowhere(
    billed: Asking, content: bytes, name: str, status: int, said: str
) -> None:
    found, page = previewed(billed, content, name)
    assert (found, said in page) == (status, True), page
    assert added(billed, page) == 404
    assert len(stored(billed)) == 3
    assert tempfile.gettempdir() not in page


def test_a_browser_sends_the_file_as_it_is_with_the_token_of_its_form(billed: Asking) -> None:
    for token, status in (("token", 200), ("another", 403)):
        answer = sent(billed, "/upload/bill/preview?site=plant", file_of("new.csv", BILL), token=token)
        assert (answer.status, "NEW-1" in answer.text) == (status, status == 200)
    twice = ('name="csrf"', b"token")
    assert sent(billed, "/upload/bill/preview?site=plant", twice, file_of("new.csv", BILL)).status == 400


def test_who_may_not_upload_is_offered_no_upload(billed: Asking) -> None:
    page = previewed(billed, name="../../../etc/new.csv")[1]
    vera = Asking(billed.project, billed.clock, VERA)
    assert "/upload/bill" not in page_of(vera, "/bills")
    assert added(vera, page) == 403
    # Another's upload is none of theirs.
    otto = Asking(billed.project, billed.clock, ANNE.model_copy(update={"person_id": "otto"}))
    assert added(otto, page) == 404
    # A name that leads elsewhere is a name and no more.
    assert added(billed, page) == 303
    assert [each["file"] for each in stored(billed) if each["invoice"] == "NEW-1"] == ["new.csv"]


def test_a_page_of_a_bill_that_was_sent_as_a_picture_stands_in_the_frame_between_its_neighbours(
    billed: Asking, tmp_path: Path
) -> None:
    pages = [Image.new("L", (40, 60), shade) for shade in (0, 128, 255)]
    pages[0].save(tmp_path / "scan.tiff", save_all=True, append_images=pages[1:])
    sha256 = hashlib.sha256((tmp_path / "scan.tiff").read_bytes()).hexdigest()
    scan = Scan(turned_degrees=(0, 90, 0))
    bill = SupplierBill(
        file="scan.tiff", sha256=sha256, pages=3, start=date(2025, 4, 1), end=date(2025, 5, 1), currency="EUR",
        scan=scan,
    )  # fmt: skip
    books = BillStore(billed.project.project.data_dir / "bills", billed.project.store)
    path = f"/bills/{books.keep_bill(tmp_path / 'scan.tiff', bill, site_id='plant', clock=billed.clock)}"
    shown = page_of(billed, path)
    assert f'<a href="{path}/pages/2?site=plant"><img src="{path}/pages/2.png?site=plant"' in shown
    assert f'href="{path}/pages/1?site=plant">Page 1 of the bill as it was sent' in shown
    sides = {"1": (False, True), "2": (True, True), "3": (True, False)}
    for number, (has_before, has_after) in sides.items():
        alone = page_of(billed, f"{path}/pages/{number}")
        assert f"<h1><bdi>Page {number} of the bill as it was sent</bdi></h1>" in alone
        picture = f"{path}/pages/{number}.png?site=plant"
        assert f'<a href="{picture}"><img src="{picture}"' in alone
        assert f'href="{path}?site=plant">Open bill' in alone
        assert ("Previous page" in alone, "Next page" in alone) == (has_before, has_after)
        picture = billed.get(f"{path}/pages/{number}.png", site="plant")
        assert (picture.status, picture.headers["content-type"]) == (200, "image/png")
    for beyond in ("0", "4", "4.png"):
        assert billed.get(f"{path}/pages/{beyond}", site="plant").status == 404


@needs_tesseract
def test_a_picture_is_a_draft_until_a_person_confirms_it_beside_the_picture(
    billed: Asking, tmp_path: Path, shared_data: Path
) -> None:
    drawn(shared_data / "bills" / "SYN-2024-006.pdf").save(tmp_path / "scan.png")
    found, page = previewed(billed, (tmp_path / "scan.png").read_bytes(), "scan.png")
    assert (found, "It counts once you have confirmed it" in page) == (200, True), page
    assert added(billed, page) == 303
    [draft] = [each for each in stored(billed) if each["is_draft"]]
    assert (draft["state"], draft["verdict"]) == ("draft", "")
    # It is in the inbox, and counts nowhere.
    assert "NM-100231" not in billed.get("/api/v1/ems/accounts", site="plant").text
    assert "To confirm" in page_of(billed, "/bills")
    page, path = page_of(billed, f"/bills/{draft['bill_id']}"), f"/bills/{draft['bill_id']}"
    assert "certainty, line" in page
    assert "Look at the image" in page
    assert f'<a href="{path}/pages/1?site=plant"><img src="{path}/pages/1.png?site=plant"' in page
    picture = billed.get(f"{path}/pages/1.png", site="plant")
    assert (picture.status, picture.headers["content-type"]) == (200, "image/png")
    assert picture.body.startswith(b"\x89PNG")
    assert billed.get(f"{path}/pages/2.png", site="plant").status == 404
    form = {"tariff_codes": "T-DAYNIGHT-24B", "total": "768.88"}
    assert posted(billed, f"{path}/confirm?site=plant", form=form).status == 422
    assert posted(billed, f"{path}/confirm?site=plant", form=form | {"total": "much", "reason": "x"}).status == 422
    done = posted(billed, f"{path}/confirm?site=plant", form=form | {"reason": "as on paper"})
    assert done.status == 303, done.text
    after = stored(billed)
    assert not [each for each in after if each["is_draft"]]
    assert "NM-100231" in billed.get("/api/v1/ems/accounts", site="plant").text
    [mine] = [each for each in after if each["file"] == draft["file"]]
    assert (mine["total"], mine["bill_id"] == draft["bill_id"]) == (768.88, False)
    told = json.loads(command(billed, "bill", "show", str(mine["bill_id"]), "--site", "plant", "--json"))
    assert (told["scan"]["confirmed_by"], told["scan"]["changed"]) == ("anne", ["tariff_codes"])
    # The same picture once more is no second draft; who confirmed it stands.
    assert previewed(billed, (tmp_path / "scan.png").read_bytes(), "scan.png")[1].count("is stored already") == 1
    assert posted(billed, f"{path}/confirm?site=plant", form=form | {"reason": "again"}).status == 404
