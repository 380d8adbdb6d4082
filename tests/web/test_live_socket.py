"""The live stream over a WebSocket, with a real client over a real server: the gate of the stream, and its events."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from starlette.types import Message
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from assets.stores.api_keys import ApiKeyStore
from assets.stores.live.live_store import LiveStore
from controls.gateways.ports import free_port
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.people import Person, Role
from orchestration.web.api.live_api import feed_of
from orchestration.web.boards import live_feed
from orchestration.web.live_socket import PATH
from tests.web.asking import HOST
from tests.web.live_told import put
from tests.web.served import NOW, Served

OWN = {"Origin": f"http://{HOST}"}
Opens = Callable[..., Any]


@pytest.fixture
def store(served: Served) -> Iterator[LiveStore]:
    store = LiveStore(served.project.project.live_dir)
    put(store, NOW, site="works", a=1.0)
    yield store
    store.close()


@asynccontextmanager
async def listening(served: Served) -> AsyncIterator[Opens]:
    """The application at a port of its own, and what opens its stream as a client that names it by its usual one."""
    port = free_port()
    config = uvicorn.Config(
        served.app, port=port, ws="websockets-sansio", ws_max_size=4096, log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    running = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)

    def opened(query: str = "siteId=works", path: str = PATH, **headers: str) -> Any:
        address = f"ws://{HOST}{path}?{query}"
        return connect(address, host="127.0.0.1", port=port, additional_headers=headers, proxy=None)

    try:
        yield opened
    finally:
        feed_of(served.app).close()
        server.should_exit = True
        await running


def over(served: Served, act: Callable[[Opens], Awaitable[Any]]) -> Any:
    """Result of the act over the listening application."""

    async def run() -> Any:
        async with listening(served) as opened:
            return await asyncio.wait_for(act(opened), 60)

    return asyncio.run(run())


def key_of(served: Served) -> tuple[str, dict[str, str]]:
    """A key that may look at live values, and the header it is sent as."""
    keys = ApiKeyStore(served.project.store)
    scopes = [Permission.LIVE_READ]
    key, text = keys.issue("operator", name="r", sites=["works"], scopes=scopes, days=9, clock=served.clock)
    return key.key_id, {"Authorization": f"Bearer {text}"}


async def refusal(opened: Any) -> tuple[int, str]:
    """Status and code of a handshake that is refused; 101 where it is not."""
    try:
        async with opened:
            return 101, ""
    except InvalidStatus as refused:
        said = refused.response.body or b"{}"
        return refused.response.status_code, json.loads(said).get("code", "") if said.startswith(b"{") else ""


async def next_message(socket: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(await asyncio.wait_for(socket.recv(), 20)))


def test_a_person_is_told_what_the_stream_tells(served: Served, store: LiveStore) -> None:
    cookie = {"Cookie": served.browser("operator").cookie}

    async def act(opened: Opens) -> list[dict[str, Any]]:
        async with opened("siteId=works&points=line/a", **cookie, **OWN) as socket:
            first = await next_message(socket)
            await socket.send("what is said to it is not listened to")
            put(store, NOW + timedelta(seconds=1), site="works", a=2.0, b=3.0)
            return [first, await next_message(socket)]

    first, second = over(served, act)
    assert [first["event"], second["event"]] == ["value", "value"]
    assert (first["data"]["value"], second["data"]["value"]) == (1.0, 2.0)
    assert first["data"] | {"site": "works", "point": "line/a"} == first["data"]
    assert first["id"] < second["id"]
    assert served.app.state.allowances.taken("streams") == 0


def test_a_socket_of_another_page_or_of_nobody_is_refused(served: Served, store: LiveStore) -> None:
    cookie = {"Cookie": served.browser("operator").cookie}
    _, key = key_of(served)

    async def act(opened: Opens) -> list[tuple[int, str]]:
        asked = [
            opened(**cookie, Origin="https://elsewhere.example"),
            opened(**cookie, Origin="null"),
            opened(**cookie),
            opened(**key, Origin="https://elsewhere.example"),
            opened(**OWN),
            opened("siteId=nowhere", **key),
            opened("site=other", **key),
            opened("siteId=works&more=1", **key),
            opened(path="/api/v1/ems/live/stream", **key),
            opened(**key),
        ]
        return [await refusal(each) for each in asked]

    found = over(served, act)
    foreign = (403, "foreign_origin")
    assert found[:5] == [foreign, foreign, foreign, foreign, (401, found[4][1])]
    assert [status for status, _ in found[5:]] == [404, 404, 400, 403, 101]


def test_it_is_open_to_whom_the_stream_is_open(served: Served, store: LiveStore) -> None:
    async def act(opened: Opens) -> dict[Role, int]:
        found = {}
        for role in Role:
            tenants = ("law",) if role is Role.TENANT else ()
            person = Person(person_id=role.value, name="P", roles=(role,), tenants=tenants)
            served.app.state.signed_in = lambda _, person=person: (person, "token")
            found[role] = (await refusal(opened(**OWN)))[0]
        return found

    person_of = {role: Person(person_id="p", name="P", roles=(role,)) for role in Role if role is not Role.TENANT}
    found = over(served, act)
    wanted = {role: 101 if may(each, Permission.LIVE_READ) else 403 for role, each in person_of.items()}
    assert {role: status for role, status in found.items() if role is not Role.TENANT} == wanted
    assert found[Role.TENANT] == 403
    assert set(wanted.values()) == {101, 403}


def test_a_key_that_is_revoked_ends_it_and_a_fifth_is_one_too_many(
    served: Served, store: LiveStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "ALLOWED_AGAIN_S", 0.2)
    key_id, key = key_of(served)

    async def act(opened: Opens) -> tuple[int, list[str], int]:
        sockets = [await opened(**key) for _ in range(4)]
        fifth, _ = await refusal(opened(**key))
        for each in sockets[1:]:
            await each.close()
        keys = ApiKeyStore(served.project.store)
        keys.revoke(key_id, person_id="operator", reason="lost", clock=served.clock)
        kinds = []
        try:
            while True:
                kinds.append((await next_message(sockets[0]))["event"])
        except ConnectionClosed as closed:
            return fifth, kinds, closed.rcvd.code if closed.rcvd else 0

    fifth, kinds, code = over(served, act)
    assert (fifth, kinds[0], kinds[-1], code) == (429, "value", "bye", 1008)
    assert served.app.state.allowances.taken("streams") == 0


def test_who_reads_slowly_loses_values_between_and_never_their_order(served: Served, store: LiveStore) -> None:
    person = Person(person_id="operator", name="O", roles=(Role.OPERATOR,))
    served.app.state.signed_in = lambda _: (person, "token")
    sent: list[dict[str, Any]] = []

    async def act() -> None:
        free, gone = asyncio.Event(), asyncio.Event()
        came = iter([{"type": "websocket.connect"}])

        async def receive() -> Message:
            if (message := next(came, None)) is not None:
                return message
            await gone.wait()
            return {"type": "websocket.disconnect", "code": 1000}

        async def send(message: Message) -> None:
            if message["type"] == "websocket.send":
                sent.append(json.loads(message["text"]))
                await free.wait()

        scope = {
            "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws", "path": PATH,
            "server": ("127.0.0.1", 8600), "client": ("192.0.2.7", 50000), "root_path": "", "raw_path": PATH.encode(),
            "query_string": b"siteId=works", "headers": [(b"host", HOST.encode()), (b"origin", OWN["Origin"].encode())],
        }  # fmt: skip
        task = asyncio.ensure_future(served.app(scope, receive, send))
        while not sent:
            await asyncio.sleep(0.02)
        for number in range(2, 41):
            put(store, NOW + timedelta(seconds=number), site="works", a=float(number))
            feed_of(served.app).tick()
        free.set()
        while sent[-1]["data"].get("value") != 40.0:
            await asyncio.sleep(0.02)
        gone.set()
        await asyncio.wait_for(task, 10)

    try:
        asyncio.run(asyncio.wait_for(act(), 60))
    finally:
        feed_of(served.app).close()
    numbers = [each["id"] for each in sent]
    assert numbers == sorted(set(numbers))
    assert len(sent) < 20
