"""A key has two halves, and both are there or none: the private one beside the people file, the public one in it."""

from pathlib import Path
from shutil import copyfile

import pytest
from typer.testing import CliRunner

from assets.sites.load_sites import load_people
from assets.stores.sign import fingerprint, load_key
from data_quality.contracts.errors import BadInput
from orchestration.cli.main import build_app
from reports.evidence.people_keys import give_key, give_keys

DEMO = Path(__file__).resolve().parents[3] / "assets" / "sites" / "demo" / "people.yaml"
BLOCK = """\
# Who may do what.
people:
  - person_id: me            # that is I
    name: Me
    roles: [analyst]
  # The other one.
  - {name: Other, person_id: "other", roles: [approver]}   # in braces
"""


def keys_new(folder: Path, *words: str) -> tuple[int, str, str]:
    """`meterloom keys new` in a project folder."""
    found = CliRunner().invoke(build_app(("keys",)), ["keys", "new", *words, "--project", str(folder)])
    return found.exit_code, found.stdout, found.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh project made by `meterloom init`."""
    assert CliRunner().invoke(build_app(("init",)), ["init", str(tmp_path / "p")]).exit_code == 0
    return tmp_path / "p"


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


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_public_half_is_written_in_either_style_and_every_other_byte_stays(
    tmp_path: Path, ending: str, mark: str
) -> None:
    people, keys = tmp_path / "people.yaml", tmp_path / "keys"
    before = (mark + BLOCK.replace("\n", ending)).encode()
    people.write_bytes(before)
    mine, other = (give_key(people, name, keys).public_key for name in ("me", "other"))
    after = people.read_bytes()
    assert f'that is I{ending}    public_key: "{mine}"{ending}    name'.encode() in after
    assert f'person_id: "other", public_key: "{other}", roles'.encode() in after
    block, flow = f'    public_key: "{mine}"{ending}', f', public_key: "{other}"'
    assert after.replace(block.encode(), b"").replace(flow.encode(), b"") == before
    assert load_people(people).public_keys == {"me": mine, "other": other}


def test_an_empty_public_key_is_filled(tmp_path: Path) -> None:
    people = tmp_path / "people.yaml"
    people.write_text('people:\n  - person_id: me\n    public_key: ""  # mine\n    name: Me\n    roles: []\n')
    key = give_key(people, "me", tmp_path / "keys").public_key
    assert f'    public_key: "{key}"  # mine\n' in people.read_text()


def test_where_the_file_cannot_be_changed_no_private_key_is_left(tmp_path: Path) -> None:
    people = tmp_path / "people.yaml"
    # An alias stands for one text at two places: nothing of it can be changed for one person alone.
    people.write_text("base: &a {person_id: me, name: Me, roles: []}\npeople: [*a]\n".replace("base: ", "x-base: "))
    with pytest.raises(BadInput):
        give_key(people, "me", tmp_path / "keys")
    people.write_text("people:\n  - person_id: >-\n      me\n    name: Me\n    roles: []\n")
    before = people.read_bytes()
    with pytest.raises(BadInput, match="by hand"):
        give_key(people, "me", tmp_path / "keys")
    assert people.read_bytes() == before
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [".lock", "people.yaml"]


def test_keys_new_writes_both_halves_and_overwrites_neither(project: Path) -> None:
    code, said, _ = keys_new(project, "me")
    assert code == 0
    key = load_people(project / "people.yaml").public_keys["me"]
    assert key
    assert key in said
    assert (project / "keys" / "me.key").stat().st_mode & 0o777 == 0o600
    assert "# PLACEHOLDER: who acts with --as me" in (project / "people.yaml").read_text()
    before = (project / "keys" / "me.key").read_bytes()
    code, _, error = keys_new(project, "me")
    assert (code, "has a public key in the people file already" in error) == (2, True)
    assert (project / "keys" / "me.key").read_bytes() == before


def test_keys_new_makes_no_key_for_a_misspelt_name(project: Path) -> None:
    code, _, error = keys_new(project, "coleague")
    assert (code, "unknown person 'coleague'; the people file names me, colleague, publisher" in error) == (2, True)
    assert not list(project.rglob("*.key"))


def test_what_is_no_key_has_no_fingerprint() -> None:
    assert [fingerprint(text) for text in ("", "abc", "A" * 44, "é" * 44)] == [""] * 4
