"""`meterloom sources`: what the site file has, one value of a real Modbus meter, what the collector receives."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controls.collector.main import run_collector, sites_with_sources
from controls.gateways.serve_modbus import ModbusServer
from controls.simulator.served_template import simulated_unit
from controls.templates.load_templates import load_template
from data_quality.contracts.settings import load_project
from tests.orchestration.test_cli import run

SITE = """
site_id: my_site
name: My site
time_zone: Europe/London
currency: GBP
country: GB
meters:
  - {{meter_id: main, registers: [{{kind: cumulative}}]}}
sources:
  - source_id: board
    kind: modbus
    address: "{address}"
    template: {template}
    every_s: 0.5
    points:
      - {{point: main.kwh, stream: main, what: register, unit: kwh, value_name: {value}}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project whose only source is a meter that is served."""
    folder = tmp_path / "p"
    assert run("init", str(folder))[0] == 0
    template = load_template("meter_sdm630")
    unit = simulated_unit(template, monotonic=time.monotonic)
    server = ModbusServer([unit]).start()
    text = SITE.format(address=f"{server.host}:{server.port}/1", template="meter_sdm630", value="read_import_kwh")
    (folder / "sites" / "my_site.yaml").write_text(text)
    yield folder
    server.stop()


def answer(folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    found, output, error = run("sources", *words, "--json", folder=folder)
    assert found == code, error
    document: dict[str, Any] = json.loads(output)
    return document


def test_a_source_that_nobody_listens_to_says_so(project: Path) -> None:
    [row] = answer(project, "list")["sources"]
    assert (row["id"], row["kind"], row["state"], row["spool"], row["rejected"]) == ("board", "modbus", "stopped", 0, 0)
    assert "meterloom up" in row["sentence"]


def test_one_value_of_each_point_is_asked_now(project: Path) -> None:
    [row] = answer(project, "test", "board", "--within", "5")["samples"]
    assert (row["point"], row["unit"]) == ("main.kwh", "kwh")


def test_a_name_that_no_site_has_is_one_sentence(project: Path) -> None:
    code, _, error = run("sources", "test", "bord", folder=project)
    assert (code, "unknown source 'bord'; there is board" in error) == (2, True)


def test_a_reading_that_the_template_lacks_is_named_with_its_line_and_the_nearest(project: Path) -> None:
    file = project / "sites" / "my_site.yaml"
    text = file.read_text().replace("read_import_kwh", "read_imprt_kwh")
    file.write_text(text + "      - {point: powr_kw, stream: main, what: live}\n")
    code, output, error = run("check", folder=project)
    assert code != 0
    first, second = [line for line in (output + error).splitlines() if "unknown" in line][:2]
    last = len(file.read_text().splitlines())
    assert f"my_site.yaml:{last - 1}:" in first
    assert "source 'board': unknown value_name 'read_imprt_kwh'; expected read_current_l1_a, " in first
    assert first.endswith("(did you mean 'read_import_kwh'?)")
    assert f"my_site.yaml:{last}:" in second
    assert "source 'board': unknown value_name 'read_powr_kw'; expected read_current_l1_a, " in second
    assert second.endswith("(did you mean 'read_power_kw'?)")


def test_list_and_tail_show_what_the_collector_receives(project: Path) -> None:
    opened, stop = load_project(project, {}), threading.Event()
    sites = sites_with_sources(opened, [])
    thread = threading.Thread(target=run_collector, args=(opened, sites), kwargs={"stop": stop})
    thread.start()
    try:
        seen = answer(project, "tail", "board", "--for", "4")["samples"]
        [row] = answer(project, "list")["sources"]
    finally:
        stop.set()
        thread.join()
    assert (row["state"], row["accepted"] > 0, row["spool"] > 0) == ("live", True, True)
    assert len(seen) > 1
    assert {each["point"] for each in seen} == {"main.kwh"}
