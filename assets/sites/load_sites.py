"""Site and people files become models here; every complaint names file, line and column. Nothing else reads YAML
sites: a rule about what a site may hold belongs in the contract, a rule about where it stands in the file here.
"""

import difflib
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from shutil import copymode
from typing import Any, NamedTuple, TypeVar, cast

from assets.sites.calendar import check_calendar
from assets.stores.file_hashes import file_sha256
from assets.stores.whole_file import whole_file
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import once
from data_quality.contracts.people import People, Person
from data_quality.contracts.quick_yaml import quick_model, read_model
from data_quality.contracts.site_file.site import Site, check_factors
from data_quality.contracts.work.project_cache import Place, ProjectCache
from data_quality.contracts.yaml_file import (
    BadConfiguration,
    Problem,
    load_yaml,
    place_of,
    validate_document,
)

# Files of a project that may stand beside its sites, and are none.
NO_SITES = frozenset({"people.yaml", "organisation.yaml"})
NOBODY = (
    "no person is named yet, so nobody can sign in and no key has an owner; whoever runs this project writes "
    "people.yaml into its folder (docs/ems/pages.md), which is read as soon as it is there"
)
_SETTLED_NS = 2_000_000_000
M = TypeVar("M")
_Folder = tuple[list[tuple[str, int, int, int, int]], dict[str, Site]]
# A check over the whole site knows names and no place in the file: these find the name in its sentence.
_UNKNOWN = re.compile(r"'([^']+)' is (?:not of this site|no meter or driver of|no asset with a template)")
_SUBJECT = re.compile(r"(?:source '[^']+': )?(?:point|source|asset|project|tariff|rule|cost) '([^']+)'")
_TWICE = re.compile(r"(\w+) id appears twice: ([^,]+)")
_BOTH_HOLD = re.compile(r"factors .* and (.*) for \w+ both hold")
_LOOP = re.compile(r"loop through '([^']+)'")
# The id of a file that is no site as it stands; it becomes a part of an address and of a folder's name.
_PLAIN_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")
_NAMED_ID = re.compile(r"""^site_id:\s*["']?([a-z0-9][a-z0-9_-]*)["']?\s*(?:#.*)?$""", re.MULTILINE)
_METER_KEY = re.compile(r"meter '([^']+)': (parents|formula|made_from|is_secondary)")


class _Read(NamedTuple):
    """A file as it was read. mark: size, times and inode, where these say that it is still the same."""

    mark: tuple[int, ...] | None
    sha256: str
    model: Any


def load_site(path: Path, cache: ProjectCache | None = None) -> Site:
    """The site of one YAML file. Raises BadConfiguration (a BadInput) listing every problem with its place.

    cache: of its project: a file that says the same is read once.
    """
    return _site(path) if cache is None or not path.is_file() else read_once(path, cache, _site)


def read_once(path: Path, cache: ProjectCache, read: Callable[[Path], M]) -> M:
    """The model that `read` makes of a file that is there; a file that says the same is read once."""
    files: Place[Path, _Read] = cache.place("model_files")
    stat, known = path.stat(), files.get(path)
    mark = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    if known is not None and known.mark == mark:
        return cast(M, known.model)
    sha256 = file_sha256(path)
    model: M = known.model if known is not None and known.sha256 == sha256 else read(path)
    # One that was written a moment ago may be written again within the same tick of the disk's clock.
    is_settled = time.time_ns() - stat.st_ctime_ns > _SETTLED_NS
    files.put(path, _Read(mark if is_settled else None, sha256, model))
    return model


def _site(path: Path) -> Site:
    with suppress(BadInput):
        if site := quick_model(path, Site):
            check_factors(site)
            check_calendar(site)
            return site
    # What is wrong, and where.
    document = load_yaml(path)
    try:
        site = validate_document(document, Site, str(path))
    except BadConfiguration as fault:
        used: set[tuple[int, int]] = set()
        placed = [_placed(problem, document, used) for problem in _without_echoes(fault.problems)]
        raise BadConfiguration(sorted(placed, key=lambda problem: (problem.line, problem.column))) from fault
    try:
        check_factors(site)
    except BadInput as fault:
        line, column = place_of(document, ("factors",))
        problem = Problem(file=str(path), line=line, column=column, message=fault.message)
        raise BadConfiguration([_placed(problem, document, set())]) from fault
    try:
        check_calendar(site)
    except BadInput as fault:
        line, column = place_of(document, ("subdivision" if "subdivision" in fault.message else "country",))
        raise BadConfiguration([Problem(file=str(path), line=line, column=column, message=fault.message)]) from fault
    return site


