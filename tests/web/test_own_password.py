"""One's own password, and one that an admin reset: nobody else changes it, and who had it reset is notified."""

import re

import pytest
from argon2 import PasswordHasher, extract_parameters

from assets.stores.web.audit_events import newest_events
from assets.stores.web.credentials import CredentialStore
from data_quality.contracts.errors import BadInput
from orchestration.web.people.invite import invitation_link
from tests.web.asking import PAGE, Browser
from tests.web.served import PASSWORD, Served

OTHER = "five other words of chance"
DOCS = "/api/openapi.json"


def change(browser: Browser, present: str = PASSWORD, password: str = OTHER, again: str = "") -> int:
    token = browser.token("/profile/password")
    answer = browser.act("/profile/password", csrf=token, present=present, password=password, again=again or password)
    return answer.status


def test_a_changed_password_holds_from_now_on_and_ends_every_other_sign_in(served: Served) -> None:
    browser, other = served.browser("viewer"), served.browser("viewer")
    before = browser.cookie
    assert change(browser) == 303
    assert browser.cookie != before
    assert (browser.ask(DOCS).status, other.ask(DOCS).status) == (200, 401)
    assert Browser(served.app).act("/login", person="viewer", password=PASSWORD).status == 401
    assert Browser(served.app).act("/login", person="viewer", password=OTHER).headers["location"] == "/"
    lines = [(each["person_id"], each["outcome"]) for each in newest_events(served.project.store)
             if each["route"] == "/profile/password"]  # fmt: skip
    assert lines == [("viewer", "303")]
    assert OTHER not in str(newest_events(served.project.store))


def test_without_the_present_password_nothing_changes_and_nobody_tries_many(served: Served) -> None:
    browser = served.browser("viewer")
    assert change(browser, present="something else") == 422
    assert change(browser, again="not the same one") == 422
    assert change(browser, password="short") == 422
    tried = [change(browser, present="something else") for _ in range(5)]
    assert tried[-1] == 429
    assert browser.ask(DOCS).status == 200
    assert Browser(served.app).act("/login", person="viewer", password=PASSWORD).status == 303


def test_an_invitation_replaces_no_password_and_names_the_way_on(served: Served) -> None:
    admin = served.browser("admin")
    served.browser("viewer")
    token = admin.token("/people")
    answer = admin.act("/people/invite", csrf=token, person="viewer")
    assert answer.status == 409
    assert "Reset password" in answer.text
    with pytest.raises(BadInput, match="has a password"):
        invitation_link(served.project, served.project.people.known("viewer"), served.clock)
    assert Browser(served.app).act("/login", person="viewer", password=PASSWORD).status == 303


def test_a_reset_needs_a_reason_ends_password_and_sign_ins_and_stands_on_the_profile_until_confirmed(
    served: Served,
) -> None:
    admin, viewer = served.browser("admin"), served.browser("viewer")
    refused = admin.act("/people/reset", csrf=admin.token("/people"), person="viewer", reason=" ")
    assert (refused.status, viewer.ask(DOCS).status) == (422, 200)
    answer = admin.act("/people/reset", csrf=admin.token("/people"), person="viewer", reason="forgotten")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert viewer.ask(DOCS).status == 401
    browser = served.browser()
    assert browser.act("/login", person="viewer", password=PASSWORD).status == 401
    [link] = re.findall(r"/invitation/[\w-]+", answer.text)
    assert browser.act(link, password=OTHER, again=OTHER).headers["location"] == "/profile"
    again = served.browser()
    assert again.act("/login", person="viewer", password=OTHER, next="/energy").headers["location"] == "/profile"
    page = again.ask("/profile", headers=[PAGE]).text
    assert "Your password was reset." in page
    assert "by Admin." in page
    assert again.act("/profile/password/seen", csrf=again.token("/profile")).status == 303
    assert "Your password was reset." not in again.ask("/profile", headers=[PAGE]).text
    assert again.act("/login", person="viewer", password=OTHER, next="/energy").headers["location"] == "/energy"
    events = [(each["person_id"], each["subject"]) for each in newest_events(served.project.store)
              if each["route"] == "web reset"]  # fmt: skip
    assert events == [("admin", "viewer")]
    lines = [each["subject"] for each in newest_events(served.project.store) if each["route"] == "/people/reset"]
    assert lines[0] == "viewer: forgotten"
    auditor = served.browser("auditor").ask("/audit?kind=access", headers=[PAGE])
    assert auditor.text.count("reset the password of viewer") == 1, auditor.text
    assert "Admin reset the password of viewer: forgotten" in auditor.text


def test_a_reset_whose_link_is_over_leaves_nobody_in_and_the_next_link_works(served: Served) -> None:
    admin = served.browser("admin")
    served.browser("viewer")
    answer = admin.act("/people/reset", csrf=admin.token("/people"), person="viewer", reason="forgotten")
    [link] = re.findall(r"/invitation/[\w-]+", answer.text)
    next_link, _ = invitation_link(served.project, served.project.people.known("viewer"), served.clock)
    assert served.browser().ask(link).status == 404
    browser = served.browser()
    assert browser.act(f"/invitation/{next_link.rpartition('/')[2]}", password=OTHER, again=OTHER).status == 303
    assert "Your password was reset." in browser.ask("/profile", headers=[PAGE]).text


def test_signing_in_does_the_same_work_for_nobody_as_for_somebody(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.browser("viewer")
    done: list[object] = []
    verify, believe = PasswordHasher.verify, CredentialStore.password_of

    def verified(self: PasswordHasher, argon2id: str, password: str) -> bool:
        done.append(extract_parameters(argon2id))
        return verify(self, argon2id, password)

    def believed(self: CredentialStore, person_id: str) -> str:
        found = believe(self, person_id)
        done.extend(["a row believed"] if found else [])
        return found

    monkeypatch.setattr(PasswordHasher, "verify", verified)
    monkeypatch.setattr(CredentialStore, "password_of", believed)
    for person_id in ("viewer", "nobody"):
        served.browser().act("/login", person=person_id, password="wrong wrong wrong")
    assert len(done) == 4
    assert done[:2] == done[2:]
