"""Triggers of the store that refuse a change, and its view of traces.

They are those of the newest revision, for a store that is made at once; the migrations have their own, frozen words
(tests/stores/test_new_store.py compares both).
"""

from collections.abc import Iterator
from typing import NamedTuple

from assets.stores.ledgers.command_states import PAIRS, TERMINAL, TRANSITIONS
from assets.stores.tables import APPEND_ONLY, append_only_ddl


class Rule(NamedTuple):
    """A trigger before each row: the change that it refuses under a condition (none: always), and its message."""

    table: str
    name: str
    verb: str
    condition: str
    message: str


def _listed(values: Iterator[str]) -> str:
    return ", ".join(f"'{value}'" for value in sorted(values))


_FIXED = (
    "command_id", "idempotency_key", "plan_id", "plan_hash", "site_id", "device_id", "capability", "value", "unit",
    "valid_from_utc", "valid_until_utc", "ttl_s",
)  # fmt: skip
RULES = (
    Rule(
        "commands",
        "bad_step",
        "UPDATE",
        "OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN "
        f"({_listed(f'{old.value}>{new.value}' for old, new in PAIRS if old != new)})",
        "this change of state is not allowed",
    ),
    Rule(
        "commands",
        "finished",
        "UPDATE",
        f"OLD.state IN ({_listed(state.value for state in TERMINAL)})",
        "a finished command does not change",
    ),
    Rule(
        "commands",
        "fixed",
        "UPDATE",
        " OR ".join(f"OLD.{column} <> NEW.{column}" for column in _FIXED),
        "what a command says does not change",
    ),
    Rule("commands", "born", "INSERT", "NEW.state <> 'PROPOSED'", "a command starts as PROPOSED"),
    Rule("commands", "kept", "DELETE", "", "a command is never deleted"),
    Rule(
        "commands",
        "repeated",
        "UPDATE",
        f"OLD.state = NEW.state AND OLD.state IN ({_listed(state.value for state in TRANSITIONS)}) AND NOT ("
        "OLD.state = 'VERIFIED' AND coalesce(NEW.evidence_grade, -1) > coalesce(OLD.evidence_grade, -1) "
        "AND OLD.seq = NEW.seq AND OLD.epoch = NEW.epoch "
        "AND coalesce(OLD.mode_at_issue, '') = coalesce(NEW.mode_at_issue, ''))",
        "a command that stays where it is changes only by better evidence",
    ),
    Rule(
        "mode_events",
        "two_people",
        "INSERT",
        "NEW.mode = 'FULL' AND (NEW.request_id IS NULL OR NEW.expires_utc IS NULL OR NEW.approved_by IS NULL "
        "OR NEW.approved_by = NEW.person_id)",
        "mode FULL needs a request, a second person and an end",
    ),
)

_POSTGRES_VIEW = """CREATE VIEW trace_inputs AS
SELECT f.figure_id, CAST(j.place AS integer) - 1 AS position, i.kind, i.id, i.role, i.sha256, i.value
FROM figures AS f
CROSS JOIN LATERAL jsonb_array_elements(f.figure::jsonb -> 'inputs') WITH ORDINALITY AS j(value, place)
JOIN revision_inputs AS i
  ON jsonb_typeof(j.value) = 'number' AND i.report_id = f.report_id AND i.revision = f.revision
  AND CAST(i.position AS text) = j.value #>> '{}'
UNION ALL
SELECT f.figure_id, CAST(j.place AS integer) - 1, 'figure', j.value ->> 1, j.value ->> 0, '',
  coalesce(g.figure::jsonb ->> 'value', '')
FROM figures AS f
CROSS JOIN LATERAL jsonb_array_elements(f.figure::jsonb -> 'inputs') WITH ORDINALITY AS j(value, place)
LEFT JOIN figures AS g ON g.figure_id = j.value ->> 1
WHERE jsonb_typeof(j.value) = 'array'"""
# json_each and no other function: SQLite lets a view use nothing else where schemas are not trusted.
_SQLITE_VIEW = """CREATE VIEW trace_inputs AS
SELECT f.figure_id, CAST(j.key AS INTEGER) AS position, i.kind, i.id, i.role, i.sha256, i.value
FROM figures AS f
JOIN json_each(f.figure, '$.inputs') AS j
JOIN revision_inputs AS i
  ON j.type = 'integer' AND i.report_id = f.report_id AND i.revision = f.revision AND i.position = j.value
UNION ALL
SELECT f.figure_id, CAST(j.key AS INTEGER), 'figure', named.value, role.value, '', coalesce(v.value, '')
FROM figures AS f
JOIN json_each(f.figure, '$.inputs') AS j
JOIN json_each(j.value) AS role ON role.key = 0
JOIN json_each(j.value) AS named ON named.key = 1
LEFT JOIN figures AS g ON g.figure_id = named.value
LEFT JOIN json_each(g.figure, '$.value') AS v
WHERE j.type = 'array'"""


def guards(dialect: str) -> Iterator[str]:
    """Statements for every trigger and view of the newest revision on that dialect, sqlite or postgresql."""
    is_postgres = dialect == "postgresql"
    for table in APPEND_ONLY:
        yield from append_only_ddl(table.name, dialect)
    for rule in RULES:
        name, trigger = f"{rule.table}_{rule.name}", f"BEFORE {rule.verb} ON {rule.table}"
        if is_postgres:
            when = f"WHEN ({rule.condition}) " if rule.condition else ""
            yield (
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION '{rule.message}'; END $$"
            )
            yield f"CREATE TRIGGER {name} {trigger} FOR EACH ROW {when}EXECUTE FUNCTION {name}()"
        else:
            when = f"WHEN {rule.condition} " if rule.condition else ""
            yield f"CREATE TRIGGER {name} {trigger} {when}BEGIN SELECT RAISE(ABORT, '{rule.message}'); END"
    if is_postgres:
        yield (
            "CREATE TRIGGER commands_no_truncate BEFORE TRUNCATE ON commands FOR EACH STATEMENT "
            "EXECUTE FUNCTION commands_kept()"
        )
    yield _POSTGRES_VIEW if is_postgres else _SQLITE_VIEW