def load_sites(folder: Path, cache: ProjectCache | None = None) -> dict[str, Site]:
    """All sites of a folder by site_id, in file-name order; a people file among them is passed over.

    cache: as in `load_site`. Raises BadInput for a missing folder, BadConfiguration for a bad file or a site_id that
    stands in two files.
    """
    if not folder.is_dir():
        raise BadInput("expected a folder of site files", file=str(folder), reason="no_such_folder")
    # Every look of a sensor asks for thousands of sites several times, and hardly ever is one another.
    cache = cache or ProjectCache()
    folders: Place[Path, _Folder] = cache.place("site_folders")
    marks, known = site_marks(folder), folders.get(folder)
    if known is not None and marks and known[0] == marks:
        return dict(known[1])
    sites: dict[str, Site] = {}
    for path in _site_files(folder):
        site = load_site(path, cache)
        if site.site_id in sites:
            line, column = place_of(load_yaml(path), ("site_id",))
            message = f"site_id {site.site_id!r} is in another file of {folder} too"
            raise BadConfiguration([Problem(file=str(path), line=line, column=column, message=message)])
        sites[site.site_id] = site
    if marks and max(each[3] for each in marks) < time.time_ns() - _SETTLED_NS:
        folders.put(folder, (marks, dict(sites)))
    return sites


def site_marks(folder: Path) -> list[tuple[str, int, int, int, int]]:
    """Name, size, times and inode of each file in the folder, by which a change of any shows without reading them;
    empty where one goes meanwhile.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        found = [(each.name, each.stat()) for each in entries]
        return sorted((name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino) for name, stat in found)
    return []


def _site_files(folder: Path) -> list[Path]:
    # By names: to match thousands of paths costs as long as all that is asked of them.
    with os.scandir(folder) as entries:
        found = sorted(each.name for each in entries if each.name.endswith((".yaml", ".yml")))
    return [folder / name for name in found if name not in NO_SITES]


def site_file(folder: Path, site_id: str, cache: ProjectCache | None = None) -> Path:
    """The file that holds the site. Raises BadInput where the folder has none. cache: as in `load_site`."""
    for path in _site_files(folder):
        # By content: a file need not be called as its site is.
        if load_site(path, cache).site_id == site_id:
            return path
    raise unknown_site(site_id, load_sites(folder, cache), folder)


def broken_sites(folder: Path) -> dict[str, Path]:
    """Files that no site can be read from, by the id that their text names or else by the file's own name; without
    those that are no text.
    """
    found: dict[str, Path] = {}
    for path in _site_files(folder):
        try:
            load_site(path)
        except BadInput:
            with suppress(OSError, UnicodeDecodeError):
                text = path.read_bytes().decode("utf-8-sig")
                named = _NAMED_ID.search(text)
                if _PLAIN_ID.fullmatch(each := named[1] if named else path.stem):
                    found.setdefault(each, path)
    return found


def unknown_site(site_id: str, known: Iterable[str], folder: Path) -> BadInput:
    """The sentence about a site that a project has not."""
    names = sorted(known)
    near = difflib.get_close_matches(site_id, names, n=1)
    return BadInput(
        f"unknown site {site_id!r}; this project has {', '.join(names) or 'none'}",
        file=str(folder),
        reason="unknown_site",
        mend=f"did you mean {near[0]!r}?" if near else "",
    )


@contextmanager
def replaced(path: Path, text: str, load: Callable[[Path], M]) -> Iterator[M]:
    """Replace the file by this text where nothing fails inside, and yield its new content; whole or not at
    all. load: reads a copy next to its place first, and raises BadConfiguration.
    """
    # Beside it, in the same folder: only there is a rename whole or not at all.
    with whole_file(path) as copy:
        copy.write_bytes(text.encode())
        if path.exists():
            # Who may read it stays as it was.
            copymode(path, copy)
        yield load(copy)


def load_people(path: Path, cache: ProjectCache | None = None) -> People:
    """The people file. Raises BadConfiguration; of reason no_people where there is none. cache: as in `load_site`."""
    if not path.exists():
        raise BadInput(NOBODY, file=str(path), reason="no_people")
    read = partial(read_model, model=People)
    return read(path) if cache is None or not path.is_file() else read_once(path, cache, read)


@once
def site_sha256(site: Site) -> str:
    """Hash of what the site file means to figures: comments, key order and spelled-out defaults do not change it, nor
    do alert rules, whose versions are kept by themselves, and sheddable loads, of which no figure is made.
    """
    content = site.model_dump(mode="json", exclude={"alert_rules", "sheddable_loads", "signal_sources"})
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_echoes(problems: list[Problem]) -> list[Problem]:
    """A misspelt key is unknown and, under its right name, missing: one fault, not two."""
    meant = {problem.mend.removeprefix("did you mean '").removesuffix("'?") for problem in problems if problem.mend}
    missing = re.compile(r"key '(?:.*\.)?([^.']+)' is missing")
    return [problem for problem in problems if not ((name := missing.match(problem.message)) and name[1] in meant)]


def _placed(problem: Problem, document: Any, used: set[tuple[int, int]]) -> Problem:
    """A problem between two places of the file says so by name only: point at the name. used: places pointed at."""
    if found := _METER_KEY.search(problem.message):
        places = _meter_places(document, found[1], found[2])
    elif found := _UNKNOWN.search(problem.message):
        places = [place for _, place in scalars(document, found[1])]
    elif found := _TWICE.search(problem.message):
        # The second of the two is the one too many.
        named = [(key, place) for key, place in scalars(document, found[2].strip()) if key.endswith("_id")]
        own = [place for key, place in named if key == f"{found[1].lower()}_id"]
        places = (own if len(own) > 1 else [place for _, place in named])[1:]
    elif found := _BOTH_HOLD.search(problem.message):
        places = [place for key, place in scalars(document, found[1]) if key == "factor_id"]
    elif found := _LOOP.search(problem.message):
        places = [place for key, place in scalars(document, found[1]) if key == "meter_id"]
    elif problem.line == 1 and (found := _SUBJECT.match(problem.message)):
        places = [place for key, place in scalars(document, found[1]) if key == "point" or key.endswith("_id")]
    else:
        return problem
    if not places:
        return problem
    line, column = next((place for place in places if place not in used), places[0])
    used.add((line, column))
    return problem.model_copy(update={"line": line, "column": column})


def _meter_places(document: Any, meter_id: str, key: str) -> list[tuple[int, int]]:
    """Place of the meter's key in the file."""
    meters = document.get("meters") if isinstance(document, Mapping) else None
    items = enumerate(meters) if isinstance(meters, list) else ()
    return [
        place_of(document, ("meters", at, key))
        for at, item in items
        if isinstance(item, Mapping) and str(item.get("meter_id")) == meter_id
    ]


