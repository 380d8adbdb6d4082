"""The context of a request: project, person, query and clock. Every route names the permission that it needs, and is
given its Context here, or refused.
"""

import hmac
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import Depends, Request

from assets.sites.load_sites import unknown_site
from controls.gateways.access.http_server import Bucket, recognised
from data_quality.contracts.access.permissions import OF_ROLE, Permission, may, sees_scope, sees_site, sees_whole_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from orchestration.open_project import OpenProject
from orchestration.views.pack_subjects import Subject, groups_of
from reports.pages.address import KNOWN, Address, read_address
from reports.texts.locales import languages, rules_of

# How pages look in one browser, kept in a cookie of each name: what it may be; empty for what is usual.
LOOKS: Mapping[str, tuple[str, ...]] = {
    "theme": ("light", "dark"),
    "text": ("112", "125"),
    "locale": tuple(each for each in languages() if each != "en" and rules_of(each).pages),
}
# The cookie of a look that was changed a moment ago: its name and what it was.
CHANGED = "changed"


# Group of the places that are folded where a person has many.
MORE = "More"


class Nav(NamedTuple):
    """A place of the side bar. place: in reading order; needs: of who may go there; icon: of icons.svg.

    group: heading that it stands under where a person has many places, MORE: those seldom opened; homes: boards whose
    people go there; has_sites: its address may name a site.
    """

    place: int
    path: str
    text: str
    needs: Permission
    icon: str = "file-text"
    group: str = ""
    homes: tuple[str, ...] = ("ops",)
    has_sites: bool = True


@dataclass(frozen=True)
class Context:
    """One request of a person who may ask it. csrf: the token that an act of this sign-in carries. form: the fields of
    an act; files: what was sent with them (uploads.py: SentFile). banner: what every page says above all else, such as
    that nothing can be written now. looks: of LOOKS, what the browser keeps. nav: places of the side bar.
    """

    project: OpenProject
    person: Person
    address: Address
    clock: Clock
    csrf: str = ""
    form: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Any, ...] = ()
    banner: str = ""
    looks: Mapping[str, str] = field(default_factory=dict)
    nav: tuple[Nav, ...] = ()
    now_utc: datetime = field(init=False)
    # Of its sites, by id, and of their uses: what everything that is shown rests on (queries.py: stamp_of).
    stamps: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Once: all parts of a page are of one instant.
        object.__setattr__(self, "now_utc", self.clock.now_utc())

    @property
    def as_of_or_now(self) -> datetime:
        """The instant whose knowledge answers: that of the address, or now."""
        return self.address.as_of_utc or self.now_utc

    @property
    def marts_now(self) -> Path | None:
        """The folder of the published marts; None where the address asks for another instant."""
        return self.project.project.marts_dir if self.address.as_of_utc is None else None

    def of(self, **changes: Any) -> "Context":
        """The same question of another address."""
        return replace(self, address=self.address.model_copy(update=changes))

    def sites(self) -> dict[str, Site]:
        """Sites that the person sees, by id; of a tenant those that have a part of theirs."""
        is_tenant = not sees_whole_site(self.person)
        return {
            each: site
            for each, site in self._every_site.items()
            if sees_site(self.person, each) and not (is_tenant and not self._parts_of(site))
        }

    def _parts_of(self, site: Site) -> list[str]:
        """The scopes of the person's tenants at the site, in the order of the people file."""
        known = {part.part_id for part in site.premises.parts()["tenant"]}
        return [f"tenant:{each}" for each in self.person.tenants if each in known]

    @cached_property
    def _every_site(self) -> dict[str, Site]:
        # Once an answer: each look reads the site files, and one answer is of one state of them.
        return self.project.sites

    def site(self) -> Site:
        """The site that is asked for; where the address names none, the person's first. Raises BadInput (unknown_site)
        for one that is not there and, in the same words, for one that the person may not see.
        """
        sites = self.sites()
        if not self.address.site:
            if not sites:
                raise BadInput("there is no site that you may see", reason="no_site")
            return next(iter(sites.values()))
        if self.address.site not in sites:
            raise unknown_site(self.address.site, sites, self.project.project.sites_dir)
        return sites[self.address.site]

    def selected_sites(self) -> list[Site]:
        """The site that the address names, or every one that the person sees. Raises BadInput as `site`."""
        return [self.site()] if self.address.site else list(self.sites().values())

    @cached_property
    def subjects(self) -> dict[str, Subject]:
        """Subjects of a report: the person's sites and, behind them, organisations all of whose sites they see; none
        of an organisation file with a fault.
        """
        sites, groups = self.sites(), dict[str, Subject]()
        if sees_whole_site(self.person):
            with suppress(BadInput):
                groups = groups_of(self.project)
        visible = {name: each for name, each in groups.items() if all(site.site_id in sites for site in each.sites)}
        return {name: Subject(name, each.name, (each,)) for name, each in sites.items()} | visible

    def selected_subjects(self) -> dict[str, Subject]:
        """The one that the address names as its site, or every one. Raises BadInput as `site`."""
        if not self.address.site:
            return self.subjects
        # One that is not theirs is refused in the words of a site that there is not.
        name = self.address.site if self.address.site in self.subjects else self.site().site_id
        return {name: self.subjects[name]}

    def scope(self) -> str:
        """The scope that is asked for: the site's own, or for a tenant the first of theirs, where none is named.

        Raises BadInput (unknown_scope) for one that the person may not see.
        """
        site = self.site()
        usual = f"site:{site.site_id}" if sees_whole_site(self.person) else self._parts_of(site)[0]
        scope = self.address.scope or usual
        if not sees_scope(self.person, site.site_id, scope):
            raise BadInput(f"site {site.site_id!r} has no scope {scope!r}", reason="unknown_scope")
        return scope


