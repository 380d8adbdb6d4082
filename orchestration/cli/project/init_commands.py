"""`meterloom init`: a project folder with one commented site file, a template or drafted from files."""

import re
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from assets.readings.drafts.places import country_of, currency_of
from assets.sites.load_sites import load_site
from assets.sites.placeholders import placeholders
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import SETTINGS_FILE
from data_quality.contracts.time import SystemClock, zone
from data_quality.contracts.yaml_file import refuse_all
from orchestration.cli.answer import Answer
from orchestration.cli.frame import STATELESS, Call, command
from orchestration.cli.terminal import Terminal

STARTER = Path(__file__).parents[2] / "starter"
# Endings of files that hold a tariff and no readings.
_TARIFFS = (".yaml", ".yml", ".json")


def make_project(folder: Path, site_file: Path | None = None) -> Path:
    """Write settings, people, one site and a landing folder; settings and people that are there stay as they are.
    Returns the site file. Raises BadInput where the site is there already.
    """
    # Read before anything is made: a wrong file must not leave half a project behind.
    source = site_file or STARTER / "site.yaml"
    site_id = load_site(source).site_id
    _expect_new(folder / "sites" / f"{site_id}.yaml")
    return _made(folder, site_id, source.read_bytes())


def _expect_new(target: Path) -> None:
    if target.exists():
        raise BadInput("is there already; take another folder, or move it away", file=str(target), reason="exists")


def _made(folder: Path, site_id: str, site_text: bytes) -> Path:
    if folder.exists() and not folder.is_dir():
        raise BadInput("expected a folder, got a file", file=str(folder), reason="not_a_folder")
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    (folder / "landing" / site_id).mkdir(parents=True, exist_ok=True)
    target = folder / "sites" / f"{site_id}.yaml"
    for content, destination in (
        ((STARTER / SETTINGS_FILE).read_bytes(), folder / SETTINGS_FILE),
        ((STARTER / "people.yaml").read_bytes(), folder / "people.yaml"),
        (site_text, target),
    ):
        if not destination.exists():
            destination.write_bytes(content)
    return target


def draft_project(folder: Path, files: Sequence[Path], *, tz: str | None) -> Path:
    """As make_project, the site drafted from files. Raises BadInput for a file that is none of readings, weather or a
    tariff, and where the site file is there already: it would stay, and nobody would see the draft.
    """
    # Readers and tariffs are imported here: the template needs neither.
    from assets.readings.drafts.site_draft import SiteDraft, SiteFacts
    from assets.tariffs.formats.tariff_file import read_tariffs

    site_id = re.sub(r"[^a-z0-9_-]+", "_", folder.resolve().name.lower()).strip("_-")[:60] or "my_site"
    target = folder / "sites" / f"{site_id}.yaml"
    _expect_new(target)
    if tz is not None:
        zone(tz)
    draft = SiteDraft(time_zone=tz or "", now_utc=SystemClock().now_utc())
    wrong: list[BadInput] = []
    for path in files:
        try:
            if path.suffix.lower() in _TARIFFS:
                for tariff in read_tariffs(path):
                    draft.add_tariff(path, tariff)
            else:
                draft.add_file(path)
        except BadInput as fault:
            wrong.append(fault)
    refuse_all(wrong)
    if not draft.meters:
        raise BadInput("none of these files has a meter's readings; expected at least one that has", reason="no_meter")
    country = country_of(tz) if tz else ""
    money = [tariff.currency for _, tariff in draft.tariffs if tariff.currency]
    facts = SiteFacts(site_id, tz or "", country, money[0] if money else currency_of(country))
    text = draft.text(facts)
    with tempfile.TemporaryDirectory(prefix="meterloom-") as beside:
        # Judged before anything is made: a draft that is no site must not leave half a project behind.
        trial = Path(beside) / target.name
        trial.write_text(text, encoding="utf-8")
        try:
            load_site(trial)
        except BadInput as fault:
            # The place in the trial tells nobody anything: it is gone.
            raise BadInput(f"these files make no site together: {fault.message}", reason=fault.reason) from fault
    return _made(folder, site_id, text.encode())


@command("init", takes=STATELESS, example="my_project --from meters.xlsx weather.csv --tz Europe/Berlin")
def init(
    call: Call,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="More files for --from.")] = None,
    site: Annotated[Path | None, typer.Option("--site", help="Start with this site file.")] = None,
    of_files: Annotated[
        list[Path] | None, typer.Option("--from", help="Draft the site from these: meters, weather, tariffs.")
    ] = None,
    tz: Annotated[str | None, typer.Option("--tz", help="The site's zone, as Europe/Berlin; no file says it.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Add the site to a project that is there, without asking.")
    ] = False,
) -> Answer:
    """Make a project folder with one commented site file: a template, your own, or one drafted from your files."""
    files = [*(of_files or []), *(more or [])]
    if (more and not of_files) or (files and site is not None):
        raise BadInput("files to draft from follow --from, and --site is given without them", reason="bad_arguments")
    _expect_consent(call.terminal, folder, is_given=yes)
    if not files:
        target = make_project(folder, site)
        text = f"made {folder}; edit {target}, then: meterloom ingest FILE --site {target.stem} --project {folder}"
        return Answer({"path": folder, "site_file": target, "questions": _questions(target)}, text=text)
    target = draft_project(folder, files, tz=tz)
    questions = _questions(target)
    lines = [f"drafted {target} from {len(files)} {'file' if len(files) == 1 else 'files'}; open in it:"]
    lines += [f"  line {each['line']}: {each['question']}" for each in questions]
    readings = [str(path) for path in files if path.suffix.lower() not in _TARIFFS]
    then = ["meterloom", "ingest", *readings, "--site", target.stem, "--project", str(folder)]
    lines.append(f"then: {shlex.join(then)}")
    return Answer({"path": folder, "site_file": target, "questions": questions}, text="\n".join(lines))


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


def _questions(site_file: Path) -> list[dict[str, Any]]:
    """What is open in a site file: file, line and column of the place where the answer goes, and the question."""
    return [
        {"file": each.file, "line": each.line, "column": each.column, "question": each.message.partition(": ")[2]}
        for each in placeholders(site_file)
    ]
