"""`make notebooks`: each notebook executed against a project, its outputs into var/notebooks for the documentation.

The kernel is this Python; IPython and Jupyter keep nothing in the home of who runs it. A cell that fails ends all.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
FOLDER, EXECUTED = ROOT / "notebooks", ROOT / "var" / "notebooks"
# Kinds of output that are text; a traceback is none.
TEXTS = ("text/plain", "text/markdown", "image/svg+xml")
CELL_S = 240
QUIET = ("--IPKernelApp.log_level=40", "--HistoryManager.enabled=False", "--InteractiveShell.colors=nocolor")
# Where IPython and Jupyter would keep history, settings and sockets.
HOMES = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")


class ThisPython(KernelSpecManager):
    """The running Python as the one kernel, whatever kernels the machine has registered."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The command that starts it."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", *QUIET]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


def executed(path: Path) -> Any:
    """The notebook with its outputs. Raises CellExecutionError."""
    notebook = nbformat.read(path, as_version=4)
    kernel = AsyncKernelManager(
        kernel_spec_manager=ThisPython(), transport="ipc", ip=f"{os.environ['JUPYTER_RUNTIME_DIR']}/k"
    )
    NotebookClient(
        notebook, km=kernel, timeout=CELL_S, record_timing=False, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    return notebook


def texts(notebook: Any) -> list[list[str]]:
    """Outputs of each code cell as text, by which two runs are compared."""
    return [[_text(output) for output in cell.outputs] for cell in notebook.cells if cell.cell_type == "code"]


def _text(output: Any) -> str:
    data = output.get("data", {})
    return output.get("text", "") or "\n".join(str(data[kind]) for kind in TEXTS if kind in data)


def main() -> int:
    """Execute the notebooks that are named, or all; 1 where a cell fails or --twice finds another output."""
    parser = argparse.ArgumentParser(description="Execute notebooks into var/notebooks.")
    parser.add_argument("names", nargs="*", help="beginnings of names; all if left out")
    parser.add_argument("--project", type=Path, default=ROOT / "demo", help="project that they open")
    parser.add_argument("--out", type=Path, default=EXECUTED, help="folder for the executed notebooks")
    parser.add_argument("--twice", action="store_true", help="execute each again and compare the outputs")
    options = parser.parse_args()
    paths = [each for each in sorted(FOLDER.glob("*.ipynb")) if each.name.startswith(tuple(options.names) or "")]
    if unknown := [name for name in options.names if not any(each.name.startswith(name) for each in paths)]:
        parser.error(f"no notebook begins with {', '.join(unknown)}")
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ["METERLOOM_PROJECT"] = str(options.project.resolve())
    # Two threads of a fit that wait for each other's core take four times as long as one.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    started = perf_counter()
    with tempfile.TemporaryDirectory() as kept:
        os.environ |= dict.fromkeys(HOMES, kept)
        for number, path in enumerate(paths, 1):
            if code := _one(path, options.out, f"[{number}/{len(paths)}] {path.stem}", is_twice=options.twice):
                return code
    sys.stdout.write(f"{len(paths)} notebooks, 0 errors, {perf_counter() - started:.0f} s\n")
    return 0


def _one(path: Path, out: Path, name: str, *, is_twice: bool) -> int:
    sys.stdout.write(f"{name} …\n")
    sys.stdout.flush()
    started = perf_counter()
    try:
        made = executed(path)
        second = executed(path) if is_twice else made
    except CellExecutionError as fault:
        sys.stderr.write(f"{name}: {fault}\n")
        return 1
    for place, (one, other) in enumerate(zip(texts(made), texts(second), strict=True), 1):
        if one != other:
            sys.stderr.write(f"{name}: code cell {place} gave another output on a second run\n")
            return 1
    nbformat.write(made, out / path.name)
    sys.stdout.write(f"{name}: {perf_counter() - started:.1f} s{', twice the same' if is_twice else ''}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
