"""Answers of the organisation: signed by their author, held against that signature, and none lost beside another."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from assets.sites.load_sites import load_people
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.disclosure import DisclosureAnswer
from data_quality.contracts.yaml_file import BadConfiguration
from orchestration.operations.operation import Call
from orchestration.operations.reports.disclosure import answer
from orchestration.views.pack_subjects import answers_of
from reports.evidence.people_keys import give_keys
from tests.orchestration.test_disclosure_command import PACK, POINT, folder

__all__ = ["folder"]


@pytest.fixture
def signing(folder: Path) -> Path:
    """A project whose people have keys."""
    people = folder / "people.yaml"
    give_keys(people, load_people(people), folder / "keys")
    return folder


def answered(folder: Path, value: str, *, year: int = 2025) -> None:
    call = Call(folder, person="ben")
    with closing(call.project):
        answer(call, point=POINT, pack=PACK, site="my_site", year=year, value=value, unit="t")


def read(folder: Path) -> tuple[DisclosureAnswer, ...]:
    call = Call(folder)
    with closing(call.project):
        return answers_of(call.project)


def test_an_answer_of_somebody_with_a_key_is_signed_and_found_so(signing: Path) -> None:
    answered(signing, "12.50")
    answered(signing, "13")
    assert [(f"{each.value}", bool(each.signed_sha256)) for each in read(signing)] == [("12.50", True), ("13", True)]


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("'12.50'", "'12.5'", "not as ben signed it (12.50 t)"),
        ("year: 2025", "year: 2024", "not as ben signed it"),
        ("author: ben", "author: bea", "no signature of bea over this answer is kept"),
    ],
)
def test_an_answer_that_was_altered_is_refused_by_line(signing: Path, was: str, now: str, words: str) -> None:
    people = signing / "people.yaml"
    text = people.read_text()
    people.write_text(f"{text}  - {{person_id: bea, name: Bea, roles: [analyst]}}\n")
    answered(signing, "12.50")
    path = signing / "disclosure.yaml"
    assert was in path.read_text()
    path.write_text(path.read_text().replace(was, now))
    with pytest.raises(BadConfiguration) as fault:
        read(signing)
    assert words in str(fault.value)
    [line] = [at for at, each in enumerate(path.read_text().splitlines(), 1) if "signed_sha256" in each]
    assert fault.value.line == line


def test_a_mark_that_was_written_by_hand_is_refused(signing: Path) -> None:
    from reports.content.disclosure_answers import signed_answer

    answered(signing, "12.50")
    path = signing / "disclosure.yaml"
    [good] = read(signing)
    forged = signed_answer(good.model_copy(update={"year": 2024}))
    more = path.read_text().replace("answers:\n", "").replace(good.signed_sha256, forged.signed_sha256)
    path.write_text(path.read_text() + more.partition("\n")[2].replace("year: 2025", "year: 2024"))
    with pytest.raises(BadConfiguration, match="no signature of ben over this answer"):
        read(signing)


def test_a_signed_answer_that_is_gone_is_missed(signing: Path) -> None:
    answered(signing, "12.50")
    (signing / "disclosure.yaml").unlink()
    with pytest.raises(BadConfiguration, match=r"my_site, 2025 that ben signed is gone \(12.50 t\)"):
        read(signing)


def test_an_answer_by_hand_counts_and_is_known_to_be_unsigned(signing: Path) -> None:
    answered(signing, "12.50")
    path = signing / "disclosure.yaml"
    path.write_text(f"""{path.read_text()}  - pack: {PACK}
    id: {POINT}
    site: my_site
    year: 2025
    value: 14
    unit: t
    author: ben
    at: 2026-02-01
""")
    assert [bool(each.signed_sha256) for each in read(signing)] == [True, False]


def test_without_keys_an_answer_is_unsigned(folder: Path) -> None:
    answered(folder, "12.50")
    assert [each.signed_sha256 for each in read(folder)] == [""]


def test_of_writers_at_once_none_is_lost(signing: Path) -> None:
    # Its store is made by the first.
    answered(signing, "0")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: answered(signing, f"{number}"), range(1, 12)))
    assert sorted(each.value or 0 for each in read(signing)) == list(range(12))


def test_an_organisation_called_as_a_site_is_refused(folder: Path) -> None:
    (folder / "organisation.yaml").write_text("""# ours
organisation: my_site
name: Ours
currency: EUR
approaches: [{approach: operational_control}]
entities: [{entity: works, name: Works}]
sites: [{site: my_site, entity: works}]
""")
    call = Call(folder)
    with closing(call.project), pytest.raises(BadInput, match="called as a site is") as fault:
        answers_of(call.project)
    assert (fault.value.line, fault.value.reason) == (2, "bad_configuration")
