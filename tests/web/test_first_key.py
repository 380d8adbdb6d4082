"""One's own first signing key: made elsewhere, registered by its owner with the password; the file keeps all else."""

import hashlib
from collections.abc import Iterator
from json import loads
from pathlib import Path

import pytest

from assets.stores.api_keys import ApiKeyStore
from assets.stores.audit import bad_rows
from assets.stores.sign import KEY_DOMAIN, Signer, key_statement, load_key, new_key
from assets.stores.web.audit_events import newest_events
from data_quality.contracts.access.permissions import Permission
from tests.web.asking import PAGE, Browser
from tests.web.served import PASSWORD, Served, make_served

AT = "/profile/key/new"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "own").mkdir()
    found = make_served(tmp_path / "own")
    yield found
    found.project.close()


def key_for(served: Served, name: str) -> Signer:
    return new_key(served.folder / "elsewhere", name)


def register(browser: Browser, me: str, key: Signer, **bent: str) -> tuple[int, str]:
    """Status and code of the answer, or where it leads."""
    vouched = key.sign(KEY_DOMAIN, key_statement(me, "", key.public_key))
    form = {"after": key.public_key, "vouched": vouched, "present": PASSWORD} | bent
    json = [("accept", "application/json")]
    answer = browser.act(AT, json, csrf=browser.token("/profile/password"), **form)
    return answer.status, answer.headers["location"] if answer.status == 303 else answer.said["code"]


def keys(served: Served) -> dict[str, str]:
    return {name: key for name, key in served.project.people.public_keys.items() if key}


def test_a_first_key_stands_in_the_file_and_in_the_audit_trail_and_a_second_is_refused(served: Served) -> None:
    admin, viewer = served.browser("admin"), served.browser("viewer")
    before, key = served.project.project.people_file.read_text(), key_for(served, "admin")
    assert register(admin, "admin", key) == (303, "/profile")
    text = served.project.project.people_file.read_text()
    assert text == before.replace("person_id: admin", f'person_id: admin, public_key: "{key.public_key}"', 1)
    event = next(each for each in newest_events(served.project.store) if each["route"] == AT)
    assert (event["person_id"], event["subject"][:7], event["outcome"]) == ("admin", "SHA256:", "303")
    assert register(admin, "admin", key_for(served, "second")) == (409, "key_exists")
    assert "Replace key" in admin.ask("/profile", headers=[PAGE]).text
    theirs = key_for(served, "viewer")
    assert register(viewer, "viewer", theirs) == (303, "/profile")
    assert keys(served) == {"admin": key.public_key, "viewer": theirs.public_key}
    assert not (served.folder / "keys").exists(), "no private half is on the server"
    assert load_key(served.folder / "elsewhere", "viewer").public_key == theirs.public_key


def test_the_first_key_of_a_project_is_an_admin_s_since_everybody_signs_from_then_on(served: Served) -> None:
    viewer, admin = served.browser("viewer"), served.browser("admin")
    assert AT not in viewer.ask("/profile", headers=[PAGE]).text
    assert register(viewer, "viewer", key_for(served, "viewer")) == (403, "admin_first")
    assert "everybody signs" in admin.ask("/profile", headers=[PAGE]).text
    assert keys(served) == {}
    assert register(admin, "admin", key_for(served, "admin")) == (303, "/profile")
    page = viewer.ask("/profile", headers=[PAGE]).text
    assert AT in page
    assert "everybody signs" not in page


@pytest.mark.parametrize(
    ("bent", "refused"),
    [
        ({"present": "another password"}, (422, "wrong_password")),
        ({"present": ""}, (422, "wrong_password")),
        ({"after": "AAAA"}, (422, "bad_key")),
        ({"after": ""}, (422, "bad_key")),
        ({"after": "admin"}, (409, "key_used")),
        ({"vouched": ""}, (403, "wrong_signature")),
        ({"vouched": "other"}, (403, "wrong_signature")),
    ],
)
def test_a_faulty_key_or_a_wrong_password_registers_nothing(
    served: Served, bent: dict[str, str], refused: tuple[int, str]
) -> None:
    admin, viewer, known = served.browser("admin"), served.browser("viewer"), key_for(served, "admin")
    assert register(admin, "admin", known) == (303, "/profile")
    mine = key_for(served, "viewer")
    # The word of the right key for another person.
    other = mine.sign(KEY_DOMAIN, key_statement("worker", "", mine.public_key))
    sent = {name: {"admin": known.public_key, "other": other}.get(text, text) for name, text in bent.items()}
    assert register(viewer, "viewer", mine, **sent) == refused
    assert keys(served) == {"admin": known.public_key}


def test_acts_from_before_the_first_key_count_again_once_an_approver_adopts_them(served: Served) -> None:
    text = served.project.project.people_file.read_text()
    served.project.project.people_file.write_text(text.replace("roles: [admin]", "roles: [admin, approver]"))
    admin, json = served.browser("admin"), [("accept", "application/json")]
    key, store = key_for(served, "admin"), ApiKeyStore(served.project.store)
    store.issue("viewer", name="wall", sites=["works"], scopes=[Permission.READ], days=9, clock=served.clock)
    assert register(admin, "admin", key) == (303, "/profile")
    assert "Adopt earlier acts" in admin.ask("/profile", headers=[PAGE]).text
    assert bad_rows(served.project.store) != [], "nobody signed that the key was issued"
    csrf, form = admin.token("/profile"), {"reason": "the list was read"}
    assert admin.act("/profile/key/adopt", json, csrf=csrf, reason=" ").said["code"] == "missing_reason"
    handed = admin.act("/profile/key/adopt", json, csrf=csrf, ask_to_sign="1", **form).said
    action = handed["action"].encode()
    proof = {"signature": key.sign(handed["domain"], action), "signed_sha256": hashlib.sha256(action).hexdigest()}
    proof["signed_at_utc"] = loads(action)["at_utc"]
    assert admin.act("/profile/key/adopt", json, csrf=csrf, **form, **proof).status == 303
    assert bad_rows(served.project.store) == []
    assert "Adopt earlier acts" not in admin.ask("/profile", headers=[PAGE]).text


def test_passwords_are_not_tried_at_the_form_of_a_key(served: Served) -> None:
    admin, key = served.browser("admin"), key_for(served, "admin")
    tried = [register(admin, "admin", key, present="another password") for _ in range(6)]
    assert tried[-1][0] == 429
    assert keys(served) == {}
