"""Pages of recommendations: what people read of one, and what they do with it."""

import html
import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from assets.advice.catalogue import catalogue
from assets.stores.ledgers.recommendations import Recommendations
from data_quality.contracts.reporting.recommendation import (
    AdvicePlace,
    AdviceSentence,
    MeasuredSaving,
    Recommendation,
)
from reports.advice_words import TITLES
from reports.figure_book import FigureBook
from reports.pages.advice import ACTS, CARDS_A_PAGE
from tests.web.asking import PAGE
from tests.web.marts_world import Asking
from tests.web.why_world import posted, tenant

pytestmark = pytest.mark.slow
ONE = "abc123def456"


def page(asking: Asking, path: str = f"/advice/{ONE}", **query: str) -> str:
    return html.unescape(asking.get(path, headers=[PAGE], site="plant", **query).text)


def kept(asking: Asking, *ids: str, **changes: Any) -> Recommendations:
    """Recommendations of the plant."""
    told = {
        "site_id": "plant", "kind": "base_load", "scope": "meter:moulding", "start": date(2025, 1, 1),
        "end": date(2025, 3, 1), "savings_kwh": Decimal(1200), "interval_kwh": (Decimal(900), Decimal(1500)),
        "savings_money": Decimal(240), "interval_money": (Decimal(180), Decimal(300)), "currency": "EUR",
        "savings_kgco2e": None, "interval_kgco2e": None, "cost_money": None, "cost_source": "",
        "payback_months": None, "interval_months": None, "difficulty": 1, "confidence": 0.9,
        "workflow": "recommendation_accepted",
        "sentences": (AdviceSentence(
            pattern="{0} stayed on in {1} of {2} nights and free days, with {3} more than in the others",
            places=(AdvicePlace(text="meter:moulding"), *(AdvicePlace(text="site:<b>x</b>"),) * 3),
        ),),
    } | changes  # fmt: skip
    ledger = Recommendations(asking.project.store)
    made = [Recommendation.model_validate(told | {"recommendation_id": each}) for each in ids or (ONE,)]
    ledger.add(made, asking.clock)
    return ledger


def test_every_kind_has_words_of_its_own() -> None:
    assert set(TITLES) == set(catalogue().kinds)


def test_a_card_says_saving_band_cost_and_confidence_and_leads_to_its_page(acted: Asking) -> None:
    kept(acted)
    shown = page(acted, "/advice")
    for words in ("Night and weekend load", "240", "90 %: 180 to 300", "1,200", "No cost is stated",
                  "confidence high, difficulty 1 of 5", f"/advice/{ONE}"):  # fmt: skip
        assert words in shown
    assert "Es sind keine Kosten angegeben" in page(acted, "/advice", locale="de")
    assert "No recommendation of this kind." in page(acted, "/advice", search="chiller")
    assert ONE in page(acted, "/advice", search="MOULD")
    assert ONE not in page(acted, "/advice", status="dismissed")


def test_many_recommendations_stand_on_several_pages(acted: Asking) -> None:
    ids = [f"{n:012x}" for n in range(CARDS_A_PAGE + 2)]
    kept(acted, *ids)
    first, second = (page(acted, "/advice", page=each) for each in ("1", "2"))
    assert [sum(f"/advice/{each}" in shown for each in ids) for shown in (first, second)] == [CARDS_A_PAGE, 2]
    assert "Next page" in first
    assert "Previous page" in second
    assert acted.get("/advice", headers=[PAGE], site="plant", page="0").status == 400


def test_an_act_is_kept_with_person_and_reason_and_twice_is_once(acted: Asking) -> None:
    ledger = kept(acted)
    shown = page(acted)
    assert "<b>x</b>" not in acted.get(f"/advice/{ONE}", headers=[PAGE], site="plant").text
    seen = shown.partition('name="seen"')[2].partition('value="')[2].partition('"')[0]
    path = f"/advice/{ONE}/acknowledge?site=plant"
    assert posted(acted, path, form={"reason": " ", "seen": seen}).status == 422
    assert [posted(acted, path, form={"reason": "looked at", "seen": seen}).status for _ in range(2)] == [303, 303]
    assert [(each.status, each.reason) for each in ledger.history(ledger.named(ONE))][1:] == [
        ("acknowledged", "looked at")
    ]
    late = posted(acted, f"/advice/{ONE}/dismiss?site=plant", form={"reason": "no", "seen": seen})
    assert (late.status, "has changed since" in html.unescape(late.text)) == (412, True)
    assert "looked at" in page(acted)


