"""The door for machines: POST /api/v1/readings. Acknowledged rows are on the disk; a refusal comes in one
sentence, and each row with its reason.

A key (`meterloom keys issue`) says whose machine it is. The same Idempotency-Key, or without one the same bytes, get
the answer that they got, and nothing twice.
"""

import asyncio
import hashlib
import json
import logging
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assets.sites.load_sites import PeopleNow, load_sites
from assets.stores.api_keys import ApiKeyStore
from assets.stores.lake.merges import batches_of_source
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.transactions import Store
from controls.collector.pushed_files import PushedBoard, StoredBody, store_body
from controls.gateways.access.http_server import Bucket, recognised
from controls.gateways.access.loopback_port import Metrics
from data_quality.contracts.access.api_key import ApiKey
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.settings import READINGS_PATH, Project
from data_quality.contracts.time import Clock

PUSH = Permission.READINGS_PUSH
MAX_BYTES = 16 * 2**20
# A body that trickles in holds a place; an honest one of 16 MiB takes a second.
BODY_S = 30.0
# Pushes of one key, and wrong keys of one address: so many at once, and so many a second after that.
PUSHES, WRONG_KEYS = (20, 5.0), (20, 1 / 3)
# Bodies that are in memory at once, of one key so many; those that are judged at once; and keys that are looked up, of
# known ones and of texts that may be one.
AT_ONCE, OF_ONE_KEY, JUDGED_AT_ONCE, KNOWN_AT_ONCE, STRANGE_AT_ONCE = 8, 2, 2, 4, 1
_IDEMPOTENCY = re.compile(r"[\x21-\x7e]{1,128}")
logger = logging.getLogger("meterloom.push")


