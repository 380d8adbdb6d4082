"""Answers to acts that were sent with an Idempotency-Key: each is made once a day and person, and given again after."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from assets.stores.api_keys import REMEMBERED
from data_quality.contracts.errors import BadInput
from orchestration.open_project import OpenProject
from orchestration.web.request_context import Context

# Answers of so many acts of one person or key are kept; they are small.
MOST_KEPT = 1000


@dataclass
class _Sent:
    """An act under a key. what: method, address and digest of the body; answer: None while it is being made."""

    what: tuple[str, ...]
    at_utc: datetime
    answer: Response | None = None


class IdempotentActs:
    """The acts of one project in this process; a process that ends forgets the keys, not what was done."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], OrderedDict[str, _Sent]] = {}
        self._lock = threading.Lock()

    def answer(self, request: Request, ctx: Context, key: str, make: Callable[[], Response]) -> Response:
        """The answer of `make`, or without a second act what was answered under this key. Raises BadInput: other_body
        for another act under it, already_running while the first is being done. What is refused is not kept.
        """
        if not key:
            return make()
        # Of a person and the key that they act by: another of theirs may be for other sites.
        own = (ctx.person.person_id, getattr(request.state, "key_id", ""))
        what = (request.method, request.url.path, request.url.query, getattr(request.state, "body_sha256", ""))
        with self._lock:
            of_sender = self._sent.setdefault(own, OrderedDict())
            known = of_sender.get(key)
            if known is not None and ctx.now_utc < known.at_utc + REMEMBERED:
                return _answer_before(known, what)
            mine = of_sender[key] = _Sent(what, ctx.now_utc)
            while len(of_sender) > MOST_KEPT:
                of_sender.popitem(last=False)
        try:
            mine.answer = make()
        finally:
            if mine.answer is None:
                with self._lock:
                    of_sender.pop(key, None)
        return mine.answer


def _answer_before(known: _Sent, what: tuple[str, ...]) -> Response:
    if known.what != what:
        raise BadInput("this Idempotency-Key was sent with another body", reason="other_body")
    if known.answer is None:
        raise BadInput("what was sent under this Idempotency-Key is still being done", reason="already_running")
    return known.answer


def idempotent_acts(project: OpenProject) -> IdempotentActs:
    """The keys of a project; every request of this process asks the same."""
    return project.cache.once("keys_sent", "", IdempotentActs)
