"""Requests of somebody who means no good, seeded: `python -m tests.web.hostile --count 100000`.

None may be answered with 5xx, tell what the asker may not know, or change anything but the ledger of refusals.
"""

import argparse
import asyncio
import hashlib
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import NamedTuple
from urllib.parse import quote

from assets.stores.api_keys import ApiKeyStore
from data_quality.contracts.access.permissions import Permission
from orchestration.web.api.openapi import routes_of
from reports.pages.address import KNOWN
from tests.web.asking import HOST, Answer, Headers, send
from tests.web.served import PASSWORD, Served, make_served

# Where the code lies.
ROOT = Path(__file__).resolve().parents[2]
METHODS = ["GET"] * 12 + ["POST"] * 6 + ["HEAD", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "FOO"]
WORDS = (
    "", "works", "other", "nowhere", "site:works", "site:other", "tenant:law", "tenant:bank", "meter:main", "2026-03",
    "2025-13", "2026-03-10/2026-03-01", "0001/9999", "7d", "hour", "quarter", "year", "previous", "2026-03-29T02:30:00",
    "9999-12-31T23:59:59Z", "de", "ar", "0", "-1", "1e309", "NaN", "null", "true", "[]", "{}", "'", '"', "';--", "`id`",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "${7*7}", "%s%n", "../../people.yaml",
    "..%2f..%2fpeople.yaml", "%00", "\x00", "\u202egnp", "ａｄｍｉｎ", "é" * 40, "a" * 300, "\r\nset-cookie: a=b",
    "//evil.example", "https://evil.example", "file:///etc/passwd", "mlk_aa_bb", "=cmd|'/c calc'!A0", "cost", "kwh",
)  # fmt: skip
BODIES = (
    b"", b"{}", b"[]", b"null", b'{"site": "other"}', b"[" * 20_000, b'{"a":1,"a":2}', b'{"a":1e999}', b"\xff\xfe",
    b"csrf=x", b"person=admin&password=x", b"person=%00&password=%ff", b"a=1&a=2", b"<!DOCTYPE x>", b"x" * 70_000,
    b'{"seu_id":"other/compressors"}', b"person=viewer&password=" + b"p" * 5000, b"csrf=" + b"0" * 64,
    b'{"seu_id":"\\ud800"}',
)  # fmt: skip
# What stands in the place of these words of a path where the request means something that is there.
THERE = {"site": ("works",), "site_id": ("works",), "seu": ("compressors",), "figure_id": ("kpi",), "name": ("cost",)}
KINDS = ("application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "", "é")
# Name, how often, and what it says.
HEADERS = (
    ("origin", 0.7, (f"http://{HOST}", "http://evil.example", "null")),
    ("host", 0.05, ("evil.example", "", "127.0.0.1:8600")),
    ("x-csrf", 0.3, ("0" * 64, "", "é")),
    ("if-none-match", 0.1, ('"x"', "*", "W/")),
    ("range", 0.1, ("bytes=0-", "bytes=-1", "x")),
    ("content-length", 0.03, ("-1", "5", "999999999999")),
    ("x-http-method-override", 0.02, ("DELETE",)),
    ("x-forwarded-for", 0.05, ("127.0.0.1",)),
    ("idempotency-key", 0.05, ("a", "é" * 200)),
)
# Tables that a refused request may add to; and that a key has read is noted whatever it asked for.
LEDGERS = ("audit_events", "row_seals", "recorded_clock", "key_uses")


class Found(NamedTuple):
    """Result of all requests: answers by status, and sentences about what must not be."""

    statuses: Counter[int]
    faults: list[str]
    seconds: float


class Asker(NamedTuple):
    """A sender: its name, its headers, and words that it must never read."""

    name: str
    headers: Headers
    secrets: tuple[str, ...]


def askers(served: Served) -> list[Asker]:
    """Strangers and people of few rights, each with a real or an almost real credential."""
    viewer, tenant, worker = (served.browser(each).cookie for each in ("viewer", "tenant", "worker"))
    key = ApiKeyStore(served.project.store).issue(
        "worker", name="robot", sites=["works"], scopes=[Permission.READ], days=9, clock=served.clock
    )[1]
    everybody = (str(served.folder), "$argon2id", PASSWORD, "Traceback", "sqlalchemy", str(ROOT), '.py"')
    hidden = (*everybody, "Canary")
    return [
        Asker("stranger", [], hidden),
        Asker("stale cookie", [("cookie", viewer[:-3] + "abc")], hidden),
        Asker("viewer", [("cookie", viewer)], everybody),
        Asker("tenant", [("cookie", tenant)], (*hidden, "Bank of")),
        Asker("worker", [("cookie", worker)], hidden),
        Asker("key", [("authorization", f"Bearer {key}")], hidden),
        Asker("wrong key", [("authorization", "Bearer mlk_aabbccddeeff_" + "x" * 43)], hidden),
        Asker("both", [("cookie", worker), ("authorization", f"Bearer {key}")], hidden),
    ]


def request(chance: Random, doors: list[tuple[str, list[str]]]) -> tuple[str, bytes, Headers, bytes]:
    """One request: method, target, headers and body. doors: paths with the methods that they take."""
    path, taken = chance.choice(doors)
    while "{" in path:
        head, _, rest = path.partition("{")
        name, _, rest = rest.partition("}")
        words = THERE.get(name, WORDS) if chance.random() < 0.3 else WORDS
        path = head + quote(chance.choice(words), safe="" if chance.random() < 0.7 else "/:%") + rest
    if chance.random() < 0.1:
        at = chance.randrange(len(path) + 1)
        path = path[:at] + quote(chance.choice(WORDS), safe="/%") + path[at:]
    names = (*KNOWN, *KNOWN, "kpi", "figure", "seu_id", "next", "hide", "at", "limit", "cursor", "x" * 50)
    size = chance.choice((0, 0, 1, 2, 3, 9))
    query = "&".join(f"{chance.choice(names)}={quote(chance.choice(WORDS))}" for _ in range(size))
    target = f"{path}?{query}".encode("utf-8", "replace") if query else path.encode("utf-8", "replace")
    if chance.random() < 0.02:
        target = b"/" + chance.randbytes(chance.randrange(60)).replace(b"?", b"")
    headers = [("accept", chance.choice(("text/html", "*/*", "application/json", "text/csv", "é")))]
    headers += [("content-type", chance.choice(KINDS))]
    headers += [(name, chance.choice(values)) for name, often, values in HEADERS if chance.random() < often]
    method = chance.choice(taken if chance.random() < 0.5 else METHODS)
    return method, target, headers, chance.choice(BODIES)


async def _all(
    served: Served, who: list[Asker], count: int, seed: int, until_s: float
) -> tuple[Counter[int], list[str]]:
    chance, statuses, faults = Random(seed), Counter[int](), list[str]()
    routes = [route for route in routes_of(served.app) if not route.path.endswith("/live/stream")]
    doors = [(route.path, sorted(route.methods or ())) for route in routes]
    for number in range(count):
        if time.monotonic() > until_s:
            break
        method, target, headers, body = request(chance, doors)
        asker = chance.choice(who)
        # Time goes on, or the allowances would answer nearly everything.
        served.ticks.now_s += 0.5
        answer = await send(served.app, method, target, [*asker.headers, *headers], body)
        statuses[answer.status] += 1
        faults += [f"{number} {asker.name}: {method} {target[:200]!r}: {each}" for each in wrong(answer, asker)]
    return statuses, faults


def wrong(answer: Answer, asker: Asker) -> list[str]:
    """Faults of an answer."""
    text = answer.body.decode("utf-8", "replace") + str(sorted(answer.headers.items()))
    # What is not built says so, with its code.
    is_said = answer.status == 501 and any(code in text for code in ('"code":"not_built"', '"code":"not_installed"'))
    found = [f"status {answer.status}"] if answer.status >= 500 and not is_said else []
    found += [f"tells {each!r}" for each in asker.secrets if each in text]
    # What is text to a browser is no script, whatever it says.
    is_drawn = any(kind in answer.headers.get("content-type", "html") for kind in ("html", "svg", "javascript"))
    is_drawn = is_drawn or answer.headers.get("x-content-type-options") != "nosniff"
    found += ["writes a script of the asker"] if is_drawn and ("<script>alert" in text or "<img src=x" in text) else []
    where = answer.headers.get("location", "/")
    found += [f"leads to {where!r}"] if not where.startswith("/") or where.startswith(("//", "/\\")) else []
    found += ["sets a cookie"] if answer.cookies else []
    return found


def contents(served: Served) -> dict[str, str]:
    """Digest of every table but the ledgers, and of every file that people made."""
    found = {}
    with served.project.store.engine.connect() as connection:
        tables = [row[0] for row in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in sorted(set(tables) - set(LEDGERS)):
            rows = sorted(map(str, connection.exec_driver_sql(f'SELECT * FROM "{name}"')))
            found[name] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    for path in sorted(served.folder.rglob("*")):
        if path.is_file() and not path.name.startswith("store.db"):
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def assault(folder: Path, count: int, seed: int, within_s: float = float("inf")) -> Found:
    """Ask all of it, or as much as is answered within so many seconds. Returns what came of it."""
    served = make_served(folder)
    other = served.folder / "sites" / "other.yaml"
    other.write_text(other.read_text().replace("name: Other", "name: Canary works"))
    works = served.folder / "sites" / "works.yaml"
    works.write_text(works.read_text().replace("{tenant_id: bank,", "{tenant_id: bank, name: Bank of nobody,"))
    try:
        who = askers(served)
        before, start_s = contents(served), time.monotonic()
        statuses, faults = asyncio.run(_all(served, who, count, seed, start_s + within_s))
        after = contents(served)
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        faults += [f"{name} was changed" for name in changed]
        return Found(statuses, faults, time.monotonic() - start_s)
    finally:
        served.project.close()


def main() -> int:
    """The command line: 0 where nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--within-s", type=float, default=float("inf"), help="send no more after so many seconds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = assault(Path(folder), options.count, options.seed, options.within_s)
    lines = [f"{found.statuses.total()} of {options.count} requests in {found.seconds:.0f} s"]
    lines += [f"by status {dict(sorted(found.statuses.items()))}"]
    lines += [f"{len(found.faults)} faults", *found.faults[:50]]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