def scalars(node: Any, name: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Key and place of every scalar that equals `name`, in document order."""
    items: Iterable[tuple[str | int, Any]]
    if isinstance(node, Mapping):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    else:
        return
    for key, value in items:
        if str(value) == name:
            yield str(key), place_of(node, (key,))
        else:
            yield from scalars(value, name)


class PeopleNow:
    """The people file as it last was in order: read again when it changes, kept when somebody breaks it.

    fault: what is wrong with the file, empty while it is in order; then nothing may be written.
    believe: told the public keys of everybody, by person_id, at first and whenever they are read anew.
    """

    def __init__(self, people_file: Path, believe: Callable[[Mapping[str, str]], object]) -> None:
        self._believe, self._file = believe, people_file
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._people, self.fault = People(), ""
        # Of a file that was never in order nobody may have acted.
        believe({})
        self.people()

    def people(self) -> People:
        """Everybody of the file."""
        try:
            found = self._file.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError as error:
            was_read = bool(self._people.people) or not isinstance(error, FileNotFoundError)
            self.fault = f"the people file cannot be read ({error.strerror})" if was_read else NOBODY
            self._stamp = None
            return self._people
        with self._lock:
            if stamp != self._stamp:
                self._read()
                self._stamp = stamp
            return self._people

    def known(self, person_id: str) -> Person | None:
        """The person of that id, if the file names them today."""
        return next((each for each in self.people().people if each.person_id == person_id), None)

    def current_fault(self) -> str:
        """The fault of this moment in words."""
        self.people()
        return self.fault

    def _read(self) -> None:
        try:
            self._people, self.fault = load_people(self._file), ""
        except BadInput as fault:
            # Who signs in still may; whom the file names is not for a half-written one to say.
            where = f"line {fault.line}: " if fault.line else ""
            self.fault = f"the people file is not in order, so nothing is written until it is: {where}{fault.message}"
            return
        # What the store holds of signatures is judged by the keys of today.
        self._believe(self._people.public_keys)
