"""The page of forecasts: steps as they were forecast before their day, means by lead, the model that leads."""

from datetime import UTC, date, datetime, timedelta

import pytest

from data_quality.contracts.control.forecast import Forecast, ForecastRow
from data_quality.contracts.control.forecast_score import ForecastScore
from data_quality.contracts.people import Person, Role
from ml.forecasts.lifecycle.forecast_registry import KINDS
from ml.forecasts.lifecycle.issued_scores import coverage_by_day, lead_means
from orchestration.web.pages.forecast_pages import _as_known
from reports.pages.address import Address
from reports.pages.forecasts import MODEL_WORDS, ForecastData, Step, forecast_page, model_words
from reports.pages.page import Page, Widget
from reports.texts.locales import page_word, rules_of
from tests.reports import plant
from tests.web.marts_world import Asking

PAGE = [("accept", "text/html")]
SITE = plant.plant_site()
NOON = datetime(2025, 3, 10, 11, tzinfo=UTC)
HERE = Address(path="/forecast", site="plant")


def issued(at: datetime, p50: float, hours: int = 48) -> Forecast:
    rows = tuple(
        ForecastRow(time_utc=at + timedelta(hours=each), p10=p50 - 1, p50=p50, p90=p50 + 1) for each in range(hours)
    )
    return Forecast(
        forecast_id=f"{at:%d%H}", site_id="plant", target="meter:main", issued_at_utc=at, available_at_utc=at,
        model_name="plant.main.import.day_ahead.ensemble", model_version="1", input_digest="d", is_synthetic=True,
        rows=rows, why=("Monday: 40 kWh more",), labels={"weather": "no forecast of the weather was known"},
    )  # fmt: skip


def score(day: int, lead: str, coverage: float, *, n: int = 6, floor: float | None = 4.0, shadow: bool = False):
    return ForecastScore(
        site_id="plant", target="meter:main", local_day=date(2025, 3, day), lead=lead, model_name="m",
        model_version="1", is_shadow=shadow, is_synthetic=True, n=n, coverage=coverage, pinball=1.0,
        crps=float(day), nrmse=None, bias=None, floor_crps=floor,
    )  # fmt: skip


def test_means_are_by_steps_in_the_order_of_time_ahead_and_of_what_led() -> None:
    scores = [
        score(2, "d1", 0.5),
        score(1, "h00", 1.0, n=2, floor=None),
        score(3, "h00", 0.5),
        score(9, "h00", 0, shadow=True),
    ]
    first, second = lead_means(scores)
    assert (first.lead, first.n, second.lead) == ("h00", 8, "d1")
    assert (first.crps, first.floor_crps, first.coverage) == ((1 * 2 + 3 * 6) / 8, 4.0, (2 + 3) / 8)
    # The second day ahead is no part of how wide the first one was.
    assert coverage_by_day(scores) == {date(2025, 3, 1): 1.0, date(2025, 3, 3): 0.5}


def test_a_day_that_has_passed_is_shown_as_it_was_forecast_before_it_began() -> None:
    # Berlin's 11 March begins at 23:00 UTC: what was issued within the day changes nothing of it.
    early, late = issued(datetime(2025, 3, 10, 23, tzinfo=UTC), 5.0), issued(datetime(2025, 3, 11, 6, tzinfo=UTC), 9.0)
    known = {row.time_utc: row.p50 for row in _as_known(SITE, [early, late])}
    assert known[datetime(2025, 3, 11, 12, tzinfo=UTC)] == 5.0
    assert known[datetime(2025, 3, 12, 12, tzinfo=UTC)] == 9.0


def cards_of(page: Page) -> dict[str, Widget]:
    blocks = page.parts[0].blocks
    return {each.key: each for block in blocks if block.kind == "cards" for each in block.widgets}


