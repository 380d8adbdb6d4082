"""`meterloom init`: a project folder with one commented site file, a template or drafted from files."""

import re
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from assets.readings.drafts.places import country_of, currency_of
from assets.sites.load_sites import load_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import SETTINGS_FILE, named_in_text
from data_quality.contracts.time import SystemClock
from data_quality.contracts.yaml_file import load_yaml, refuse_all
from orchestration.cli.frame import ShellCall
from orchestration.cli.terminal import Terminal
from orchestration.operations.answer import Answer
from orchestration.operations.operation import STATELESS, operation
from orchestration.operations.question import Argument, Option

if TYPE_CHECKING:
    from assets.readings.drafts.site_draft import SiteDraft
    from orchestration.starter.interview import Interview

STARTER = Path(__file__).parents[2] / "starter"
# Endings of files that hold a tariff and no readings.
_TARIFFS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Made:
    """A project that was made: its site file, and what is still open in it."""

    site_file: Path
    questions: list[dict[str, Any]]


def make_project(folder: Path, site_file: Path | None = None) -> Path:
    """Write settings, people, one site and a landing folder; settings and people that are there stay as they are.
    Returns the site file. Raises BadInput where the site is there already.
    """
    # Read before anything is made: a wrong file must not leave half a project behind.
    source = site_file or STARTER / "site.yaml"
    site_id = load_site(source).site_id
    _expect_new(folder / "sites" / f"{site_id}.yaml")
    return _made(folder, site_id, source.read_bytes())


def from_template(folder: Path, interview: "Interview") -> Made:
    """As make_project, the template filled by answers. Raises BadInput for answers that do not fit."""
    source = STARTER / "site.yaml"
    site = load_site(source)
    target = folder / "sites" / f"{site.site_id}.yaml"
    _expect_new(target)
    text = interview.filled(source.read_text(encoding="utf-8"), currency=site.currency)
    _judge(target.name, text, "these answers make no site")
    _made(folder, site.site_id, text.encode())
    return Made(target, interview.open_in(target))


def _expect_new(target: Path) -> None:
    if target.exists():
        raise BadInput("is there already; take another folder, or move it away", file=str(target), reason="exists")


def _made(folder: Path, site_id: str, site_text: bytes) -> Path:
    if folder.exists() and not folder.is_dir():
        raise BadInput("expected a folder, got a file", file=str(folder), reason="not_a_folder")
    named_in_text(folder)
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


def draft_project(folder: Path, files: Sequence[Path], interview: "Interview") -> Made:
    """As from_template, the site drafted from files. Raises BadInput for a file that is none of readings, weather or a
    tariff, and where the site file is there already: it would stay, and nobody would see the draft.
    """
    # Readers and tariffs are imported here: the template needs neither.
    from assets.readings.drafts.map_draft import scalar
    from assets.readings.drafts.site_head import SiteFacts
    from orchestration.starter.blocks import for_draft

    site_id = re.sub(r"[^a-z0-9_-]+", "_", folder.resolve().name.lower()).strip("_-")[:60] or "my_site"
    target, tz = folder / "sites" / f"{site_id}.yaml", interview.time_zone
    _expect_new(target)
    draft = _drafted(files, interview)
    if interview.ask_columns(draft.asks.values()):
        draft = _drafted(files, interview)
    country = country_of(tz) if tz else ""
    money = [tariff.currency for _, tariff in draft.tariffs if tariff.currency]
    facts = SiteFacts(site_id, tz, country, money[0] if money else currency_of(country))
    text = for_draft(draft.text(facts), grid=scalar(draft.grid), has_tariff=bool(draft.tariffs))
    interview.columns = tuple(draft.asks.values())
    text = interview.filled(text, currency=facts.currency, known=draft.known, extras=draft.extras)
    # The place in the trial tells nobody anything: it is gone.
    _judge(target.name, text, "these files make no site together")
    _made(folder, site_id, text.encode())
    return Made(target, interview.open_in(target))


