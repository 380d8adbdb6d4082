"""Access for rooms outside of the stores that run their own statements: the connection's type, one site's lock,
and a store that is gone. Imports sqlalchemy only: the agent opens this.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from assets.stores.transactions import Store
from data_quality.contracts.errors import Unreachable

# Locks of two keys are a space of their own in PostgreSQL: none of these is the one-key lock 724002 of transactions.py.
# Two sites whose names hash alike only wait for each other.
_LOCK_SPACE = 724002

Connection = sa.Connection


@contextmanager
def site_transaction(store: Store, site_id: str) -> Iterator[Connection]:
    """A write transaction that waits for every other one of the same site.

    With it, what is read first (a mode, a state) still holds when the transaction commits. Raises Unreachable where
    the store does not answer; an error at commit means "unknown", so the caller reads again before it acts.
    """
    with _reported(), store.begin() as connection:
        # First of all locks: that of the recorded time comes after it everywhere, so that no two transactions can
        # deadlock.
        lock_chain(connection, site_id)
        yield connection


def read_rows(store: Store, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """All rows of a query as dicts. Raises Unreachable where the store does not answer."""
    with _reported():
        return store.rows(query)


def select_rows(connection: Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """All rows of a query inside a transaction, as dicts."""
    return [dict(row) for row in connection.execute(query).mappings()]


@contextmanager
def _reported() -> Iterator[None]:
    """Whatever the database does to a controller, its devices go to their safe default: a bug of ours among it."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        raise Unreachable(f"the store does not answer: {error.orig}") from error


def lock_chain(connection: sa.Connection, site_id: str) -> None:
    """Let this transaction alone extend the site's chain until it ends.

    Take it before touching command rows of the site: whoever locks rows first and the chain second can deadlock
    on PostgreSQL. SQLite needs nothing, there BEGIN IMMEDIATE already queues the writers.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(
            sa.text("SELECT pg_advisory_xact_lock(:space, hashtext(:site_id))"),
            {"space": _LOCK_SPACE, "site_id": site_id},
        )
