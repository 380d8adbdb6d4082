"""Flips single bytes of a pack and asks whether `verify` finds each and names the right file.

`python -m tests.reports.evidence.flips --count 1000 [--seed 1]` is the long run; the suite does a short one.
"""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from reports.evidence.archive import STRUCTURE, read_archive
from tests.definitions import verify_pack


def missed(pack: Path, copy: Path, places: list[int], rng: random.Random) -> list[str]:
    """Sentences about flips that were not found, or were found under another name. copy: a file to alter."""
    shutil.copyfile(pack, copy)
    members = read_archive(pack).members.values()
    wrong = []
    with copy.open("r+b") as file:
        for place in places:
            file.seek(place)
            before = file.read(1)
            file.seek(place)
            file.write(bytes([before[0] ^ rng.randrange(1, 256)]))
            file.flush()
            verdict = verify_pack(copy)
            inside = next((each.name for each in members if each.start <= place < each.start + each.size), STRUCTURE)
            named = {problem.file for problem in verdict.problems}
            if verdict.verified or inside not in named:
                wrong.append(f"byte {place} of {inside}: verified {verdict.verified}, named {sorted(named)}")
            file.seek(place)
            file.write(before)
        file.flush()
    assert verify_pack(copy, sample=0).verified, "the last byte was put back"
    return wrong


def chosen(pack: Path, count: int, rng: random.Random) -> list[int]:
    """Places over the whole archive."""
    return [rng.randrange(pack.stat().st_size) for _ in range(count)]


def structural(pack: Path) -> list[int]:
    """Every byte that is in no member: headers, directory, end record."""
    inside: set[int] = set()
    for each in read_archive(pack).members.values():
        inside |= set(range(each.start, each.start + each.size))
    return [place for place in range(pack.stat().st_size) if place not in inside]


def main() -> int:
    """The long run: random bytes over the archive, then every single byte of its structure."""
    from tests.reports.conftest import make_world
    from tests.reports.evidence.conftest import seal

    options = argparse.ArgumentParser(description="Random single-byte flips over an evidence pack.")
    options.add_argument("--count", type=int, default=1000)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sealed = seal(folder, make_world(folder / "world"))
        pack, copy = sealed.made.path, folder / "copy.zip"
        size = pack.stat().st_size
        wrong = missed(pack, copy, chosen(pack, asked.count, rng), rng)
        sys.stdout.write(f"{asked.count} random flips over {size} bytes: {asked.count - len(wrong)} found and named\n")
        places = structural(pack)
        more = missed(pack, copy, places, rng)
        sys.stdout.write(
            f"every byte of the structure, {len(places)} flips: {len(places) - len(more)} found and named\n"
        )
        sys.stdout.write("".join(f"{each}\n" for each in [*wrong, *more][:20]))
        sealed.world.lake.store.close()
    return 1 if wrong or more else 0


if __name__ == "__main__":
    sys.exit(main())
