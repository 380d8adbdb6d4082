"""Cost of a site of N meters, step by step: python -m tests.bench.scale_bench --scale 200,1000 --months 1.

Every step is a process of its own on one synthetic project: CPU seconds of it and of what it started, the largest
resident size of any of them, files and bytes of the lake after it; at the end the exponent from size to size. The
record goes to a file step by step, of which `--docs` makes the table of docs/ems/capacity.md. With `--folder F` the
projects stay there, and the same command again goes on with the step that is missing.
"""

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.bench.scale_world import FIRST, SITE

ROOT = Path(__file__).parents[2]
RECORD = Path("docs/ems/capacity.json")
PAGE = Path("docs/ems/capacity.md")
MARK = "<!-- made by `make bench SCALE=…`: do not edit below -->"
FLEET = "<!-- made by `python -m tests.bench.fleet_simulation --docs` -->"
# `enpis` is `kpis` once more, now that there are baselines to hold uses against.
STEPS = ("ingest", "quality", "kpis", "fit", "monitor", "expected", "enpis", "forecast", "report")
# Asked for by name: a backup, and its proof with figures computed again. Their wall time is that of the drill.
RECOVERY = ("backup", "verify")
# What no step of whatever site may take.
MOST_MIB = 2048
METERLOOM = [sys.executable, "-c", "from orchestration.cli.main import main; main()"]


def command(step: str, project: Path, files: list[str], months: int) -> list[str]:
    """The command line of one step."""
    last = f"{FIRST.year + (months - 1) // 12}-{(months - 1) % 12 + 1:02d}"
    after = f"{FIRST.year + months // 12}-{months % 12 + 1:02d}-01"
    query = {
        "ingest": ["ingest", *files, "--site", SITE],
        "quality": ["quality", "--site", SITE, "--from", f"{FIRST}", "--to", after],
        "kpis": ["kpis", "--site", SITE, "--period", last],
        "report": ["report", "executive_summary", "--site", SITE, "--period", last],
    }
    query["enpis"] = query["kpis"]
    kept = str(project.with_name("kept"))
    if step == "verify":
        return [*METERLOOM, "restore", kept, "--verify", "--figures", "20", "--json"]
    query["backup"] = ["backup", "--to", kept]
    if step in query:
        return [*METERLOOM, *query[step], "--project", str(project), "--json"]
    return [sys.executable, "-m", "tests.bench.scale_steps", step, str(project)]


