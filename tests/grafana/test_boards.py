"""Boards as files: what Grafana wants of each, before any database is queried."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_quality.contracts.site_file.site import Site
from reports.grafana.boards import COLUMNS, MOST_UID, Board, board_json, boards, provisioning, uid_of
from tests.e2e.conftest import call_here
from tests.kpi.seeded import plant

# Ids of Grafana's own (its list of value formats), and money by its code.
UNITS = {"kwatth", "kwatt", "percent", "percentunit", "celsius", "short", "string"}
MACROS = {"timeFilter", "timeFrom", "timeTo"}
EVERY = [pytest.param(each, id=each.board) for each in boards()]


@pytest.fixture
def site() -> Site:
    return plant(site_id="plant", time_zone="America/New_York", currency="USD")


def made(board: Board, site: Site, **more: str) -> dict[str, Any]:
    return board_json(board, site, web_url="https://energy.example", **more)


def test_there_are_the_five_boards_and_each_says_first_whether_its_figures_are_built() -> None:
    assert [each.board for each in boards()] == ["enpi", "overview", "prediction", "control", "analytics"]
    assert {each.panels[0].title for each in boards()} == {"Standing of the figures"}


def test_what_is_measured_nowhere_is_said_in_words() -> None:
    [prediction] = [each for each in boards() if each.board == "prediction"]
    [panel] = [each for each in prediction.panels if each.kind == "text"]
    assert (panel.title, "Not measured" in str(panel.options["content"])) == ("Temperature of rooms", True)


@pytest.mark.parametrize("board", EVERY)
def test_each_panel_says_what_it_shows_in_which_unit_and_asks_for_it(board: Board, site: Site) -> None:
    found = made(board, site)
    assert found["timezone"] == "America/New_York"
    titles = [each["title"] for each in found["panels"]]
    assert len(titles) == len(set(titles)) >= 4
    for panel in found["panels"]:
        assert panel["description"].endswith("."), panel["title"]
        units = [panel["fieldConfig"]["defaults"]["unit"]]
        units += [each["properties"][0]["value"] for each in panel["fieldConfig"]["overrides"]]
        assert set(units) <= UNITS | {"suffix:USD"}, panel["title"]
        assert panel["datasource"] == {"type": "grafana-postgresql-datasource", "uid": "meterloom"}
        assert len(panel["targets"]) == (panel["type"] != "text"), panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert "boards.board_" in target["rawSql"]
        assert panel["links"][0]["url"].startswith("https://energy.example/")


@pytest.mark.parametrize("board", EVERY)
def test_an_override_is_of_a_column_that_the_query_names(board: Board) -> None:
    for panel in board.panels:
        named = re.findall(r'as "([^"]+)"', panel.sql)
        assert set(panel.overrides) <= set(named), panel.title
        if panel.kind == "barchart":
            assert panel.options["xField"] in named
        if panel.kind == "state-timeline":
            # Grafana takes a text of a time series for a name: a state would be none of its values.
            assert (panel.format, "State" in named) == ("table", True), panel.title
            assert re.search(r"as time,.* as metric,|device_id as metric", panel.sql, re.DOTALL), panel.title
        if panel.format == "time_series":
            assert re.search(r"\b(as time|time,)", panel.sql), panel.title


@pytest.mark.parametrize("board", EVERY)
def test_no_panel_lies_over_another_and_none_hangs_out(board: Board, site: Site) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in made(board, site)["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= COLUMNS
        taken |= cells


@pytest.mark.parametrize("board", EVERY)
def test_a_query_names_only_macros_and_variables_that_exist(board: Board, site: Site) -> None:
    found = made(board, site)
    texts = [target["rawSql"] for each in found["panels"] for target in each["targets"]]
    texts += [each["target"]["rawSql"] for each in found["annotations"]["list"]]
    known: set[str] = set()
    for variable in found["templating"]["list"]:
        # A choice may rest on those above it, and on no other.
        assert set(re.findall(r"\$\{(\w+)", variable["query"])) <= known
        known.add(variable["name"])
    for text in texts:
        assert set(re.findall(r"\$\{(\w+):sqlstring\}", text)) <= known
        assert len(re.findall(r"\$\{", text)) == len(re.findall(r"\$\{\w+:sqlstring\}", text)), text
        assert set(re.findall(r"\$__(\w+)", text)) <= MACROS
        # Grafana reads what a macro is given up to the first bracket.
        assert all("(" not in given for given in re.findall(r"\$__timeFilter\(([^)]*)\)", text))
        assert "{{" not in text
        # The period is the board's, never the calendar's.
        assert "date_trunc('year', now())" not in text.lower()


def test_a_local_day_is_never_compared_without_its_zone() -> None:
    for board in boards():
        for panel in board.panels:
            for given in re.findall(r"\$__timeFilter\(([^)]*)\)", panel.sql):
                assert given.endswith("_utc") or "at time zone '{{zone}}'" in given, panel.title


def test_a_uid_fits_and_long_names_stay_apart() -> None:
    [board, *_] = boards()
    long = [uid_of(board, "a" * 60 + end) for end in "xy"]
    assert uid_of(board, "works") == "ml-enpi-works"
    assert all(len(each) <= MOST_UID for each in long)
    assert long[0] != long[1]


def test_the_data_source_is_a_parameter_and_a_password_stands_nowhere(site: Site) -> None:
    board = made(boards()[0], site, datasource="other")
    assert {each["datasource"]["uid"] for each in board["panels"]} == {"other"}
    address = {"host": "db", "port": "5432", "dbname": "energy", "password": "canary", "sslmode": "require"}
    files = provisioning(address, folder="/srv/boards", datasource="other")
    assert "canary" not in "".join(files.values())
    [source] = yaml.safe_load(files["provisioning/datasources/meterloom.yaml"])["datasources"]
    assert (source["uid"], source["url"], source["user"]) == ("other", "db:5432", "meterloom_boards")
    assert source["secureJsonData"] == {"password": "${METERLOOM_BOARDS_PASSWORD}"}
    [provider] = yaml.safe_load(files["provisioning/dashboards/meterloom.yaml"])["providers"]
    assert provider["allowUiUpdates"] is False
    assert provider["options"] == {"path": "/srv/boards"}


def test_a_project_in_files_is_told_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").write_text("{}\n")
    code, answer, error = call_here("grafana", "export", "--to", str(tmp_path / "out"), "--project", str(tmp_path))
    assert code == 2, (answer, error)
    assert "boards read PostgreSQL" in error
    assert not (tmp_path / "out").exists()
