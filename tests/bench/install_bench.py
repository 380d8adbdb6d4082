"""From an empty environment to the demo's pages by README's commands, timed: python -m tests.bench.install_bench.

The release is of the commit that is checked out; packages come from the index that pip is set up with. Wanted: at most
five minutes on two quiet cores. What the clock shows is of this machine and its index: a ratio has no meaning here.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT
from tests.e2e.first_pages import first_pages

WANTED_S = 300.0


def main() -> None:
    """Print the seconds of each step, and of all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        release = [sys.executable, str(ROOT / ".ci" / "release.py"), str(folder / "release")]
        subprocess.run(release, check=True, capture_output=True)
        total_s = cpu_s = 0.0
        print("  clock     CPU  command")
        for step in first_pages(folder / "release", folder):
            total_s, cpu_s = total_s + step.seconds, cpu_s + step.cpu_s
            print(f"{step.seconds:5.0f} s {step.cpu_s:5.0f} s  {step.words.replace(f'{folder}/', '')}", flush=True)
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        met = "met" if total_s <= WANTED_S else "NOT MET"
        print(f"{total_s:5.0f} s {cpu_s:5.0f} s  all (wanted {WANTED_S:g} s by the clock; {load}): {met}")


if __name__ == "__main__":
    main()
