"""Everybody of the demo has a key, once; comments and order of the people file stay."""

from pathlib import Path
from shutil import copyfile

from assets.sites.load_sites import load_people
from assets.stores.sign import fingerprint, load_key
from reports.evidence.people_keys import give_keys

DEMO = Path(__file__).resolve().parents[3] / "assets" / "sites" / "demo" / "people.yaml"


def test_everybody_of_the_demo_gets_a_key_and_keeps_it(tmp_path: Path) -> None:
    people = tmp_path / "people.yaml"
    copyfile(DEMO, people)
    given = give_keys(people, load_people(people), tmp_path / "keys")
    after = load_people(people)
    assert {each.person_id: each.public_key for each in after.people} == given
    assert all(load_key(tmp_path / "keys", name).public_key == key for name, key in given.items())
    assert len({fingerprint(key) for key in given.values()}) == len(given)
    assert people.read_text().splitlines()[0] == DEMO.read_text().splitlines()[0]
    assert give_keys(people, after, tmp_path / "keys") == {}
    # A people file that was copied anew gets the same public keys again.
    copyfile(DEMO, people)
    assert give_keys(people, load_people(people), tmp_path / "keys") == given


def test_what_is_no_key_has_no_fingerprint() -> None:
    assert [fingerprint(text) for text in ("", "abc", "A" * 44, "é" * 44)] == [""] * 4
