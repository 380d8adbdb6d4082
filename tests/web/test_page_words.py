"""Words of boards stand in the house's dictionary: in German and Arabic no title, label or head is left in English."""

import copy
import json
import pickle
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from data_quality.contracts.people import Person, Role
from data_quality.contracts.sentence import Numeral, Sentence, parts_of, sentence_of, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from orchestration.notices.rounds import _worded
from orchestration.views.open_findings import FindingsQuery, open_findings
from orchestration.web.app import NAV
from orchestration.web.boards.audit_tiles import below
from orchestration.web.boards.board_figures import Show
from orchestration.web.boards.site_now import BoardQuery, SiteNow
from orchestration.web.boards.span_tiles import newest_month
from orchestration.web.boards.tiles import tiles_of
from orchestration.web.request_context import Context
from orchestration.workflows.run import workflows_of
from reports.pages.address import Address
from reports.pages.board import boards
from reports.pages.numbers import Number
from reports.pages.page import Part, Widget
from reports.report_content import Table
from reports.texts.locales import days_of, named, page_word, rules_of
from tests.reports import plant
from tests.reports.pseudo_language import names_in, pseudo_language, unwrapped
from tests.web.asking import PAGE
from tests.web.marts_world import Asking, make_project, plant_of_the_web
from tests.web.test_boards import text_of

# Languages in which every word and sentence of a page is said.
WHOLE = ("de", "ar")
ALL = Person(person_id="olga", name="Olga", roles=(Role.OPERATOR, Role.AUDITOR))
# A span of days, and what a site file names (a scope, a charge and its period): no words of ours.
DATA = re.compile(r"\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d|site:plant|energy: \w+")


DAY = re.compile(r"\d+ [A-Z][a-z]+ \d{4}(, \d\d:\d\d)?")
# Words of the dictionary that people of this plant have for a meter, a driver and a block of the tariff.
NAMES = {"steam": ("Dampf", "بخار"), "natural gas": ("Erdgas", "غاز طبيعي"), "holiday": ("Feiertag", "عطلة رسمية")}


def plant_with_our_words() -> Site:
    base = plant.plant_site()
    [tariff] = base.tariffs
    steam = next(each for each in base.meters if each.meter_id == "moulding").model_copy(update={"name": "steam"})
    gas = base.drivers[0].model_copy(update={"name": "natural gas"})
    peak, night, rest = tariff.periods
    periods = (peak, night.model_copy(update={"period_id": "holiday"}), rest)
    return plant_of_the_web(
        meters=tuple(steam if each.meter_id == "moulding" else each for each in base.meters),
        drivers=(gas, *base.drivers[1:]),
        tariffs=(tariff.model_copy(update={"periods": periods}),),
    )


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    project = make_project(tmp_path_factory.mktemp("words"), plant_with_our_words())
    yield Asking(project, FixedClock(plant.NOON), ALL)
    project.close()


def words_of(shown: Widget | Part | Table | Number) -> Iterator[str]:
    """Words of ours that the page shows of it."""
    if isinstance(shown, Number):
        yield shown.label
        return
    if isinstance(shown, Table):
        yield from (shown.title, *(column.title for column in shown.columns))
        return
    yield shown.title
    inside = shown.blocks if isinstance(shown, Part) else (shown.value, *shown.numbers, shown.table)
    for each in inside:
        if isinstance(each, Number | Table):
            yield from words_of(each)
        elif each is not None and each.kind == "form":
            yield from (each.title, each.submit, *(field.label for field in each.fields if field.kind != "hidden"))
        elif each is not None and each.kind == "steps":
            yield each.title


def on_boards(asking: Asking, locale: str = "en") -> Iterator[Widget | Part]:
    """All tiles of all boards, and what stands below an auditor's."""
    for board in boards():
        address = Address(path=f"/board/{board}", site="plant", scope="site:plant", locale=locale)
        show = Show(
            Context(asking.project, ALL, address, asking.clock), asking.project.site("plant"), asking.project.sources()
        )
        now = SiteNow(show)
        yield from tiles_of(board, BoardQuery([now], "site:plant", newest_month(now), "previous"))
        if board == "audit":
            yield from below([show], address)


def shown_words(asking: Asking) -> set[str]:
    """All of them on all boards."""
    found = {*(each.title for each in boards().values()), *(each.text for each in NAV)}
    found |= {text for shown in on_boards(asking) for text in words_of(shown)}
    return {text for text in found if text and not DATA.fullmatch(text) and text != named(text[1:-1])}


def test_no_word_of_a_board_is_outside_the_dictionary(asking: Asking) -> None:
    shown = shown_words(asking)
    assert len(shown) > 60
    assert sorted(shown - set(rules_of("de").pages)) == []


def test_no_word_of_boards_notices_and_workflows_is_outside_the_catalogues(asking: Asking, tmp_path: Path) -> None:
    site, words = asking.project.site("plant"), list[str]()
    with pseudo_language(tmp_path / "languages") as code:
        for shown in on_boards(asking, code):
            words += [page_word(each, code) for each in (*words_of(shown), *sentences_of(shown))]
        look = FindingsQuery(asking.project, site, asking.clock.now_utc(), locale=code, with_every_site=True)
        notices = [_worded(site, each.finding, code) for each in open_findings(look).standing]
        assert notices
        words += [page_word(each.title, code) for each in workflows_of(asking.project).values()]
        # A charge of the tariff by its id.
        assert unwrapped([*words, *notices], names_in(site) | {"energy", "peak"}) == {}


def test_every_word_is_there_in_both_languages() -> None:
    one, other = (rules_of(language).pages for language in WHOLE)
    assert set(one) == set(other)
    assert all((*one.values(), *other.values()))