QUARTER_S = 900
# Per name: so many at once, and so many a second after that.
BUCKETS = {
    # Of one person from one address; from a browser in which they were signed in before; from everywhere else.
    "wrong passwords": (5, 5 / QUARTER_S),
    "wrong passwords of a browser": (5, 5 / QUARTER_S),
    "wrong passwords of a person": (100, 100 / 3600),
    "wrong passwords of an address": (20, 20 / QUARTER_S),
    "requests of a person": (600, 20.0),
    "requests of a key": (60, 20.0),
    "wrong keys of an address": (20, 1 / 3),
    "refusals kept": (60, 1.0),
    # Of strangers, who check a report by its code or its file.
    "checks of an address": (60, 1.0),
    "files of an address": (20, 20 / QUARTER_S),
}
# At once: of one person, and of all.
PLACES = {"exports": (2, 8), "streams": (4, 100)}


class TooMany(Exception):
    """More than may be: of what, and when there is room again."""

    def __init__(self, kind: str, wait_s: float, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"too many {kind}; there is room again in {math.ceil(wait_s)} s")
        self.kind, self.wait_s, self.headers = kind, max(1, math.ceil(wait_s)), headers or {}


class Allowances:
    """Allowances left to each asker, in this process."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic, self._lock = monotonic, threading.Lock()
        self._buckets = {kind: Bucket(*size) for kind, size in BUCKETS.items()}
        self._taken: Counter[tuple[str, str]] = Counter()

    def take(self, kind: str, name: str) -> dict[str, str]:
        """Take one. Returns the headers that say what is left. Raises TooMany."""
        bucket, now_s = self._buckets[kind], self._monotonic()
        with self._lock:
            is_empty = bucket.is_empty(name, now_s)
            left, wait_s = bucket.left(name, now_s), bucket.wait_s(name, now_s)
        label = kind.replace(" ", "-")
        headers = {
            "RateLimit-Policy": f'"{label}";q={bucket.size};w={math.ceil(bucket.size / bucket.a_second)}',
            "RateLimit": f'"{label}";r={int(left)};t={math.ceil(wait_s)}',
        }
        if is_empty:
            raise TooMany(kind, wait_s, headers)
        return headers

    def give_back(self, kind: str, name: str) -> None:
        """Give back one that was taken."""
        with self._lock:
            self._buckets[kind].give_back(name, self._monotonic())

    def is_left(self, kind: str, name: str) -> bool:
        """Take one, if there is one."""
        with self._lock:
            return not self._buckets[kind].is_empty(name, self._monotonic())

    @contextmanager
    def place(self, kind: str, name: str) -> Iterator[None]:
        """One of the places that a person may hold at once, until the block ends. Raises TooMany."""
        of_one, of_all = PLACES[kind]
        with self._lock:
            if self._taken[kind, name] >= of_one or self.taken(kind) >= of_all:
                raise TooMany(f"{kind} at once", 5)
            self._taken[kind, name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[kind, name] -= 1
                if not self._taken[kind, name]:
                    del self._taken[kind, name]

    def taken(self, kind: str) -> int:
        """Number of places of a kind that are taken."""
        return sum(number for (each, _), number in self._taken.items() if each == kind)


# Of the application (`app.state`): who stands behind a request, and the token that their acts carry; None: nobody.
SignedIn = Callable[[Request], tuple[Person, str] | None]
SAFE = ("GET", "HEAD")


class NotSignedIn(Exception):
    """Nobody stands behind the request: a page leads to the sign-in, the API answers 401."""


class NotAllowed(Exception):
    """The person lacks the permission; the sentence names the roles that have it. None: a key, and not the person."""

    def __init__(self, permission: Permission | None) -> None:
        self.permission = permission
        if permission is None:
            super().__init__("this is for people who are signed in: a key acts on nobody's sign-ins and pages")
            return
        roles = ", ".join(role.value for role, has in OF_ROLE.items() if permission in has)
        super().__init__(Sentence("this needs {0}, which these roles have: {1}", permission.value, roles))


def display_settings(request: Request) -> dict[str, str]:
    """Looks that the browser keeps, empty for anything else; and of a change a moment ago what was before."""
    found = {name: request.cookies.get(name, "") for name in LOOKS}
    looks = {name: value if value in LOOKS[name] else "" for name, value in found.items()}
    name, _, value = request.cookies.get(CHANGED, "").partition(".")
    is_change = name in LOOKS and value in ("", *LOOKS[name]) and value != looks[name]
    return looks | ({CHANGED: f"{name}.{value}"} if is_change else {})


def requires(permission: Permission | None, *, takes: tuple[str, ...] = (), shared: tuple[str, ...] = KNOWN) -> Any:
    """Dependency of a route: its Context is of somebody who has the permission; with None, of anybody who is signed
    in. takes: parameters that the route knows beside `shared`; shared: those of every page. An endpoint names the ones
    that change its answer; any other is refused.

    Raises NotSignedIn, NotAllowed, and BadInput for an address that cannot be read or a form that is not ours.
    """

    def ctx(request: Request) -> Context:
        app, state = request.app.state, request.state
        found = app.signed_in(request)
        if found is None:
            raise NotSignedIn
        person, csrf = found
        if not hasattr(state, "key_id"):
            state.headers = app.allowances.take("requests of a person", person.person_id)
        recognised(request.scope, state.key_id if hasattr(state, "key_id") else person.person_id)
        state.person, state.csrf, state.permission = person, csrf, permission.value if permission else ""
        scopes = getattr(state, "scopes", None)
        if permission is not None and not (may(person, permission) and (scopes is None or permission in scopes)):
            raise NotAllowed(permission)
        if permission is None and scopes is not None and request.method not in SAFE:
            raise NotAllowed(None)
        address = read_address(request.url.path, list(request.query_params.multi_items()), takes=takes, shared=shared)
        state.subject = f"{address.site} {address.scope}".strip()
        fault = app.people_fault()
        if request.method not in SAFE:
            if fault:
                raise BadInput(fault, reason="people_file")
            # A machine sends its key with intent; a browser sends a cookie with whatever page it is on.
            if scopes is None and not hmac.compare_digest(getattr(state, "token", "").encode(), csrf.encode()):
                raise BadInput("this form is not of your sign-in: open the page again", reason="foreign_form")
        form = getattr(state, "form", {})
        looks = display_settings(request)
        if "locale" in shared and "locale" not in request.query_params and not request.url.path.startswith("/api/"):
            address = address.model_copy(update={"locale": looks["locale"] or "en"})
        sent = {"form": form, "files": getattr(state, "files", ())}
        kept = {"csrf": csrf, **sent, "banner": fault, "looks": looks, "nav": app.nav}
        return Context(app.project, person, address, app.clock, **kept)

    # What the test of the table of routes, and the description of the API, read.
    ctx.permission, ctx.takes = permission, (*shared, *takes)  # type: ignore[attr-defined]
    return Depends(ctx)
