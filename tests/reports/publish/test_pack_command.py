"""`meterloom keys`, `pack` and `verify` as people use them."""

import json
from pathlib import Path

import yaml

from assets.stores.column_types import text_sha256
from assets.stores.sign import ACTION_DOMAIN, canonical, fingerprint, load_key, new_key
from reports.evidence import manifest as names
from tests.reports.evidence.test_pack import members_of, resealed, written
from tests.reports.publish.conftest import REVISION, MakeDesk


def test_a_pack_by_a_person_verifies_against_the_people_file(desk: MakeDesk, tmp_path: Path) -> None:
    used = desk()
    code, packed, error = used.run("pack", REVISION, "--as", "dirk", "--out", str(tmp_path / "p.zip"))
    assert code == 0, error
    people = str(used.folder / "people.yaml")
    code, said, error = used.run("verify", str(tmp_path / "p.zip"), "--people", people, "--sample", "all")
    assert (code, said["verified"], said["problems"]) == (0, True, []), error
    assert (said["signer"], said["fingerprint"]) == ("dirk", packed["fingerprint"])
    assert (said["files"], said["recomputed"]) == (packed["files"], 186)
    used.people()
    code, said, _ = used.run("verify", str(tmp_path / "p.zip"), "--people", people)
    assert (code, [each["file"] for each in said["problems"]]) == (1, ["signature.json"])


def test_a_pack_holds_the_names_of_who_had_a_part_and_one_that_was_changed_is_found(
    desk: MakeDesk, tmp_path: Path
) -> None:
    used = desk()
    assert used.run("reports", "review", REVISION, "--as", "anna")[0] == 0
    assert used.run("reports", "publish", REVISION, "--as", "dirk")[0] == 0
    path = Path(used.run("pack", REVISION)[1]["path"])
    # Nobody looks them up later: without a people file they are the pack's own, and under its signature.
    (used.folder / "people.yaml").unlink()
    members = members_of(path)
    life = json.loads(members[names.LIFE])
    assert life["names"] == {"anna": "Anna", "dirk": "Dirk"}
    assert used.run("verify", str(path), "--sample", "0")[1]["problems"] == []
    life["decisions"][-1]["names"]["dirk"] = "Somebody Else"
    forged = resealed(members | {names.LIFE: canonical(life)}, new_key(tmp_path / "keys", "forger"))
    said = used.run("verify", str(written(tmp_path / "forged.zip", forged)), "--sample", "0")[1]
    assert {"file": names.LIFE, "problem": "names other people as published than dirk signed"} in said["problems"]


def test_what_a_replaced_key_signed_holds_in_a_pack_that_is_made_later(desk: MakeDesk, tmp_path: Path) -> None:
    used, out = desk(), tmp_path / "next"
    assert used.run("reports", "review", REVISION, "--as", "anna")[0] == 0
    assert used.run("reports", "publish", REVISION, "--as", "dirk")[0] == 0
    new_key(out, "anna")
    code, said, error = used.run("keys", "replace", "--new", str(out), "--as", "anna")
    assert (code, said["fingerprint"]) == (0, fingerprint(load_key(out, "anna").public_key)), error
    path, people = Path(used.run("pack", REVISION)[1]["path"]), used.folder / "people.yaml"
    rows = yaml.safe_load(people.read_text())["people"]
    project = {"person_id": "project", "name": "P", "roles": []}
    project["public_key"] = load_key(used.folder / "keys", "project").public_key
    people.write_text(yaml.safe_dump({"people": [*rows, project]}))
    asked = ("--people", str(people), "--sample", "0")
    assert used.run("verify", str(path), *asked)[1]["problems"] == []
    members = members_of(path)
    life = json.loads(members[names.LIFE])
    assert [each["person_id"] for each in life["key_changes"]] == ["anna"]
    # Without the change it is a key that nobody knows; and a change does not vouch for what comes after it.
    late = json.loads(life["signatures"][0]["action"])
    late["facts"]["seals"] = [10**6, ""]
    old, text = load_key(used.folder / "keys", "anna"), canonical(late)
    forged = life["signatures"][0] | {
        "action": text.decode(), "action_sha256": text_sha256(text.decode()), "signature": old.sign(ACTION_DOMAIN, text)
    }  # fmt: skip
    bent = ({"key_changes": []}, {"signatures": [forged, *life["signatures"][1:]]}, {"key_changes": [{}]})
    for at, change in enumerate(bent):
        sealed = resealed(members | {names.LIFE: canonical(life | change)}, load_key(used.folder / "keys", "project"))
        said = used.run("verify", str(written(tmp_path / f"{at}.zip", sealed)), *asked)[1]
        told = ("cannot be read", "the people file does not have the key that anna signed with")[at < 2]
        assert {"file": names.LIFE, "problem": told} in said["problems"]


