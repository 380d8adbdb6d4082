"""One read that fits neither of its neighbours, which fit each other: a garbled telegram or a typing error."""

from data_quality.rules.of_registers.register_jump import RateLimit

NAME = "register_glitch"
MEANING = "A single read that its neighbours contradict"


def is_glitch(before: int, after: int, *, limit: RateLimit, resolution: int, hours: float) -> bool:
    """True where the reads around a doubtful one (quanta, `hours` apart) go on as if it were not there."""
    return 0 <= after - before <= limit.between(hours, resolution)
