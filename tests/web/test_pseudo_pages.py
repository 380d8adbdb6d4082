"""No word of a page of approvals, advice or tasks is outside the catalogues, whoever looks and whatever comes next."""

import html
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from assets.advice.advise import COST_OUTDATED, Advice
from assets.advice.catalogue import catalogue
from assets.stores.ledgers.recommendations import Recommendations
from assets.stores.ledgers.work_orders import WorkOrders
from controls.demand_response.load_programmes import programmes_of
from data_quality.contracts.people import Person, Role
from data_quality.contracts.reporting.recommendation import MeasuredSaving
from data_quality.contracts.time import FixedClock, parse_period
from orchestration.views.advice_made import recommendation
from reports.content.templates import FOLDER
from reports.figure_book import FigureBook
from reports.pages.advice import STATES
from tests.orchestration.test_dr_events import ANN, BOB, Here, here, made
from tests.reports.pseudo_language import CODE, names_in, pseudo_language, pseudo_templates, shown_on, unwrapped
from tests.reports.publish.conftest import desk
from tests.web.asking import PAGE
from tests.web.marts_world import Asking
from tests.web.test_alert_rules import event
from tests.web.test_baseline_pages import approve, keyed, keyless, place, refitted
from tests.web.test_report_pages import act, as_of, made_by
from tests.web.test_workflows import GUARDED, MINUTE, done_at, own, waiting
from tests.web.why_world import LATER, acted, plant_folder

__all__ = ["acted", "desk", "here", "keyed", "keyless", "made", "plant_folder", "waiting"]
PEOPLE = frozenset({"Anna", "Anne", "Ben", "Both", "Dirk", "Ann", "Bob", "Cyd", "Dan", "Meterloom"})

# Ids of people, and what they wrote.
SAID = (
    "anna",
    "ben",
    "ann",
    "bob",
    "called",
    "seen",
    "go",
    "full",
    "year",
    "stable",
    "residuals",
    "looked",
    "at",
    "compared",
    "with",
    "the",
    "bills",
)


@pytest.fixture(autouse=True)
def language(tmp_path: Path) -> Iterator[None]:
    """The pseudo-language is one of the languages."""
    with pseudo_language(tmp_path / "languages"):
        yield


def left(asking: Asking, path: str, *names: str, **query: str) -> dict[str, str]:
    """Words of a page that no catalogue gave, but for names of people and of the site."""
    answer = asking.get(path, headers=[PAGE], locale=CODE, **query)
    assert answer.status == 200, path
    return unwrapped(shown_on(answer.text), names_in(asking.project.site("plant")) | PEOPLE | set(names))


def test_tasks_of_a_finding_a_workflow_and_a_person_and_those_from_before(waiting: Asking) -> None:
    finding = event(waiting, 60.0)
    for minutes in (0, 31):
        done_at(waiting, LATER + minutes * MINUTE)
    [order] = WorkOrders(waiting.project.store).current("plant")
    # In the store the title is text of the site's language, and a sentence beside it.
    assert order.title.endswith("mehr als üblich") == waiting.project.site("plant").locale.startswith("de")
    person = Person(person_id="anne", name="Anne", roles=(Role.ENGINEER,))
    asking = Asking(waiting.project, FixedClock(LATER + 40 * MINUTE), person)
    names = ("anomaly_response", order.order_id, "anne", "Anomaly", "response", "energy", "peak", "rest", "night")
    for path in ("/tasks", f"/tasks/{order.order_id}", "/board/ops", f"/findings/{finding}"):
        assert left(asking, path, *names, site="plant") == {}, path
    written = order.model_copy(update={"order_id": "0ld", "title_parts": None, "source_id": "x"})
    WorkOrders(waiting.project.store).create(written, FixedClock(LATER))
    assert order.title in html.unescape(asking.get("/tasks", [PAGE], site="plant", locale=CODE).text)


def test_approvals_of_workflows(waiting: Asking) -> None:
    event(waiting, 60.0)
    own(waiting, "guarded", GUARDED)
    done_at(waiting, LATER, "guarded")
    clock = FixedClock(LATER + MINUTE)
    for role in (Role.APPROVER, Role.ENGINEER):
        asking = Asking(waiting.project, clock, Person(person_id="dirk", name="Dirk", roles=(role,)))
        # What people called their workflow.
        assert left(asking, "/tasks", "Guarded", site="plant") == {}


