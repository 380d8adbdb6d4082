"""One's own key replaced in the browser: the old one signs, the new one vouches, the people file keeps all else."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from assets.sites.edit_site import text_versions
from assets.stores.audit import bad_rows
from assets.stores.published.publications import PublicationStore
from assets.stores.sign import KEY_DOMAIN, REPLACE, Signer, is_signed, key_statement, load_key, new_key
from assets.stores.web.audit_events import newest_events
from data_quality.contracts.people import Person
from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.marts_world import Asking, make_project, plant_of_the_web
from tests.web.test_signed_acts import SHELL, code, killed, shell, signed, text_of
from tests.web.why_world import posted

AT = "/profile/key"
PEOPLE = """\
# Who may do what.
people:
  - person_id: anna          # reviews
    public_key: "{anna}"   # since May
    name: Anna
    roles: [reviewer, engineer]

  - {{person_id: dirk, name: Dirk, public_key: {dirk}, roles: [publisher]}}
  - {{person_id: eve, name: Eve, roles: [viewer]}}


"""


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Asking]:
    project = make_project(tmp_path / "project", plant_of_the_web(), has_marts=False, has_readings=False)
    root = project.project.root
    keys = {name: new_key(root / "keys", name).public_key for name in ("anna", "dirk")}
    (root / "people.yaml").write_bytes(PEOPLE.format(**keys).replace("\n", "\r\n").encode())
    yield Asking(project, FixedClock(plant.NOON), project.people.known("anna"))
    project.close()


def graph_key(asking: Asking, name: str = "") -> Signer:
    return load_key(asking.project.project.root / "keys", name or asking.person.person_id)


def next_key(asking: Asking, name: str = "") -> Signer:
    return new_key(asking.project.project.root / "next", name or asking.person.person_id)


def form_of(asking: Asking, new: Signer, **bent: str) -> dict[str, str]:
    before, me = asking.project.people.known(asking.person.person_id).public_key, asking.person.person_id
    form = {"before": before, "after": new.public_key} | bent
    vouched = new.sign(KEY_DOMAIN, key_statement(me, form["before"], form["after"]))
    return {"vouched": vouched, **form}


def replace(asking: Asking, new: Signer) -> dict[str, str]:
    """The form of a change that was done."""
    form = form_of(asking, new)
    sent = form | signed(asking, text_of(asking, AT, form))
    answer = posted(asking, AT, form=sent)
    assert (answer.status, answer.headers["location"]) == (303, "/profile"), answer.text
    return sent


def people_text(asking: Asking) -> str:
    return str(asking.project.project.people_file.read_bytes().decode())


def test_the_new_key_stands_in_the_file_as_it_was_written_and_both_signed_for_it(anna: Asking) -> None:
    before, old, new = people_text(anna), graph_key(anna), next_key(anna)
    assert f'value="{old.public_key}"' in anna.get("/profile", [PAGE]).text
    replace(anna, new)
    assert people_text(anna) == before.replace(old.public_key, new.public_key)
    [kept] = PublicationStore(anna.project.store).signatures("anna")
    assert (kept.kind, kept.public_key, is_signed(kept)) == (REPLACE, old.public_key, True)
    [event] = [each for each in newest_events(anna.project.store) if each["route"] == AT]
    assert event["subject"].split()[0] == "anna"
    assert event["outcome"] == "303"
    assert f'value="{new.public_key}"' in anna.get("/profile", [PAGE]).text
    assert bad_rows(anna.project.store) == []


def test_a_change_that_was_killed_before_the_file_held_it_is_finished_by_the_next(anna: Asking) -> None:
    before, old, new = people_text(anna), graph_key(anna), next_key(anna)
    words = ["keys", "replace", "--new", str(anna.project.project.root / "next"), "--as", "anna"]
    dead = shell(anna, *words, program=killed("people") + SHELL)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert len(PublicationStore(anna.project.store).signatures("anna")) == 1
    assert people_text(anna) == before
    told = shell(anna, *words)
    assert (
        "keys replace of anna, signed by anna, was cut off before people.yaml held it; it holds it now" in told.stderr
    )
    assert people_text(anna) == before.replace(old.public_key, new.public_key)
    [kept] = text_versions(anna.project.project.data_dir / "people_texts")
    assert kept.person_id == "anna"


def test_the_old_key_signs_nothing_any_more_and_does_not_come_back(anna: Asking) -> None:
    old, new = graph_key(anna), next_key(anna)
    sent = replace(anna, new)
    # A second click, another window, a message that is played again.
    assert code(posted(anna, AT, form=sent)) == (412, "changed_since")
    back = form_of(anna, old)
    assert code(posted(anna, AT, form=back | {"ask_to_sign": "1"})) == (409, "key_used")
    third = next_key(anna, "third")
    form = form_of(anna, third)
    told = text_of(anna, AT, form)
    assert code(posted(anna, AT, form=form | signed(anna, told))) == (403, "wrong_signature"), "the file in keys is old"
    assert anna.project.people.public_keys["anna"] == new.public_key
    assert [each["kind"] for each in anna.project.store.rows(_signatures())] == [REPLACE]


def _signatures() -> Any:
    from assets.stores.schema.tables_reports import signatures

    return signatures.select()


@pytest.mark.parametrize(
    ("bent", "refused"),
    [
        ({"after": "AAAA"}, (422, "bad_key")),
        ({"after": "é" * 44}, (422, "bad_key")),
        ({"after": ""}, (422, "bad_key")),
        ({"after": "own"}, (409, "same_key")),
        ({"after": "dirk"}, (409, "key_used")),
        ({"before": "dirk"}, (412, "changed_since")),
        ({"before": ""}, (412, "changed_since")),
        ({"vouched": "AAAA"}, (403, "wrong_signature")),
        ({"vouched": ""}, (403, "wrong_signature")),
    ],
)
def test_a_faulty_change_gets_no_text_to_sign(anna: Asking, bent: dict[str, str], refused: tuple[int, str]) -> None:
    keys, before = anna.project.people.public_keys, people_text(anna)
    form = form_of(anna, next_key(anna)) | {
        name: {"own": keys["anna"], "dirk": keys["dirk"]}.get(text, text) for name, text in bent.items()
    }
    for more in ({"ask_to_sign": "1"}, {"signature": "A", "signed_at_utc": plant.NOON.isoformat()}):
        assert code(posted(anna, AT, form=form | more)) == refused
    assert code(posted(anna, AT, form=form))[1] in (refused[1], "no_key_here")
    assert people_text(anna) == before
    assert bad_rows(anna.project.store) == []


def test_the_key_of_another_does_not_sign_the_change_and_the_text_is_for_this_key_alone(anna: Asking) -> None:
    form, before = form_of(anna, next_key(anna)), people_text(anna)
    told = text_of(anna, AT, form)
    assert code(posted(anna, AT, form=form | signed(anna, told, by="dirk"))) == (403, "wrong_signature")
    other = form_of(anna, next_key(anna, "mallory"))
    assert code(posted(anna, AT, form=other | signed(anna, text_of(anna, AT, form)))) == (412, "signed_other")
    assert people_text(anna) == before


def test_a_person_without_a_key_is_offered_a_first_one_and_no_replacement(anna: Asking) -> None:
    eve = Asking(anna.project, anna.clock, anna.project.people.known("eve"))
    page = eve.get("/profile", [PAGE]).text
    assert 'action="/profile/key/new"' in page
    assert "meterloom keys new eve" in page
    assert 'action="/profile/key"' not in page
    assert code(posted(eve, AT, form=form_of(eve, next_key(eve)) | {"ask_to_sign": "1"}))[1] == "no_public_key"
    people = anna.project.project.people_file
    people.write_text("people: [{person_id: eve, name: Eve, roles: [viewer]}]\n")
    assert code(posted(eve, AT, form=form_of(eve, next_key(eve, "x"))))[1] == "no_public_key"


def test_a_key_that_an_admin_took_away_meanwhile_is_not_replaced(anna: Asking) -> None:
    form = form_of(anna, next_key(anna))
    sent = form | signed(anna, text_of(anna, AT, form))
    people = anna.project.project.people_file
    rows = yaml.safe_load(people.read_bytes())
    del rows["people"][0]["public_key"]
    people.write_text(yaml.safe_dump(rows))
    assert code(posted(anna, AT, form=sent))[1] == "no_public_key"


def test_a_key_that_is_written_in_a_way_of_its_own_is_left_to_a_person(anna: Asking) -> None:
    key = anna.project.people.public_keys["anna"]
    text = f"people:\n  - person_id: anna\n    public_key: >-\n      {key}\n    name: Anna\n    roles: []\n"
    anna.project.project.people_file.write_text(text)
    answer = posted(anna, AT, form=form_of(anna, next_key(anna)) | {"ask_to_sign": "1"})
    assert code(answer) == (422, "cannot_patch")
    assert "by hand" in answer.said["detail"]
    assert people_text(anna) == text


def keys(folder: Path, *words: str) -> tuple[int, str]:
    found = CliRunner().invoke(build_app(("keys",)), ["keys", *words, "--project", str(folder)])
    return found.exit_code, found.stdout + found.stderr


def test_the_shell_makes_the_next_key_beside_the_present_one_and_replaces_it(anna: Asking) -> None:
    root, out = anna.project.project.root, anna.project.project.root / "next"
    old = graph_key(anna)
    code_, said = keys(root, "new", "anna", "--out", str(out))
    assert (code_, "keys replace --new" in said) == (0, True)
    assert people_text(anna).count(old.public_key) == 1, "the file has the present one until it is replaced"
    code_, said = keys(root, "replace", "--new", str(out), "--as", "anna")
    assert (code_, "in place of SHA256:" in said) == (0, True), said
    assert anna.project.people.public_keys["anna"] == load_key(out, "anna").public_key
    code_, said = keys(root, "replace", "--new", str(out), "--as", "anna")
    assert (code_, "is not the one of the people file" in said) == (2, True)
    shutil.copy(out / "anna.key", root / "keys" / "anna.key")
    code_, said = keys(root, "replace", "--new", str(out), "--as", "anna")
    assert (code_, "the new key is the present one" in said) == (2, True)
    assert keys(root, "replace", "--new", str(root / "none"), "--as", "anna")[0] == 2
    assert anna.project.people.known("anna") == Person.model_validate(
        anna.person.model_dump() | {"public_key": load_key(out, "anna").public_key}
    )
