"""`python -m tests.fuzz`: a run of mutated files of one format, or one case of it again."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.cases import FORMATS
from tests.fuzz.record import OtherRun
from tests.fuzz.run import HANG_S, Options, run


def main() -> int:
    """Exit code: 0 without failures, 1 with some, 2 where the record is of another run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument("--count", type=int, default=100_000, help="cases from 0 (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", default="", help="folder of real files: greenbutton, nem12, nem13, mscons, dsmr")
    parser.add_argument("--record", type=Path, default=None, help="JSON lines; default var/fuzz/FORMAT-SEED.jsonl")
    parser.add_argument("--resume", action="store_true", help="go on after the record's last checkpoint")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--hang", type=float, default=HANG_S, help="seconds without an answer (default: %(default)s)")
    parser.add_argument("--replay", type=int, default=None, help="read this case again, here, and say all about it")
    chosen = parser.parse_args()
    options = Options(chosen.format, chosen.count, chosen.seed, chosen.real, chosen.jobs, chosen.hang)
    if chosen.replay is not None:
        return replay(options, chosen.replay)
    record_path = chosen.record or Path("var") / "fuzz" / f"{chosen.format}-{chosen.seed}.jsonl"
    try:
        totals = run(options, record_path, resume=chosen.resume, say=_say).totals
    except OtherRun as fault:
        _say(str(fault))
        return 2
    for label, number in totals.labels.most_common():
        _say(f"{number:9,}  {label}")
    _say(f"{totals.failures} failures in {totals.next:,} cases; record: {record_path}")
    return 1 if totals.failures else 0


def replay(options: Options, index: int) -> int:
    """One case again, in this process; its bytes are kept for a look."""
    from tests.fuzz.generate import make_case
    from tests.fuzz.seeds import seeds_of
    from tests.fuzz.worker import one

    seeds = seeds_of(options.form, Path(options.real) if options.real else None)
    case = make_case(options.form, seeds, seed=options.seed, index=index)
    kept = Path(tempfile.mkdtemp(prefix="fuzz-")) / f"{index}{case.suffix}"
    kept.write_bytes(case.data)
    _say(f"case {index}: {case.seed.name}, {' '.join(case.operations)}; {len(case.data)} bytes in {kept}")
    with tempfile.TemporaryDirectory() as folder:
        outcome = one(options.form, seeds, options.seed, index, Path(folder))
    _say(f"{outcome.label}; {outcome.seconds:.3f} s, {outcome.grown_kib} KiB")
    for problem in outcome.problems:
        _say(f"{problem.kind}: {problem.text}")
    return 1 if outcome.problems else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
