"""Record what one checkout answers: the demo made by its own code, and each project of tests/old."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.oracle import examples, seams
from tests.oracle.inputs import write_inputs
from tests.oracle.volatile import ONE_THREAD, READ, READ_OLD, START, make_steady

ROOT = Path(__file__).resolve().parents[2]
OLD_PROJECTS = ROOT / "tests" / "old"
QUIET = {"DAGSTER_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


class Recording:
    """Recording of the answers of one project. work: the folder that holds the project and the inputs."""

    def __init__(self, out: Path, work: Path, folder: Path) -> None:
        self.out, self.work, self.folder, self.is_demo = out, work, folder, folder.name == "demo"
        self.places = {str(work.parent): "work", str(ROOT): "checkout", sys.prefix: "environment"}
        self.values = dict(examples.DEMO if self.is_demo else examples.OLD)
        self.taken: set[Path] = set()

    def write(self, kind: str, name: str, text: str) -> None:
        """One answer, each under a name of its own."""
        stem = re.sub(r"[^\w.@=-]+", "_", name).strip("_")
        path = self.out / self.folder.name / kind / (stem if len(stem) < 180 else f"{stem[:150]}_{digest([stem])[:12]}")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path in self.taken:
            raise ValueError(f"two answers are called {path}")
        self.taken.add(path)
        path.write_text(text)

    def command(self, words: str) -> tuple[int, str, str]:
        """One command on this project."""
        return seams.run_command([*shlex.split(words), "--project", str(self.folder)])


def record(out: Path) -> None:
    """Make the projects and record each in a process of its own. Raises ValueError for what has no example."""
    missing = examples.unanswered(seams.command_words(), examples.COMMANDS)
    missing += examples.unanswered(seams.get_routes(), examples.ROUTES)
    if missing:
        raise ValueError(f"neither an example nor a reason in tests/oracle/examples.py: {', '.join(missing)}")
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="oracle") as temporary, ThreadPoolExecutor(2) as pool:
        work = Path(temporary)
        demo = pool.submit(_record_demo, out, work / "new")
        archives = sorted(OLD_PROJECTS.glob("*.tar.xz"))
        for done in [demo, *(pool.submit(_record_old, out, work, archive) for archive in archives)]:
            done.result()


def _record_demo(out: Path, work: Path) -> None:
    work.mkdir()
    shift = (datetime.fromisoformat(START) - datetime.now(UTC)).total_seconds()
    run(["-c", seams.MAIN, "demo", "--until", "2026-01-01", "--json", "--out", str(work / "demo")], f"{shift:+}", work)
    # Live values depend on the second in which they came.
    shutil.rmtree(work / "demo" / "var" / "live", ignore_errors=True)
    # A second copy, so that commands and pages are recorded at the same time and neither sees what the other keeps.
    other = work.parent / "copy"
    shutil.copytree(work, other)
    with ThreadPoolExecutor(2) as pool:
        parts = [
            pool.submit(run, ["-m", "tests.oracle", "part", str(out), str(folder / "demo"), kind], READ, folder)
            for kind, folder in (("commands", work), ("rest", other))
        ]
    for part in parts:
        part.result()


def _record_old(out: Path, work: Path, archive: Path) -> None:
    folder = work / archive.name.partition(".")[0] / f"old_{archive.name.partition('.')[0]}"
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    run(["-m", "tests.oracle", "part", str(out), str(folder), "all"], READ_OLD, folder.parent)


def run(arguments: list[str], clock: str, folder: Path) -> None:
    """Run this interpreter on the modules of this checkout, by that clock. Raises CalledProcessError."""
    path = os.pathsep.join([str(ROOT), str(Path(__file__).with_name("clock"))])
    environment = {**os.environ, **QUIET, **ONE_THREAD, "PYTHONPATH": path, "ORACLE_CLOCK": clock}
    with (folder.parent / f"{folder.name}.log").open("a") as log:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, stdout=log, stderr=log, check=False
        )
    if done.returncode:
        sys.stderr.write((folder.parent / f"{folder.name}.log").read_text()[-4000:])
        raise subprocess.CalledProcessError(done.returncode, arguments)


def record_part(out: Path, folder: Path, kind: str) -> None:
    """Answers of one project: `commands`, the `rest`, or `all`."""
    modules = [each for name in ("orchestration", "reports", "assets") if (each := sys.modules[name].__file__)]
    if not all(Path(each).is_relative_to(ROOT) for each in modules):
        raise ValueError(f"modules of another checkout than {ROOT}: {modules}")
    recording = Recording(out, folder.parent, folder)
    if recording.is_demo:
        write_inputs(folder.parent / "inputs")
    _find(recording)
    rest = (record_web, record_reports, record_marts, record_programs)
    for write in {"commands": (record_commands,), "rest": rest, "all": (record_commands, *rest)}[kind]:
        write(recording)
    store = folder / "var" / "store.db"
    make_steady(recording.taken, recording.places, store.read_text("latin-1") if store.exists() else "")


def _find(recording: Recording) -> None:
    """Fill in what examples need and only the project knows."""
    figures = seams.report_figures(recording.folder) or ["none"]
    recording.values |= {"figure": figures[0], "last_figure": figures[-1], "style": "/static/none/none"}
    for name, (words, path) in examples.FOUND.items():
        _, out, _ = recording.command(f"{words} --json".format(**recording.values))
        recording.values[name] = str(seams.at(out, path))


def record_commands(recording: Recording) -> None:
    """Every example as JSON and as people see it."""
    for words in seams.command_words():
        asked = examples.COMMANDS[words]
        for given in () if isinstance(asked, examples.LeftOut) else asked:
            if "inputs/" in given and not recording.is_demo:
                continue
            line = f"{words} {given}".strip()
            for option in ("", " --json"):
                code, out, error = recording.command(line.format(**recording.values) + option)
                shown = seams.as_json(out) if option else out
                text = f"exit {code}\n{out if shown is None else shown}--- standard error\n{error}"
                recording.write("commands", line + option.replace(" --json", ".json"), text)
    # What `plan --write-lp` left there.
    for path in sorted((recording.work / "inputs").glob("*.lp")) if recording.is_demo else ():
        recording.write("lp", f"written_{path.name}", path.read_text())


def record_web(recording: Recording) -> None:
    """Every example of a page and of the API: status, type and body."""
    made_s = datetime.fromisoformat(READ).timestamp()
    # What a page calls the age of marts is that of their files.
    for path in (recording.folder / "var" / "marts").rglob("*"):
        os.utime(path, (made_s, made_s))
    web = seams.Web(recording.folder)
    style = re.search(r"/static/\w+/[\w.]+\.css", web.get("/login")[2])
    recording.values["style"] = style[0] if style else ""
    for path in seams.get_routes():
        asked = examples.ROUTES[path]
        for target in () if isinstance(asked, examples.LeftOut) else asked:
            status, kind, body = web.get(target.format(**recording.values))
            text = seams.as_json(body) if "json" in kind else body.replace("><", ">\n<")
            recording.write(
                "api" if path.startswith("/api") else "pages",
                target if target != "/" else "root",
                f"{status} {kind}\n{text}",
            )
    web.project.close()


def record_reports(recording: Recording) -> None:
    """The files of every report: JSON, the text of the PDF, the cells of the workbook."""
    import openpyxl
    import pypdf

    for path in sorted((recording.folder / "reports").glob("*_r*.*")):
        if path.suffix == ".pdf":
            # Each word once: where lines and pages end, and so what is repeated, hangs on how wide a random id is. The
            # numbers stand in their order in the JSON beside it.
            pages = [re.sub(r"Page \d+ of \d+", "", page.extract_text()) for page in pypdf.PdfReader(path).pages]
            whole = re.sub(r"(\d{4}-\d\d-\d\d)\s+(?=\d\d:\d\d\b)", r"\1T", "\n".join(pages))
            text = "\n".join(dict.fromkeys(whole.split()))
        elif path.suffix == ".xlsx":
            book = openpyxl.load_workbook(path)
            cells = (cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None)
            text = "\n".join(f"{cell.parent.title}!{cell.coordinate}: {cell.value!r}" for cell in cells)
        else:
            text = seams.as_json(path.read_text()) or path.read_text()
        recording.write("reports", path.name, text + "\n")


def record_marts(recording: Recording) -> None:
    """Rows and a digest a column of every table of the warehouse and every published mart."""
    for name, columns, rows in seams.tables(recording.folder):
        lines = [f"rows: {len(rows)}"]
        kept = [place for place, column in enumerate(columns) if column not in seams.VOLATILE_COLUMNS]
        lines += [f"{columns[place]}: {digest(repr(row[place]) for row in rows)}" for place in kept]
        lines += [f"whole rows: {digest(repr([row[place] for place in kept]) for row in rows)}"]
        recording.write("marts", name, "\n".join(lines) + "\n")


def record_programs(recording: Recording) -> None:
    """The LPs of stored plans as the present code writes them, and the golden ones of the checkout."""
    made = recording.work / f"lp_{recording.folder.name}"
    made.mkdir()
    seams.plan_programs(recording.folder, made)
    golden = (ROOT / "tests" / "golden" / "lp").glob("*.lp") if recording.is_demo else ()
    for kind, paths in (("stored", made.glob("*.lp")), ("golden", golden)):
        for path in paths:
            recording.write("lp", f"{kind}_{path.name}", path.read_text())


def digest(values: Iterable[Any]) -> str:
    """The same for the same values in any order."""
    return hashlib.sha256("\n".join(sorted(map(str, values))).encode()).hexdigest()[:32]
