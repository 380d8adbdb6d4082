"""Which state of a command may follow which (dispatch.md B.3).

The table stands here, not in controls, because the database enforces it too: by triggers (guards.py, migrations).
"""

from data_quality.contracts.control.command import CommandState as S

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
    # To itself: better evidence came in, and nothing else changed.
    S.VERIFIED: frozenset({S.VERIFIED, S.COMPLETED, S.DRIFTED, S.REVERTED, S.SUPERSEDED, S.UNVERIFIED}),
    S.DRIFTED: frozenset({S.VERIFIED, S.OVERRIDDEN, S.REVERTED, S.UNVERIFIED}),
}
TERMINAL = frozenset(S) - frozenset(TRANSITIONS)
PAIRS = frozenset((old, new) for old, following in TRANSITIONS.items() for new in following)
