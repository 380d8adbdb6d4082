"""Every number of every page, opened: the reason that it links to, and what page, API and command line say of it.

`python -m tests.web.every_number PROJECT [ROLE …]` asks a project that nobody writes in and prints the counts.
"""

import html
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import FastAPI

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.web.app import make_app
from reports.recompute.figure_sources import Sources
from reports.texts.locales import MISSING
from tests.web.asking import PAGE, Answer, Headers, answer_of
from tests.web.marts_world import Asking

API = "/api/v1/ems"
# Of stored figures on the pages of reports each so many-th is recomputed; all are compared with what is stored.
EACH = 40
# So many numbers of a page are all opened.
FIRST = 40
PAGES = ("/bills", "/energy", "/enpi", "/reports", "/live", "/board")
# A number of a tile or headline with its link, or a cell that is one.
_TILE = re.compile(r'<a class="fig" href="([^"]+)"><span class="[a-z]+" data-live-value><bdi>([^<]*)</bdi>')
_CELL = re.compile(r'<a class="num"(?: dir="auto")? href="([^"]+)">([^<]*)</a>')
_HREF = re.compile(r'href="(/(?:board|energy|enpi|reports)[^"#]*)"')


class OneApp(Asking):
    """The same with one application for all questions, which keeps what it has read."""

    @cached_property
    def app(self) -> FastAPI:
        """It."""
        return make_app(self.project, clock=self.clock, signed_in=lambda _: (self.person, "token"))

    def get(self, path: str, headers: Headers = (), **query: str) -> Answer:
        """One answer; asked again where the machine was too busy for it."""
        for _ in range(5):
            answer = answer_of(self.app, "GET", f"{path}?{urlencode(query)}" if query else path, headers)
            if answer.status != 503:
                break
        return answer


class Unchanging(OpenProject):
    """A project that nobody writes in: what one reason read is there for the next."""

    @cached_property
    def _read(self) -> Sources:
        return super().sources(keeps=False)

    def sources(self, *, keeps: bool = True) -> Sources:
        """The same for all questions."""
        return super().sources() if keeps else self._read


@dataclass
class Seen:
    """Counts and faults of a walk. shown: numbers with a link; opened: reasons; again: of these recomputed."""

    shown: int = 0
    opened: int = 0
    again: int = 0
    empty: int = 0
    faults: list[str] = field(default_factory=list)
    whys: dict[str, Decimal | None] = field(default_factory=dict)


def numbers_of(page: str) -> Iterator[tuple[str, str]]:
    """Text and link of every number that says why."""
    for href, text in (*_TILE.findall(page), *_CELL.findall(page)):
        yield html.unescape(text), html.unescape(href)


def pages_of(asking: Asking, starts: Iterable[str], *, most: int = 60) -> dict[str, str]:
    """Pages by address: the starts, and the boards, energy, EnPI and reports that they link to, once each."""
    found: dict[str, str] = {}
    waiting = list(starts)
    while waiting and len(found) < most:
        href = waiting.pop(0)
        if href in found or ".csv" in href:
            continue
        answer = asking.get(href, [PAGE])
        assert answer.status in (200, 303), (href, answer.status, answer.text[:400])
        found[href] = answer.text if answer.status == 200 else ""
        waiting += [each for each in map(html.unescape, _HREF.findall(found[href])) if _is_new(each, found)]
    return found


def _is_new(href: str, found: Iterable[str]) -> bool:
    """Another page, site or scope than those seen: other periods and grains of a page are the same page."""
    return _kind(href) not in {_kind(each) for each in found}


def _kind(href: str) -> tuple[str, ...]:
    query = parse_qs(urlsplit(href).query)
    return (urlsplit(href).path, *(query.get(name, [""])[0] for name in ("site", "scope")))


def check_page(asking: Asking, href: str, page: str, seen: Seen, *, is_page: bool = True) -> None:
    """Open the reason of each number of a page. is_page: its page too, which says EQUAL in words."""
    for place, (text, link) in enumerate(numbers_of(page)):
        # Of a long table, such as the hours of a week, each so many-th: its rows are one mart's.
        if place > FIRST and place % EACH:
            continue
        if not link.startswith("/why?"):
            # A cell that names a use or a report leads to its page, and there is one.
            if not link.startswith(PAGES):
                seen.faults.append(f"{href}: {text!r} leads to {link}, which is no page")
            continue
        seen.shown += 1
        if "point=" in link:
            answer = asking.get(link, [PAGE])
            if answer.status != 200:
                seen.faults.append(f"{href}: {text!r} leads to {link}: {answer.status}")
            continue
        if link not in seen.whys:
            seen.opened += 1
            seen.whys[link] = _opened(asking, href, text, link, seen, is_page=is_page)
        if link in seen.whys and not is_alike(text, seen.whys[link]):
            seen.faults.append(f"{href}: {text!r} is {seen.whys[link]} at {link}")
        seen.empty += text == MISSING


def _opened(asking: Asking, href: str, text: str, link: str, seen: Seen, *, is_page: bool) -> Decimal | None:
    figure_id = parse_qs(urlsplit(link).query).get("figure", [""])[0]
    stored = asking.project.reports.figure(figure_id) if figure_id else None
    if stored is not None and seen.opened % EACH:
        return _in_percent(stored.value, stored.unit, stored.kpi)
    seen.again += 1
    answer = asking.get(link.replace("/why", f"{API}/why", 1))
    if answer.status != 200:
        seen.faults.append(f"{href}: {text!r} leads to {link}: {answer.status} {answer.text[:200]}")
        return None
    said = answer.said
    if not said["is_equal"]:
        seen.faults.append(f"{href}: {text!r} at {link} is {said['figure']['value']}, again {said['recomputed']}")
    # The page says the same in words: each fifth, for it is made of the same answer.
    if is_page and seen.again % 5 == 1 and "Recomputed EQUAL" not in asking.get(link, [PAGE]).text:
        seen.faults.append(f"{href}: the page of {text!r} at {link} does not say EQUAL")
    figure = said["figure"]
    value = None if figure["value"] is None else Decimal(repr(figure["value"]))
    return _in_percent(value, figure["unit"], figure["kpi"])


