"""The bills of a site as pages: the numbers of the commands, each led to where it is made again."""

import html
import json

import pytest

from tests.web.asking import PAGE
from tests.web.bills_world import billed, command
from tests.web.every_number import OneApp, Seen, check_page
from tests.web.marts_world import THEO, VERA, Asking

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
    assert [each["state"] for each in bills] == ["not_checked", "matches", "differs"]
    for each, word in zip(bills, ("Not checked", "Matches", "Differs"), strict=True):
        row = page[page.index(f"/bills/{each['bill_id']}") :].split("</tr>")[0]
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
