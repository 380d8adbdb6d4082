"""Route x role x own or other site, own or other tenant: no cell is missing, and each answers as the table says."""

from typing import Any

import pytest

from data_quality.contracts.access.permissions import Permission, permissions_of
from data_quality.contracts.people import Role
from orchestration.open_project import OpenProject
from orchestration.web.api.openapi import described, gate_of, routes_of
from orchestration.web.app import make_app
from orchestration.web.signing import SentSignature
from orchestration.web.work import Job, Outcome, Work
from tests.e2e.conftest import call_here
from tests.web.asking import HOST, PAGE, Answer, Browser
from tests.web.cells import CELLS, NEAR, OPEN, UNSIGNED, Cell
from tests.web.served import Served

APP = make_app(OpenProject("."), clock=None, signed_in=lambda _: None)  # type: ignore[arg-type]
ROUTES = [(method, route.path) for route in routes_of(APP) for method in sorted(route.methods or ())]
GATES = {(method, route.path): gate_of(route) for route in routes_of(APP) for method in route.methods or ()}
GATED = [each for each in ROUTES if each[1] not in OPEN and each[1] not in NEAR]
TOKEN = "token of the test"


@pytest.fixture(autouse=True)
def jobs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run their commands in this process: the subject is who may begin one; test_page_jobs.py has processes."""

    def run(work: Work, job: Job) -> Outcome:
        code, result, error = call_here(*job.words, "--project", work.root)
        return Outcome(code, result or {}, error.strip().rpartition("\n")[2])

    monkeypatch.setattr(Work, "_run", run)


def answer_to(served: Served, person_id: str, way: tuple[str, str], *, site: str = "works", scope: str = "") -> Answer:
    """The answer to a person who is signed in, whatever their password."""
    person = served.sign_in.people.known(person_id)
    app = make_app(
        served.project, clock=served.clock, sign_in=served.sign_in, signed_in=lambda _: person and (person, TOKEN)
    )
    cell = CELLS.get(way, Cell("/"))
    headers = [("origin", f"http://{HOST}"), ("x-csrf", TOKEN), ("content-type", "application/json")]
    return Browser(app).ask(
        cell.target.format(site=site, scope=scope), way[0], headers, cell.body.format(site=site).encode()
    )


def test_every_route_has_a_cell_and_every_cell_a_route() -> None:
    assert set(GATED) == set(CELLS)
    assert {path for _, path in ROUTES} >= {*OPEN, *NEAR}


def test_every_route_that_is_not_open_has_a_gate() -> None:
    assert [each for each in GATED if GATES[each] is None] == []


def test_what_writes_over_the_api_is_signed_or_the_table_says_why_not() -> None:
    document = described(APP)
    schemas = document["components"]["schemas"]

    def is_signed(said: dict[str, Any]) -> bool:
        bodies = [each["schema"] for each in said.get("requestBody", {}).get("content", {}).values()]
        named = [schemas.get(each.get("$ref", "").rpartition("/")[2], each) for each in bodies]
        return any(set(SentSignature.model_fields) <= set(each.get("properties", ())) for each in named)

    unsigned = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in document["paths"].items()
        for method, said in methods.items()
        if method != "get" and not is_signed(said)
    }
    assert unsigned == set(UNSIGNED)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("way", GATED, ids=str)
def test_a_role_gets_what_its_permissions_give_and_403_for_the_rest(
    shared: Served, way: tuple[str, str], role: Role
) -> None:
    gate = GATES[way]
    needed = gate[0] if gate else None
    scope = "tenant:law" if role is Role.TENANT else "site:works"
    answer = answer_to(shared, role.value, way, scope=scope)
    if needed is None or needed in permissions_of([role]):
        # What this small project has no data for is said as such, and never as a refusal or a fault.
        assert answer.status not in (401, 403, 405), answer.text
        assert answer.status < 500, answer.text
    else:
        assert (answer.status, answer.said["code"]) == (403, "missing_role")
        assert needed.value in answer.said["detail"]


@pytest.mark.parametrize("way", [each for each in GATED if CELLS.get(each, Cell("")).about], ids=str)
@pytest.mark.parametrize("site", ["other", "nowhere"])
def test_a_site_of_others_is_as_if_it_were_not_there(shared: Served, way: tuple[str, str], site: str) -> None:
    gate = GATES[way]
    person = "worker" if gate and gate[0] in permissions_of([Role.VIEWER]) else ""
    if not person:
        pytest.skip("only roles without a limit of sites may ask this")
    answer = answer_to(shared, person, way, site=site, scope=f"site:{site}")
    assert answer.status == 404
    told = answer_to(shared, person, way, site="other", scope="site:other").text.replace("other", "nowhere")
    assert told == answer_to(shared, person, way, site="nowhere", scope="site:nowhere").text


@pytest.mark.parametrize("way", [each for each in GATED if CELLS.get(each, Cell("")).about == "scope"], ids=str)
@pytest.mark.parametrize("scope", ["tenant:bank", "site:works", "meter:main", "tenant:lawyers", "tenant:nobody"])
def test_a_scope_of_others_is_as_if_it_were_not_there(shared: Served, way: tuple[str, str], scope: str) -> None:
    gate = GATES[way]
    if not gate or gate[0] is not Permission.READ:
        pytest.skip("a tenant may not ask this at all")
    assert answer_to(shared, "tenant", way, scope=scope).status == 404


@pytest.mark.parametrize("way", GATED, ids=str)
def test_a_stranger_is_sent_to_the_sign_in_or_refused(shared: Served, way: tuple[str, str]) -> None:
    assert answer_to(shared, "nobody", way).status == 401
    target = CELLS.get(way, Cell("/")).target.format(site="works", scope="")
    page = Browser(shared.app).ask(target, way[0], [PAGE, ("origin", f"http://{HOST}")])
    is_page = way[0] == "GET" and (not target.startswith("/api/") or target == "/api/docs")
    assert page.status == (303 if is_page else 401)


@pytest.mark.parametrize("path", sorted(NEAR))
def test_the_machine_and_keys_alone_are_told_how_it_goes(shared: Served, path: str) -> None:
    assert Browser(shared.app).ask(path).status == 401
    assert shared.browser("viewer").ask(path).status == 401
