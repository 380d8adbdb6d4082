"""Cards of what-ifs, an experiment and a circuit's loads: there where something is stored, with band and verdict."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from assets.experiments.experiment_days import draw_experiment
from assets.stores.ledgers.experiments import ExperimentStore
from assets.stores.ledgers.results import Disaggregations, WhatIfs
from controls.optimiser.case import case_of
from controls.planning.closed_loop.promise import promised_cost
from controls.planning.frozen_plan import series_of
from data_quality.contracts.control.what_if import Price, WhatIfMonth, WhatIfResult, WhatIfVariant
from data_quality.contracts.people import Person, Role
from data_quality.contracts.reporting.disaggregation import (
    ClassEnergy,
    Disaggregation,
    StoredClass,
    StoredDisaggregation,
)
from data_quality.contracts.time import FixedClock
from reports.pages.address import Address
from reports.pages.widgets import trials
from tests.controls.planning.examples import NOW
from tests.orchestration.test_plan_job import bed, planned, read
from tests.orchestration.test_plan_sensor import Bed
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.marts_world import Asking, make_project, plant_of_the_web
from tests.web.test_boards import text_of, tiles

__all__ = ["bed"]
ALL = Person(person_id="olga", name="Olga", roles=(Role.OPERATOR, Role.ENGINEER, Role.ANALYST))
CLOCK, LATER = FixedClock(plant.NOON), FixedClock(plant.NOON + timedelta(days=4))
KEYS = {"what_ifs", "experiment", "circuits"}


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    project = make_project(tmp_path / "project", plant_of_the_web())
    yield Asking(project, LATER, ALL)
    project.close()


def what_if(**changes: object) -> WhatIfResult:
    months = tuple(WhatIfMonth(month=date(2024, n, 1), cost=70, without=100) for n in range(1, 13))
    known = {"cost": 840, "without": 1200, "cost_interval": (800, 900), "policy": "self_consumption", "months": months}
    variants = (
        WhatIfVariant(name="tariff <b>night</b>", saving=-20, interval=(-40, 10), **known),
        WhatIfVariant(name="battery 10kWh", saving=360, interval=(300, 420), payback_years=8.3,
                      price=Price(low=2000, high=4000, source="Offer"), **known),
    )  # fmt: skip
    made = WhatIfResult(
        site_id="plant", currency="EUR", start=date(2024, 1, 1), end=date(2025, 1, 1), seed=1, without=1200,
        without_interval=(1100, 1300), billed=None, policy="self_consumption", variants=variants, synthetic_share=0,
        readings_sha256="0" * 64, assumptions=(), findings=(),
    )  # fmt: skip
    return made.model_copy(update=changes)


def circuit() -> StoredDisaggregation:
    known = {"mode": "campaign", "share": None, "extrapolated": False, "on_seconds": None, "f1_held_out": None}
    classes = (
        ClassEnergy(name="lights", kwh=12.0, interval_kwh=(9.0, 15.0), confidence=0.9, confidence_label="high",
                    estimable=True, **known),
        ClassEnergy(name="door", kwh=None, interval_kwh=None, confidence=0.1, confidence_label="low", estimable=False,
                    **known),
    )  # fmt: skip
    start_utc = plant.NOON - timedelta(days=7)
    found = Disaggregation(
        zone="Europe/Berlin", start_utc=start_utc, end_utc=plant.NOON, circuit_kwh=20.0, rest_kwh=8.0, classes=classes,
        weeks=(), rows=(), digest="0" * 64, findings=(),
    )  # fmt: skip
    return StoredDisaggregation(site_id="plant", circuit="main", train="2025-01", step_minutes=15, found=found,
                                kept=(StoredClass(name="lights", wh=(1,), on="1"),), is_synthetic=True)  # fmt: skip


def test_where_nothing_is_stored_none_of_the_cards_is_on_the_board(asking: Asking) -> None:
    assert not KEYS & set(tiles(asking, "ops"))


def test_a_variant_has_its_saving_band_and_payback_the_best_first_and_only_the_newest_of_a_name(asking: Asking) -> None:
    store = WhatIfs(asking.project.store)
    store.keep(what_if(start=date(2023, 1, 1), end=date(2024, 1, 1), seed=2), CLOCK)
    store.keep(what_if(), CLOCK)
    chart = tiles(asking, "ops")["what_ifs"].chart
    assert chart is not None
    assert [each.replace("\u2068", "").replace("\u2069", "") for each in chart.x] == [
        "battery 10kWh · pays back in 8.3 years", "tariff <b>night</b> · no price known"
    ]  # fmt: skip
    saving, low, high = chart.rows
    assert (saving.values, low.values, high.values) == ((360, -20), (300, -40), (420, 10))
    assert (saving.low, saving.high) == (low.values, high.values)
    assert "2024" in chart.note
    page = asking.get("/board/ops", [PAGE], site="plant", locale="de").text
    assert "amortisiert in 8,3 Jahren" in text_of(page)
    assert "<b>night</b>" not in page


def test_a_circuit_has_its_classes_with_bands_what_none_holds_and_says_what_cannot_be_estimated(asking: Asking) -> None:
    Disaggregations(asking.project.store).keep(circuit(), CLOCK)
    chart = tiles(asking, "ops")["circuits"].chart
    assert chart is not None
    assert chart.rows[0].values == (12.0, 8.0, None)
    assert (chart.rows[0].low, chart.rows[0].high) == ((9.0, None, None), (15.0, None, None))
    assert ["confidence high" in chart.x[0], "rest of" in chart.x[1], "not estimable" in chart.x[2]] == [True] * 3


def test_an_experiment_says_why_it_is_undecided_and_later_its_saving_with_band_and_verdict(asking: Asking) -> None:
    made = draw_experiment(
        "plant", "Europe/Berlin", first=plant.NOON.date() + timedelta(days=1), days=20, share=0.3, seed=1,
        now_utc=plant.NOON,
    )  # fmt: skip
    ExperimentStore(asking.project.store).start(made, person_id="olga", reason="proof", clock=CLOCK)
    early = tiles(asking, "ops")["experiment"]
    assert early.value is None
    assert early.reason
    assert early.chart is not None
    assert len(early.chart.x) == 3
    assert [each.text for each in early.numbers] == ["0", "0"]
    assert asking.get("/board/ops", [PAGE], site="plant").status == 200
    told = trials.experiment(
        trials.Trial(
            address=Address(path="/board/ops"), days=("1 Apr", "2 Apr", "3 Apr"), plan=(1.0, None, 1.5),
            habit=(None, 2.0, None), currency="EUR", saving=0.75, interval=(0.5, 1.0), verdict="saves",
        )
    )  # fmt: skip
    assert told.value is not None
    assert (told.value.text, told.value.note) == ("+0.75", "+0.50 to +1.00 at 90 % · Control saves money")
    assert [each.text for each in told.numbers] == ["2", "1"]


@pytest.mark.real
@pytest.mark.filterwarnings("ignore")
def test_a_broken_promise_is_counted_and_listed_with_its_hour_on_the_served_board(bed: Bed) -> None:
    first, _ = planned(bed, 0.02)
    asking = Asking(bed.project, FixedClock(NOW + timedelta(hours=1)), ALL)

    def served(locale: str) -> str:
        return text_of(asking.get("/board/ops", [PAGE], site="home", locale=locale).text)

    assert "no promised hour is over and read" in served("en")
    read(bed, 99.0)
    most = f"{promised_cost(case_of(first.request), series_of(first)).cost:.2f}"
    english = (
        "1 of 1 promised hours of 3 days; 10% may be broken, by chance up to 69% Broken promises "
        f"Hour Promised at most CZK Paid CZK 1 January 2026, 11:00 {most} 1,940.40"
    )
    german = (
        "1 von 1 zugesagten Stunden in 3 Tagen; 10 % dürfen gebrochen sein, zufällig bis 69 % Gebrochene Zusagen "
        f"Stunde Zugesagt höchstens CZK Bezahlt CZK 1. Januar 2026, 11:00 {most.replace('.', ',')} 1.940,40"
    )
    assert english in served("en")
    assert german in served("de").replace("\u00a0", " ")