def test_a_program_reads_and_acts_by_the_words_of_the_command_and_twice_is_once(acted: Asking) -> None:
    ledger = kept(acted)
    assert [each["id"] for each in acted.json("/recommendations", site="plant")["recommendations"]] == [ONE]
    assert acted.json(f"/recommendations/{ONE[:5]}", site="plant")["history"][0]["status"] == "new"
    path = f"/api/v1/ems/recommendations/{ONE}"
    assert posted(acted, f"{path}/schedule?site=plant", {"reason": "x", "due": "soon"}).status in (400, 422)
    sent = [posted(acted, f"{path}/schedule?site=plant", {"reason": "shutdown", "due": "2027-03-01"}) for _ in "ab"]
    assert [(each.status, each.said["recommendations"][0]["status"]) for each in sent] == [(200, "scheduled")] * 2
    assert [(each.status, str(each.due)) for each in ledger.history(ledger.named(ONE))][1:] == [
        ("scheduled", "2027-03-01")
    ]
    assert posted(acted, f"{path}/acknowledge?site=plant", {"reason": "late"}).status == 422
    assert posted(acted, f"{path[:-1]}/dismiss?site=plant", {"reason": "none"}).status == 404
    stranger = tenant(acted)
    assert stranger.get(path, site="plant").status in (403, 404)
    assert posted(stranger, f"{path}/dismiss?site=plant", {"reason": "x"}).status in (403, 404)


def test_who_may_not_act_is_offered_nothing_and_refused(acted: Asking) -> None:
    kept(acted)
    stranger = tenant(acted)
    assert stranger.get("/advice", headers=[PAGE], site="plant").status in (403, 404)
    assert posted(stranger, f"/advice/{ONE}/dismiss?site=plant", form={"reason": "x"}).status in (403, 404)
    assert acted.get("/advice/none", headers=[PAGE], site="plant").status == 404


def test_what_was_saved_stands_beside_the_estimate(acted: Asking) -> None:
    saved = MeasuredSaving(
        start=date(2025, 4, 1), end=date(2025, 5, 1), days=30, savings_kwh=Decimal(500),
        interval_kwh=(Decimal(300), Decimal(700)), baseline="b@1",
    )  # fmt: skip
    kept(acted, measured=saved, status="measured", baseline="b@1")
    shown = page(acted)
    assert "90 %: 300 to 700" in shown
    assert "610" in shown  # 1,200 kWh of 59 days, for 30 of them
    assert "Estimated and measured saving" in page(acted, "/advice")
    assert "measure" in ACTS


def test_a_saving_without_an_interval_is_shown_without_one(acted: Asking) -> None:
    saved = MeasuredSaving(
        start=date(2025, 4, 1), end=date(2025, 5, 1), days=30, savings_kwh=Decimal(500), interval_kwh=None,
        baseline="b@1",
    )  # fmt: skip
    kept(acted, measured=saved, status="measured", baseline="b@1")
    assert "–; not to be claimed" in page(acted)
    assert "Estimated and measured saving" in page(acted, "/advice")


@pytest.mark.parametrize("locale", ["en", "de", "ar"])
def test_each_number_of_a_reason_leads_to_its_own_readings_wherever_a_language_says_it(
    acted: Asking, locale: str
) -> None:
    book = FigureBook(report_id="advice", revision=0, as_of_utc=acted.clock.now_utc(), is_synthetic=False)
    # One as another, and one as the end of another: by their texts nobody could tell them apart.
    figures = tuple(
        book.add(
            name, value, label=name, kpi=name, scope="site:plant", unit="kw", computation="stated_number",
            parameters={}, inputs=[], start=date(2025, 1, 1), end=date(2025, 3, 1),
        )
        for name, value in {"of": Decimal(12), "at": Decimal("12.5"), "top": Decimal(3), "months": Decimal(3)}.items()
    )  # fmt: skip
    told = AdviceSentence(
        pattern="{0} are contracted, and {1} would have cost least in {3} months: the highest reached {2}",
        places=tuple(AdvicePlace(figure=each.kpi) for each in figures),
    )
    kept(acted, sentences=(told,), figures=figures)
    shown = page(acted, locale=locale)
    found = re.findall(r'figure=([^"&]+)[^"]*"><bdi>([^<]+)</bdi>', shown)
    names = {each.figure_id: each.kpi for each in figures}
    comma = "," if locale == "de" else "."
    assert [(names[each], text) for each, text in found] == [
        ("of", "12 kW"), ("at", f"12{comma}50 kW"), ("months", "3 kW"), ("top", "3 kW")
    ]  # fmt: skip


def test_savings_of_money_are_a_picture_where_there_are_two_to_compare(acted: Asking) -> None:
    kept(acted, *(f"{n:012x}" for n in range(2)))
    assert "chart-worths" in page(acted, "/advice")
    assert "chart-worths" not in page(acted, "/advice", search=f"{0:012x}")
