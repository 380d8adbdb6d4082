"""People added, placed and let go in the browser and in the shell; requests for access by who lacks a permission."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from assets.sites.edit_people import with_person
from assets.sites.edit_site import text_tag, text_versions
from assets.stores.api_keys import ApiKeyStore
from assets.stores.web.audit_events import newest_events
from assets.stores.web.credentials import CredentialStore
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.yaml_file import parsed
from orchestration.cli.main import build_app
from reports.texts.locales import rules_of
from tests.conftest import ROOT
from tests.web.asking import PAGE, Answer, Browser
from tests.web.served import PASSWORD, Served, make_served, people_text
from tests.web.test_page_words import WHOLE

NEW = {"person_id": "eva", "name": 'Eva "E" <b>', "role": "analyst", "site": "works"}
LEFT = "left the company"


@pytest.fixture
def admin(served: Served) -> Browser:
    return served.browser("admin")


def fields(form: dict[str, str]) -> dict[str, str]:
    """Fields of a form: a checked box for each word of role, site and tenant."""
    boxes = {name: form.get(name, "").split() for name in ("role", "site", "tenant")}
    rest = {name: text for name, text in form.items() if name not in boxes}
    return rest | {f"{name}.{word}": "on" for name, words in boxes.items() for word in words}


def send(served: Served, browser: Browser, act: str, *, seen: str = "", **form: str) -> Answer:
    tag = seen or text_tag(served.project.project.people_file)
    return browser.act(f"/people/{act}", (), csrf=browser.token("/profile"), seen=tag, **fields(form))


def code(served: Served, browser: Browser, act: str, *, seen: str = "", **form: str) -> tuple[int, str]:
    tag = seen or text_tag(served.project.project.people_file)
    json = [("accept", "application/json")]
    answer = browser.act(f"/people/{act}", json, csrf=browser.token("/profile"), seen=tag, **fields(form))
    return answer.status, answer.said["code"]


def text_of(served: Served) -> str:
    return served.project.project.people_file.read_text()


def added(served: Served, person_id: str) -> Person:
    return served.project.people.known(person_id)


def test_a_person_is_added_invited_once_and_signs_in_with_a_password_of_their_own(
    served: Served, admin: Browser
) -> None:
    before = text_of(served)
    answer = send(served, admin, "add", **NEW)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store"), answer.text
    line = '  - {person_id: eva, name: "Eva \\"E\\" <b>", roles: [analyst], sites: [works]}\n'
    assert text_of(served) == before.rstrip("\n") + "\n" + line
    [link] = set(re.findall(r"/invitation/[\w-]+", html.unescape(answer.text)))
    assert link not in admin.ask("/people", headers=[PAGE]).text
    eva = served.browser()
    assert eva.act(link, password=PASSWORD, again=PASSWORD).status == 303
    assert "Roles: analyst. Sites: works." in eva.ask("/profile", headers=[PAGE]).text
    assert served.browser().act(link, password=PASSWORD, again=PASSWORD).status == 404
    [kept] = text_versions(served.project.project.data_dir / "people_texts")
    assert kept.person_id == "admin"
    event = next(each for each in newest_events(served.project.store) if each["route"] == "/people/add")
    assert (event["person_id"], event["subject"], event["outcome"]) == ("admin", "eva", "200")


@pytest.mark.parametrize(
    ("bent", "refused"),
    [
        ({"person_id": "viewer"}, (409, "exists")),
        ({"person_id": "Eva Berger"}, (422, "bad_id")),
        ({"person_id": "../eva"}, (422, "bad_id")),
        ({"person_id": ".eva"}, (422, "bad_id")),
        ({"person_id": "project"}, (422, "bad_id")),
        ({"person_id": ""}, (422, "bad_id")),
        ({"name": " "}, (422, "bad_name")),
        ({"name": "Eva\u202eavE"}, (422, "bad_name")),
        ({"name": "x" * 81}, (422, "bad_name")),
        ({"role": "king"}, (400, "bad_request")),
        ({"role": ""}, (422, "no_role")),
        ({"role": "analyst king"}, (400, "bad_request")),
        ({"site": "moon"}, (404, "unknown_site")),
        ({"site": "works moon"}, (404, "unknown_site")),
        ({"site": ""}, (400, "bad_request")),
        ({"role": "tenant"}, (422, "bad_roles")),
        ({"role": "tenant", "tenant": "moon"}, (422, "unknown_tenant")),
        ({"seen": "0" * 32}, (412, "changed_since")),
    ],
)
def test_a_faulty_form_of_a_new_person_is_one_sentence_and_changes_nothing(
    served: Served, admin: Browser, bent: dict[str, str], refused: tuple[int, str]
) -> None:
    before = text_of(served)
    assert code(served, admin, "add", **(NEW | bent)) == refused
    assert text_of(served) == before
    assert not (served.project.project.data_dir / "people_texts").exists()


def test_a_form_without_its_tag_and_one_that_is_sent_twice_add_nobody_twice(served: Served, admin: Browser) -> None:
    csrf = admin.token("/people")
    assert admin.act("/people/add", (), csrf=csrf, **fields(NEW)).status == 400
    form = fields(NEW) | {"csrf": csrf, "seen": text_tag(served.project.project.people_file)}
    assert admin.act("/people/add", (), **form).status == 200
    again = admin.act("/people/add", (), **form)
    assert again.status == 409
    assert "whoever has no password yet is invited under People" in again.text
    assert "Back to People" in again.text
    assert text_of(served).count("person_id: eva") == 1


def test_an_id_that_was_somebodys_is_nobody_elses(served: Served, admin: Browser) -> None:
    served.browser("viewer")
    path = served.project.project.people_file
    path.write_text("".join(line for line in text_of(served).splitlines(keepends=True) if "id: viewer" not in line))
    assert code(served, admin, "add", **(NEW | {"person_id": "viewer"})) == (409, "id_used")


def test_an_admin_of_some_sites_adds_and_places_people_there_alone(served: Served) -> None:
    path = served.project.project.people_file
    path.write_text(text_of(served) + "  - {person_id: sam, name: Sam, roles: [admin], sites: [works]}\n")
    sam = served.browser("sam")
    assert code(served, sam, "add", **(NEW | {"site": "*"})) == (422, "bad_sites")
    assert code(served, sam, "add", **(NEW | {"site": "other"})) == (404, "unknown_site")
    other, nowhere = (send(served, sam, "add", **(NEW | {"site": each})).text for each in ("other", "nowhere"))
    assert re.sub("other|nowhere", "", other) == re.sub("other|nowhere", "", nowhere)
    assert send(served, sam, "add", **NEW).status == 200
    assert code(served, sam, "sites", person="eva", site="*") == (422, "bad_sites")
    for act in ("sites", "withdraw"):
        assert code(served, sam, act, person="viewer", site="works", reason=LEFT) == (404, "unknown_person")
    # Sam takes nobody's last admin away: that there is one of all sites does not hang on eva.
    assert send(served, sam, "withdraw", person="eva", reason=LEFT).status == 303


def test_sites_and_tenants_are_named_anew_and_sign_ins_end(served: Served, admin: Browser) -> None:
    worker = served.browser("worker")
    assert send(served, admin, "sites", person="worker", site="other works").status == 303
    assert added(served, "worker").sites == ("other", "works")
    assert worker.ask("/profile").status == 401
    assert send(served, admin, "sites", person="worker", site="*").status == 303
    assert added(served, "worker").sites == ()
    page = admin.ask("/people", headers=[PAGE]).text
    for name, label in (("site.*", "All sites"), ("site.works", "Works"), ("tenant.law", "law (Works)")):
        assert f'name="{name}">{label}</label>' in page
    assert send(served, admin, "sites", person="tenant", site="works", tenant="law bank").status == 303
    assert added(served, "tenant").tenants == ("law", "bank")
    # A person's row leads to the one form, which shows their present ones; nobody's own does.
    listed = admin.ask("/people", headers=[PAGE]).text
    rows = dict(re.findall(r'href="(/people\?person=(\w+)#form-sites)"', listed))
    assert set(rows.values()) == {each.person_id for each in served.project.people.people} - {"admin"}
    assert "Show sites" not in listed
    [lead] = [each for each, name in rows.items() if name == "tenant"]
    shown = admin.ask(lead.partition("#")[0], headers=[PAGE]).text
    assert shown.count('action="/people/sites"') == 1
    shown = shown.partition('id="form-sites"')[2].partition("</form>")[0]
    assert set(re.findall(r'name="([^"]*)" checked', shown)) == {"site.works", "tenant.law", "tenant.bank"}
    assert 'name="person" value="tenant"' in shown
    assert code(served, admin, "sites", person="tenant", site="works", tenant="") == (422, "bad_roles")
    assert code(served, admin, "sites", person="admin", site="works") == (403, "own_work")
    assert code(served, admin, "sites", person="worker", site="works", seen="0" * 32) == (412, "changed_since")


def test_access_withdrawn_ends_all_that_a_person_comes_in_with(served: Served, admin: Browser) -> None:
    store = served.project.store
    viewer = served.browser("viewer")
    token = CredentialStore(store).invite("viewer", served.clock)
    _, key = ApiKeyStore(store).issue(
        "viewer", name="wall", sites=["works"], scopes=[Permission.READ], days=9, clock=served.clock
    )
    before = text_of(served)
    for none in ({}, {"reason": " "}):
        assert code(served, admin, "withdraw", person="viewer", **none) == (422, "missing_reason")
    assert text_of(served) == before
    assert send(served, admin, "withdraw", person="viewer", reason=LEFT).status == 303
    event = next(each for each in newest_events(store) if each["route"] == "/people/withdraw")
    assert (event["person_id"], event["subject"]) == ("admin", f"viewer: {LEFT}")
    assert text_of(served) == people_text().replace("roles: [viewer]}", "roles: []}", 1)
    assert viewer.ask("/profile").status == 401
    assert served.browser().act("/login", person="viewer", password=PASSWORD).status == 401
    assert served.browser().act(f"/invitation/{token}", password=PASSWORD, again=PASSWORD).status == 404
    assert served.browser().ask("/api/v1/ems/sites", headers=[("authorization", f"Bearer {key}")]).status == 401
    assert [each.is_revoked for each in ApiKeyStore(store).recorded()] == [True]
    assert code(served, admin, "invite", person="viewer") == (403, "missing_role")
    # A role given again opens neither the old password nor the old key.
    assert send(served, admin, "roles", person="viewer", change="give", role="viewer").status == 303
    assert served.browser().act("/login", person="viewer", password=PASSWORD).status == 401
    assert served.browser().ask("/api/v1/ems/sites", headers=[("authorization", f"Bearer {key}")]).status == 401


def test_nobody_withdraws_themselves_and_the_last_admin_of_all_sites_stays(served: Served, admin: Browser) -> None:
    assert code(served, admin, "withdraw", person="admin", reason=LEFT) == (403, "own_work")
    assert code(served, admin, "withdraw", person="nobody", reason=LEFT) == (404, "unknown_person")
    assert send(served, admin, "roles", person="viewer", change="give", role="admin").status == 303
    other = served.browser("viewer")
    tag = text_tag(served.project.project.people_file)
    assert send(served, other, "withdraw", person="admin", reason=LEFT).status == 303
    assert admin.ask("/people").status == 401
    assert code(served, other, "withdraw", person="worker", reason=LEFT, seen=tag) == (412, "changed_since")
    assert send(served, other, "add", **(NEW | {"role": "admin"})).status == 200
    assert code(served, other, "sites", person="viewer", site="works") == (403, "own_work")


def shell(served: Served, *words: str) -> tuple[int, str]:
    found = CliRunner().invoke(build_app(("people",)), ["people", *words, "--project", str(served.folder)])
    return found.exit_code, found.stdout + found.stderr


def test_the_shell_does_the_same_as_the_page(tmp_path: Path, served: Served, admin: Browser) -> None:
    (tmp_path / "twin").mkdir()
    twin = make_served(tmp_path / "twin")
    assert send(served, admin, "add", **NEW).status == 200
    assert shell(twin, "add", "eva", NEW["name"], "--role", "analyst", "--site", "works", "--as", "admin")[0] == 0
    assert text_of(twin) == text_of(served)
    assert send(served, admin, "sites", person="eva", site="*").status == 303
    assert shell(twin, "change", "eva", "--all-sites", "--as", "admin")[0] == 0
    assert text_of(twin) == text_of(served)
    assert send(served, admin, "withdraw", person="eva", reason=LEFT).status == 303
    assert shell(twin, "withdraw", "eva", "--as", "admin", "--reason", LEFT)[0] == 0
    assert text_of(twin) == text_of(served)
    routes = [(each["person_id"], each["route"], each["subject"]) for each in newest_events(twin.project.store)]
    assert routes == [
        ("admin", "people withdraw", f"eva: {LEFT}"),
        *(("admin", f"people {act}", "eva") for act in ("change", "add")),
    ]
    for words, said in (
        (["add", "leo", "Leo", "--role", "viewer", "--all-sites", "--as", "viewer"], "has not the role 'admin'"),
        (["add", "leo", "Leo", "--role", "viewer", "--as", "admin"], "name the sites with --site"),
        (["add", "leo", "Leo", "--role", "king", "--all-sites", "--as", "admin"], "there is no role 'king'"),
        (["change", "viewer", "--as", "admin"], "name what changes"),
        (["withdraw", "admin", "--as", "admin", "--reason", LEFT], "nobody changes their own rights"),
    ):
        code_, text = shell(twin, *words)
        assert (code_, said in text) == (2, True), text
    twin.project.close()


def test_a_refusal_names_who_gives_roles_and_offers_a_request_for_access(served: Served, admin: Browser) -> None:
    viewer = served.browser("viewer")
    page = viewer.ask("/audit", headers=[PAGE])
    assert page.status == 403
    assert "Roles are given by Admin." in page.text
    assert 'action="/profile/access"' in page.text
    assert "Rollen vergibt: Admin." in viewer.ask("/audit?locale=de", headers=[PAGE]).text
    for _ in range(2):
        asked = viewer.act("/profile/access", csrf=viewer.token("/profile"), permission="ems.audit.read")
        assert (asked.status, asked.headers["location"]) == (303, "/profile")
    sentence = "Viewer asks for ems.audit.read"
    assert viewer.ask("/profile", headers=[PAGE]).text.count(sentence) == 1
    assert admin.ask("/people", headers=[PAGE]).text.count(sentence) == 1
    assert "Roles that have it: Reviewer, Auditor." in admin.ask("/people", headers=[PAGE]).text
    assert send(served, admin, "roles", person="viewer", change="give", role="auditor").status == 303
    assert sentence not in admin.ask("/people", headers=[PAGE]).text
    for wanted, said in (("ems.audit.read", 409), ("ems.moon", 400), ("", 400)):
        again = served.browser("viewer")
        assert again.act("/profile/access", csrf=again.token("/profile"), permission=wanted).status == said


def test_a_refusal_shows_a_tenant_no_names_and_a_project_without_admins_who_makes_one(served: Served) -> None:
    tenant = served.browser("tenant")
    page = tenant.ask("/audit", headers=[PAGE])
    assert page.status == 403
    assert "Roles are given by the administrators of these pages (1)." in page.text
    assert "Admin" not in page.text.replace("administrators", "")
    path = served.project.project.people_file
    path.write_text("".join(line for line in text_of(served).splitlines(keepends=True) if "id: admin" not in line))
    assert "makes somebody an admin in people.yaml" in tenant.ask("/audit", headers=[PAGE]).text


@pytest.mark.parametrize("locale", WHOLE)
def test_sentences_of_people_and_refusals_are_translated_into_every_whole_language(locale: str) -> None:
    modules = ("orchestration/operations/project/people.py", "orchestration/web/pages/people_pages.py")
    patterns = {
        pattern
        for module in (*modules, "orchestration/web/problems.py", "reports/pages/people_list.py")
        for pattern in re.findall(r'Sentence\(\s*"([^"]+)"', (ROOT / module).read_text())
    }
    assert len(patterns) > 20
    assert sorted(patterns - set(rules_of(locale).pages)) == []


@pytest.mark.parametrize("name", ["no", "Ö'Neill: #1", "a, b]", "{x}", "- y", "null", '"q"', "\\n", "&a *b"])
def test_whatever_a_person_is_called_the_file_has_them_and_every_other_character_stays(name: str) -> None:
    text = "# c\npeople:\n- person_id: ada\n  name: Ada\n  roles:\n    - admin\n# end\n"
    person = Person(person_id="no", name=name, roles=(Role.VIEWER,), sites=("2",), tenants=("y",))
    changed = with_person(text, person)
    before, _, after = changed.partition('- {person_id: "no"')
    assert before + after.partition("\n")[2] == text
    for read in (parsed, yaml.safe_load):
        assert Person.model_validate(dict(read(changed)["people"][1])) == person


@pytest.mark.parametrize("end", ["people: [{person_id: ada, name: Ada, roles: [admin]}]\n", "people:\n- *a\n"])
def test_a_list_that_is_written_in_a_way_of_its_own_is_left_to_a_person(served: Served, end: str) -> None:
    with pytest.raises(BadInput, match="by hand"):
        with_person(end.replace("*a", "{person_id: ada, name: Ada, roles: [admin]}\n..."), added(served, "viewer"))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "own").mkdir()
    found = make_served(tmp_path / "own")
    yield found
    found.project.close()
