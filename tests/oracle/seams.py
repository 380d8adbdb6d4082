"""All that the oracle takes from the product. A commit is recorded with its own version of this file, if it has one."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import typer
from typer.testing import CliRunner

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import SystemClock
from orchestration.cli.main import build_app
from orchestration.open_project import OpenProject
from orchestration.web.app import ROUTERS, make_app
from orchestration.web.people.sign_in import SignIn

MAIN = "from orchestration.cli.main import main; main()"
# Made from readings that no two runs share: when they came in.
VOLATILE_COLUMNS = ("last_recorded_at_utc",)


def command_words() -> list[str]:
    """The words of every command that can be called, from the Typer application."""

    def walk(command: Any, words: str) -> Iterator[str]:
        parts = getattr(command, "commands", {})
        if words and (not parts or command.invoke_without_command):
            yield words
        for name, part in parts.items():
            yield from walk(part, f"{words} {name}".strip())

    return list(walk(typer.main.get_command(build_app()), ""))


def run_command(words: list[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command in this process."""
    result = CliRunner().invoke(build_app((words[0],)), words, env={"COLUMNS": "200", "NO_COLOR": "1"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def get_routes() -> list[str]:
    """The paths of every route that answers GET."""
    return [route.path for router in ROUTERS for route in router.routes if "GET" in route.methods]  # type: ignore[attr-defined]


class Web:
    """The pages and the API of a project in this process, asked by a person with every role but a tenant's."""

    def __init__(self, folder: Path) -> None:
        self.project = OpenProject(str(folder))
        person = Person(person_id="anna", name="Anna", roles=tuple(role for role in Role if role is not Role.TENANT))
        clock = SystemClock()
        sign_in = SignIn(self.project, clock)
        self.app = make_app(self.project, clock=clock, signed_in=lambda _: (person, "token"), sign_in=sign_in)

    def get(self, target: str) -> tuple[int, str, str]:
        """Status, content type and body; asked again where the answer is that the machine is busy."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8600", timeout=600) as client:
                is_page = not target.startswith("/api/v")
                return await client.get(target, headers={"accept": "text/html" if is_page else "application/json"})

        for _ in range(5):
            answer = asyncio.run(ask())
            if answer.status_code not in (429, 503):
                break
        where = answer.headers.get("location", "")
        return answer.status_code, f"{answer.headers.get('content-type', '')} {where}".strip(), answer.text


def report_figures(folder: Path) -> list[str]:
    """Ids of the figures of a project's reports, by report and place."""
    project = OpenProject(str(folder))
    try:
        found = sorted(project.reports.revisions(), key=lambda each: (each.report_id, each.revision))
        return [
            figure.figure_id for each in found[:1] for figure in project.reports.figures(each.report_id, each.revision)
        ]
    finally:
        project.close()


def plan_programs(folder: Path, out: Path) -> None:
    """Write every stored plan's problem again, as LP."""
    from controls.optimiser.backends.solve_pulp import write_readable
    from controls.optimiser.case import case_of
    from controls.optimiser.lp_build import build_problem

    project = OpenProject(str(folder))
    try:
        for site_id in sorted(project.sites):
            plan = project.plans.latest(site_id)
            if plan is not None:
                case = case_of(plan.request)
                write_readable(build_problem(case).program, out / f"{site_id}.lp", weights=case.weights)
    finally:
        project.close()


def as_json(text: str) -> str | None:
    """A JSON document, pretty-printed with sorted keys; None for what is none.

    Floats have twelve digits: the last ones depend on the order in which threads add up.
    """
    try:
        return (
            json.dumps(
                json.loads(text, parse_float=lambda given: float(f"{float(given):.12g}")),
                indent=1,
                sort_keys=True,
                ensure_ascii=False,
            )
            + "\n"
        )
    except ValueError:
        return None


def at(text: str, path: tuple[str | int, ...]) -> Any:
    """Value of a JSON document at a place; `none` where it has none."""
    try:
        value = json.loads(text)
        for part in path:
            value = value[part]
    except (ValueError, LookupError, TypeError):
        return "none"
    return value


def tables(folder: Path) -> Iterator[tuple[str, list[str], list[tuple[Any, ...]]]]:
    """Name, columns and rows of every mart as it is published, and of every table of the warehouse."""
    import duckdb
    import polars as pl
    import psycopg

    project = OpenProject(str(folder)).project
    for mart in sorted(each for each in project.marts_dir.glob("mart_*") if each.is_dir()):
        frame = pl.concat(pl.read_parquet(each) for each in sorted(mart.rglob("*.parquet")))
        yield f"published_{mart.name}", frame.columns, frame.rows()
    url, file = project.settings.database.url, project.data_dir / "warehouse" / "meterloom.duckdb"
    if not url and not file.exists():
        return
    with psycopg.connect(url) if url else duckdb.connect(str(file), read_only=True) as connection:
        listed = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_name like 'mart_%' or table_name like 'int_%' order by 1, 2"
        ).fetchall()
        for schema, name in listed:
            asked = connection.execute(f'select * from "{schema}"."{name}"')
            yield f"warehouse_{schema}_{name}", [column[0] for column in asked.description], asked.fetchall()
