"""Boards for Grafana: their data (boards.yaml) and a site become the files that Grafana reads.

A board asks the views of `assets/stores/boards` alone. Its days are the site's, wherever its reader stands.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue

from assets.stores.boards.board_views import ROLE
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import load_model, yaml_text

# Grafana turns boards of this form into its own newest one.
SCHEMA_VERSION, COLUMNS, MOST_UID = 39, 24, 40
DATASOURCE, PLUGIN = "meterloom", "grafana-postgresql-datasource"
Kind = Literal["table", "stat", "gauge", "barchart", "timeseries", "state-timeline", "text"]
# What each kind needs, to show the rows that it is given and not a mean of them.
OPTIONS: dict[Kind, dict[str, JsonValue]] = {
    "table": {"showHeader": True},
    "stat": {"reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""}, "graphMode": "none"},
    "gauge": {"reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""}},
    "barchart": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "stacking": "none"},
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}},
    "state-timeline": {"showValue": "auto", "mergeValues": True},
    "text": {},
}
# States are texts, which Grafana takes for names in a time series: rows are parted by their device instead.
PARTED: dict[str, JsonValue] = {
    "id": "partitionByValues",
    "options": {"fields": ["metric"], "naming": {"asLabels": True}},
}
# A gap in the readings is a gap in the line.
CUSTOM: dict[Kind, dict[str, JsonValue]] = {"timeseries": {"spanNulls": False, "showPoints": "never"}}


class Panel(Model):
    """One panel. unit: an id of Grafana's; overrides: column -> another one. page: where Meterloom shows the same. sql:
    empty for a text, which asks nothing.
    """

    title: str
    kind: Kind
    size: tuple[int, int] = Field(description="Width of 24 columns, and height")
    unit: str
    description: str = Field(min_length=20)
    page: str
    sql: str = ""
    format: Literal["table", "time_series"] = "table"
    overrides: dict[str, str] = {}
    options: dict[str, JsonValue] = {}
    field: dict[str, JsonValue] = {}


class Variable(Model):
    """A choice above the panels; its query may ask those before it."""

    name: str
    label: str
    sql: str


class Board(Model):
    """One board. of: sites that get it, with energy uses or with devices. since, until: the usual period."""

    board: str
    title: str
    of: Literal["uses", "devices"]
    since: str
    until: str = "now"
    variables: tuple[Variable, ...] = ()
    annotations: str = ""
    panels: tuple[Panel, ...] = Field(min_length=1)

    def is_for(self, site: Site) -> bool:
        """True where the site has what the board is about."""
        return bool(site.seus if self.of == "uses" else site.assets)


class Boards(Model):
    """The file boards.yaml. every: panels that stand at the head of each board."""

    every: tuple[Panel, ...] = ()
    boards: tuple[Board, ...]


@cache
def boards() -> tuple[Board, ...]:
    """All boards, in their order."""
    found = load_model(Path(__file__).with_name("boards.yaml"), Boards)
    return tuple(each.model_copy(update={"panels": (*found.every, *each.panels)}) for each in found.boards)


def uid_of(board: Board, site_id: str) -> str:
    """The name that a board's address has in Grafana, which takes 40 characters."""
    uid = f"ml-{board.board}-{site_id}"
    return uid if len(uid) <= MOST_UID else f"{uid[: MOST_UID - 9]}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"


def board_json(board: Board, site: Site, *, web_url: str, datasource: str = DATASOURCE) -> dict[str, Any]:
    """The board of a site as Grafana's JSON. web_url: where Meterloom's pages are; datasource: its uid in Grafana."""
    source = {"type": PLUGIN, "uid": datasource}
    made = {
        "uid": uid_of(board, site.site_id),
        "title": f"{board.title}: {site.name}",
        "tags": ["meterloom", site.site_id],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "timezone": site.time_zone,
        "time": {"from": board.since, "to": board.until},
        "templating": {"list": [_variable(each, source) for each in board.variables]},
        "annotations": {"list": _annotations(board, source)},
        "panels": [
            _panel(number, each, place, source, web_url)
            for number, (each, place) in enumerate(zip(board.panels, places(board.panels), strict=True), start=1)
        ],
    }
    text = json.dumps(made)
    for name, value in {"site": site.site_id, "zone": site.time_zone, "currency": site.currency}.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    filled: dict[str, Any] = json.loads(text)
    return filled


