"""After an outage devices come back one after the other, so that they do not make a peak of their own (F81)."""

import hashlib
from collections.abc import Sequence


def restore_delay_s(device_id: str, device_ids: Sequence[str], *, epoch: int, spread_s: float) -> float:
    """Delay before a device receives a set-point again, s, 0 <= delay < spread_s.

    They wait evenly spaced, in an order that is another with each epoch of the lease and the same for every agent that
    asks: no random number, so that a restart in between changes nothing. Raises ValueError for a device that is none
    of them.
    """
    order = sorted(set(device_ids), key=lambda name: hashlib.sha256(f"{epoch}:{name}".encode()).digest())
    return spread_s * order.index(device_id) / len(order)
