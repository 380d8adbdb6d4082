"""Every reason of a forecast that the code can give is said in every language, to the last word."""

import ast
import re
from collections.abc import Callable
from datetime import date, timedelta
from itertools import product

import numpy as np
import pytest

from data_quality.contracts.sentence import Stored
from ml.features.weather_as_of import NO_WEATHER, FixedWeather
from ml.forecasts.lifecycle.change_sentences import FELT, ChangeFacts
from ml.forecasts.lifecycle.forecast_change import ForecastChange, Moved
from ml.forecasts.lifecycle.promotion import PairedTest, _verdict, decide
from reports.texts.locales import page_word, rules_of
from tests.house.measures import ROOT
from tests.ml.forecasts.known_cases import case_like, factory
from tests.syntax import parsed

DAYS = 30
DAY = date(2025, 4, 16)
# Units, names of measures and of this month are the same in German.
SAME = {"kwh", "kw", "k", "m", "w", "c", "p", "nrmse", "pinball", "april"}


def heads() -> set[str]:
    """First sentences: whole days and others, of sums and levels, held against last week and a usual day."""
    flags = product((True, False), repeat=4)
    return {
        ForecastChange(
            day=DAY, is_whole=whole, is_holiday=holiday, is_level=level, unit="kw" if level else "kwh", total=total,
            reference=100.0, is_last_week=last_week, parts=(Moved("rest", total - 100.0, "all else"),),
        ).sentences()[0]
        for (whole, holiday, level, last_week), total in product(flags, (90.0, 100.0, 110.0))
    }  # fmt: skip


def facts() -> set[str]:
    """Words of every topic, with and without what stands beside them."""
    ahead, found = (DAYS + 40) * 24, set[str]()
    rising = np.arange(ahead, dtype=float)
    names = tuple(name for name, *_ in FELT.values())
    at = (DAYS - 2) * 24
    steps = np.arange(at, at + 24)
    for values in (rising, -rising, None):
        weather = NO_WEATHER if values is None else FixedWeather(names, np.stack([values, values], axis=1))
        civil = case_like(factory(1), days=DAYS, weather=weather).civil
        day = civil.first_day + timedelta(days=int(civil.day[at]))
        for shift in (-8, -7, -1, 0, 1):
            holidays = frozenset({day + timedelta(days=shift)})
            case = case_like(factory(1), days=DAYS, weather=weather, holidays=holidays)
            for begun in (at, 0):
                words = ChangeFacts(case, begun, max(begun - 168, 0), steps, steps - 168)
                found |= {words.of(each) for each in ("temperature", "sun", "calendar", "recent", "weather", "other")}
                found |= {words.last_week(each) for each in (-1.0, 1.0)}
    return found | {"all else", "bounds and corrections that the model puts on its answer"}


def decisions() -> set[str]:
    """Reasons why a model leads or stays."""
    days = [DAY + timedelta(days=each) for each in range(60)]
    tests = [
        PairedTest(days=60, champion_loss=1.0, challenger_loss=loss, gain=1.0 - loss, p_value=p)
        for loss, p in ((0.5, 0.001), (0.999, 0.4), (0.8, 0.4))
    ]
    few = decide(dict.fromkeys(days[:2], 1.0), dict.fromkeys(days[:2], 0.5))
    return {few.reason, *map(_verdict, tests)}


def tokens(text: str) -> set[str]:
    """Words in Latin letters."""
    return set(re.findall(r"[a-z][a-z-]*", text.lower()))


@pytest.mark.parametrize("locale", ["de", "ar"])
@pytest.mark.parametrize("said", [heads, facts, decisions])
def test_no_english_word_is_left_in_a_reason(said: Callable[[], set[str]], locale: str) -> None:
    english = said()
    assert len(english) > 3
    left = {each: tokens(each) & tokens(page_word(Stored(each), locale)) - SAME - {"in"} for each in english}
    assert {each: words for each, words in left.items() if words} == {}


def test_every_topic_is_met_with_its_facts() -> None:
    found = " | ".join(facts())
    for each in ("warmer by", "colder by", "more sun by", "less sun by", "how warm it is", "the sun", "the eve of a",
                 "the day after a", "a public holiday", "week before)", "other weather", "other inputs"):  # fmt: skip
        assert each in found, each


def test_every_sentence_of_a_plan_has_words_in_every_language() -> None:
    """A remark stands with a capital on pages, and without one in other sentences."""
    paths = [path for room in ("planning", "optimiser") for path in (ROOT / "controls" / room).rglob("*.py")]
    trees = [each for path in paths for each in ast.walk(parsed(path.read_text(encoding="utf-8")))]
    # Halves of a sentence that is put together (two added, or one behind a semicolon) are not looked for.
    halves = {id(part) for each in trees if isinstance(each, ast.BinOp) for part in ast.walk(each)}
    strings = [each.value for each in trees if isinstance(each, ast.Constant) and id(each) not in halves]
    patterns = {
        each
        for each in strings
        if isinstance(each, str) and each[0:1] != ";" and re.search(r"\{\d\}.*[a-z]{3}|[a-z]{3}.*\{\d\}", each)
    }
    assert len(patterns) > 25
    for locale in ("de", "ar"):
        known = {key.lower() for key in (*rules_of(locale).pages, *rules_of(locale).reports)}
        assert {each for each in patterns if each.lower() not in known} == set()
