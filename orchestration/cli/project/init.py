"""`meterloom init`: a project folder with one commented site file, a template or drafted from files."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import SETTINGS_FILE
from orchestration.cli.frame import ShellCall
from orchestration.cli.terminal import Terminal
from orchestration.operations.answer import Answer
from orchestration.operations.operation import STATELESS, Argument, Option, operation
from orchestration.starter.project_files import TARIFFS, draft_project, from_template, make_project


@operation("init", takes=STATELESS, example="my_project --from meters.xlsx weather.csv --tz Europe/Berlin")
def init(
    call: ShellCall,
    folder: Annotated[Path, Argument("Folder to make.", metavar="DIR")],
    more: Annotated[list[Path] | None, Argument("More files for --from.", metavar="[FILE]...")] = None,
    site: Annotated[Path | None, Option("Start with this site file.")] = None,
    of_files: Annotated[
        list[Path] | None, Option("Draft the site from these: meters, weather, tariffs.", "--from")
    ] = None,
    tz: Annotated[str | None, Option("The site's zone, as Europe/Berlin; no file says it.")] = None,
    answers: Annotated[
        Path | None, Option("Answers by the id of their question (YAML or JSON).", metavar="FILE")
    ] = None,
    yes: Annotated[bool, Option("Add the site to a project that is there, without asking.")] = False,
) -> Answer:
    """Make a project folder with one commented site file: a template, your own, or one drafted from your files."""
    files = [*(of_files or []), *(more or [])]
    if (more and not of_files) or (files and site is not None):
        raise BadInput("files to draft from follow --from, and --site is given without them", reason="bad_arguments")
    if site is not None and (answers is not None or tz is not None):
        raise BadInput("--site is a whole site file: --answers and --tz go without it", reason="bad_arguments")
    from orchestration.starter.interview import Interview, marked

    _expect_consent(call.terminal, folder, is_given=yes)
    if site is not None:
        target = make_project(folder, site)
        result = {"path": folder, "site_file": target, "questions": list(marked(target))}
        return Answer(result, text=_next(folder, target))
    # A person who sits there is asked; who hands over a file of answers has given them.
    ask = call.terminal.line if answers is None and call.terminal.can_ask() else None
    interview = Interview.of(answers, tz=tz, ask=ask)
    made = draft_project(folder, files, interview) if files else from_template(folder, interview)
    target = made.site_file
    headline = f"drafted {target} from {len(files)} {'file' if len(files) == 1 else 'files'}; open in it:"
    lines = [headline, *(f"  line {each['line']}: {each['question']}" for each in made.questions if each["is_marked"])]
    text = "\n".join([*lines, f"then: {_ingest(folder, target, files)}"]) if files else _next(folder, target)
    return Answer({"path": folder, "site_file": target, "questions": made.questions}, text=text)


def _next(folder: Path, target: Path) -> str:
    return f"made {folder}; edit {target}, then: meterloom ingest FILE --site {target.stem} --project {folder}"


def _ingest(folder: Path, target: Path, files: Sequence[Path]) -> str:
    readings = [str(path) for path in files if path.suffix.lower() not in TARIFFS]
    return shlex.join(["meterloom", "ingest", *readings, "--site", target.stem, "--project", str(folder)])


def _expect_consent(terminal: Terminal, folder: Path, *, is_given: bool) -> None:
    """A project that is there gets one more site only where somebody says so. Raises BadInput."""
    if is_given or not (folder / SETTINGS_FILE).exists():
        return
    sites = ", ".join(sorted(path.stem for path in (folder / "sites").glob("*.yaml"))) or "no site file"
    what = f"{folder} is a project already ({sites})"
    if not terminal.can_ask():
        raise BadInput(
            f"{what}; nothing was changed", reason="exists", mend="name another folder, or add a site to it with --yes"
        )
    if not terminal.ask(f"{what}. Add a site to it? Its files stay as they are."):
        raise BadInput("nothing was changed", reason="exists")
