"""Every mistake of the list is answered as the page docs/ems/mistakes.md says: named, and never taken in silence."""

import pytest

from tests.mistakes_table import MISTAKES, PAGE, Mistake, answers, page

Answers = dict[str, tuple[int, list[str]]]


@pytest.fixture(scope="module")
def found() -> Answers:
    """Answer to every mistake, once for all tests."""
    return answers()


def test_there_are_thirty_mistakes_or_more_each_once() -> None:
    assert len({each.what for each in MISTAKES}) == len(MISTAKES) >= 30


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.what)
def test_a_mistake_is_named_and_not_taken_in_silence(mistake: Mistake, found: Answers) -> None:
    code, said = found[mistake.what]
    assert code == mistake.code
    assert mistake.word in " ".join(said)
    # One sentence; where a column map would help, a second line is the command that proposes one.
    assert len(said) == 1 or (len(said) == 2 and "a column map says how" in said[1]), said


def test_the_page_says_what_a_run_says(found: Answers) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(found)
