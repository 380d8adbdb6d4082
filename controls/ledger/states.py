"""Questions about states of a command; the table of allowed steps stands where the database enforces it too."""

from assets.stores.ledgers.command_states import TERMINAL, TRANSITIONS
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import EvidenceGrade

# Rows an agent has taken in hand: after a crash each of them is decided by a read.
IN_HAND = (S.PENDING, S.ISSUED, S.ACKED, S.UNKNOWN, S.MISMATCH, S.VERIFIED, S.DRIFTED)
# Nothing reached the wire yet: a newer plan replaces these.
UNSENT = (S.PROPOSED, S.RELEASED)
# May stand on a device without proof: the mode is not raised while one of them is open.
DOUBTFUL = (S.ISSUED, S.ACKED, S.UNKNOWN, S.MISMATCH, S.DRIFTED)


def is_allowed(old: S, new: S) -> bool:
    """True where `new` may follow `old`."""
    return new in TRANSITIONS.get(old, frozenset())


def is_better(old: EvidenceGrade | int | None, new: EvidenceGrade | int | None) -> bool:
    """True where the new evidence is of a higher grade."""
    return new is not None and (old is None or new > old)


def is_terminal(state: S) -> bool:
    """True where nothing may follow."""
    return state in TERMINAL


def is_settled(state: S) -> bool:
    """True where the outcome is known: proven by read-back, or finished."""
    return state is S.VERIFIED or is_terminal(state)
