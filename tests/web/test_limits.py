"""Request limits: wrong passwords that keep no one else out, requests of a person, and work at once."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from starlette.requests import ClientDisconnect

from orchestration.web.middleware import AT_ONCE, IN_LINE, Turns
from orchestration.web.request_context import TooMany
from tests.web.served import PASSWORD, Served

DOCS, WRONG = "/api/openapi.json", "wrong wrong wrong"


def test_five_wrong_passwords_a_quarter_hour_for_a_person_and_twenty_for_an_address(served: Served) -> None:
    served.browser("viewer")
    browser = served.browser()
    found = [browser.act("/login", person="viewer", password=WRONG).status for _ in range(7)]
    assert found == [401] * 5 + [429] * 2
    refused = browser.act("/login", person="viewer", password=PASSWORD)
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) <= 181
    assert refused.headers["ratelimit"].startswith('"wrong-passwords";r=0')
    assert "too many wrong passwords; there is room again in 180 s" in refused.text
    others = [browser.act("/login", person=f"x{n}", password=WRONG).status for n in range(17)]
    assert others == [401] * 15 + [429] * 2
    served.ticks.now_s += 181
    assert browser.act("/login", person="viewer", password=PASSWORD).status == 303


def test_a_strangers_wrong_passwords_keep_nobody_out(served: Served) -> None:
    """From elsewhere they are counted elsewhere; from one's own address, the browser one signed in with is known."""
    known, stranger, elsewhere = served.browser("viewer"), served.browser(), served.browser()
    elsewhere.address = "198.51.100.7"
    known.cookie = ""
    assert [stranger.act("/login", person="viewer", password=WRONG).status for _ in range(6)] == [401] * 5 + [429]
    assert elsewhere.act("/login", person="viewer", password=PASSWORD).status == 303
    assert known.act("/login", person="viewer", password=PASSWORD).status == 303
    # Also where the whole address has none left, after the browser was signed out, and by any number of strangers.
    for number in range(20):
        stranger.act("/login", person=f"x{number}", password=WRONG)
    for number in range(30):
        for _ in range(4):
            elsewhere.address = f"203.0.113.{number}"
            last = elsewhere.act("/login", person="viewer", password=WRONG)
    assert last.status == 429
    known.act("/logout", csrf=known.token("/api/docs"))
    assert known.act("/login", person="viewer", password=PASSWORD).status == 303
    # What a browser keeps opens nothing, and is of one person.
    assert [known.act("/login", person="viewer", password=WRONG).status for _ in range(6)] == [401] * 5 + [429]
    other = served.browser()
    other.kept = known.kept
    assert other.ask(DOCS).status == 401
    assert other.act("/login", person="viewer", password=PASSWORD).status == 429


def test_right_passwords_are_not_counted(served: Served) -> None:
    browser = served.browser("viewer")
    for _ in range(12):
        browser.kept = ""
        assert browser.act("/login", person="viewer", password=PASSWORD).status == 303


def test_a_person_asks_six_hundred_at_once_and_twenty_a_second(served: Served) -> None:
    browser, other = served.browser("viewer"), served.browser("analyst")
    for _ in range(599):
        served.sign_in.allowances.take("requests of a person", "viewer")
    assert browser.ask(DOCS).headers["ratelimit"].startswith('"requests-of-a-person";r=0')
    refused = browser.ask(DOCS)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert refused.said["detail"] == "too many requests of a person; there is room again in 1 s"
    assert other.ask(DOCS).status == 200
    served.ticks.now_s += 0.06
    assert browser.ask(DOCS).status == 200


def test_of_one_asker_three_are_in_work_and_more_wait_in_line_or_later(served: Served) -> None:
    begun: list[int] = []

    async def many() -> list[int]:
        async with AsyncExitStack() as stack:
            turns = Turns()
            for _ in range(AT_ONCE):
                await stack.enter_async_context(turns.turn("viewer", lambda: False))
            waiting = [asyncio.ensure_future(one(turns, number)) for number in range(IN_LINE)]
            await asyncio.sleep(0)
            with pytest.raises(TooMany, match="too many requests at once; there is room again in 5 s"):
                await one(turns, -1)
            await one(turns, 100, "analyst")
            before = list(begun)
        await asyncio.gather(*waiting)
        return before

    async def one(turns: Turns, number: int, asker: str = "viewer") -> None:
        async with turns.turn(asker, lambda: False):
            begun.append(number)

    assert asyncio.run(many()) == [100]
    assert begun == [100, *range(IN_LINE)]


def test_who_is_gone_holds_no_place_in_the_line_and_is_not_worked_for() -> None:
    worked: list[str] = []

    async def many() -> None:
        turns, gone = Turns(), set[str]()
        async with AsyncExitStack() as stack:
            for _ in range(AT_ONCE):
                await stack.enter_async_context(turns.turn("viewer", lambda: False))
            waiting = [asyncio.ensure_future(one(turns, f"{number}", gone)) for number in range(IN_LINE)]
            await asyncio.sleep(0)
            gone |= {"0", "1"}
            last = asyncio.ensure_future(one(turns, "last", gone))
            await asyncio.sleep(0)
        ended = await asyncio.gather(*waiting, last, return_exceptions=True)
        assert [type(each) for each in ended[:3]] == [ClientDisconnect, ClientDisconnect, type(None)]

    async def one(turns: Turns, name: str, gone: set[str]) -> None:
        async with turns.turn("viewer", lambda: name in gone):
            worked.append(name)

    asyncio.run(many())
    assert worked == [*(f"{number}" for number in range(2, IN_LINE)), "last"]