def test_a_decision_that_nobody_signed_is_told(desk: MakeDesk) -> None:
    used = desk()
    assert used.run("reports", "review", REVISION, "--as", "anna")[0] == 0
    packed = used.run("pack", REVISION)[1]
    assert used.run("verify", packed["path"], "--sample", "0")[1]["status"] == "reviewed"
    used.people(keys=False)
    assert used.run("reports", "publish", REVISION, "--as", "dirk")[0] == 0
    said = used.run("verify", used.run("pack", REVISION)[1]["path"], "--sample", "0")[1]
    assert (said["verified"], said["status"]) == (True, "published")
    assert "published without a signature" in said["findings"]
    assert "reviewed without a signature" not in said["findings"]


def test_a_pack_without_a_person_is_sealed_by_the_project(desk: MakeDesk) -> None:
    used = desk()
    code, packed, error = used.run("pack", REVISION[:-2])
    assert (code, packed["signer"], "made the project's own key" in error) == (0, "project", True)
    again = used.run("pack", REVISION)[1]
    assert again["sha256"] == packed["sha256"]
    assert load_key(used.folder / "keys", "project").public_key == packed["public_key"]
    assert (used.folder / "keys" / "project.key").stat().st_mode & 0o077 == 0


def test_an_altered_pack_ends_with_one_and_the_file_named(desk: MakeDesk) -> None:
    used = desk()
    path = Path(used.run("pack", REVISION)[1]["path"])
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    code, said, _ = used.run("verify", str(path))
    assert (code, said["verified"], len(said["problems"])) == (1, False, 1)
    assert said["problems"][0]["file"].startswith(("inputs/", "report/", "code/"))


def test_wrong_words_are_refused_in_one_sentence(desk: MakeDesk) -> None:
    used = desk()
    assert used.run("verify", "none.zip")[0::2] == (2, "none.zip: no such pack\n")
    assert "expected a number or all" in used.run("verify", "none.zip", "--sample", "some")[2]
    assert "unknown person 'zoe'" in used.run("pack", REVISION, "--as", "zoe")[2]
    used.people(keys=False)
    assert "no public key in the people file" in used.run("pack", REVISION, "--as", "dirk")[2]


def test_a_new_key_is_its_owners_alone_and_never_overwritten(desk: MakeDesk, tmp_path: Path) -> None:
    used = desk()
    code, said, _ = used.run("keys", "new", "eve", "--out", str(tmp_path / "k"))
    assert code == 0
    assert Path(said["path"]).stat().st_mode & 0o777 == 0o600
    assert load_key(tmp_path / "k", "eve").public_key == said["public_key"]
    assert "there is a key for 'eve' already" in used.run("keys", "new", "eve", "--out", str(tmp_path / "k"))[2]
    for name in ("../eve", ".eve", "E", ""):
        assert "cannot name a key" in used.run("keys", "new", name, "--out", str(tmp_path / "k"))[2]
    (used.folder / "keys" / "dirk.key").unlink()
    states = {each["person_id"]: each["private_key"] for each in used.run("keys", "list")[1]["keys"]}
    assert states == {"anna": "fits", "ben": "fits", "dirk": "not here", "both": "fits"}
