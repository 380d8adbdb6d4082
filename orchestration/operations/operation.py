"""An operation: one typed function from a question to an answer, the same behind shell command and endpoint.

Help, shell options and API parameters are made of its parameters.
"""

import inspect
import logging
import os
import shlex
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.settings import SETTINGS_FILE, Project, load_project
from data_quality.contracts.time import Clock, SystemClock, parse_instant
from orchestration.operations.answer import Answer

if TYPE_CHECKING:
    from assets.stores.sign import Signer
    from data_quality.contracts.site_file.site import Site
    from orchestration.open_project import OpenProject
    from reports.recompute.figure_sources import Sources
    from reports.report_content import ReportContent

PROJECT_VARIABLE, KEYS_VARIABLE = "METERLOOM_PROJECT", "METERLOOM_KEYS"
_LOG = logging.getLogger("meterloom.operations")
Lines = Callable[[], Sequence[tuple[str, str]]]

# Which of the shared options an operation heeds; its command offers no others. --json and --debug are everywhere.
STATELESS: tuple[str, ...] = ()
PROJECT = ("project_",)
READS, ACTS = (*PROJECT, "as_of_"), (*PROJECT, "person_")
READS_AND_ACTS = (*READS, "person_")


class Option:
    """Option of a command in a shell, and its meaning. names: where they are not the parameter's (`dry_run` or
    `is_dry_run`: `--dry-run`); kept: more of it for the shell alone.
    """

    def __init__(self, help: str = "", *names: str, **kept: Any) -> None:
        self.help, self.names, self.kept = help, names, kept


class Argument(Option):
    """A parameter that a shell takes by its place."""


class Written(Option):
    """An option that says what to write beside the answer, and changes no number of it."""


class Parameter(NamedTuple):
    """One parameter. kind: its Python type; default: may be `inspect.Parameter.empty`."""

    name: str
    kind: Any
    option: Option
    default: Any

    @property
    def is_required(self) -> bool:
        """It has no default."""
        return self.default is inspect.Parameter.empty

    @property
    def names(self) -> tuple[str, ...]:
        """Flag on the command line; empty for a positional argument."""
        if isinstance(self.option, Argument):
            return ()
        return self.option.names or (f"--{self.name.removeprefix('is_').rstrip('_').replace('_', '-')}",)

    @property
    def word(self) -> str:
        """Its name in an address: that of its option, with underscores."""
        return self.names[0].lstrip("-").replace("-", "_") if self.names else self.name


def is_bundle(kind: Any) -> bool:
    """Whether the type stands for several parameters, its fields."""
    return isinstance(kind, type) and is_dataclass(kind)


def parameters_of(name: str, hint: Any, default: Any) -> list[Parameter]:
    """A parameter of a function as those that a person gives."""
    if not is_bundle(hint):
        return [_parameter(name, hint, default)]
    hints = typing.get_type_hints(hint, include_extras=True)
    return [_parameter(each.name, hints[each.name], each.default) for each in fields(hint)]


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    kind, option = typing.get_args(hint)
    return Parameter(name, kind, option, default)


