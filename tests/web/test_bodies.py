"""Addresses and bodies that nobody should send: each is answered in one sentence, and changes nothing."""

import asyncio
import json
import logging
import time
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person, Role
from orchestration.web import app as web_app
from orchestration.web import middleware
from orchestration.web.app import make_app
from orchestration.web.request_context import Context, requires
from tests.web.asking import HOST, PAGE, Answer, Browser, send
from tests.web.served import Served

ANNA = Person(person_id="anna", name="Anna", roles=(Role.ENGINEER,))
FAULTS = {
    "input": BadInput("the energy is in kW and kWh is due", reason="wrong_unit", mend="send kWh"),
    "path": BadInput("cannot read /srv/project/sites/works.yaml", reason="bad_configuration"),
    "away": Unreachable("postgresql://user:secret@db/meterloom does not answer"),
    "bug": ZeroDivisionError("a secret of ours"),
}
router = APIRouter()


class Sent(Model):
    """Body of the test's route."""

    name: str
    value: float


@router.post("/api/v1/ems/test/body")
def take(sent: Sent, ctx: Context = requires(Permission.WRITE)) -> dict[str, Any]:
    """Take it."""
    return {"name": sent.name, "value": sent.value, "person": ctx.person.person_id}


@router.get("/test/fault", response_model=None)
def fail(ctx: Context = requires(Permission.READ, takes=("which",))) -> None:
    """Fail in the way that the request names."""
    if ctx.address.part("which") == "slow":
        time.sleep(0.5)
    raise FAULTS[ctx.address.part("which")]