def test_the_band_stands_over_what_came_and_the_issue_is_named() -> None:
    latest = issued(NOON, 5.0, hours=3)
    steps = [Step(NOON - timedelta(hours=1), 4.5, None), *(Step(row.time_utc, None, row) for row in latest.rows)]
    decided = {"model": f"{latest.model_name}@1", "is_promoted": True, "reason": "NRMSE is 0.06.", "person_id": ""}
    told = ForecastData(SITE, [("meter:main", "main")], "meter:main", latest, steps, decisions=[(NOON, decided)])
    cards = cards_of(forecast_page(told, HERE))
    chart = cards["course"].chart
    assert chart is not None
    band, came = chart.rows
    assert (band.values, band.low) == ((None, 5.0, 5.0, 5.0), (None, 4.0, 4.0, 4.0))
    assert came.values == (4.5, None, None, None)
    assert chart.events == ((1, "Issued"),)
    assert "10 Mar 2025, 12:00" in str(chart.x[1])
    said = [each.text for each in cards["champion"].items]
    assert any("Ensemble 1" in each and "leads since 10 March 2025" in each for each in said)
    # The registered name of a model is no word of a page.
    assert not any("day_ahead" in each for each in (*said, cards["champion"].command, cards["champion"].value.text))
    assert any("40 kWh more" in each for each in said)
    assert cards["leads"].state == "none"


def test_scores_become_error_by_lead_and_share_inside_by_day() -> None:
    scores = [score(1, "h00", 0.5), score(1, "d1", 1.0)]
    told = ForecastData(SITE, [("meter:main", "main")], "meter:main", issued(NOON, 5.0), [],
                        leads=lead_means(scores), coverage=coverage_by_day(scores))  # fmt: skip
    cards = cards_of(forecast_page(told, HERE))
    leads, held = cards["leads"].chart, cards["held_days"].chart
    assert leads is not None
    assert held is not None
    assert leads.x == ("0–6 h", "day 1")
    assert held.rows[0].values == (50.0,)
    assert held.limit is not None
    assert held.limit.value == 80.0


def test_without_targets_the_page_says_what_to_set_up(seen: Asking) -> None:
    page = seen.get("/forecast", PAGE, site="plant")
    assert page.status == 200
    assert "forecast_targets" in page.text


@pytest.mark.parametrize(
    ("query", "status"), [({"target": "meter:none"}, 404), ({"site": "nowhere"}, 404), ({"period": "2025"}, 400)]
)
def test_wrong_questions(seen: Asking, query: dict[str, str], status: int) -> None:
    assert seen.get("/forecast", PAGE, **({"site": "plant"} | query)).status == status


def test_a_tenant_sees_no_forecast_of_a_site(seen: Asking) -> None:
    theo = Person(person_id="theo", name="Theo", roles=(Role.TENANT,), sites=("plant",), tenants=("hall",))
    assert Asking(seen.project, seen.clock, theo).get("/forecast", PAGE, site="plant").status == 403


@pytest.mark.parametrize("kind", [each.algorithm for each in KINDS])
def test_every_kind_of_model_has_words_in_every_language(kind: str) -> None:
    model = model_words(f"plant.main.import.day_ahead.{kind}@3")
    assert kind not in {model, str(model)}
    assert model.endswith(" 3")
    for locale in ("de", "ar"):
        said = page_word(model, locale)
        assert said.endswith(" 3")
        assert page_word(MODEL_WORDS[kind], locale) in said
        assert MODEL_WORDS[kind] in {*rules_of(locale).pages, *rules_of(locale).reports}


def test_a_decision_names_models_in_words_of_the_language() -> None:
    reason = "No model led before; same_hour_last_week has NRMSE 0.0612 in the backtest."
    decided = {"model": "plant.main.import.day_ahead.same_hour_last_week@1", "is_promoted": True, "reason": reason}
    told = ForecastData(
        SITE, [("meter:main", "main")], "meter:main", issued(NOON, 5.0), [], decisions=[(NOON, decided)]
    )
    item = cards_of(forecast_page(told, HERE))["champion"].items[0]
    assert "Same hour last week has NRMSE" in item.detail
    german = page_word(item.detail, "de")
    assert "Gleiche Stunde der Vorwoche" in german
    assert "0,0612" in german
    assert "same_hour" not in page_word(item.text, "de")