class Call:
    """One call of an operation: the project, who acts, as of when. Who opens a door says how progress is shown."""

    # Sites that who asks may see, of people whom a door knows; empty: every one.
    sites: tuple[str, ...] = ()
    # A password says who acts, and not a name alone.
    is_signed_in = False
    # A server has no seconds and no memory for MLflow; it shows an approval when a command does the next.
    shows_in_mlflow = True

    def __init__(self, folder: Path, *, as_of: str | None = None, person: str | None = None) -> None:
        self.folder, self._as_of, self.person = folder, as_of, person
        self.clock: Clock = SystemClock()

    @cached_property
    def places(self) -> Project:
        """The project's settings and paths, for who needs none of its stores. Raises BadInput where there is none."""
        if not (self.folder / SETTINGS_FILE).exists():
            raise BadInput(
                f"no Meterloom project in {self.folder} (it has no {SETTINGS_FILE})",
                reason="no_project",
                mend="make one with 'meterloom init DIR', or name one with --project",
            )
        return load_project(self.folder, os.environ)

    @cached_property
    def project(self) -> "OpenProject":
        """The project folder. Raises BadInput where there is none."""
        # Stores and their engines: stateless operations never ask for a project.
        from orchestration.open_project import OpenProject

        # Readings, bills and keys of a project are nobody else's.
        self.places.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return OpenProject.of(self.places)

    @property
    def sees_every_site(self) -> bool:
        """Whether the caller may see every site."""
        return not self.sites

    @property
    def has_opened(self) -> bool:
        """The project was opened for the answer; asked of the dict, since the property itself would open it."""
        return "project" in self.__dict__

    @property
    def option(self) -> str:
        """The --project option that a copied command needs for this project; empty where it is the default."""
        is_meant = self.folder == Path() or str(self.folder) == os.environ.get(PROJECT_VARIABLE)
        return "" if is_meant else f" --project {shlex.quote(str(self.folder))}"

    def then(self, site_id: str) -> str:
        """The closing line of a step on the way to a report."""
        return f"what comes next: meterloom next --site {site_id}{self.option}"

    @cached_property
    def sources(self) -> "Sources":
        """Sources that figures are recomputed from."""
        return self.project.sources(as_of_utc=self.as_of_utc)

    def kept(self, build: "Callable[[int], ReportContent]", site: "Site | None") -> "ReportContent":
        """Content of a report, stored so that each figure can be traced; where nothing can be written, it says so."""
        from reports.lifecycle.revise import store_revision, unstored

        reports, unwritable = self.project.reports, self.project.store.read_only
        if unwritable is None:
            return store_revision(build, reports, self.clock, site=site, is_as_built=True)[0]
        self.say(f"{unwritable.path.parent} cannot be written: figures that are not stored yet have no trace")
        return unstored(build, reports)

    def fresh_marts(self, sites: "Sequence[Site]", name: str) -> tuple[Path, datetime]:
        """Folder of the marts that its figures are of, made fresh or as at --as-of, and the instant that they are as
        known at. name: of the sites, for the progress line.
        """
        from orchestration.warehouse.fresh import freshen_marts, stale_partitions
        from orchestration.warehouse.marts_as_of import marts_as_of

        project = self.project
        if self.as_of_utc is not None:
            self.doing(f"looking for the marts of {name} as known at {self.as_of_utc:%Y-%m-%d %H:%M:%S}Z")
            return marts_as_of(project, sites, self.as_of_utc), self.as_of_utc
        self.doing(f"{name}: looking for what changed", is_brief=True)
        if project.store.read_only is None:
            freshen_marts(project, clock=self.clock, doing=self.doing)
            # After the marts were made: their instant must not lie before what they hold.
            return project.project.marts_dir, project.store.known_at(self.clock)
        # Of a project that cannot be written: as published, or made of the same readings in the user's cache.
        stale, site_ids = stale_partitions(project), {site.site_id for site in sites}
        now_utc = project.store.known_at(self.clock)
        if site_ids & {month.partition("|")[0] for months in stale.values() for month in months}:
            return marts_as_of(project, sites, now_utc), now_utc
        return project.project.marts_dir, now_utc

    @property
    def as_of_utc(self) -> datetime | None:
        """The instant whose knowledge answers, or None for now."""
        return parse_instant(self._as_of) if self._as_of else None

    @property
    def as_of_or_now(self) -> datetime:
        """The instant whose knowledge answers: that of --as-of, or now."""
        return self.as_of_utc or self.project.store.known_at(self.clock)

    def acting(self, role: Role) -> Person:
        """The person named by --as, if they hold the role. Raises BadInput."""
        if not self.person:
            raise BadInput(f"this needs a person with the role {role.value!r}: add --as PERSON", reason="nobody_acts")
        return self.project.people.acting(self.person, role)

    def known_person(self) -> Person:
        """The person named by --as, whatever their roles. Raises BadInput."""
        if not self.person:
            raise BadInput("this is done in somebody's name: add --as PERSON", reason="nobody_acts")
        return self.project.people.known(self.person)

    @property
    def has_actor(self) -> bool:
        """True where somebody acts: the person of --as, or somebody who is signed in."""
        return bool(self.person) or self.is_signed_in

    @property
    def person_id(self) -> str:
        """Id of the person who acts, as far as one is known: empty where nobody is named. Raises BadInput."""
        return self.known_person().person_id if self.has_actor else ""

    @property
    def keys_dir(self) -> Path:
        """Folder of private keys: METERLOOM_KEYS, or that of the project."""
        named = os.environ.get(KEYS_VARIABLE)
        return Path(named) if named else self.project.project.keys_dir

    def signer(self, person: Person) -> "Signer | None":
        """The key that the person signs with; None where the people file names none for anybody. Raises BadInput."""
        from assets.stores.sign import signer_of

        return signer_of(person, self.project.people, self.keys_dir)

    def chance(self) -> str:
        """A text from which a secret is made; empty: one is drawn. Where an act is done twice, the same both times."""
        return ""

    def say(self, text: str) -> None:
        """Warnings and what was done."""
        _LOG.info("%s", text)

    def doing(self, text: str, part: str = "", *, done: int = 0, of: int | None = None, is_brief: bool = False) -> None:
        """Show the work in progress, where somebody watches. part: more of it; done, of: equal parts of the whole."""


