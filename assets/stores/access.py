"""What rooms beside the stores need to run their own statements: the connection's type, one site's lock,
and a store that is gone. Imports sqlalchemy only: the agent opens this.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from assets.stores.event_chain import lock_chain
from assets.stores.transactions import Store
from data_quality.contracts.errors import Unreachable

Connection = sa.Connection


@contextmanager
def site_transaction(store: Store, site_id: str) -> Iterator[Connection]:
    """A write transaction that waits for every other one of the same site.

    With it, what is read first (a mode, a state) still holds when the transaction commits. Raises Unreachable where
    the store does not answer; an error at commit means "unknown", so the caller reads again before it acts.
    """
    with _told(), store.begin() as connection:
        # First of all locks: that of the recorded time comes after it everywhere, so that no two transactions can
        # deadlock.
        lock_chain(connection, site_id)
        yield connection


def read_rows(store: Store, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """All rows of a query as dicts. Raises Unreachable where the store does not answer."""
    with _told():
        return store.rows(query)


def select_rows(connection: Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """All rows of a query inside a transaction, as dicts."""
    return [dict(row) for row in connection.execute(query).mappings()]


@contextmanager
def _told() -> Iterator[None]:
    """Whatever the database does to a controller, its devices go to their safe default: a bug of ours among it."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        raise Unreachable(f"the store does not answer: {error.orig}") from error
