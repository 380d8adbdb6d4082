"""Views that boards of other programs read: schema `boards` of PostgreSQL, for a role that can read nothing else.

They stand over marts and store, and hold what site files say of uses. A build that makes a mart anew drops the views
over it, so that each build makes again what is missing (docs/adr/0097).
"""

import json
import logging
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.stores.postgres import SCHEMA_LOCK, connection_to
from assets.stores.warehouse.warehouse_views import quoted
from data_quality.contracts.database import address_of
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.site_file.site import Site

if TYPE_CHECKING:
    import psycopg

_LOG = logging.getLogger("meterloom.boards")
SCHEMA, ROLE = "boards", "meterloom_boards"
# Each stands on those before it.
FILES = ("store", "control", "built", "marts")
_FOLDER = Path(__file__).parent
_USE = "site_id text, seu_id text, name text, carrier text, policy text, warn_percent numeric, crit_percent numeric, "
COLUMNS = {
    "site": "site_id text, name text, time_zone text, currency text",
    "use": f"{_USE}target_percent numeric, min_days_share numeric",
}
STATEMENT_TIMEOUT = "5s"


def view_statements(sites: Iterable[Site]) -> list[str]:
    """The statements that make all views, in their order: first what these site files say, then the rest."""
    every = sorted(sites, key=lambda site: site.site_id)
    facts = {"site": [_site(each) for each in every], "use": [_use(site, seu) for site in every for seu in site.seus]}
    made = [
        # One text holds all rows: no row is another than a text and a number, and none at all is a view too.
        f"create view boards.board_{name} as\n"
        f"select * from jsonb_to_recordset({quoted(json.dumps(rows))}::jsonb) as facts ({COLUMNS[name]})"
        for name, rows in facts.items()
    ]
    for name in FILES:
        text = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
        made += [part.strip() for part in text.split(";\n\n")]
    return [each.rstrip(";\n") for each in made]


def role_statements(owner: str, database: str) -> list[str]:
    """Statements that the database's owner runs once, so that `meterloom_boards` may read the views, future ones too,
    and nothing else. owner: the role that makes the views. The role gets its password by hand.
    """
    return [
        f"do $$ begin create role {ROLE} login; exception when duplicate_object then null; end $$",
        f"alter role {ROLE} set statement_timeout = '{STATEMENT_TIMEOUT}'",
        f"alter role {ROLE} set default_transaction_read_only = on",
        f"grant connect on database {_name(database)} to {ROLE}",
        f"grant usage on schema {SCHEMA} to {ROLE}",
        f"grant select on all tables in schema {SCHEMA} to {ROLE}",
        f"alter default privileges for role {_name(owner)} in schema {SCHEMA} grant select on tables to {ROLE}",
    ]


def owner_of(url: str) -> tuple[str, str]:
    """The role of the URL's sessions and their database. Raises Unreachable."""
    with connection_to(url) as connection:
        role, database = connection.execute("select current_user, current_database()").fetchall()[0]
    return str(role), str(database)


def make_views(url: str, sites: Iterable[Site]) -> dict[str, bool]:
    """Make schema and views, where they are not as they would be made now. Returns view -> whether it stands; one over
    a mart that nobody built yet does not. Raises Unreachable, also where the role may not make the schema.
    """
    import psycopg

    with connection_to(url) as connection:
        try:
            connection.execute("select pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
            connection.execute(f"create schema if not exists {SCHEMA}")
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unreachable(
                f"the role of {address_of(url)} may not make schema {SCHEMA}; let the database's owner do it: "
                f"CREATE SCHEMA {SCHEMA} AUTHORIZATION the_role"
            ) from error
        return _made(connection, view_statements(sites))


def renew_views(url: str, sites: Iterable[Site]) -> None:
    """The same after a build, where boards were requested before; without the right to, it is logged: marts do
    not wait for boards. Raises Unreachable.
    """
    import psycopg

    try:
        with connection_to(url) as connection:
            connection.execute("select pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
            if connection.execute("select to_regnamespace(%s)", [SCHEMA]).fetchall()[0][0] is not None:
                _made(connection, view_statements(sites))
    except psycopg.errors.InsufficientPrivilege as error:
        _LOG.warning("the views of schema %s at %s stay as they were: %s", SCHEMA, address_of(url), error)


def _made(connection: "psycopg.Connection[Any]", statements: list[str]) -> dict[str, bool]:
    import psycopg

    exists = {_view(each): False for each in statements if _view(each)}
    text = "\n".join(statements)
    known = connection.execute("select obj_description(%s::regnamespace, 'pg_namespace')", [SCHEMA]).fetchall()[0][0]
    rows = connection.execute("select viewname from pg_views where schemaname = %s", [SCHEMA]).fetchall()
    here = {str(row[0]) for row in rows} & exists.keys()
    if known == text:
        exists |= dict.fromkeys(here, True)
    else:
        for name in here:
            connection.execute(f"drop view if exists {SCHEMA}.{name} cascade")
    for each in statements:
        name = _view(each)
        if exists.get(name):
            continue
        try:
            with connection.transaction():
                connection.execute(each.encode())
            exists |= {name: True} if name else {}
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            # Over what is not built yet, or over such a view: the build that makes it comes by here again.
            continue
    connection.execute(f"comment on schema {SCHEMA} is {quoted(text)}".encode())
    return exists


def _view(statement: str) -> str:
    head, _, rest = statement.partition("create view boards.")
    return rest.split()[0] if rest and (not head or head.lstrip().startswith("--")) else ""


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _site(site: Site) -> dict[str, str]:
    return {"site_id": site.site_id, "name": site.name, "time_zone": site.time_zone, "currency": site.currency}


def _use(site: Site, seu: Any) -> dict[str, str]:
    rule = seu.status_rule
    # A limit that is written as a float means the number that it is, to its last digit, as in Python.
    numbers = ("warn_percent", "crit_percent", "target_percent", "min_days_share")
    return {
        "site_id": site.site_id,
        "seu_id": seu.seu_id,
        "name": seu.name,
        "carrier": seu.carrier.value,
        "policy": rule.policy,
        **{name: str(Decimal(getattr(rule, name))) for name in numbers},
    }