class RunCall(Call):
    """A call in a run of the graph, where nobody acts; or a question that is asked again, as it was asked."""

    def __init__(
        self,
        project: "OpenProject",
        clock: Clock,
        *,
        as_of: str | None = None,
        person: str | None = None,
        sites: tuple[str, ...] = (),
    ) -> None:
        super().__init__(project.project.root, as_of=as_of, person=person)
        # The project of who calls, in the place of the cached property.
        self.project, self.clock, self.sites = project, clock, sites


@dataclass(frozen=True)
class Operation:
    """A function with the words of its command ("bill list") and an example of what follows them.

    takes: the shared options that it heeds. lists: title and lines below the options of its help. writes: it may write
    readings, what is made of them or words of people, so that none begins while an erasure runs. keeps: it writes
    ids of its numbers alone, and begins while no erasure runs either. repeats: though it takes no --as-of, to ask it
    again changes nothing outside of a project, and inside of one where it writes nothing; though it takes --as-of and
    writes, in nobody's name it writes ids alone.
    """

    name: str
    example: str
    function: Callable[..., Answer]
    takes: tuple[str, ...] = READS
    lists: tuple[str, Lines] | None = None
    writes: bool = False
    repeats: bool = False
    keeps: bool = False

    @cached_property
    def parameters(self) -> list[Parameter]:
        """The parameters behind its call, in order. A dataclass among them stands for its fields."""
        return [each for own in self._own for each in parameters_of(*own)]

    def filled(self, values: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the function for these values of its parameters."""
        filled = {}
        for name, kind, _ in self._own:
            if is_bundle(kind):
                filled[name] = kind(**{each.name: values[each.name] for each in fields(kind) if each.name in values})
            elif name in values:
                filled[name] = values[name]
        return filled

    @cached_property
    def _own(self) -> list[tuple[str, Any, Any]]:
        # With extras, or Annotated would lose the option that it carries. The first parameter is the call itself.
        hints = typing.get_type_hints(self.function, include_extras=True)
        own = list(inspect.signature(self.function).parameters.values())[1:]
        return [(each.name, hints[each.name], each.default) for each in own]


# Operations by the module that holds them, in the order of its text.
OPERATIONS: dict[str, list[Operation]] = {}


def operation(
    name: str,
    *,
    example: str = "",
    takes: tuple[str, ...] = READS,
    lists: tuple[str, Lines] | None = None,
    writes: bool | None = None,
    repeats: bool = False,
    keeps: bool = False,
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Make `function(call, ...) -> Answer` an operation (see Operation for the rest); an act writes, unless it says."""

    def register(function: Callable[..., Answer]) -> Callable[..., Answer]:
        may_write = "person_" in takes if writes is None else writes
        found = Operation(name, example, function, takes, lists, may_write, repeats, keeps)
        OPERATIONS.setdefault(function.__module__, []).append(found)
        return function

    return register
