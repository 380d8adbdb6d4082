"""API keys in the browser: made within one's rights, shown once, signed where people sign, revoked by who may."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from assets.stores.api_keys import ApiKeyStore
from assets.stores.audit import bad_rows
from assets.stores.sign import load_key, new_key
from data_quality.contracts.people import Person
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from tests.reports import plant
from tests.web.asking import PAGE, Answer, Browser
from tests.web.marts_world import Asking, make_project, plant_of_the_web
from tests.web.served import Served
from tests.web.test_signed_acts import code
from tests.web.test_signing_in import DOCS
from tests.web.why_world import posted


def form_of(browser: Browser, **changes: str) -> dict[str, str]:
    page = browser.ask("/keys", headers=[PAGE])
    assert page.headers["cache-control"] == "no-store"
    [chance] = re.findall(r'name="chance" value="([\w-]+)"', page.text)
    form = {"chance": chance, "name": "gateway <b>", "site": "works", "scope": "read", "days": "30"}
    return {"csrf": browser.token("/keys"), **form, **changes}


def made_in(answer: Answer) -> str:
    [text] = re.findall(r"mlk_[0-9a-f]{12}_[\w-]{43}", answer.text)
    return str(text)


def test_a_key_is_shown_once_and_opens_what_its_owner_may_read_until_it_is_revoked(served: Served) -> None:
    browser = served.browser("viewer")
    form = form_of(browser)
    answer = browser.act("/keys/issue", **form)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    text = made_in(answer)
    machine = Browser(served.app)
    assert machine.ask(DOCS, headers=[("authorization", f"Bearer {text}")]).status == 200
    listed = browser.ask("/keys", headers=[PAGE]).text
    assert "gateway &lt;b&gt;" in listed
    # Days as people write them.
    assert re.search(r"\d{1,2} [A-Z][a-z]+ 20\d\d</td>", listed)
    assert not re.search(r">20\d\d-\d\d-\d\d", listed)
    assert text not in listed
    # A second click makes no second key, and tells nobody the first.
    again = browser.act("/keys/issue", **form)
    assert again.status == 409
    assert "mlk_" not in again.text
    sent = {"csrf": browser.token("/keys"), "key": text.split("_")[1]}
    assert browser.act("/keys/revoke", **sent).status == 422
    assert browser.act("/keys/revoke", **sent, reason="sold").status == 303
    assert machine.ask(DOCS, headers=[("authorization", f"Bearer {text}")]).status == 401


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"scope": "ems.readings.push"}, 403), ({"scope": "ems.people.admin"}, 422), ({"scope": ""}, 422),
        ({"site": "nowhere"}, 404), ({"site": ""}, 404), ({"days": "367"}, 422), ({"days": "0"}, 422),
        ({"days": "-1"}, 400), ({"days": "1e3"}, 400), ({"name": ""}, 422), ({"name": "a\nb"}, 422),
        ({"name": "x" * 129}, 422), ({"chance": "guessed"}, 400), ({"csrf": "x"}, 403),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_key_may_not_be_makes_none(served: Served, change: dict[str, str], status: int) -> None:
    browser = served.browser("viewer")
    assert browser.act("/keys/issue", **form_of(browser, **change)).status == status
    assert ApiKeyStore(served.project.store).recorded() == []


def test_keys_of_others_and_of_other_sites_are_as_if_they_were_not_there(served: Served) -> None:
    browser, worker, engineer = (served.browser(each) for each in ("viewer", "worker", "engineer"))
    text = made_in(browser.act("/keys/issue", **form_of(browser, site="other")))
    key = text.split("_")[1]
    assert worker.act("/keys/issue", **form_of(worker, site="other")).status == 404
    assert key not in worker.ask("/keys", headers=[PAGE]).text
    for wanted in (key, "nobody's"):
        sent = {"csrf": worker.token("/keys"), "key": wanted, "reason": "x"}
        assert worker.act("/keys/revoke", **sent).status == 404
    assert key in engineer.ask("/keys", headers=[PAGE]).text
    assert engineer.act("/keys/revoke", csrf=engineer.token("/keys"), key=key, reason="sold").status == 303
    assert served.browser("tenant").ask("/keys", headers=[PAGE]).status == 403


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Asking]:
    project = make_project(tmp_path / "project", plant_of_the_web(), has_marts=False, has_readings=False)
    root = project.project.root
    vera = {
        "person_id": "vera",
        "name": "Vera",
        "roles": ["viewer"],
        "public_key": new_key(root / "keys", "vera").public_key,
    }
    (root / "people.yaml").write_text(yaml.safe_dump({"people": [vera]}))
    project = OpenProject(str(root))
    yield Asking(project, FixedClock(plant.NOON), Person.model_validate(vera))
    project.close()


def test_where_people_sign_a_key_is_made_under_the_signature_of_its_owner(keyed: Asking) -> None:
    page = keyed.get("/keys", [PAGE]).text
    assert "data-answered" in page
    [chance] = re.findall(r'name="chance" value="([\w-]+)"', page)
    form = {"chance": chance, "name": "gateway", "site": "plant", "scope": "ems.read", "days": "30"}
    assert code(posted(keyed, "/keys/issue", form=form)) == (409, "no_key_here")
    told = posted(keyed, "/keys/issue", form={**form, "ask_to_sign": "1"}).said
    assert ApiKeyStore(keyed.project.store).recorded() == []
    signer, text = load_key(keyed.project.project.root / "keys", "vera"), told["action"].encode()
    proof = {
        "signature": signer.sign(told["domain"], text),
        "signed_sha256": hashlib.sha256(text).hexdigest(),
        "signed_at_utc": json.loads(text)["at_utc"],
    }
    answer = posted(keyed, "/keys/issue", form=form | proof, accept="text/html")
    assert answer.status == 200, answer.text
    key = ApiKeyStore(keyed.project.store).opened_by(made_in(answer), plant.NOON)
    assert key is not None
    assert (key.person_id, key.name, bad_rows(keyed.project.store)) == ("vera", "gateway", [])
