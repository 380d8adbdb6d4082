"""`meterloom grafana`: boards for Grafana over read-only views of the project's PostgreSQL."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from assets.stores.boards.board_views import make_views, owner_of, role_statements, view_statements
from assets.stores.postgres import facts_of, session_environment
from assets.stores.whole_file import whole_file
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Project
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import PROJECT, Call, Option, Written, operation
from orchestration.operations.options import OnlySiteOption
from reports.grafana.boards import DATASOURCE, board_json, boards, provisioning, uid_of

# Kinds of a line's safety that Grafana knows too; libpq has more.
SSL_MODES = ("disable", "require", "verify-ca", "verify-full")
BOARDS = Table("boards", "board: {title} | site | file")


@operation("grafana export", takes=PROJECT, example="--to /etc/meterloom/grafana")
def export(
    call: Call,
    to: Annotated[Path, Written("Folder for boards, provisioning and SQL.", metavar="DIR")],
    site: OnlySiteOption = None,
    datasource: Annotated[str, Option("Uid of the data source in Grafana.")] = DATASOURCE,
) -> Answer:
    """Write boards, their provisioning, and the SQL of their views and of a role that reads nothing else.

    The views are made in the project's PostgreSQL at once, and kept by each build of the marts from then on.
    """
    project, every = call.project, call.project.sites
    wanted = every if site is None else {site: project.site(site)}
    url = _database_of(project.project)
    call.doing("making the views")
    stands = make_views(url, every.values())
    made, files = [], dict[str, str]()
    for each in wanted.values():
        for board in (found for found in boards() if found.is_for(each)):
            name = f"boards/{uid_of(board, each.site_id)}.json"
            content = board_json(board, each, web_url=project.project.settings.server.web_url, datasource=datasource)
            files[name] = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            made.append({"board": board.board, "title": board.title, "site": each.site_id, "file": name})
    folder = str((to / "boards").resolve())
    files |= provisioning(_address(url), folder=folder, datasource=datasource)
    files["sql/views.sql"] = _script(["create schema if not exists boards", *view_statements(every.values())])
    files["sql/role.sql"] = _script(role_statements(*owner_of(url)))
    for name, text in files.items():
        with whole_file(to / name) as part:
            part.write_text(text, encoding="utf-8")
    waiting = [name for name, is_there in stands.items() if not is_there]
    summary = f"{to}: {len(made)} boards; views in the database: {len(stands) - len(waiting)} of {len(stands)}"
    if waiting:
        summary += f"; {', '.join(waiting)} wait for the first build of the marts: meterloom kpis"
    result = {"path": str(to), "boards": made, "views": stands, "files": sorted(files), "datasource": datasource}
    return Answer(result, (BOARDS,), summary + f"\nthe role, once, by the database's owner: psql -f {to}/sql/role.sql")


def _database_of(project: Project) -> str:
    """URL of the database with store and marts. Raises BadInput where they are in files, or in two databases."""
    url, store = project.settings.database.of("warehouse"), project.settings.database.of("store")
    if not url or not store:
        raise BadInput(
            "boards read PostgreSQL, and this project keeps its data in files",
            reason="no_database",
            mend="set database.url (docs/ems/services.md); the pages of 'meterloom web' show the same without it",
        )
    if _place(url) != _place(store):
        raise BadInput(
            "boards read one database, and this project has its store in another one than its marts",
            reason="two_databases",
            mend="set database.url alone, without store_url and warehouse_url",
        )
    return url


def _place(url: str) -> tuple[str, ...]:
    facts = facts_of(url)
    return tuple(facts[name] for name in ("host", "port", "dbname"))


def _address(url: str) -> Mapping[str, str]:
    facts = facts_of(url)
    wanted = session_environment(url).get("PGSSLMODE", "")
    usual = "disable" if facts["host"].startswith("/") or facts["host"] in ("", "localhost", "127.0.0.1") else "require"
    return {**facts, "sslmode": wanted if wanted in SSL_MODES else usual}


def _script(statements: list[str]) -> str:
    return "".join(f"{each};\n\n" for each in statements)
