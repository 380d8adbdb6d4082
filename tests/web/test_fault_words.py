"""Faults of a site file's values and of its YAML have words in every language that pages are whole in."""

import pytest

from data_quality.contracts import model_faults
from data_quality.contracts.sentence import Sentence
from reports.texts.locales import page_word, rules_of
from tests.web.test_page_words import WHOLE


def fault_words() -> list[str]:
    values = [model_faults._expected(each, _Any()).pattern for each in model_faults._EXPECTED.values()]
    patterns = [f"expected {each}" for each in model_faults.PATTERNS.values()]
    yaml = [each for _, *both in model_faults._YAML for each in both]
    return [*values, *patterns, *yaml, model_faults.MEANT]


class _Any(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return name


@pytest.mark.parametrize("locale", WHOLE)
def test_no_fault_of_a_value_or_of_yaml_is_left_in_english(locale: str) -> None:
    assert [each for each in fault_words() if each not in rules_of(locale).pages] == []


def test_a_fault_is_worded_whole_with_what_stands_in_the_file_as_it_is() -> None:
    fault = Sentence("{0}: {1}, got {2}", "meters.0.factor", Sentence("expected more than {0}", "0"), "-1")
    assert page_word(fault, "de") == "meters.0.factor: erwartet wird mehr als 0, gefunden -1"
    assert str(fault) == "meters.0.factor: expected more than 0, got -1"
