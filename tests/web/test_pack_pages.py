"""The page of packs: completeness by report, gaps as of now, and answers in a person's name, signed by their key."""

import html
import re
from pathlib import Path

import pytest

from assets.kpi.benchmark.compare import Benchmark, BenchmarkRow
from assets.sites.load_sites import load_people
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.views.benchmarks import store_benchmark
from orchestration.views.pack_subjects import answers_of
from reports.content.templates import FOLDER
from reports.evidence.people_keys import give_keys
from tests.reports.pseudo_language import CODE, names_in, pseudo_language, pseudo_templates, shown_on, unwrapped
from tests.web.asking import PAGE
from tests.web.marts_world import Asking
from tests.web.test_group_reports import NOW, asking, made, of, shown
from tests.web.test_signed_acts import signed, text_of
from tests.web.why_world import posted

__all__ = ["asking"]
AT = {"site": "group", "period": "2025"}
ONE, ANSWER = "/packs/house", "/packs/house/answer?site=group&period=2025"
NAMES = frozenset({"Meterloom", "Ben", "Vera", "Gruppe", "House", "Fuel", "of", "vehicles", "All", "it"})
FORM = {"point": "H-3", "value": "12.5", "unit": "GJ"}


@pytest.mark.slow
def test_a_pack_is_as_complete_as_its_newest_report_and_without_one_says_so(asking: Asking) -> None:
    before = asking.get("/packs", [PAGE], **AT).text
    # All that are not made stand in one card, a line each with where its gaps are, and none is a box of its own.
    assert before.count("No report for this year yet.") == before.count('<article class="card') == 1
    assert before.count(">See gaps<") == before.count("edition ") > 0
    made(asking, FixedClock(NOW))
    page = shown(asking, "/packs", **AT)
    assert "2 of 2 required" in page
    assert re.search(r"As of its report.{,120}To review", page, re.DOTALL)
    # Of nobody in particular the organisation comes first, in the last year that is over.
    assert "Disclosure of Gruppe, 2025" in shown(asking, "/packs")


@pytest.mark.slow
def test_gaps_and_answers_stand_on_its_page_and_who_may_answers_there(asking: Asking) -> None:
    ben = of(asking, "ben")
    page = shown(ben, ONE, **AT)
    assert "Fuel of vehicles" in page
    assert "All of it" in page
    assert "unsigned" in page
    assert "Value in GJ" in shown(ben, ONE, **AT, point="H-3")
    # Who reads it is not asked.
    assert "Value in GJ" not in shown(of(asking, "vera"), ONE, **AT, point="H-3")
    assert posted(of(asking, "vera"), ANSWER, form=FORM).status == 403
    assert posted(ben, ANSWER, form=FORM).status == 303
    [_, kept] = answers_of(asking.project)
    assert (kept.id, kept.answer_text, kept.author, kept.at) == ("H-3", "12.5 GJ", "ben", NOW.date())
    assert "No data point is missing." in shown(ben, ONE, **AT)


@pytest.mark.slow
def test_no_word_of_the_pages_of_packs_is_outside_the_catalogues(asking: Asking, tmp_path: Path) -> None:
    names = NAMES | names_in(*asking.project.sites.values())
    with pseudo_language(tmp_path / "languages"):
        pseudo_templates(asking.project.project.reports_dir / FOLDER)
        for person in ("ben", "vera"):
            for path, point in (("/packs", ""), (ONE, ""), (ONE, "H-3")):
                about = AT | ({"point": point} if point else {})
                page = of(asking, person).get(path, [PAGE], **about, locale=CODE).text
                assert unwrapped(shown_on(page), names) == {}, (person, path, point)


@pytest.mark.slow
def test_the_browser_signs_an_answer_and_another_one_is_not_taken_for_it(asking: Asking) -> None:
    folder = Path(asking.project.root)
    give_keys(folder / "people.yaml", load_people(folder / "people.yaml"), folder / "keys")
    project = OpenProject(str(folder))
    ben = Asking(project, asking.clock, project.people.known("ben"))
    assert "meterloom disclosure answer H-3 --pack house --site group" in shown(ben, ONE, **AT, point="H-3")
    assert posted(ben, ANSWER, form=FORM).said["code"] == "no_key_here"
    told = text_of(ben, ANSWER, FORM)
    # Asked for its text, nothing is written.
    assert len(answers_of(project)) == 1
    other = posted(ben, ANSWER, form=FORM | {"value": "13"} | signed(ben, told))
    assert other.said["code"] == "signed_other"
    told = text_of(ben, ANSWER, FORM)
    assert posted(ben, ANSWER, form=FORM | signed(ben, told)).status == 303
    assert [bool(each.signed_sha256) for each in answers_of(project)] == [False, True]
    project.close()


def test_packs_of_a_group_are_not_there_for_who_sees_not_all_of_it(asking: Asking) -> None:
    otto = of(asking, "otto")
    assert otto.get("/packs", [PAGE], **AT).status == 404
    assert otto.get(ONE, [PAGE], **AT).status == 404
    assert posted(otto, ANSWER, form=FORM).status == 404
    assert len(answers_of(asking.project)) == 1


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("/packs", {"period": "2026"}, "period is a year that is over, such as 2025"),
        ("/packs", {"period": "2025-Q1"}, "period is a year that is over"),
        ("/packs/gri_2025", {}, "there is no pack 'gri_2025' for 2025"),
        (ONE, {"point": "H-9"}, "house has no data point 'H-9'"),
    ],
)
def test_an_address_that_is_of_nothing_is_refused_in_one_sentence(
    asking: Asking, path: str, query: dict[str, str], words: str
) -> None:
    answer = asking.get(path, [PAGE], **{**AT, **query})
    assert 400 <= answer.status < 500
    assert words in html.unescape(answer.text)


def test_ranks_are_shown_to_who_sees_the_organisation(asking: Asking) -> None:
    shared = {"group": "office", "peers": 5, "raw_value": None, "coverage": 1.0}
    rows = tuple(
        BenchmarkRow(site=site, value=value, rank=rank, rank_interval=(1, 3), **shared)
        for site, value, rank in (("plant", 120.0, 1), ("elsewhere", 240.0, 2))
    )
    found = Benchmark(rows=rows, findings=(), confidence=0.9, assumed_drift=0.08)
    store_benchmark(asking.project, "group", 2025, found, FixedClock(NOW))
    for query in (AT, {**AT, "site": "plant"}):
        page = shown(asking, "/packs", **query)
        assert "Sites compared with their peers" in page
        assert "1 to 3" in page
    assert "Sites compared with their peers" not in shown(asking, "/packs", **{**AT, "period": "2024"})
    assert "Sites compared with their peers" not in shown(of(asking, "elsa"), "/packs", site="plant", period="2024")
