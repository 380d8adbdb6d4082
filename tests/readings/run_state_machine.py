"""Many random sequences at once: `python -m tests.readings.run_state_machine [SEQUENCES]`."""

import sys
import time

from hypothesis.stateful import run_state_machine_as_test

from tests.readings.machine import LakeMachine
from tests.readings.test_state_machine import profile


def main(sequences: int) -> None:
    """Run, and say what was done."""
    began, spent = time.monotonic(), time.process_time()
    while (left := sequences - LakeMachine.counts.done["sequences"]) > 0:
        run_state_machine_as_test(LakeMachine, settings=profile(min(100, left)))
    done = ", ".join(f"{count} {name}" for name, count in sorted(LakeMachine.counts.done.items()))
    seconds, cpu = time.monotonic() - began, time.process_time() - spent
    print(f"{done}: no difference, {seconds:.1f} s wall, {cpu:.1f} s CPU")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
