"""Record, compare, or do both with two commits: see the package."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.oracle.compare import compare

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def record_commit(commit: str, out: Path) -> None:
    """Record a commit in a worktree of its own with this interpreter, this oracle, and the commit's own seams."""
    with tempfile.TemporaryDirectory(prefix="oracle") as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), commit], cwd=ROOT, check=True)
        try:
            theirs = tree / "tests" / "oracle" / "seams.py"
            kept = theirs.read_text() if theirs.exists() else None
            shutil.copytree(HERE, theirs.parent, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            if kept is not None:
                theirs.write_text(kept)
            words = [sys.executable, "-m", "tests.oracle", "record", str(out.resolve())]
            subprocess.run(words, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, check=True)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)


def main() -> int:
    """The command line: 1 where two recordings differ in what is not allowed."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("record").add_argument("out", type=Path)
    part = actions.add_parser("part", help="one project, in the process that `record` starts for it")
    part.add_argument("out", type=Path)
    part.add_argument("folder", type=Path)
    part.add_argument("kind", choices=["commands", "rest", "all"])
    both = actions.add_parser("compare")
    both.add_argument("before", type=Path)
    both.add_argument("after", type=Path)
    commits = actions.add_parser("commits")
    commits.add_argument("base")
    commits.add_argument("head", nargs="?", default="HEAD")
    commits.add_argument("--out", type=Path, help="where the recordings stay; else they go")
    for each in (both, commits):
        each.add_argument("--allow", type=Path, help="YAML: a list of {answers: GLOB, reason: TEXT}")
    given = parser.parse_args()
    if given.action == "compare":
        return compare(given.before, given.after, given.allow)
    if given.action == "commits":
        with tempfile.TemporaryDirectory(prefix="oracle") as folder:
            out = given.out or Path(folder)
            for name, commit in (("base", given.base), ("head", given.head)):
                record_commit(commit, out / name)
            return compare(out / "base", out / "head", given.allow)
    from tests.oracle.record import record, record_part

    if given.action == "record":
        record(given.out.resolve())
    else:
        record_part(given.out, given.folder, given.kind)
    return 0


if __name__ == "__main__":
    sys.exit(main())
