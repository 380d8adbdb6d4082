"""A site whose store cannot write any more, in a process of its own: `python -m tests.control_faults.full_disk FOLDER`.

The disk is broken by a limit (the files of the process may not grow) or by strace, which lets a system call fail with
--error EIO or ENOSPC. Prints what was sent meanwhile, what the checker found, and the commands before and after, as
JSON.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets.stores.transactions import connect_store
from controls.ledger.rows import read_commands
from tests.control_faults.checker import check
from tests.control_faults.virtual_site import BOUNDS, VirtualSite

FULL_S = 40.0


# What SQLite needs to make a commit last, and to write at all.
CALLS = {"EIO": "fdatasync", "ENOSPC": "pwrite64"}


@contextmanager
def broken_disk(error: str) -> Iterator[None]:
    """While this is open nothing can be written; error: of the system call, or empty to limit the files' size."""
    if not error:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        return
    inject = ["-e", f"trace={CALLS[error]}", "-e", f"inject={CALLS[error]}:error={error}"]
    arguments = ["strace", "-f", "-o", "/dev/null", *inject, "-p", str(os.getpid())]
    tracer = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    output = tracer.stderr.readline()
    assert "attached" in output, output
    yield
    # Asked to end, it lets the process go on by itself.
    tracer.terminate()
    tracer.wait()


def main(folder: Path, error: str) -> dict[str, object]:
    """Prove a command, fill the disk, plan another, make room, and come to rest."""
    site = VirtualSite(connect_store(f"sqlite:///{folder / 'store.db'}"))
    site.start()
    site.plan("battery", 1.2, window_s=600.0)
    site.run(4.0)
    proven = [row.command.command_id for row in read_commands(site.store, "home")]
    began, began_s = len(site.history.events), site.time.true_s
    site.record("nemesis", note="disk full")
    with broken_disk(error):
        site.plan("pv", 6.5, window_s=600.0)
        site.run(FULL_S, step_s=1.0)
    sent = [event.key for event in site.history.events[began:] if event.kind == "sent" and not event.is_revert]
    trouble, home_s = site.agents[0].trouble, _home_s(site, began_s)
    site.record("mended", note="disk full")
    site.run(20.0, step_s=4.0)
    for agent in list(site.agents):
        site.kill(agent)
    site.time.true_s += 1000.0
    site.start()
    site.run(60.0, step_s=4.0)
    site.history.write(folder / "history.jsonl")
    kept = [row.command.command_id for row in read_commands(site.store, "home")]
    problems = check(site.history, BOUNDS, site.end())
    return {"sent": sent, "trouble": trouble, "home_s": home_s, "problems": problems, "proven": proven, "kept": kept}


def _home_s(site: VirtualSite, began_s: float) -> float | None:
    """Seconds from the fault until the battery was sent home; None where it was not."""
    home = [e.at_s for e in site.history.of("applied") if e.is_revert and e.device == "battery" and e.at_s >= began_s]
    return home[0] - began_s if home else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--error", choices=CALLS, default="")
    chosen = parser.parse_args()
    sys.stdout.write(json.dumps(main(chosen.folder, chosen.error)) + "\n")
