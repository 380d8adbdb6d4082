"""The database's faults that are the world's: said in one sentence with the place and the mend, never a password."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from data_quality.contracts.database import address_of
from data_quality.contracts.errors import MeterloomError, Unreachable


def world_fault(error: BaseException, url: str) -> Unreachable | None:
    """What the world did behind an error of a database library, or behind its cause; None where the fault is ours.

    url: the store's, as SQLAlchemy or libpq reads it.
    """
    if not url.startswith("postgresql"):
        return None
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, MeterloomError):
        # Of PostgreSQL all of these stand for the server: gone, restarting, full, out of connections, in deadlock.
        if isinstance(cause, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError):
            return no_answer(getattr(cause, "orig", None) or cause, url)
        if isinstance(cause, sa.exc.DBAPIError) and cause.connection_invalidated:
            return no_answer(cause.orig or cause, url)
        cause = cause.__cause__
    return None


def no_answer(error: BaseException, url: str) -> Unreachable:
    """The sentence about a PostgreSQL that does not answer; the driver's own words hold no password."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return Unreachable(
        f"PostgreSQL at {address_of(url)} does not answer: {lines[0].strip()}; start it or free it, "
        "or mend database.url, and run this again"
    )


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Let a fault of the world inside the block pass as Unreachable, and any other as it is."""
    try:
        yield
    except Exception as error:
        fault = world_fault(error, url)
        if fault is None:
            raise
        raise fault from error