class _Problem(Exception):
    """An answer that is a refusal: status, reason as a code, one sentence."""

    def __init__(self, status: int, reason: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.reason, self.more = status, reason, more


@dataclass
class PushReceiver:
    """Parts and counters of the door: answers by status, rows by outcome."""

    project: Project
    store: Store
    clock: Clock
    monotonic: Callable[[], float] = time.monotonic
    counts: Counter[str] = field(default_factory=Counter)
    _busy: set[tuple[str, str]] = field(default_factory=set)
    _pushes: Bucket = field(default_factory=lambda: Bucket(*PUSHES))
    _wrong: Bucket = field(default_factory=lambda: Bucket(*WRONG_KEYS))

    def __post_init__(self) -> None:
        self.keys, self.board = ApiKeyStore(self.store), PushedBoard(self.project.live_dir)
        self.people = PeopleNow(self.project.people_file, partial(setattr, self.store, "public_keys"))
        self._bodies, self._judges = asyncio.Semaphore(AT_ONCE), CapacityLimiter(JUDGED_AT_ONCE)
        self._of_key = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(OF_ONE_KEY))
        # Digests of texts that have been keys: whoever sends others waits in another line than these.
        self._seen: set[str] = set()
        self._known, self._strange = CapacityLimiter(KNOWN_AT_ONCE), CapacityLimiter(STRANGE_AT_ONCE)

    def app(self) -> Starlette:
        """The application: three addresses, and a sentence for every other."""
        return Starlette(
            routes=[
                Route(READINGS_PATH, self._answering(self._push), methods=["POST"]),
                Route(f"{READINGS_PATH}/receipts/{{receipt}}", self._answering(self._receipt), methods=["GET"]),
            ]
        )

    def metrics(self) -> str:
        """Counters of the process, as Prometheus reads them."""
        page = Metrics("meterloom_push_")
        for kind, label, text in (("answered", "status", "Answers"), ("rows", "became", "Rows of pushed bodies")):
            found = sorted((name.split()[1], count) for name, count in self.counts.items() if name.startswith(kind))
            values = [(f'{{{label}="{name}"}}', float(count)) for name, count in found]
            page.add_metric(f"{kind}_total", "counter", values, text)
        page.add_metric("bodies_in_work", "gauge", [("", float(len(self._busy)))], "Bodies that are judged or kept now")
        return page.text()

    def health(self) -> tuple[bool, str]:
        """Whether what is pushed can be kept, and one sentence."""
        try:
            self.keys.receipt("")
        except Unreachable as fault:
            return False, str(fault)
        if trouble := self.people.current_fault():
            return False, trouble
        is_writable = os.access(self.project.landing_dir, os.W_OK) or not self.project.landing_dir.exists()
        return is_writable, "taking readings" if is_writable else f"{self.project.landing_dir} cannot be written"

    def _answering(self, serve: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                status, body = await serve(request)
            except _Problem as problem:
                status, body = problem.status, _json(problem)
            except Unreachable as fault:
                logger.warning("%s", fault)
                status, body = 503, _json(_Problem(503, "store_away", "the store does not answer; send it again"))
            except BadInput as fault:
                # Ours, not the sender's: people file, site file or store are not as they should be.
                logger.warning("%s", fault)
                status, body = 503, _json(_Problem(503, fault.reason, "the project is not in order; send it again"))
            except ClientDisconnect:
                status, body = 400, _json(_Problem(400, "cut", "the body ended before its end"))
            self.counts[f"answered {status}"] += 1
            headers = {"Retry-After": "1"} if status in (409, 429, 503) else {}
            # What is left of a body that was not read would be taken for the next request.
            headers |= {"Connection": "close"} if status in (408, 411, 413, 415) else {}
            kind = "application/json" if status < 400 else "application/problem+json"
            return JSONResponse(body, status, headers, media_type=kind)

        return endpoint

    async def _push(self, request: Request) -> tuple[int, dict[str, Any]]:
        key = await self._key(request)
        if self._pushes.is_empty(key.key_id, self.monotonic()):
            raise _Problem(429, "too_many", f"more than {PUSHES[1]:g} bodies a second; send more rows in one")
        # Raises _Problem for what need not be read to be refused.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise _Problem(415, "not_json", "expected Content-Type: application/json")
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise _Problem(415, "packed", "expected a body that is not packed")
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BYTES:
            raise _too_large()
        # A sender whose bodies trickle in keeps its own waiting alone.
        async with self._of_key[key.key_id], self._bodies:
            try:
                body = await asyncio.wait_for(_body(request), BODY_S)
            except TimeoutError:
                raise _Problem(408, "too_slow", f"the body was not complete after {BODY_S:g} s") from None
            digest = _sha256(body)
            idempotency_key = request.headers.get("idempotency-key", digest)
            if not _IDEMPOTENCY.fullmatch(idempotency_key):
                raise _Problem(400, "bad_idempotency_key", "Idempotency-Key: 1 to 128 visible characters of ASCII")
            if (key.key_id, idempotency_key) in self._busy:
                raise _Problem(409, "still_running", "the same Idempotency-Key is being worked on; ask again")
            self._busy.add((key.key_id, idempotency_key))
            try:
                return await to_thread.run_sync(self._keep, key, body, digest, idempotency_key, limiter=self._judges)
            finally:
                self._busy.discard((key.key_id, idempotency_key))

    async def _key(self, request: Request) -> ApiKey:
        """Authenticated key of the request. Raises _Problem."""
        address, now_s = request.client.host if request.client else "", self.monotonic()
        if "mlk_" in str(request.url):
            raise _Problem(
                400, "key_in_address", "a key in an address ends in logs: revoke it, send another as a header"
            )
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        text, digest = text.strip(), _sha256(text.strip().encode())
        line = self._known if digest in self._seen else self._strange
        found = await to_thread.run_sync(self._opened, text, limiter=line) if scheme.lower() == "bearer" else None
        if found is None:
            # Who has a good key at the same address is not kept out by others.
            if self._wrong.is_empty(address, now_s):
                raise _Problem(429, "too_many", "too many wrong keys from this address")
            raise _Problem(401, "no_key", "expected 'Authorization: Bearer KEY' with a key that holds today")
        self._seen.add(digest)
        recognised(request.scope, found.key_id)
        return found

    def _opened(self, text: str) -> ApiKey | None:
        # Which acts are believed depends on who is known. Of a file that is not in order nobody is taken at their word.
        if fault := self.people.current_fault():
            raise BadInput(fault, reason="no_people")
        key = self.keys.opened_by(text, self.clock.now_utc())
        if key is None:
            return None
        if PUSH not in key.scopes:
            raise _Problem(403, "missing_scope", f"this key has not the scope {PUSH.value}")
        # A key is its owner's: without them, or without their permission, it opens nothing.
        owner = self.people.known(key.person_id)
        return key if owner is not None and may(owner, PUSH) else None

    def _keep(self, key: ApiKey, body: bytes, digest: str, idempotency_key: str) -> tuple[int, dict[str, Any]]:
        """Judge a body and keep it; in a thread. Raises _Problem."""
        now_utc = self.clock.now_utc()
        before = self.keys.answered(key.key_id, idempotency_key, now_utc)
        if before is not None:
            if before["body_sha256"] != digest:
                raise _Problem(422, "another_body", "this Idempotency-Key came with another body before")
            return 200, before["answer"]
        site_id = _site_of(body)
        if site_id not in key.sites:
            # In the same words whether there is such a site or not.
            raise _Problem(403, "another_site", f"this key is not for a site {site_id!r}")
        site = load_sites(self.project.sites_dir, self.store.cache).get(site_id)
        if site is None:
            raise BadInput(f"key {key.key_id} is for site {site_id!r}, which is gone", reason="unknown_site")
        try:
            kept = store_body(body, site=site, landing=self.project.landing_dir, clock=self.clock)
        except BadInput as fault:
            raise _Problem(422, fault.reason, fault.message) from fault
        except OSError as error:
            logger.warning("a push of %s cannot be kept: %s", key.key_id, error)
            why = f"it cannot be kept ({error.strerror or error}), and is not; send it again later"
            raise _Problem(507, "cannot_be_kept", why) from error
        self.counts["rows accepted"] += kept.accepted
        self.counts["rows rejected"] += kept.rejected
        if not kept.file_name:
            raise _Problem(422, "no_good_row", "no row is a reading", **_rows(kept))
        receipt = _sha256(f"{site_id} {digest}".encode())[:32]
        answer = {"receipt": receipt, "sha256": digest, "site": site_id, **_rows(kept)}
        answer["status_url"] = f"{READINGS_PATH}/receipts/{receipt}"
        self.board.show(site, kept.newest, now_utc)
        # After the file, never before: a receipt without its readings would be a lie, the other way round is a repeat.
        self.keys.note(
            self.clock,
            receipt_id=receipt,
            key_id=key.key_id,
            site_id=site_id,
            idempotency_key=idempotency_key,
            body_sha256=digest,
            file_name=kept.file_name,
            answer=answer,
        )
        return 202, answer

    async def _receipt(self, request: Request) -> tuple[int, dict[str, Any]]:
        key = await self._key(request)
        return await to_thread.run_sync(self._status, key, request.path_params["receipt"])

    def _status(self, key: ApiKey, receipt_id: str) -> tuple[int, dict[str, Any]]:
        row = self.keys.receipt(receipt_id)
        if row is None or row["site_id"] not in key.sites:
            raise _Problem(404, "unknown_receipt", "there is no such receipt of a site of this key")
        site_id, digest = row["site_id"], row["body_sha256"]
        answer = {"receipt": receipt_id, "site": site_id, "received_utc": row["recorded_at_utc"].isoformat()}
        found = batches_of_source(self.store, site_id=site_id, source_sha256=digest)
        quarantine = QuarantineStore(self.project.quarantine_dir, self.store)
        held = quarantine.items(site_id, source_sha256=digest, is_open=True)
        answer["rejects"] = [{name: each[name] for name in ("line", "reason", "message")} for each in held[:100]]
        if found:
            newest = found[0]
            return 200, answer | {"state": "stored", "batch": newest["batch_id"], "accepted": newest["accepted_rows"]}
        return 200, answer | {"state": "refused" if held else "waiting"}


def _json(problem: _Problem) -> dict[str, Any]:
    return {"status": problem.status, "reason": problem.reason, "detail": str(problem), **problem.more}


def _rows(kept: StoredBody) -> dict[str, Any]:
    return kept.model_dump(include={"accepted", "rejected", "doubled", "rejects"}, mode="json")


def _too_large() -> _Problem:
    return _Problem(413, "too_large", f"a body of more than {MAX_BYTES // 2**20} MiB; send it in parts")


async def _body(request: Request) -> bytes:
    """The whole body, as long as it is no longer than it may be. Raises _Problem, ClientDisconnect."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        # A sender that names no length is stopped here.
        if size > MAX_BYTES:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def _site_of(body: bytes) -> str:
    """The site named in a body. Raises _Problem."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _Problem(422, "not_json", f"this cannot be read as JSON: {str(error)[:200]}") from error
    named = found.get("site") if isinstance(found, dict) else None
    if not isinstance(named, str) or "readings" not in found:
        raise _Problem(422, "wrong_shape", 'expected {"site": ..., "readings": [...]}')
    return named


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
