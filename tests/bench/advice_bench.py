"""The savings advisor on simulated site-years whose waste only the generator knows (docs/ems/savings_advisor.md)."""

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from assets.advice.advise import Advice, advise
from tests.advice.site_years import KINDS, LATER, Truth, site_year

# Kinds were developed on seeds below 200.
FIRST = 1000
# Kinds of which the generator's truth is no outcome of the bill's own arithmetic.
ESTIMATED = ("base_load", "start_stop", "simultaneous", "setpoint", "compressed_air")
# A waste below this share of the site's cost is none that a person would look for.
_LEAST_MONEY = 20.0
# Numbers of a recommendation are rounded to three decimals; an interval of no width holds its number.
_ROUNDED = 0.0005


@dataclass
class Score:
    """Counts over site-years."""

    wanted: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    inside: Counter[str] = field(default_factory=Counter)
    top: float = 0.0
    best: float = 0.0
    seconds: float = 0.0
    errors: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def recall(self) -> float:
        """Share of true wastes that were found."""
        return self.hit.total() / max(self.wanted.total(), 1)

    @property
    def precision(self) -> float:
        """Share of recommendations that are of a true waste."""
        return self.hit.total() / max(self.hit.total() + self.false.total(), 1)

    @property
    def coverage(self) -> float:
        """Share of hits with a width whose interval holds the true saving."""
        return self.coverage_of(kind for kind in self.hit if kind != "billing_fault")

    def coverage_of(self, kinds: Iterable[str]) -> float:
        """The same of these kinds."""
        chosen = set(kinds)
        inside, hits = (sum(counts[kind] for kind in chosen) for counts in (self.inside, self.hit))
        return inside / max(hits, 1)


def score(seeds: Iterable[int], *, wasted: tuple[str, ...] | None = None) -> Score:
    """The score over site-years of these seeds."""
    found = Score()
    for seed in seeds:
        site, truth = site_year(seed, wasted=wasted)
        began = time.process_time()
        made = advise(site)
        found.seconds = max(found.seconds, time.process_time() - began)
        _count(found, made, truth)
    return found


def _count(found: Score, made: list[Advice], truth: Truth) -> None:
    wanted = {kind for kind, money in truth.money.items() if money >= _LEAST_MONEY}
    found.wanted.update(wanted)
    seen = set[str]()
    for each in made:
        if each.kind not in truth.money or each.kind in seen:
            found.false[each.kind] += 1
            continue
        seen.add(each.kind)
        if each.kind in wanted:
            found.hit[each.kind] += 1
            name = "savings_kwh" if truth.kwh[each.kind] > 0 else "savings_money"
            true = (truth.kwh if name == "savings_kwh" else truth.money)[each.kind]
            low, high = each.value(f"low_{name}") or 0.0, each.value(f"high_{name}") or 0.0
            found.inside[each.kind] += each.kind != "billing_fault" and low - _ROUNDED <= true <= high + _ROUNDED
            found.errors[each.kind].append(((each.value(name) or 0.0) - true) / max((high - low) / 2, 1e-9))
    found.best += sum(sorted(truth.money.values(), reverse=True)[:5])
    found.top += sum(truth.money[each.kind] for each in made[:5] if each.kind in truth.money)


def main(count: int, first: int = FIRST) -> None:
    """Print the figures over `count` site-years, and over as many without waste."""
    found = score(range(first, first + count))
    clean = score(range(first, first + count), wasted=())
    print(f"site-years {count}, recall {found.recall:.3f}, precision {found.precision:.3f}")
    print(f"true saving inside the 90 % interval {found.coverage:.3f}")
    print(f"  without the kinds that the generator makes exact {found.coverage_of(ESTIMATED):.3f}")
    print(f"value of the top five {found.top / found.best:.3f}")
    print(f"recommendations a site-year without waste {clean.false.total() / count:.2f}")
    print(f"slowest site-year {found.seconds:.2f} s of processor")
    for kind in (*KINDS, *LATER):
        share = found.inside[kind] / max(found.hit[kind], 1)
        print(f"  {kind}: {found.hit[kind]} of {found.wanted[kind]}, false {found.false[kind]}, inside {share:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, int(sys.argv[2]) if len(sys.argv) > 2 else FIRST)
