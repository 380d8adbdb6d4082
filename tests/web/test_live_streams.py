"""The stream as a request: how many one person may have, and that a place comes back however a stream ends."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.types import Message

from assets.stores.api_keys import ApiKeyStore
from assets.stores.live.live_store import LiveStore
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.web.api.live_api import feed_of
from orchestration.web.app import make_app
from orchestration.web.boards import live_feed
from tests.web.asking import HOST, send
from tests.web.live_told import events, put
from tests.web.marts_world import make_project, plant_of_the_web
from tests.web.served import Served

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
VERA = Person(person_id="vera", name="Vera", roles=(Role.VIEWER,))
PATH = "/api/v1/ems/live/stream"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[OpenProject]:
    project = make_project(tmp_path / "project", plant_of_the_web(), has_marts=False, has_readings=False)
    store = LiveStore(project.project.live_dir)
    put(store, NOW, a=1.0)
    store.close()
    yield project
    project.close()


@pytest.fixture
def app(project: OpenProject) -> Iterator[FastAPI]:
    app = make_app(project, clock=FixedClock(NOW), signed_in=lambda _: (VERA, "token"))
    yield app
    feed_of(app).close()


class Tab:
    """A browser's tab with a stream, which stays until it is shut."""

    def __init__(self, app: FastAPI, *, site: str = "plant", headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.sent: list[Message] = []
        self._shut = asyncio.Event()
        self._first = True
        headers = [*headers, (b"host", HOST.encode()), (b"accept", b"text/event-stream")]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "server": ("127.0.0.1", 8600), "client": ("192.0.2.7", 50000), "root_path": "", "path": PATH,
            "raw_path": PATH.encode(), "query_string": f"site={site}".encode(), "headers": headers,
        }  # fmt: skip
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        if self._first:
            self._first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._shut.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    async def opened(self) -> None:
        while len(self.sent) < 2:
            await asyncio.sleep(0.02)

    async def shut(self) -> None:
        self._shut.set()
        await asyncio.wait_for(self.task, 30)


def test_a_person_has_four_streams_and_a_shut_one_makes_room(app: FastAPI) -> None:
    async def looked() -> tuple[int, int, list[str]]:
        tabs = [Tab(app) for _ in range(4)]
        for each in tabs:
            await asyncio.wait_for(each.opened(), 30)
        refused = (await send(app, "GET", f"{PATH}?site=plant")).status
        await tabs[0].shut()
        fifth = Tab(app)
        await asyncio.wait_for(fifth.opened(), 30)
        status = int(fifth.sent[0]["status"])
        kinds = [each.kind for each in events(b"".join(each.get("body", b"") for each in fifth.sent[1:]).decode())]
        for each in (*tabs[1:], fifth):
            await each.shut()
        return refused, status, kinds

    refused, status, kinds = asyncio.run(looked())
    assert (refused, status) == (429, 200)
    assert kinds[0] == "value"
    assert app.state.allowances.taken("streams") == 0


def test_a_key_that_is_revoked_ends_its_stream(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_feed, "ALLOWED_AGAIN_S", 0.2)
    store = LiveStore(served.project.project.live_dir)
    put(store, NOW, site="works", a=1.0)
    store.close()
    keys = ApiKeyStore(served.project.store)
    key, text = keys.issue(
        "operator", name="r", sites=["works"], scopes=[Permission.LIVE_READ], days=9, clock=served.clock
    )

    async def looked() -> list[str]:
        tab = Tab(served.app, site="works", headers=[(b"authorization", f"Bearer {text}".encode())])
        await asyncio.wait_for(tab.opened(), 30)
        await asyncio.sleep(0.5)
        assert not tab.task.done()
        keys.revoke(key.key_id, person_id="operator", reason="lost", clock=served.clock)
        await asyncio.wait_for(tab.task, 30)
        return [each.kind for each in events(b"".join(each.get("body", b"") for each in tab.sent[1:]).decode())]

    try:
        kinds = asyncio.run(looked())
    finally:
        feed_of(served.app).close()
    assert (kinds[0], kinds[-1]) == ("value", "bye")
    assert served.app.state.allowances.taken("streams") == 0


def test_too_many_names_and_a_wrong_number_are_answered(app: FastAPI) -> None:
    names = ",".join(f"l/{number}" for number in range(40))
    assert asyncio.run(send(app, "GET", f"{PATH}?site=plant&points={names}")).status == 400
    for number in ("none", "-1", "9" * 40):
        answer = asyncio.run(send(app, "GET", f"{PATH}?site=plant", [("last-event-id", number)]))
        assert answer.status == 200
        assert "text/event-stream" in answer.headers["content-type"]