@pytest.mark.parametrize(
    ("locale", "words"), [("de", ("Wer was getan hat", "Nachweisketten")), ("ar", ("من فعل ماذا", "سلاسل الأدلة"))]
)
def test_a_board_is_drawn_in_the_language_of_its_address(asking: Asking, locale: str, words: tuple[str, ...]) -> None:
    page = asking.get("/board/audit", [PAGE], site="plant", locale=locale).text
    for text in words:
        assert text in text_of(page)
    assert "Who did what" not in text_of(page)
    assert (f'dir="{"rtl" if locale == "ar" else "ltr"}"') in page


def sentences_of(shown: Widget | Part) -> Iterator[str]:
    """Sentences that the page shows of it: notes, reasons, ages, findings, paragraphs."""
    if isinstance(shown, Widget):
        numbers = [each for each in (shown.value, *shown.numbers) if each is not None]
        yield from (shown.reason, shown.age, *(each.note for each in numbers))
        yield from (each.message for each in shown.findings)
        return
    yield from (block.text for block in shown.blocks if block.kind == "paragraph")


def test_boards_say_no_sentence_in_english(asking: Asking) -> None:
    said = {text for shown in on_boards(asking) for text in sentences_of(shown)}
    for language in ("de", "ar"):
        # A day is written in the language of its page when it is made.
        same = {text for text in said if text and not DAY.fullmatch(text) and page_word(text, language) == text}
        assert {re.sub(r"\d[\d.,: -]*", "#", text) for text in same if re.search(r"[a-z]{3}", text)} == set()
    assert len(said) > 20


@pytest.mark.parametrize("locale", ["de", "ar"])
def test_what_people_named_is_shown_as_they_named_it(asking: Asking, locale: str) -> None:
    about = {"site": "plant", "locale": locale}
    pages = {
        "steam": [("/board/ops", {}), ("/energy", {"scope": "meter:moulding", "period": "2025-03"})],
        "natural gas": [("/enpi/plant/moulding", {})],
        "holiday": [("/board/ops", {})],
    }
    for name, asked in pages.items():
        for path, query in asked:
            shown = text_of(asking.get(path, [PAGE], **about, **query).text)
            assert name in shown, path
            assert NAMES[name][locale == "ar"] not in shown, path
            assert not {"\u2068", "\u2069"} & set(shown), path


def test_a_list_of_words_and_names_is_said_word_by_word() -> None:
    told = sentences((Sentence("until {0}", "22:00"), Sentence("weekday"), "", named("day, weekday")), ", ")
    assert told == f"until 22:00, weekday, {named('day, weekday')}"
    assert page_word(Sentence("{0}, by the site file", told), "de") == (
        "bis 22:00, Werktag, day, weekday, laut Standortdatei"
    )
    of = Sentence("{0} of {1}", Sentence("Consumption"), named("day"))
    assert page_word(Sentence("Preview: {0}", of), "de") == "Vorschau: Verbrauch von day"
    assert page_word(Sentence("no tariff for {0}", "day"), "de").endswith("für day")


def test_a_sentence_is_said_with_what_stands_in_it() -> None:
    given = ("17. März 2025, 14:07", "Europe/Berlin")
    assert page_word(Sentence("calculated {0} ({1})", *given), "de_DE") == (
        "berechnet 17. März 2025, 14:07 (Europe/Berlin)"
    )
    why = Sentence("no saving of {0} can be determined: {1}", 2025, Sentence("no baseline"))
    assert page_word(why, "ar").endswith("لا خط أساس")
    assert page_word(Sentence("{0} old", "{0}"), "en") == "{0} old"
    assert page_word(Sentence("{0} old", "<b>{1} s</b>"), "de") == "<b>{1} s</b> alt"


def test_what_reads_like_a_sentence_of_ours_and_is_none_stays_as_it_is() -> None:
    """A meter may be called so; only what was made as a sentence is one."""
    assert page_word("3 s old", "de") == "3 s old"
    assert page_word(Sentence("{0} old", "weekday"), "de") == "weekday alt"


def test_a_sentence_stays_one_in_models_copies_and_other_processes() -> None:
    said = Sentence("{0} old", Sentence("{0} days", 3))
    number = Number(label="x", text="1", note=said)
    for each in (number.note, copy.deepcopy(number).note, pickle.loads(pickle.dumps(number)).note):  # noqa: S301
        assert each == "3 days old"
        assert page_word(each, "de") == "3 Tage alt"
    assert number.model_dump_json() == Number(label="x", text="1", note="3 days old").model_dump_json()


def test_a_sentence_that_is_kept_as_json_is_worded_for_each_reader() -> None:
    days = days_of(date(2025, 3, 1), date(2025, 3, 4))
    said = Sentence("{0}: {1}, {2}", named("day"), days, Sentence("{0} more than usual", Numeral("1,234.5 kWh")))
    again = sentence_of(json.loads(json.dumps(parts_of(said))))
    for each in (said, again, pickle.loads(pickle.dumps(said))):  # noqa: S301
        assert page_word(each, "en") == page_word(said, "en") != said
        assert page_word(each, "de").endswith("März\u00a02025, 1.234,5 kWh mehr als üblich")
    assert page_word(Sentence("{0} old", days_of(date(2025, 3, 1), date(2025, 3, 2))), "de") == "1. März 2025 alt"


@pytest.mark.parametrize("language", ["de", "ar"])
def test_a_sentence_keeps_every_place(language: str) -> None:
    places = re.compile(r"\{\d\}")
    words = rules_of(language).pages
    asked = {text: set(places.findall(text)) for text in words}
    wrong = [text for text, told in words.items() if asked[text] != set(places.findall(told))]
    assert wrong == []
