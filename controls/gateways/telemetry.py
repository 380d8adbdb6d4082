"""Whether any of what a device tells by itself is missing.

A broker drops what its queue cannot hold and says so to nobody: neither the device, whose message was acknowledged, nor
the listener. Only the numbers that the device counts show it.
"""

from typing import NamedTuple


class Arrivals(NamedTuple):
    """How telemetry of one device arrived. missing: numbers that were left out; restarts: it counted from one again.

    A plain tuple: one is made for each message.
    """

    last_seq: int = 0
    received: int = 0
    missing: int = 0
    doubled: int = 0
    restarts: int = 0

    def after(self, seq: int, *, is_again: bool = False) -> "Arrivals":
        """With one more message, of this number. is_again: the broker says that it delivered it before."""
        last, received, missing, doubled, restarts = self
        if not received:
            # Where we came in, nothing is known of before.
            return Arrivals(seq, 1, missing, doubled, restarts)
        if seq > last:
            return Arrivals(seq, received + 1, missing + seq - last - 1, doubled, restarts)
        if seq == last or is_again:
            # Of several that come again the first are the lowest: the last that came stays the last.
            return Arrivals(last, received + 1, missing, doubled + 1, restarts)
        # Late ones do not exist on one connection: a lower number is a device that began anew.
        return Arrivals(seq, received + 1, missing + seq - 1, doubled, restarts + 1)
