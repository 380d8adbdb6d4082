"""Which state of a command may follow which (dispatch.md B.3), and the triggers that refuse every other step.

The table stands here, not in controls, because the database enforces it too.
"""

from data_quality.contracts.command import CommandState as S

TRANSITIONS: dict[S, frozenset[S]] = {
    S.PROPOSED: frozenset({S.RELEASED, S.ADVISED, S.REJECTED, S.BLOCKED, S.EXPIRED, S.SUPERSEDED}),
    S.RELEASED: frozenset({S.PENDING, S.BLOCKED, S.EXPIRED, S.SUPERSEDED}),
    S.PENDING: frozenset({S.ISSUED, S.BLOCKED, S.EXPIRED, S.SUPERSEDED}),
    # Blocked only where the gateway says that nothing went to the wire.
    S.ISSUED: frozenset({S.ACKED, S.UNKNOWN, S.BLOCKED}),
    S.ACKED: frozenset({S.VERIFIED, S.MISMATCH, S.UNKNOWN}),
    # Doubt: a read decides. Expired only where the window closed and the device was read at its safe value.
    S.UNKNOWN: frozenset({S.VERIFIED, S.ISSUED, S.EXPIRED, S.UNVERIFIED}),
    S.MISMATCH: frozenset({S.VERIFIED, S.ISSUED, S.EXPIRED, S.UNVERIFIED}),
    S.VERIFIED: frozenset({S.COMPLETED, S.DRIFTED, S.REVERTED, S.SUPERSEDED, S.UNVERIFIED}),
    S.DRIFTED: frozenset({S.VERIFIED, S.OVERRIDDEN, S.REVERTED, S.UNVERIFIED}),
}
TERMINAL = frozenset(S) - frozenset(TRANSITIONS)
PAIRS = frozenset((old, new) for old, following in TRANSITIONS.items() for new in following)

# What a command says never changes after it was written; how far it came does.
_FIXED = (
    "command_id",
    "idempotency_key",
    "plan_id",
    "plan_hash",
    "site_id",
    "device_id",
    "capability",
    "value",
    "unit",
    "valid_from_utc",
    "valid_until_utc",
    "ttl_s",
)


def command_state_ddl(dialect: str) -> list[str]:
    """Statements that make table `commands` refuse, on that dialect: a step outside TRANSITIONS, a change of what a
    command says, a change of a finished row, a birth in another state than PROPOSED, and DELETE.
    """
    pairs = ", ".join(sorted(f"'{old}>{new}'" for old, new in PAIRS))
    finished = ", ".join(sorted(f"'{state}'" for state in TERMINAL))
    fixed = " OR ".join(f"OLD.{name} <> NEW.{name}" for name in _FIXED)
    bad_step = f"OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN ({pairs})"
    rules = [
        ("bad_step", "UPDATE", bad_step, "this change of state is not allowed"),
        ("finished", "UPDATE", f"OLD.state IN ({finished})", "a finished command does not change"),
        ("fixed", "UPDATE", fixed, "what a command says does not change"),
        ("born", "INSERT", f"NEW.state <> '{S.PROPOSED}'", "a command starts as PROPOSED"),
        ("kept", "DELETE", "", "a command is never deleted"),
    ]
    statements: list[str] = []
    for name, verb, condition, sentence in rules:
        build = _postgres_rule if dialect == "postgresql" else _sqlite_rule
        statements.extend(build(f"commands_{name}", verb, condition, sentence))
    return statements


def _sqlite_rule(name: str, verb: str, condition: str, sentence: str) -> list[str]:
    when = f"WHEN {condition} " if condition else ""
    return [f"CREATE TRIGGER {name} BEFORE {verb} ON commands {when}BEGIN SELECT RAISE(ABORT, '{sentence}'); END"]


def _postgres_rule(name: str, verb: str, condition: str, sentence: str) -> list[str]:
    when = f"WHEN ({condition}) " if condition else ""
    return [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{sentence}'; END $$",
        f"CREATE TRIGGER {name} BEFORE {verb} ON commands FOR EACH ROW {when}EXECUTE FUNCTION {name}()",
    ]
