"""`make mutants`: a seeded sample of one target's places, each changed once by Cosmic Ray in a copy of the project.

Runs in an environment of its own (`.mutants`), and asks the tests with the project's. Kept results are taken up again.
"""

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.mutants.table import REASONS, RESULTS, write_page
from tests.mutants.targets import TARGETS, Target

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / ".mutants"
COPY = HOME / "copy"
# A type such as `float | None` is no sum of bits: each change of it fails at import and would only flatter the share.
NOT_COUNTED = ("ReplaceBinaryOperator_BitOr",)


def copy_project() -> None:
    """The tracked files as they stand, with the shared data beside them."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).exists():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, COPY / name)
    shared = HOME / "shared"
    if not shared.exists():
        shared.symlink_to(ROOT.parent / "shared")


def places(target: Target) -> list[list[Any]]:
    """Mutations per place in the code; a place with ten operators to choose from counts once."""
    from cosmic_ray.commands import init
    from cosmic_ray.work_db import WorkDB, use_db

    modules = sorted(path for pattern in target.modules for path in COPY.glob(pattern))
    session = HOME / "session.sqlite"
    session.unlink(missing_ok=True)
    by_place = defaultdict(list)
    with use_db(session, WorkDB.Mode.create) as work:
        init(modules, work, {})
        for item in work.work_items:
            (spec,) = item.mutations
            if not any(name in spec.operator_name for name in NOT_COUNTED):
                by_place[str(spec.module_path), tuple(spec.start_pos), tuple(spec.end_pos)].append(spec)
    return [sorted(by_place[key], key=lambda spec: (spec.operator_name, spec.occurrence)) for key in sorted(by_place)]


def is_bare_star(path: Path, at: tuple[int, int]) -> bool:
    """True for the mark before keyword-only parameters, which the tool takes for a product: no call changes by it."""
    return path.read_text(encoding="utf-8").splitlines()[at[0] - 1][at[1] :].startswith("*,")


def sampled(found: list[list[Any]], sample: int, seed: int) -> Iterator[tuple[str, Any]]:
    """Id and mutation of each drawn place. The id holds the module's digest: changed code is asked anew."""
    dice = random.Random(seed)
    for place in dice.sample(found, min(sample, len(found))):
        spec = dice.choice(place)
        path = Path(spec.module_path)
        if is_bare_star(path, spec.start_pos):
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        name = spec.operator_name.removeprefix("core/")
        yield f"{path.relative_to(COPY)}:{spec.start_pos[0]}:{spec.start_pos[1]} {name} {digest}", spec


def run(name: str, sample: int, seed: int, tests: list[str]) -> None:
    """Ask the tests about each drawn mutant, and keep each answer at once.

    tests: those written since, for mutants that survived before; empty: all of the target, and mutants not asked yet.
    """
    from cosmic_ray.mutating import mutate_and_test
    from cosmic_ray.testing import run_tests

    target, kept = TARGETS[name], RESULTS / f"{name}.jsonl"
    asked = " ".join(tests or target.tests)
    command = f"{ROOT}/.venv/bin/python -m pytest -q -x -p no:cacheprovider -p tests.mutants.quick {asked}"
    outcome, output = run_tests(command, 3 * target.limit_s)
    if outcome.value != "survived":
        sys.exit(f"the tests of {name} fail without any mutant:\n{output[-2000:]}")
    RESULTS.mkdir(exist_ok=True)
    answers = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    # A survivor without a reason is asked again: a test may have been written since.
    known = {each["id"] for each in answers if each["outcome"] == "killed"} | set(json.loads(REASONS.read_text()))
    survived = {each["id"] for each in answers} - known
    found = places(target)
    for mutant_id, spec in sampled(found, sample, seed):
        if mutant_id in known or (tests and mutant_id not in survived):
            continue
        result = mutate_and_test([spec], command, target.limit_s)
        told = result.test_outcome.value if result.test_outcome else result.worker_outcome.value
        lines = (result.diff or "").splitlines()
        diff = [line for line in lines if line[:1] in "+-" and not line.startswith(("+++", "---"))]
        with kept.open("a", encoding="utf-8") as file:
            answer = {"id": mutant_id, "outcome": told, "diff": diff, "seed": seed, "places": len(found)}
            file.write(json.dumps(answer) + "\n")
        print(told, mutant_id, *(diff if told == "survived" else ()), sep="\n  ", flush=True)


def main() -> None:
    """Parse the command line, run, and write the page."""
    import os

    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, required=True)
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tests", nargs="*", default=[], help="of the target's tests those written for survivors")
    asked = parser.parse_args()
    copy_project()
    os.chdir(COPY)
    run(asked.target, asked.sample, asked.seed, asked.tests)
    write_page()


if __name__ == "__main__":
    main()
