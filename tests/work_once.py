"""Work that tests need not do again: a document parsed, a statement compiled, the authorities of the system read.

Each answers as the product's own call does, which `tests/test_work_once.py` asks; a process of its own does its work.
"""

import os
import pickle
import ssl
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

import pytest
from httpx._config import create_ssl_context
from sqlalchemy.util import LRUCache
from typer.main import get_command

from assets.stores.transactions import Store
from data_quality.contracts import yaml_file

# Texts of the projects that tests of a process are about: a few for each room.
TEXTS, STATEMENTS = 512, 4096
# Where OpenSSL looks for authorities instead.
AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class Statements(LRUCache[Any, Any]):
    """Compiled statements of every store on one engine: each would compile its own, half a millisecond each."""

    def get(self, key: Any, default: Any = None) -> Any:
        """By the kind of engine instead of the engine."""
        return super().get(_of_kind(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        """As `get`."""
        super().__setitem__(_of_kind(key), value)


def _of_kind(key: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    return type(key[0]), *key[1:]


def parsed_once(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """The same document for a text, read back from a copy of the first: a thirtieth of the time of the parser."""

    @lru_cache(TEXTS)
    def copied(text: str) -> bytes:
        return pickle.dumps(parse(text))

    def parsed(text: str) -> Any:
        return pickle.loads(copied(text))  # noqa: S301 - written three lines above

    return parsed


def trust_once(create: Callable[..., ssl.SSLContext]) -> Callable[..., ssl.SSLContext]:
    """The authorities of the system, read once where nobody names others: 10 ms a client."""

    @cache
    def of_system(named: tuple[str | None, ...], trust_env: bool) -> ssl.SSLContext:
        return create(trust_env=trust_env)

    def created(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is not True or cert is not None:
            return create(verify=verify, cert=cert, trust_env=trust_env)
        return of_system(tuple(os.environ.get(name) for name in AUTHORITIES), trust_env)

    return created


@contextmanager
def work_once() -> Iterator[None]:
    """While this is open, this process does none of it twice."""
    statements, opened = Statements(STATEMENTS), Store.__init__

    def open_with(self: Store, *arguments: Any, **more: Any) -> None:
        opened(self, *arguments, **more)
        self.engine._compiled_cache = statements

    with pytest.MonkeyPatch.context() as patch:
        # Typer makes the same hundred commands of an application anew at each call of a test: 140 ms.
        patch.setattr("typer.testing._get_command", cache(get_command))
        patch.setattr(yaml_file, "parsed", parsed_once(yaml_file.parsed))
        patch.setattr("httpx._transports.default.create_ssl_context", trust_once(create_ssl_context))
        patch.setattr(Store, "__init__", open_with)
        yield