@pytest.fixture
def app(shared: Served, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The application with two routes more, asked by an engineer."""
    monkeypatch.setattr(web_app, "ROUTERS", (*web_app.ROUTERS, router))
    return make_app(shared.project, clock=shared.clock, signed_in=lambda _: (ANNA, "token"))


def post(app: FastAPI, body: bytes, kind: str = "application/json", *more: tuple[str, str]) -> Answer:
    headers = [("content-type", kind), ("x-csrf", "token"), ("origin", f"http://{HOST}"), *more]
    return Browser(app).ask("/api/v1/ems/test/body", "POST", headers, body)


GOOD = b'{"name": "a", "value": 1.5}'
BAD: dict[str, tuple[bytes, str, int, str]] = {
    "wrong type": (GOOD, "text/plain", 415, "wrong_format"),
    "no type": (GOOD, "", 415, "wrong_format"),
    "xml": (b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "application/xml", 415, "wrong_format"),
    "trailing bytes": (GOOD + b"x", "application/json", 422, "not_json"),
    "17 MiB": (b" " * (17 << 20), "application/json", 413, "too_large"),
    "one byte too many": (b" " * ((1 << 20) + 1), "application/json", 413, "too_large"),
    "very deep": (b"[" * 1_000_000, "application/json", 422, "not_json"),
    "doubled keys": (b'{"name": "a", "name": "b", "value": 1}', "application/json", 422, "not_json"),
    "NaN": (b'{"name": "a", "value": NaN}', "application/json", 422, "not_json"),
    "infinity": (b'{"name": "a", "value": -Infinity}', "application/json", 422, "not_json"),
    "1e309": (b'{"name": "a", "value": 1e309}', "application/json", 422, "not_json"),
    "1,5": (b'{"name": "a", "value": "1,5"}', "application/json", 422, "wrong_shape"),
    "a key too many": (b'{"name": "a", "value": 1, "c": 2}', "application/json", 422, "wrong_shape"),
    "a list": (b"[]", "application/json", 422, "wrong_shape"),
    "nothing": (b"", "application/json", 422, "wrong_shape"),
    "no UTF-8": (b'{"name": "\xff", "value": 1}', "application/json", 422, "not_json"),
    "half a character": (b'{"name": "a\\ud800", "value": 1}', "application/json", 422, "not_json"),
    "half a character in a list": (b'{"name": ["\\uDFFF"], "value": 1}', "application/json", 422, "not_json"),
    "half a character as a key": (b'{"\\ud83d": 1}', "application/json", 422, "not_json"),
    "a form": (b"name=a&value=1", "application/x-www-form-urlencoded", 422, "wrong_shape"),
    "a doubled field": (b"name=a&name=b", "application/x-www-form-urlencoded", 400, "bad_form"),
    "half an escape": (b"name=%ff", "application/x-www-form-urlencoded", 400, "bad_form"),
    "many fields": (b"&".join(b"a%d=1" % n for n in range(500)), "application/x-www-form-urlencoded", 400, "bad_form"),
    "parts": (b"--x\r\n", "multipart/form-data; boundary=x", 415, "wrong_format"),
}


def test_a_good_body_is_taken(app: FastAPI) -> None:
    assert post(app, GOOD).said == {"name": "a", "value": 1.5, "person": "anna"}
    assert post(app, b'{"name": "\\ud83d\\ude00", "value": 1.5}').said["name"] == "\N{GRINNING FACE}"


@pytest.mark.parametrize("what", BAD)
def test_a_bad_body_is_refused_in_one_sentence(app: FastAPI, what: str) -> None:
    body, kind, status, code = BAD[what]
    refused = post(app, body, kind)
    assert (refused.status, refused.said["code"]) == (status, code)
    assert refused.headers["content-type"] == "application/problem+json"
    assert set(refused.said) >= {"type", "title", "status", "detail", "instance", "code"}


def test_a_packed_body_is_refused(app: FastAPI) -> None:
    assert post(app, GOOD, "application/json", ("content-encoding", "gzip")).status == 415


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999", "²", "1048577"])
def test_a_length_that_is_none_or_too_large_is_refused_before_the_body_is_read(app: FastAPI, length: str) -> None:
    assert post(app, b"", "application/json", ("content-length", length)).status == 413


def test_a_body_that_is_longer_than_it_says_is_stopped(app: FastAPI) -> None:
    assert post(app, b" " * (2 << 20), "application/json", ("content-length", "5")).status == 413


def test_half_a_body_is_nothing(app: FastAPI) -> None:
    headers = [("content-type", "application/json"), ("x-csrf", "token"), ("origin", f"http://{HOST}")]
    assert asyncio.run(send(app, "POST", "/api/v1/ems/test/body", headers, GOOD, is_cut=True)).status == 0


def test_what_was_sent_is_not_told_again(app: FastAPI) -> None:
    assert "hunter2" not in post(app, b'{"name": "a", "value": "hunter2"}').text


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/login?" + "a" * 8200, 414),
        ("/" + "a" * 9000, 414),
        ("/../etc/passwd", 404),
        ("/%2e%2e/etc/passwd", 404),
        ("/static/%2e%2e/%2e%2e/meterloom.yaml", 404),
        ("//host/login", 404),
        ("/a//b", 404),
        ("/login%00", 404),
        ("/login%0d%0aset-cookie:x=1", 404),
        ("/%5c%5chost", 404),
        ("/logi%6e/", 404),
        (b"/\xff\xfe", 404),
        ("/%e2%80%ae", 404),
    ],
)
def test_an_address_that_means_something_else_is_nothing(shared: Served, target: str | bytes, status: int) -> None:
    answer = Browser(shared.app).ask(target)
    assert answer.status == status
    assert "set-cookie" not in answer.headers


QUERIES = [
    "site=a&site=b",
    "wrong=1",
    f"site={'a' * 300}",
    "site=%00",
    "scope=%E2%80%AEabc",
    "grain=week",
    "as_of=2026",
]


@pytest.mark.parametrize("query", [*QUERIES, "compare=x", "locale=tlh", "as_of=2026-03-29T02:30:00"])
def test_a_query_that_cannot_be_read_is_a_bad_request(app: FastAPI, query: str) -> None:
    assert Browser(app).ask(f"/api/v1/ems/none?{query}").status == 404
    assert Browser(app).ask(f"/test/fault?which=input&{query}").status == 400


def test_a_fault_of_the_world_is_told_with_its_mend(app: FastAPI) -> None:
    said = Browser(app).ask("/test/fault?which=input").said
    assert (said["status"], said["code"], said["mend"]) == (422, "wrong_unit", "send kWh")
    page = Browser(app).ask("/test/fault?which=input", headers=[PAGE])
    assert page.status == 422
    assert "the energy is in kW and kWh is due" in page.text
    assert page.text.startswith("<!doctype html>")


def test_where_things_lie_is_not_told(app: FastAPI) -> None:
    assert "/srv" not in Browser(app).ask("/test/fault?which=path").text
    away = Browser(app).ask("/test/fault?which=away")
    assert (away.status, away.headers["retry-after"]) == (503, "5")
    assert "postgresql" not in away.text


def test_a_bug_tells_its_number_and_the_log_the_rest(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        told = Browser(app).ask("/test/fault?which=bug")
    assert (told.status, told.said["code"]) == (500, "bug")
    assert "secret" not in told.text
    incident = told.said["detail"].split()[-1]
    assert incident in caplog.text
    assert "a secret of ours" in caplog.text


def test_what_takes_too_long_is_given_up(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "REQUEST_S", 0.1)
    late = Browser(app).ask("/test/fault?which=slow")
    assert (late.status, late.said["code"]) == (503, "too_slow")


@pytest.mark.parametrize("target", ["/login", "/api/none", "/none", "/static/x/app.css", "/login?" + "a" * 9000])
def test_every_answer_carries_the_headers_that_protect_it(shared: Served, target: str) -> None:
    found = Browser(shared.app).ask(target, headers=[PAGE]).headers
    for name, value in middleware.HEADERS.items():
        assert found[name.lower()] == value
    assert "server" not in found


def test_the_policy_of_the_page_allows_nothing_from_elsewhere() -> None:
    policy = dict(part.split(" ", 1) for part in middleware.HEADERS["Content-Security-Policy"].split("; "))
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert {name for name, value in policy.items() if value == "'none'"} == {
        "default-src",
        "base-uri",
        "frame-ancestors",
    }
    assert set(policy.values()) == {"'none'", "'self'"}


def test_head_is_answered_like_get_without_a_body(shared: Served) -> None:
    assert Browser(shared.app).ask("/login", "HEAD").status == 200


def test_a_web_socket_is_closed(shared: Served) -> None:
    sent: list[Any] = []

    async def take(message: Any) -> None:
        sent.append(message)

    asyncio.run(shared.app({"type": "websocket", "path": "/", "headers": []}, None, take))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_problem_says_its_type_where_the_documentation_has_it(shared: Served) -> None:
    refused = json.loads(Browser(shared.app).ask("/api/none").body)
    assert refused["type"] == "/api/docs#no_such_page"