def _in_percent(value: Decimal | None, unit: str, kpi: str) -> Decimal | None:
    """A share is shown in percent, an EnPI as it is."""
    return value * 100 if value is not None and unit == "ratio" and kpi != "enpi" else value


def is_alike(text: str, value: Decimal | None) -> bool:
    """Whether a text is that number, rounded to the decimals that it shows; of a ratio also the share itself."""
    if text == MISSING or value is None:
        return (text == MISSING) == (value is None)
    # A currency may stand before or behind the number.
    plain = re.sub(r"^[^\d.−+-]+|[^\d]+$", "", text).replace(",", "").replace("−", "-").replace("+", "")
    half = Decimal(1).scaleb(-len(plain.partition(".")[2])) / 2
    return any(abs(Decimal(plain) - each) <= half * Decimal("1.000001") for each in (value, value / 100))


def starts_of(asking: Asking, scopes: Sequence[tuple[str, str]]) -> list[str]:
    """The boards that the person may open, and a board and an energy page of each scope."""
    roles = set(asking.person.roles)
    is_part = roles == {Role.TENANT}
    boards = ["/board/site"] if is_part else ["/board/ops", "/board/site", "/board/exec", "/enpi", "/reports"]
    boards += ["/board/audit"] if roles & {Role.AUDITOR, Role.REVIEWER} else []
    parts = [f"{path}?site={site}&scope={scope}" for site, scope in scopes for path in ("/board/site", "/energy")]
    return boards + parts


def same_on_all_three(
    asking: Asking, call: Callable[..., Any], site_id: str, span: str, grain: str
) -> tuple[int, list[str]]:
    """Rows of `meterloom kpis --json` and of the API's /kpis: how many, and where they differ."""
    asked = ("--site", site_id, "--period", span, "--grain", grain, "--project", str(asking.project.root))
    answered = call("kpis", *asked)[1]
    if answered is None:
        return 0, []  # no readings of that span
    told = {_key(row): row for row in answered["rows"]}
    listed: dict[tuple[str, ...], dict[str, Any]] = {}
    more: dict[str, str] = {}
    while True:
        part = asking.json("/kpis", site=site_id, range=span, grain=grain, limit="1000", **more)
        listed |= {_key(row): row for row in part["rows"]}
        if not part["next"]:
            break
        more = {"cursor": part["next"]}
    faults = [f"{site_id} {span}: {key} stands on one side alone" for key in set(told) ^ set(listed)]
    for key in set(told) & set(listed):
        names = [name for name in listed[key] if name not in ("figure_id", "why")]
        differing = [name for name in names if told[key][name] != listed[key][name]]
        faults += [f"{site_id} {span}: {key} differs in {', '.join(differing)}"] if differing else []
    return len(listed), faults


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("scope", "kpi", "start", "end", "hour_start_utc", "unit"))


def scopes_of(project: OpenProject) -> list[tuple[str, str]]:
    """Each site as a whole, one of its tenants and one of its uses."""
    found: list[tuple[str, str]] = []
    for site_id, site in project.sites.items():
        parts = [f"tenant:{each.tenant_id}" for each in site.premises.tenants[:1]] if site.premises else []
        found += [(site_id, each) for each in (f"site:{site_id}", *parts, *(f"seu:{e.seu_id}" for e in site.seus[:1]))]
    return found


def main() -> None:
    """Count the numbers of a project's pages for each role."""
    from tests.e2e.conftest import call_here

    # Of one instant, so that what is known then is asked once.
    project, clock = Unchanging(str(Path(sys.argv[1]).resolve())), FixedClock(datetime.now(UTC))
    whys: dict[str, Decimal | None] = {}

    def say(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    for role in Role:
        tenants = ("law",) if role is Role.TENANT else ()
        sites = ("tower",) if tenants else ()
        person = Person(person_id=role.value, name=role.value, roles=(role,), sites=sites, tenants=tenants)
        if role is Role.ADMIN or role.value not in (sys.argv[2:] or [*Role]):
            continue
        # Whoever sees whole sites is told the same: a reason is opened once for all of them.
        asking = OneApp(project, clock, person)
        seen = Seen(whys={} if tenants else whys)
        scopes = [("tower", "tenant:law")] if tenants else scopes_of(project)
        for href, page in pages_of(asking, starts_of(asking, scopes)).items():
            check_page(asking, href, page, seen, is_page=False)
            say(f"  {seen.opened:>5} reasons, {time.process_time():>5.0f} s CPU  {href}\n")
        counts = f"{seen.shown} numbers, {seen.opened} reasons ({seen.again} recomputed), {seen.empty} without value"
        say(f"{role.value}: {counts}, {len(seen.faults)} faults\n")
        for fault in seen.faults:
            say(f"  {fault}\n")
    for site_id in project.sites:
        asking = OneApp(project, clock, Person(person_id="v", name="V", roles=(Role.VIEWER,)))
        for span, grain in (("2025", "year"), ("2025", "month"), ("2025-03", "day")):
            count, faults = same_on_all_three(asking, call_here, site_id, span, grain)
            say(f"{site_id} {span} by {grain}: {count} rows, {len(faults)} differ\n")
            for fault in faults[:10]:
                say(f"  {fault}\n")
    project.close()


if __name__ == "__main__":
    main()
