"""All tables of the transactional store, which stand by domain in tables_*.py, and the triggers that make those in
APPEND_ONLY refuse UPDATE, DELETE and TRUNCATE. A frozen migration imports this module by its name, and seals.py.
"""

import sqlalchemy as sa

from assets.stores.schema import (
    tables_advice,
    tables_baselines,
    tables_bills,
    tables_control,
    tables_demand_response,
    tables_erasure,
    tables_experiments,
    tables_factors,
    tables_findings,
    tables_readings,
    tables_reports,
    tables_seals,
    tables_signals,
    tables_weather,
    tables_web,
)

DOMAINS = (
    tables_readings, tables_baselines, tables_control, tables_reports, tables_bills, tables_factors, tables_seals,
    tables_weather, tables_web, tables_findings, tables_demand_response, tables_experiments, tables_signals,
    tables_advice, tables_erasure,
)  # fmt: skip
TABLES = tuple(each for domain in DOMAINS for each in vars(domain).values() if isinstance(each, sa.Table))
# For users of a table by its name, as seals, signatures and anchors do: SQLAlchemy's own collection holds only what
# its process imported.
BY_NAME = {table.name: table for table in TABLES}
APPEND_ONLY = tuple(table for table in TABLES if table.info.get("is_append_only"))
# Those whose rows are sealed (seals.py).
PROTECTED = tuple(table for table in TABLES if table.info.get("is_sealed"))


def append_only_ddl(table: str, dialect: str) -> list[str]:
    """Statements that make one table refuse UPDATE, DELETE and TRUNCATE (which SQLite has not) on that dialect."""
    statements = []
    # With every table, since a migration that adds one need not know which earlier one made the function.
    if dialect == "postgresql":
        statements.append(
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    for verb, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
        name = f"{table}_no_{verb.lower()}"
        if dialect == "postgresql":
            statements.append(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH {each} EXECUTE FUNCTION refuse_change()"
            )
        elif verb == "TRUNCATE":
            continue
        else:
            statements.append(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    return statements
