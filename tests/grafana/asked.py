"""A panel's query as Grafana would send it: macros and variables written out, run as the role of the boards."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

# The first panel of each board, with stages and site filled in.
BUILT = "as the newest build of the site made them"
UNBUILT = "not built yet, since their definition is new or the database was empty ({}); "
UNBUILT += "meterloom kpis --site {} makes them now"
VARIABLE = re.compile(r"\$\{(\w+):sqlstring\}")


@dataclass
class OpenBoard:
    """A board with a period and the choices made on it, over a database. url: of the role that reads views alone."""

    board: dict[str, Any]
    url: str
    start: datetime
    end: datetime
    chosen: dict[str, str] = field(default_factory=dict)

    def choices(self, name: str) -> list[str]:
        """Choices of a variable, after those before it were chosen."""
        [variable] = [each for each in self.board["templating"]["list"] if each["name"] == name]
        return [row[0] for row in self.rows(variable["query"])]

    def choose_first(self) -> "OpenBoard":
        """Each variable at the first that it offers, as Grafana opens a board; what is chosen stays."""
        for each in self.board["templating"]["list"]:
            if each["name"] not in self.chosen:
                # As Grafana has it where nothing is offered: an empty text.
                self.chosen[each["name"]] = (self.choices(each["name"]) or [""])[0]
        return self

    @property
    def asking(self) -> list[dict[str, Any]]:
        """Its panels, but for texts."""
        return [each for each in self.board["panels"] if each["targets"]]

    def panel(self, title: str) -> list[dict[str, Any]]:
        """The rows of the panel of that title."""
        [panel] = [each for each in self.board["panels"] if each["title"] == title]
        return self.dicts(panel["targets"][0]["rawSql"])

    def dicts(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query, each by the names of its columns."""
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(self.written_out(sql).encode())
            names = [each.name for each in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(each.values()) for each in self.dicts(sql)]

    def written_out(self, sql: str) -> str:
        """The query with macros and variables as Grafana writes them. Raises KeyError for a variable that is not."""
        start, end = (f"'{each:%Y-%m-%dT%H:%M:%SZ}'" for each in (self.start, self.end))
        text = self.with_variables(sql)
        text = re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 BETWEEN {start} AND {end}", text)
        text = text.replace("$__timeFrom()", start).replace("$__timeTo()", end)
        assert "$_" not in text, text
        assert "${" not in text, text
        return text

    def with_variables(self, sql: str) -> str:
        """The query with its variables alone written out, as a page of Grafana sends it to its server."""
        return VARIABLE.sub(lambda found: "'" + self.chosen[found[1]].replace("'", "''") + "'", sql)


def board_in(folder: Path, uid: str) -> dict[str, Any]:
    """An exported board."""
    found: dict[str, Any] = json.loads((folder / "boards" / f"{uid}.json").read_text(encoding="utf-8"))
    return found