def _drafted(files: Sequence[Path], interview: "Interview") -> "SiteDraft":
    from assets.readings.drafts.site_draft import SiteDraft
    from assets.tariffs.formats.tariff_file import read_tariffs

    draft = SiteDraft(time_zone=interview.time_zone, now_utc=SystemClock().now_utc(), said=interview.given)
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
    return draft


def _judge(name: str, text: str, what: str) -> None:
    """Before anything is made: a draft that is no site must not leave half a project behind. Raises BadInput."""
    from controls.planning.asset_params import asset_problems

    with tempfile.TemporaryDirectory(prefix="meterloom-") as beside:
        trial = Path(beside) / name
        trial.write_text(text, encoding="utf-8")
        try:
            site = load_site(trial)
        except BadInput as fault:
            raise BadInput(f"{what}: {fault.message}", reason=fault.reason) from fault
        problems = asset_problems(load_yaml(trial), site, name, now_utc=SystemClock().now_utc())
    refuse_all([BadInput(f"{what}: {each.message}", reason="bad_answer", mend=each.mend) for each in problems])


@operation("init", takes=STATELESS, example="my_project --from meters.xlsx weather.csv --tz Europe/Berlin")
def init(
    call: ShellCall,
    folder: Annotated[Path, Argument(metavar="DIR", help="Folder to make.")],
    more: Annotated[list[Path] | None, Argument(metavar="[FILE]...", help="More files for --from.")] = None,
    site: Annotated[Path | None, Option("--site", help="Start with this site file.")] = None,
    of_files: Annotated[
        list[Path] | None, Option("--from", help="Draft the site from these: meters, weather, tariffs.")
    ] = None,
    tz: Annotated[str | None, Option("--tz", help="The site's zone, as Europe/Berlin; no file says it.")] = None,
    answers: Annotated[
        Path | None,
        Option("--answers", metavar="FILE", help="Answers by the id of their question (YAML or JSON)."),
    ] = None,
    yes: Annotated[bool, Option("--yes", help="Add the site to a project that is there, without asking.")] = False,
) -> Answer:
    """Make a project folder with one commented site file: a template, your own, or one drafted from your files."""
    files = [*(of_files or []), *(more or [])]
    if (more and not of_files) or (files and site is not None):
        raise BadInput("files to draft from follow --from, and --site is given without them", reason="bad_arguments")
    if site is not None and (answers is not None or tz is not None):
        raise BadInput("--site is a whole site file: --answers and --tz go without it", reason="bad_arguments")
    _expect_consent(call.terminal, folder, is_given=yes)
    if site is not None:
        target = make_project(folder, site)
        return Answer(
            {"path": folder, "site_file": target, "questions": _placeholders(target)}, text=_next(folder, target)
        )
    from orchestration.starter.interview import Interview

    # A person who sits there is asked; who hands over a file of answers has given them.
    ask = call.terminal.line if answers is None and call.terminal.can_ask() else None
    interview = Interview.of(answers, tz=tz, ask=ask)
    made = draft_project(folder, files, interview) if files else from_template(folder, interview)
    target = made.site_file
    said = f"drafted {target} from {len(files)} {'file' if len(files) == 1 else 'files'}; open in it:"
    lines = [said, *(f"  line {each['line']}: {each['question']}" for each in made.questions if each["is_marked"])]
    text = "\n".join([*lines, f"then: {_ingest(folder, target, files)}"]) if files else _next(folder, target)
    return Answer({"path": folder, "site_file": target, "questions": made.questions}, text=text)


def _next(folder: Path, target: Path) -> str:
    return f"made {folder}; edit {target}, then: meterloom ingest FILE --site {target.stem} --project {folder}"


def _ingest(folder: Path, target: Path, files: Sequence[Path]) -> str:
    readings = [str(path) for path in files if path.suffix.lower() not in _TARIFFS]
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


def _placeholders(site_file: Path) -> list[dict[str, Any]]:
    """What is open in somebody's own site file."""
    from orchestration.starter.interview import marked

    return list(marked(site_file))
