"""Uncertainty of a number as /why and the commands tell it, in the language of the reader; none where nobody says."""

from collections.abc import Iterator

import pytest

from data_quality.contracts.time import FixedClock, SystemClock
from orchestration.open_project import OpenProject
from tests.e2e.conftest import call_here
from tests.reports.test_bands import classed
from tests.web.bills_world import add_bills
from tests.web.marts_world import VERA, Asking, make_project, plant_of_the_web

pytestmark = pytest.mark.slow
ASKED = {"site": "plant", "scope": "site:plant", "kpi": "emission_kgco2e", "period": "2025-02"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    stated = classed()
    site = plant_of_the_web(meters=stated.meters, factors=stated.factors)
    made = make_project(tmp_path_factory.mktemp("off") / "project", site)
    yield made
    made.close()


def test_why_tells_the_band_in_each_language_and_json(project: OpenProject) -> None:
    asking = Asking(project, FixedClock(SystemClock().now_utc()), VERA)
    found = asking.json("/why", **ASKED)
    value, told = found["figure"]["value"], found["uncertainty"]
    assert told["low"] < value < told["high"]
    assert told["high"] - value == pytest.approx(told["plus_minus"])
    assert (told["coverage"], told["not_included"]) == (0.9, [])
    assert told["shares"]["factor"] > 0.5
    for locale, said in {"en": "Uncertainty", "de": "Unsicherheit", "ar": "عدم اليقين"}.items():
        page = asking.get("/why", [("accept", "text/html")], locale=locale, **ASKED).text
        assert said in page
        assert "± " in page
    bare = asking.get("/why", [("accept", "text/html")], locale="de", **{**ASKED, "scope": "seu:moulding"}).text
    assert "nicht bekannt" not in bare
    assert "Genauigkeitsklasse eines Zählers unbekannt" in bare


def test_commands_tell_the_same_band(project: OpenProject) -> None:
    root = ("--project", str(project.project.root))
    words = ("kpis", "--site", "plant", "--period", "2025-02", "--scope", "site:plant", "--uncertainty", *root)
    code, listed, said = call_here(*words)
    assert code == 0, said
    rows = {each["kpi"]: each for each in listed["rows"]}
    carbon = rows["emission_kgco2e"]
    code, traced, said = call_here("trace", carbon["figure_id"], *root)
    assert code == 0, said
    assert traced["uncertainty"] == carbon["uncertainty"]
    assert rows["load_factor"]["uncertainty"]["low"] is None
    assert [each["code"] for each in rows["load_factor"]["uncertainty"]["not_included"]] == ["not_propagated"]


def test_a_bill_says_how_sure_it_is_on_its_page_and_by_command(project: OpenProject) -> None:
    bill_id = add_bills(project)["2025-02"]
    root = ("--project", str(project.project.root))
    code, shown, said = call_here("bill", "show", bill_id, "--site", "plant", *root)
    assert code == 0, said
    told = shown["uncertainty"]
    # One meter of class C: 0.9 of 0.7 % of its energy, which is all of the bill.
    assert told["plus_minus"] == pytest.approx(0.9 * 0.007 * float(shown["expected"]), rel=1e-4)
    assert told["not_included"] == []
    asking = Asking(project, FixedClock(SystemClock().now_utc()), VERA)
    at = f"@bill:{bill_id}@2025-02-01/2025-03-01@bill"
    why = asking.json("/why", site="plant", of=f"recomputed{at}")["uncertainty"]
    assert why["plus_minus"] == pytest.approx(told["plus_minus"])
    billed = asking.json("/why", site="plant", of=f"billed{at}")["uncertainty"]
    assert [each["code"] for each in billed["not_included"]] == ["billed_as_claimed"]
    for locale, claimed in {"de": "wie vom Lieferanten berechnet", "ar": "كما طالب به المورّد"}.items():
        page = asking.get("/why", [("accept", "text/html")], locale=locale, site="plant", of=f"billed{at}").text
        assert claimed in page
