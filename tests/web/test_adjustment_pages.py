"""Adjustments of a baseline on the use's page: proposed by one person, approved by another, withdrawn, and signed."""

import html
import re
from collections.abc import Iterator

import pytest

from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.published.publications import PublicationStore
from assets.stores.sign import is_signed
from data_quality.contracts.baselines.baseline import AdjustmentRecord
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from tests.reports import plant
from tests.reports.publish.conftest import MakeDesk, desk
from tests.web.asking import PAGE, Answer
from tests.web.marts_world import Asking
from tests.web.test_report_pages import LATER, as_of
from tests.web.test_signed_acts import code, signed, text_of
from tests.web.why_world import posted

__all__ = ["desk"]
pytestmark = pytest.mark.slow
USE = "/enpi/plant/hvac"
FORM = {
    "kind": "non_routine", "start": "2026-01-01", "end": "2026-07-01", "kwh_per_day": "−12.5", "percent": "",
    "reason": "second shift <b>ends</b>", "method": "submeter", "evidence": "work order 4711",
}  # fmt: skip


@pytest.fixture
def ben(desk: MakeDesk) -> Iterator[Asking]:
    """The analyst of a project whose people have no keys."""
    used = desk()
    used.people(keys=False)
    project = OpenProject(str(used.folder))
    yield Asking(project, FixedClock(LATER), project.people.known("ben"))
    project.close()


def page(asking: Asking, **query: str) -> str:
    answer = asking.get(USE, [PAGE], **query)
    assert answer.status == 200, answer.text
    return html.unescape(answer.text)


def record(asking: Asking) -> AdjustmentRecord:
    [found] = AdjustmentStore(asking.project.store).records(site_id="plant")
    return found


def decide(asking: Asking, act: str, **form: str) -> Answer:
    path = f"{USE}/adjustments/{record(asking).adjustment_id}/{act}"
    return posted(asking, path, form={"reason": "looked at", **form})


def test_one_person_proposes_and_another_approves_and_withdraws_each_once(ben: Asking) -> None:
    anna = as_of(ben, "anna")
    assert "Propose adjustment" in page(ben)
    assert "Approve adjustment" not in page(anna)
    assert [posted(ben, USE + "/propose", form=FORM).status for _ in range(2)] == [303, 303]
    assert (str(record(ben).adjustment.kwh_per_day), record(ben).proposed_by) == ("-12.5", "ben")
    own = page(ben)
    assert "You proposed this adjustment, and do not approve it yourself." in own
    assert "Approve adjustment" not in own
    assert code(decide(ben, "approve"))[0] == 403
    shown = page(anna)
    assert "Method: submeter. Evidence: work order 4711" in shown
    assert "<b>ends</b>" not in anna.get(USE, [PAGE]).text
    assert decide(anna, "approve", reason=" ").status == 422
    assert [decide(anna, "approve").status for _ in range(2)] == [303, 303]
    assert (record(ben).status.value, record(ben).approved_by) == ("approved", "anna")
    assert "Approve adjustment" not in page(anna)
    assert code(decide(ben, "take-back"))[0] == 403
    assert [decide(anna, "withdraw").status for _ in range(2)] == [303, 303]
    assert (record(ben).status.value, record(ben).withdrawn_because) == ("withdrawn", "looked at")
    assert "Withdraw adjustment" not in page(anna)
    trail = re.sub(r"<[^>]+>", "", html.unescape(anna.get("/audit", [PAGE], site="plant").text))
    for act in ("Ben proposed an adjustment of ", "Anna approved an adjustment of ", "Anna withdrew an adjustment of "):
        assert act in trail
    assert "POST /enpi" not in trail


def test_a_proposal_is_taken_back_by_who_made_it(ben: Asking) -> None:
    posted(ben, USE + "/propose", form=FORM)
    assert "Take back proposal" in page(ben)
    assert decide(ben, "take-back").status == 303
    assert record(ben).withdrawn_by == "ben"


@pytest.mark.parametrize(("field", "value", "sentence"), [
    ("start", "", "expected a date"), ("end", "2025-01-01", "ends"), ("kwh_per_day", "much", "expected a number"),
    ("percent", "5", "not both"), ("evidence", "", "expected a text"), ("start", "2020-01-01", "training period"),
])  # fmt: skip
def test_a_field_that_cannot_be_read_is_answered_with_one_sentence(
    ben: Asking, field: str, value: str, sentence: str
) -> None:
    refused = posted(ben, USE + "/propose", form=FORM | {field: value})
    assert refused.status in (400, 422)
    assert sentence in html.unescape(refused.text), refused.text
    assert not AdjustmentStore(ben.project.store).records(site_id="plant")


def test_who_reads_alone_has_no_form_and_another_use_has_not_the_adjustment(ben: Asking) -> None:
    posted(ben, USE + "/propose", form=FORM)
    assert "Propose adjustment" not in page(as_of(ben, "anna"))
    name = record(ben).adjustment_id
    other = posted(as_of(ben, "anna"), f"/enpi/plant/compressors/adjustments/{name}/approve", form={"reason": "x"})
    assert other.status == 404
    assert "Propose adjustment" not in page(ben, as_of=f"{plant.NOON:%Y-%m-%dT%H:%M:%SZ}")


def test_where_people_have_keys_each_act_is_signed_in_the_browser(desk: MakeDesk) -> None:
    project = OpenProject(str(desk().folder))
    ben = Asking(project, FixedClock(LATER), project.people.known("ben"))
    assert f'data-public-key="{ben.person.public_key}"' in page(ben)
    assert code(posted(ben, USE + "/propose", form=FORM)) == (409, "no_key_here")
    text = text_of(ben, USE + "/propose", FORM)
    assert not AdjustmentStore(project.store).records(site_id="plant")
    assert posted(ben, USE + "/propose", form=FORM | signed(ben, text)).status == 303
    [kept] = PublicationStore(project.store).signatures(record(ben).adjustment_id)
    assert is_signed(kept)
    anna = Asking(project, ben.clock, project.people.known("anna"))
    path = f"{USE}/adjustments/{record(ben).adjustment_id}/approve"
    assert decide(anna, "approve", **signed(anna, text_of(anna, path, {"reason": "looked at"}))).status == 303
    assert record(ben).approved_by == "anna"
    project.close()


@pytest.mark.parametrize(("field", "value", "sentence"), [
    ("start", "", "Erster Tag: erwartet wird ein Datum"), ("evidence", "", "Nachweis: erwartet wird ein Text"),
    ("kwh_per_day", "viel", "kWh: erwartet wird eine Zahl"), ("percent", "5", "nicht beides"),
    ("end", "2025-01-01", "), bevor sie beginnt ("),
])  # fmt: skip
def test_a_field_is_named_by_its_label_in_the_language_of_the_page(
    ben: Asking, field: str, value: str, sentence: str
) -> None:
    refused = posted(ben, USE + "/propose?locale=de", form=FORM | {field: value}, accept="text/html")
    assert sentence in html.unescape(refused.text), re.sub(r"<[^>]+>|\s+", " ", refused.text)
