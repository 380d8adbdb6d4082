"""A project's first files: settings, people and a site file, from the template or drafted from meter files."""

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from assets.readings.drafts.places import country_of, currency_of
from assets.sites.load_sites import load_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import SETTINGS_FILE, named_in_text
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.time import SystemClock
from data_quality.contracts.yaml_file import load_yaml, refuse_all

if TYPE_CHECKING:
    from assets.readings.drafts.site_draft import SiteDraft
    from orchestration.starter.interview import Interview

STARTER = Path(__file__).parent
# Endings of files that hold a tariff and no readings.
TARIFFS = (".yaml", ".yml", ".json")
# What a project under git keeps to itself: private keys, what is made again or backed up, locks.
UNTRACKED = "/keys/\n*.key\n/var/\n.lock\n"


@dataclass(frozen=True)
class NewProject:
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


def from_template(folder: Path, interview: "Interview") -> NewProject:
    """As make_project, the template filled by answers. Raises BadInput for answers that do not fit."""
    source = STARTER / "site.yaml"
    site = load_site(source)
    target = folder / "sites" / f"{site.site_id}.yaml"
    _expect_new(target)
    text = interview.filled(source.read_text(encoding="utf-8"), currency=site.currency)
    _judge(target.name, text, "these answers make no site")
    _made(folder, site.site_id, text.encode())
    return NewProject(target, interview.open_in(target))


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
        (UNTRACKED.encode(), folder / ".gitignore"),
        (site_text, target),
    ):
        if not destination.exists():
            destination.write_bytes(content)
    return target


def draft_project(folder: Path, files: Sequence[Path], interview: "Interview") -> NewProject:
    """As from_template, the site drafted from files. Raises BadInput for a file that is none of readings, weather or a
    tariff, and where the site file is there already: it would stay, and nobody would see the draft.
    """
    site_id = site_id_of(folder.resolve().name)
    target = folder / "sites" / f"{site_id}.yaml"
    _expect_new(target)
    found = drafted(site_id, files, interview)
    refuse_all([*found.refused.values()])
    _made(folder, site_id, found.text.encode())
    return NewProject(target, interview.open_in(target))


def site_id_of(name: str) -> str:
    """The id of a site that is called so."""
    return re.sub(r"[^a-z0-9_-]+", "_", name.lower()).strip("_-")[:60] or "my_site"


@dataclass(frozen=True)
class Drafted:
    """A site that files make: its draft, the text of its file, and the site that it is. refused: files that hold
    nothing of one.
    """

    draft: "SiteDraft"
    text: str
    site: Site
    refused: dict[Path, BadInput]


def drafted(
    site_id: str, files: Sequence[Path], interview: "Interview", maps: Mapping[Path, ColumnMap] = MappingProxyType({})
) -> Drafted:
    """The site that files make, with nothing written. maps: of files whose columns a person mapped. Raises BadInput
    where none of them has a meter's readings.
    """
    # Readers and tariffs are imported here: the template needs neither.
    from assets.readings.drafts.map_draft import scalar
    from assets.readings.drafts.site_head import SiteFacts
    from orchestration.starter.blocks import for_draft

    tz = interview.time_zone
    draft, refused = _drafted(files, interview, maps)
    if interview.ask is not None:
        # Who sits there is told of a wrong file before any question.
        refuse_all([*refused.values()])
    if interview.ask_columns(draft.open_questions.values()):
        draft, refused = _drafted(files, interview, maps)
    country = country_of(tz) if tz else ""
    money = [tariff.currency for _, tariff in draft.tariffs if tariff.currency]
    facts = SiteFacts(site_id, tz, country, money[0] if money else currency_of(country))
    text = for_draft(draft.text(facts), grid=scalar(draft.grid), has_tariff=bool(draft.tariffs))
    interview.columns = tuple(draft.open_questions.values())
    text = interview.filled(text, currency=facts.currency, known=draft.known, extras=draft.extras)
    # The place in the trial tells nobody anything: it is gone.
    site = _judge(f"{site_id}.yaml", text, "these files make no site together")
    return Drafted(draft, text, site, refused)


def _drafted(
    files: Iterable[Path], interview: "Interview", maps: Mapping[Path, ColumnMap]
) -> "tuple[SiteDraft, dict[Path, BadInput]]":
    from assets.readings.drafts.map_draft import MapDraft, glob_of
    from assets.readings.drafts.site_draft import SiteDraft
    from assets.readings.sniff_files import read_file
    from assets.tariffs.formats.tariff_file import read_tariffs

    draft = SiteDraft(time_zone=interview.time_zone, now_utc=SystemClock().now_utc(), answers=interview.given)
    wrong: dict[Path, BadInput] = {}
    for path in files:
        try:
            if path.suffix.lower() in TARIFFS:
                for tariff in read_tariffs(path):
                    draft.add_tariff(path, tariff)
            elif (mapping := maps.get(path)) is not None:
                # Its names become meters and drivers; the map holds of later files that are called so.
                channels = read_file(path, mapping=mapping).report.channels
                streams = {each.meter: draft.stream(each.meter, path, each.unit).partition(".")[0] for each in channels}
                columns = {column: streams[name] for column, name in mapping.values.items() if name in streams}
                names = {"values": columns} if mapping.values else {"meters": streams}
                later = mapping.model_copy(update={"match": glob_of(path.name), **names})
                draft.maps.append(MapDraft(keys=later.model_dump(mode="json", exclude_defaults=True)))
            else:
                draft.add_file(path)
        except BadInput as fault:
            wrong[path] = fault
    if not draft.meters:
        refuse_all([*wrong.values()])
        raise BadInput("none of these files has a meter's readings; expected at least one that has", reason="no_meter")
    return draft, wrong


def _judge(name: str, text: str, what: str) -> Site:
    """Before anything is made: a draft that is no site must not leave half a project behind. Raises BadInput."""
    from controls.planning.asset_params import asset_problems

    with tempfile.TemporaryDirectory(prefix="meterloom-") as folder:
        trial = Path(folder) / name
        trial.write_text(text, encoding="utf-8")
        try:
            site = load_site(trial)
        except BadInput as fault:
            raise BadInput(f"{what}: {fault.message}", reason=fault.reason) from fault
        problems = asset_problems(load_yaml(trial), site, name, now_utc=SystemClock().now_utc())
    refuse_all([BadInput(f"{what}: {each.message}", reason="bad_answer", mend=each.mend) for each in problems])
    return site
