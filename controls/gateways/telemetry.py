"""Whether any of what a device tells by itself is missing.

A broker drops what its queue cannot hold and says so to nobody: neither the device, whose message was acknowledged, nor
the listener. Only the numbers that the device counts show it.
"""

from data_quality.contracts.model import Model


class Arrivals(Model):
    """How telemetry of one device arrived. missing: numbers that were left out; restarts: it counted from one again."""

    last_seq: int = 0
    received: int = 0
    missing: int = 0
    doubled: int = 0
    restarts: int = 0

    def after(self, seq: int, *, is_again: bool = False) -> "Arrivals":
        """With one more message, of this number. is_again: the broker says that it delivered it before."""
        counts = {"last_seq": seq, "received": self.received + 1}
        if not self.received:
            # Where we came in, nothing is known of before.
            return self.model_copy(update=counts)
        if seq > self.last_seq:
            return self.model_copy(update={**counts, "missing": self.missing + seq - self.last_seq - 1})
        if seq == self.last_seq or is_again:
            # Of several that come again the first are the lowest: the last that came stays the last.
            return self.model_copy(update={"received": self.received + 1, "doubled": self.doubled + 1})
        # Late ones do not exist on one connection: a lower number is a device that began anew.
        return self.model_copy(update={**counts, "restarts": self.restarts + 1, "missing": self.missing + seq - 1})