@pytest.mark.parametrize("opened", ["keyed", "keyless"])
def test_approvals_of_baselines(request: pytest.FixtureRequest, opened: str) -> None:
    asking = request.getfixturevalue(opened)
    version = refitted(asking)
    for person in ("anna", "ben", "dirk"):
        assert left(as_of(asking, person), place(version), *SAID) == {}, person
    if opened == "keyless":
        assert approve(asking, version).status == 303
        assert left(asking, place(version), *SAID) == {}


@pytest.mark.parametrize("opened", ["keyed", "keyless"])
def test_approvals_of_publications(request: pytest.FixtureRequest, opened: str) -> None:
    asking = request.getfixturevalue(opened)
    made_by(asking, "ben")
    folder = asking.project.project.reports_dir / FOLDER
    folder.mkdir(parents=True)
    pseudo_templates(folder)
    for person in ("anna", "ben", "dirk"):
        assert left(as_of(asking, person), "/reports", *SAID) == {}, person
    if opened == "keyed":
        return
    assert act(asking, "review", "draft").status == 303
    for person in ("anna", "dirk"):
        assert left(as_of(asking, person), "/reports", *SAID) == {}, person
    assert act(as_of(asking, "dirk"), "publish", "reviewed").status == 303
    assert left(as_of(asking, "dirk"), "/reports", *SAID, state="published") == {}


def test_approvals_of_events(here: Here) -> None:
    # Names of programmes of suppliers, which no language has; the site's own peak has a word.
    shipped = {name: each.title for name, each in programmes_of(here.project.project.root).items()}
    programmes = re.findall(r"\w+", " ".join(title for name, title in shipped.items() if name != "own_peak"))

    def look(name: str) -> None:
        for person in (ANN, BOB):
            asking = Asking(here.project, here.time, person)
            assert left(asking, f"/demand-response/{name}", *SAID, site="plant") == {}, person.name
            assert left(asking, "/demand-response", *programmes, site="plant") == {}

    event = here.create()
    look(event.event_id)
    event = here.propose(event)
    look(event.event_id)
    event = here.approve(event)
    look(event.event_id)
    look(here.arm(event).event_id)


def advice_on(kind: str, *, without: str = "", **texts: str) -> Advice:
    """Advice of a kind with all that a sentence may quote. without: what is not known of it."""
    names = catalogue().kinds[kind].found[1]
    units = {
        "savings_kwh": "kwh", "savings_money": "currency", "savings_kgco2e": "kgco2e", "cost_money": "currency",
        "payback_months": "months",
    }  # fmt: skip
    numbers = {
        f"{end}{name}": (10.0, unit) for name, unit in units.items() if name != without for end in ("", "low_", "high_")
    }
    numbers |= {name: (3.0, "kwh") for name in names if name not in ("scope", "variant")}
    told = {"scope": "meter:moulding", "variant": "V1", "cost_source": "S1"} | texts
    return Advice(kind=kind, scope="meter:moulding", numbers=numbers, confidence=0.9, texts=told)


def test_advice_of_each_kind_in_each_state(acted: Asking) -> None:
    site = acted.project.site("plant")
    advice = [advice_on(kind) for kind in catalogue().kinds]
    advice += [advice_on("pv", without=each) for each in ("savings_money", "cost_money", "payback_months")]
    advice += [advice_on("pv", **{COST_OUTDATED: "S1"})]
    as_of_utc, made = acted.clock.now_utc(), []
    for n, each in enumerate(advice):
        start = date(2025, 1, 1) + timedelta(days=n)
        book = FigureBook(report_id="advice/plant", revision=0, as_of_utc=as_of_utc, is_synthetic=n % 2 == 1)
        period = parse_period(f"{start}/{start + timedelta(days=7)}", site.time_zone)
        made.append(recommendation(site, each, period, 0.0, book, [], ()))
    saved = MeasuredSaving(
        start=date(2025, 4, 1), end=date(2025, 5, 1), days=30, savings_kwh=Decimal(500), interval_kwh=None,
        baseline="b@1",
    )  # fmt: skip
    for known, state in zip(made, STATES, strict=False):
        ledger = Recommendations(acted.project.store)
        measured = {"measured": saved, "baseline": "b@1"} if state == "measured" else {}
        ledger.add([known.model_copy(update={"status": state, **measured})], acted.clock)
    ledger.add(made[len(STATES) :], acted.clock)
    shown = {path: left(acted, path, site="plant") for path in (f"/advice/{each.recommendation_id}" for each in made)}
    shown |= {page: left(acted, "/advice", site="plant", page=page) for page in ("1", "2")}
    assert {path: words for path, words in shown.items() if words} == {}