def measured(line: list[str], *, within_s: float) -> dict[str, Any]:
    """CPU seconds and the largest resident size of a process and of those that it waited for; how it ended."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(line, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - started > within_s:
                os.killpg(child.pid, 9)
            time.sleep(0.05)
        out.seek(0)
        output = out.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    return {
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mib": round(used.ru_maxrss / 1024),
        "wall_s": round(time.monotonic() - started, 1),
        "exit": code,
        "said": "" if code == 0 else output[-300:],
    }


def bench(
    meters: int,
    months: int,
    steps: list[str],
    *,
    within_s: float,
    folder: Path,
    found: dict[str, dict[str, Any]],
    keep: Callable[[], None],
) -> None:
    """Each step of one size that is not found yet, in the folder that the steps before it left; kept one by one.

    A step that fails or takes longer is said and ends the size.
    """
    project, listed = folder / "project", folder / "files.txt"
    if not listed.exists():
        shutil.rmtree(folder, ignore_errors=True)
        # In a process of its own: a child's largest size begins with that of its parent.
        made = [sys.executable, "-m", "tests.bench.scale_world", f"{folder}", "--meters", f"{meters}"]
        made += ["--months", f"{months}"]
        listed.write_text(subprocess.run(made, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
        found.clear()
    for step in steps:
        if found.get(step, {}).get("exit") not in (0, 1):
            as_it_was(folder, step)
            found[step] = measured(command(step, project, listed.read_text().split(), months), within_s=within_s)
            lake = [path for path in (project / "var" / "lake").rglob("*.parquet") if path.is_file()]
            found[step] |= {"files": len(lake), "bytes": sum(path.stat().st_size for path in lake)}
            keep()
            sys.stdout.write(f"{meters:6} meters {step_line(step, found[step])}\n")
            sys.stdout.flush()
        if found[step]["exit"] not in (0, 1):
            return


def as_it_was(folder: Path, step: str) -> None:
    """The project as the step before left it: what a broken-off try did already would be missing from the next."""
    project, before = folder / "project", folder / f"before-{step}"
    for other in set(folder.glob("before-*")) - {before}:
        shutil.rmtree(other)
    if before.exists():
        shutil.rmtree(project)
        shutil.copytree(before, project)
    else:
        # Whole or not at all.
        shutil.rmtree(folder / "copying", ignore_errors=True)
        shutil.copytree(project, folder / "copying")
        (folder / "copying").replace(before)


def step_line(step: str, one: dict[str, Any]) -> str:
    """A step as a line."""
    large = f"  more than {MOST_MIB} MiB" if one["peak_mib"] > MOST_MIB else ""
    end = f"  exit {one['exit']}: {one['said'].strip().splitlines()[-1:]}" if one["exit"] else ""
    return (
        f"{step:9}{one['cpu_s']:>9.1f} CPU s{one['peak_mib']:>7} MiB{one['files']:>5} files"
        f"{one['bytes'] / 1e6:>8.1f} MB{one['wall_s']:>8.1f} s wall{large}{end}"
    )


def exponents(sizes: dict[int, dict[str, dict[str, Any]]]) -> dict[str, dict[str, float]]:
    """Step -> from size to size, by which power of the meters its CPU seconds grow. Steps that failed are left out."""
    found: dict[str, dict[str, float]] = {}
    for few, many in pairwise(sorted(sizes)):
        for step in STEPS:
            low, high = sizes[few].get(step), sizes[many].get(step)
            if low and high and {low["exit"], high["exit"]} <= {0, 1} and low["cpu_s"] > 0:
                power = math.log(high["cpu_s"] / low["cpu_s"]) / math.log(many / few)
                found.setdefault(step, {})[f"{few}-{many}"] = round(power, 2)
    return found


def page(record: dict[str, Any]) -> str:
    """The table of the docs, from a record of one machine."""
    months, sizes = record["months"], {int(size): steps for size, steps in record["sizes"].items()}
    largest = max(sizes)
    shown = [*sorted(sizes), *(size for size in (1_000, 10_000, 100_000) if size > largest)]
    head = [f"{size:,}{'' if size in sizes else ' (extrapolated)'}" for size in shown]
    lines = [
        f"{record['machine']}; {months} month{'s' if months > 1 else ''} of quarter hours, one use a meter. CPU "
        "seconds of each step's processes and the largest resident size of one; no wall time, as others worked beside.",
        "",
        f"| Step | {' | '.join(head)} | Exponent |",
        f"|---|{'---|' * (len(shown) + 1)}",
    ]
    for step in STEPS:
        known = {size: steps[step] for size, steps in sizes.items() if step in steps and steps[step]["exit"] in (0, 1)}
        if not known:
            continue
        power = max(record["exponents"].get(step, {}).values(), default=None)
        cells = []
        for size in shown:
            if size in known:
                cells.append(f"{known[size]['cpu_s']:,.1f} s, {known[size]['peak_mib']:,} MiB")
            elif size in sizes or power is None:
                cells.append("not measured")
            else:
                # By no less than the line: what stays the same at small sizes does not at large ones.
                most = max(known)
                cells.append(f"{known[most]['cpu_s'] * (size / most) ** max(power, 1.0):,.0f} s")
        lines.append(f"| {step} | {' | '.join(cells)} | {'' if power is None else f'{power:.2f}'} |")
    lake = {size: steps["ingest"] for size, steps in sizes.items() if "ingest" in steps}
    lake_said = (f"{size:,} meters {one['files']} files, {one['bytes'] / 1e6:.1f} MB" for size, one in lake.items())
    lines += ["", f"Lake: {'; '.join(lake_said)}."]
    return "\n".join(lines) + "\n"


def known_sizes(record: Path, months: int) -> dict[int, dict[str, dict[str, Any]]]:
    """Size -> step -> what was measured before, over as many months."""
    before = json.loads(record.read_text()) if record.exists() else {}
    return (
        {int(size): steps for size, steps in before.get("sizes", {}).items()} if before.get("months") == months else {}
    )


def write_page(record: Path) -> None:
    """Put the table under the words of the page."""
    text = PAGE.read_text("utf-8")
    table = page(json.loads(record.read_text()))
    made = [f"{text.partition(MARK)[0]}{MARK}\n{table}", *text.partition(FLEET)[1:]]
    # The fleet's part stays: its own tool makes it of the same record.
    PAGE.write_text("\n".join(made[:2]) + made[2] if made[1] else made[0], encoding="utf-8")


def main() -> int:
    """Run the sizes, print, keep the record."""
    options = argparse.ArgumentParser(description="What a site of N meters costs.")
    options.add_argument("--scale", default="200,1000", help="meters, with commas")
    options.add_argument("--months", type=int, default=1)
    options.add_argument("--steps", default=",".join(STEPS))
    options.add_argument("--within", type=float, default=3600.0, help="seconds of wall time a step may take")
    options.add_argument("--record", type=Path, default=RECORD)
    options.add_argument("--folder", type=Path, help="where projects stay, so that what broke off goes on")
    options.add_argument("--docs", action="store_true", help="then make the table of docs/ems/capacity.md")
    chosen = options.parse_args()
    # One thread a library: CPU seconds that two threads spend waiting for each other are no work.
    for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    requested = chosen.steps.split(",")
    steps = [step for step in (*STEPS, *RECOVERY) if step in requested or step == "ingest"]
    sizes = known_sizes(chosen.record, chosen.months)

    def keep() -> None:
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.0f}"
        kept = {str(size): sizes[size] for size in sorted(sizes)}
        record = {"machine": machine, "months": chosen.months, "sizes": kept, "exponents": exponents(sizes)}
        unfinished = chosen.record.with_suffix(".part")
        unfinished.write_text(json.dumps(record, indent=1) + "\n")
        unfinished.replace(chosen.record)

    with tempfile.TemporaryDirectory(prefix="scale-") as scratch:
        for meters in map(int, chosen.scale.split(",")):
            folder = (chosen.folder or Path(scratch)).resolve() / f"{meters}-{chosen.months}"
            folder.parent.mkdir(parents=True, exist_ok=True)
            found = sizes.setdefault(meters, {})
            bench(meters, chosen.months, steps, within_s=chosen.within, folder=folder, found=found, keep=keep)
    for step, powers in exponents(sizes).items():
        sys.stdout.write(f"{step:9} exponent {', '.join(f'{span}: {power:.2f}' for span, power in powers.items())}\n")
    if chosen.docs:
        write_page(chosen.record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