def places(panels: Sequence[Panel]) -> list[tuple[int, int]]:
    """Left and top of each panel: as high as the columns below it are free, from left to right."""
    heights, found = [0] * COLUMNS, []
    for panel in panels:
        width, height = panel.size
        top, left = min((max(heights[at : at + width]), at) for at in range(COLUMNS - width + 1))
        heights[left : left + width] = [top + height] * width
        found.append((left, top))
    return found


def _panel(
    number: int, panel: Panel, place: tuple[int, int], source: Mapping[str, str], web_url: str
) -> dict[str, Any]:
    own = dict(panel.field)
    more = own.pop("custom", {})
    assert isinstance(more, dict)  # noqa: S101 - boards.yaml is ours
    custom = CUSTOM.get(panel.kind, {}) | more
    is_parted = panel.kind == "state-timeline"
    own |= {"displayName": "${__field.labels.metric}"} if is_parted else {}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": dict(source),
        "gridPos": {"x": place[0], "y": place[1], "w": panel.size[0], "h": panel.size[1]},
        "links": [{"title": "The same in Meterloom", "url": f"{web_url}{panel.page}", "targetBlank": True}],
        "options": OPTIONS[panel.kind] | panel.options,
        "transformations": [PARTED] if is_parted else [],
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "noValue": "nothing here", **own, "custom": custom},
            "overrides": [
                {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": unit}]}
                for name, unit in panel.overrides.items()
            ],
        },
        "targets": [
            {
                "refId": "A",
                "datasource": dict(source),
                "editorMode": "code",
                "rawQuery": True,
                "format": panel.format,
                "rawSql": panel.sql.strip(),
            }
        ]
        if panel.sql
        else [],
    }


def _variable(variable: Variable, source: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": dict(source),
        "query": variable.sql,
        # With the period, so that a board that stays open knows of new versions.
        "refresh": 2,
        "multi": False,
        "includeAll": False,
    }


def _annotations(board: Board, source: Mapping[str, str]) -> list[dict[str, Any]]:
    if not board.annotations:
        return []
    target = {"refId": "Anno", "rawQuery": True, "format": "table", "rawSql": board.annotations.strip()}
    marks = {"name": "Modes, overrides and faults", "enable": True, "iconColor": "orange", "target": target}
    return [{**marks, "datasource": dict(source)}]


def provisioning(address: Mapping[str, str], *, folder: str, datasource: str = DATASOURCE) -> dict[str, str]:
    """File below Grafana's provisioning folder -> its text. address: host, port, dbname and sslmode of the
    database; the password is Grafana's environment's. folder: where the boards lie.
    """
    made = {
        "type": PLUGIN,
        "name": "Meterloom",
        "uid": datasource,
        "url": f"{address['host']}:{address['port']}",
        "user": ROLE,
        "editable": False,
        "jsonData": {"database": address["dbname"], "sslmode": address["sslmode"], "timescaledb": False},
        "secureJsonData": {"password": "${METERLOOM_BOARDS_PASSWORD}"},
    }
    provider = {
        "name": "Meterloom",
        "folder": "Meterloom",
        "type": "file",
        "allowUiUpdates": False,
        "options": {"path": folder},
    }
    files = {
        "provisioning/datasources/meterloom.yaml": {"apiVersion": 1, "datasources": [made]},
        "provisioning/dashboards/meterloom.yaml": {"apiVersion": 1, "providers": [provider]},
    }
    return {name: yaml_text(content) for name, content in files.items()}
