"""So many at once, and after that so many a second: how often somebody may ask."""


class Bucket:
    """An allowance by name. size: what is there at first and at most; a_second: how fast it fills again."""

    def __init__(self, size: int, a_second: float) -> None:
        self.size, self.a_second = size, a_second
        self._left: dict[str, tuple[float, float]] = {}

    def is_empty(self, name: str, now_s: float) -> bool:
        """Whether nothing is left for that name; else one is taken."""
        left = self.left(name, now_s)
        if left >= 1:
            self._left[name] = (left - 1, now_s)
        if len(self._left) > 10_000:
            self._forget(now_s)
        return left < 1

    def give_back(self, name: str, now_s: float) -> None:
        """One that was taken was not used."""
        self._left[name] = (min(float(self.size), self.left(name, now_s) + 1), now_s)

    def left(self, name: str, now_s: float) -> float:
        """What is left for that name."""
        left, at_s = self._left.get(name, (float(self.size), now_s))
        return min(float(self.size), left + (now_s - at_s) * self.a_second)

    def wait_s(self, name: str, now_s: float) -> float:
        """How long until there is one again; 0 where there is."""
        return max(0.0, (1 - self.left(name, now_s)) / self.a_second)

    def _forget(self, now_s: float) -> None:
        # Who has filled up again is as if never seen; who floods us with names must not empty the others' buckets.
        self._left = {name: each for name, each in self._left.items() if self.left(name, now_s) < self.size}
        if len(self._left) > 100_000:
            self._left.clear()
