"""PostgreSQL itself: sessions in UTC, the schemas of the parts, and what a URL means to libpq. Free of polars."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from assets.stores.unreachable import no_answer
from data_quality.contracts.database import SCHEMAS, address_of, libpq_url, with_options
from data_quality.contracts.errors import BadInput, Unreachable

if TYPE_CHECKING:
    import psycopg

# Keys of ours in a database that others may use too: 724001 migrations, 724002 recorded time, 724003 schemas, 724004
# who has started.
SCHEMA_LOCK, START_LOCK = 724003, 724004
# A line that is dead shows within half a minute although nothing is said on it, or waits to be acknowledged.
KEPT_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 30_000}
# The same at the server: it lets go of a machine that lost its power.
KEPT_ALIVE_THERE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"
# Servers before 14 have none.
UNTIMED = "select set_config(name, '0', false) from pg_settings where name = 'idle_session_timeout'"
# So much later than the server would end a statement by itself, its silence is one of the line.
ON_THE_WAY_S = 1.0
# What a server does by itself, as a multiple of how long its answer is waited for: a long answer is no silence.
OF_THE_SERVER = {"lock_timeout": 0.5, "idle_in_transaction_session_timeout": 2, "statement_timeout": 10}
# What dbt takes of a URL; everything else reaches its libpq through variables (docs/adr/0013).
CONNECTION = ("host", "port", "user", "password", "dbname")


@contextmanager
def connection_to(url: str) -> Iterator["psycopg.Connection[Any]"]:
    """One transaction in a UTC session: commit at the end, roll back on error.

    Raises Unreachable where the server does not answer, or stops answering.
    """
    import psycopg

    try:
        # As DuckDB's sessions are: an instant cast to a date or a text must give the same on both engines.
        with psycopg.connect(with_options(libpq_url(url), "-c timezone=UTC")) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise no_answer(error, url) from error


def connector(within_s: float | None) -> Callable[..., "psycopg.Connection[Any]"]:
    """Connect for SQLAlchemy (its event `do_connect`), so that no dead line is waited for.

    within_s: a server that says nothing for a second longer, a lock that is waited for half as long, and a transaction
    without a word for twice as long end in an OperationalError. None: an answer may take as long as it takes.
    """
    import psycopg

    class Bounded(psycopg.Connection[Any]):
        def wait(self, gen: Any, *args: Any, **named: Any) -> Any:
            # What a relay or a firewall swallowed was acknowledged by it: keepalives cannot tell, a clock of ours can.
            heard = gen if within_s is None else _until_silent(gen, within_s + ON_THE_WAY_S)
            try:
                return super().wait(heard, *args, **named)
            except psycopg.OperationalError as error:
                # Without a state it is not the server's word: nobody knows what it still does.
                if error.sqlstate is None:
                    self.pgconn.finish()
                raise

    def connect(_dialect: Any, _record: Any, given: list[Any], named: dict[str, Any]) -> "psycopg.Connection[Any]":
        if within_s is not None:
            options = [f"-c {name}={int(within_s * 1000 * times)}" for name, times in OF_THE_SERVER.items()]
            named["options"] = " ".join(filter(None, [named.get("options"), *options]))
            named["connect_timeout"] = min(int(named.get("connect_timeout", 10)), math.ceil(within_s))
        return Bounded.connect(*given, **(KEPT_ALIVE | named))

    return connect


def _until_silent(gen: Generator[Any, Any, Any], silence_s: float) -> Generator[Any, Any, Any]:
    """The generator, until the line says nothing for so long: a large answer may take longer than that altogether."""
    import psycopg

    due_s = time.monotonic() + silence_s
    try:
        wanted = next(gen)
        while True:
            is_ready = yield wanted
            if is_ready:
                due_s = time.monotonic() + silence_s
            elif time.monotonic() > due_s:
                raise psycopg.OperationalError(f"no answer for {silence_s:g} s")
            wanted = gen.send(is_ready)
    except StopIteration as end:
        return end.value


def ensure_schema(url: str) -> None:
    """Make the schema that the URL's sessions look in first, where it is missing; two at once make it once.

    Raises Unreachable, and BadInput where an earlier version kept our store in schema public of that database.
    """
    import psycopg
    from psycopg import sql

    with connection_to(url) as connection:
        # A table that no other program has: where it stands in public, that is our store of before the schemas.
        query = "select current_schema(), current_setting('search_path'), to_regclass('public.recorded_clock')"
        found, wanted, earlier = connection.execute(query).fetchall()[0]
        # current_schema() is null where no schema of the search_path exists.
        if found is not None:
            return
        if earlier is not None and wanted == SCHEMAS["store"]:
            mend = f"ALTER SCHEMA public RENAME TO {wanted}; CREATE SCHEMA public"
            raise BadInput(
                f"the database {address_of(url)} holds Meterloom's store of an earlier version in schema public; "
                f"let its owner move it with psql: {mend}",
                reason="store_in_public",
                mend=mend,
            )
        try:
            # `if not exists` alone does not help two at once: both look, both create, and one fails on the catalogue's
            # key.
            connection.execute("select pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(wanted)))
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unreachable(
                f"the role of {address_of(url)} may not make schema {wanted}; let the database's owner do it: "
                f"CREATE SCHEMA {wanted} AUTHORIZATION the_role"
            ) from error


def hold(url: str, number: int, who: str, *, is_shared: bool = False) -> Callable[[], None] | str:
    """Hold an advisory lock until the answer is called or this process ends; the holder's name where another has it.

    number: which lock; who: shown to whoever is refused (63 bytes of it); is_shared: with others that share it. Raises
    Unreachable.
    """
    import psycopg

    try:
        # A session that says nothing for weeks, and that nobody waits for longer than for a word of the server.
        within: Any = {"connect_timeout": 10} | KEPT_ALIVE | _given(url) | {"application_name": who}
        within.pop("options", None)
        session = psycopg.connect(with_options(libpq_url(url), KEPT_ALIVE_THERE), autocommit=True, **within)
        session.execute(UNTIMED)
        lock = "pg_try_advisory_lock_shared" if is_shared else "pg_try_advisory_lock"
        if session.execute(f"select {lock}(%s, %s)".encode(), [START_LOCK, number]).fetchall()[0][0]:
            return session.close
        query = (
            "select a.application_name from pg_locks l join pg_stat_activity a using (pid) "
            "where l.locktype = 'advisory' and l.granted and l.classid = %s and l.objid = %s "
            "and l.database = (select oid from pg_database where datname = current_database())"
        )
        names = session.execute(query, [START_LOCK, number]).fetchall()
        session.close()
    except psycopg.OperationalError as error:
        raise no_answer(error, url) from error
    # Between the two questions the holder may have gone: nobody to name, and the next start succeeds.
    return str(names[0][0]) if names else ""


def describe(url: str) -> tuple[str, list[str]]:
    """The server's version and the names of the database's own schemas. Raises Unreachable."""
    with connection_to(url) as connection:
        version = str(connection.execute("show server_version").fetchall()[0][0]).split()[0]
        rows = connection.execute(
            "select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' order by 1"
        ).fetchall()
        return version, [str(row[0]) for row in rows]


def facts_of(url: str) -> dict[str, str]:
    """Host, port, user, password and dbname of a PostgreSQL URL, sockets included, with libpq's defaults."""
    defaults = {keyword: value for keyword, _, value in _libpq_options()}
    return {key: _given(url).get(key) or defaults.get(key, "") for key in CONNECTION}


def session_environment(url: str, *options: str) -> dict[str, str]:
    """Options of the URL (TLS, timeouts, session) as the environment variables that libpq reads by itself.

    options: more session options (`-c name=value`), for a tool that takes none.
    """
    given = _given(url)
    found = {name: given[key] for key, name, _ in _libpq_options() if name and key in given and key not in CONNECTION}
    return found | {"PGOPTIONS": " ".join(filter(None, [given.get("options"), *options]))}


def _given(url: str) -> dict[str, str]:
    from psycopg.conninfo import conninfo_to_dict

    return {key: str(value) for key, value in conninfo_to_dict(libpq_url(url)).items() if value}


def _libpq_options() -> list[tuple[str, str, str]]:
    """Keyword, environment variable and default of everything that libpq understands."""
    from psycopg.pq import Conninfo

    found = [(option.keyword, option.envvar or b"", option.val or b"") for option in Conninfo.get_defaults()]
    return [(keyword.decode(), name.decode(), value.decode()) for keyword, name, value in found]
