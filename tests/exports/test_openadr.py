"""Reports of OpenADR 3: as published, read from the VTN by a plain client; unknown intervals are left out."""

import asyncio
import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controls.programmes.openadr3 import BASELINE, DEMAND, USAGE, Amount, Report, energy_report
from controls.programmes.vtn_client import VtnClient
from controls.simulator.vtn import LocalVtn
from tests.controls.programmes.published import faults
from tests.controls.programmes.test_openadr3 import NAME, SECRET, source
from tests.exports.standards import openadr_faults
from tests.orchestration.test_cli import run

START = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
AMOUNTS = [Amount(START + n * QUARTER, START + (n + 1) * QUARTER, kwh) for n, kwh in enumerate((2.5, None, 0.0, 1.25))]


@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_a_vtn_takes_the_reports_and_a_plain_client_reads_them_from_it(version: str) -> None:
    with LocalVtn("ven-1", SECRET, [NAME], version=version) as vtn:
        client = VtnClient(source(vtn.url), SECRET)
        programme = client.programme().id
        for told in (USAGE, DEMAND, BASELINE):
            named = {"event_id": "e-1", "ven_name": "ven-1", "resource": "main", "programme_id": programme}
            client.report(energy_report(told, AMOUNTS, **named))
        token = {"Authorization": f"Bearer {client.bearer()}"}
        with urllib.request.urlopen(urllib.request.Request(f"{vtn.url}/reports", headers=token), timeout=5) as answer:
            bodies = json.loads(answer.read())
    assert [fault for body in bodies for fault in faults(version, "served report", body)] == []
    # The description of 3.0 names no report of a server that lacks what 3.1 wants.
    if version == "3.1":
        assert [fault for body in bodies for fault in openadr_faults("report", body)] == []
        for name, other in (("clientName", None), ("resources", [{}]), ("eventID", "not an id!")):
            assert openadr_faults("report", bodies[0] | {name: other}), name
    values = {body["reportName"]: [each["payloads"][0]["values"] for each in _intervals(body)] for body in bodies}
    assert values == {
        "USAGE": [[2.5], [0.0], [1.25]],
        "DEMAND": [[10.0], [0.0], [5.0]],
        "BASELINE": [[2.5], [0.0], [1.25]],
    }
    assert [each["intervalPeriod"]["start"] for each in _intervals(bodies[0])] == [
        "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z",
    ]  # fmt: skip
    kinds = [body["payloadDescriptors"][0] for body in bodies]
    assert [(each["units"], each["readingType"]) for each in kinds] == [
        ("KWH", "DIRECT_READ"), ("KW", "DIRECT_READ"), ("KWH", "ESTIMATED")
    ]  # fmt: skip


def test_a_foreign_client_reads_the_reports_of_a_server_of_3_0() -> None:
    """toadr3 speaks 3.0 alone: bodies of 3.1 are judged by the published fields, above."""
    toadr3 = pytest.importorskip("toadr3", reason="a foreign client of OpenADR 3.0: extra test")

    async def event_reports(url: str) -> Any:
        config = toadr3.OAuthScopeConfig(f"{url}/auth/token", "client_credentials", "read_all", "ven-1", SECRET)
        async with toadr3.ToadrClient(url, config) as client:
            return await client.get_reports(event_id="e-1")

    with LocalVtn("ven-1", SECRET, [NAME], version="3.0") as vtn:
        client = VtnClient(source(vtn.url), SECRET)
        for told in (USAGE, DEMAND, BASELINE):
            client.bring_report(energy_report(told, AMOUNTS, event_id="e-1", ven_name="ven-1", resource="main"))
        found = {each.report_name: each for each in asyncio.run(event_reports(vtn.url))}
    assert found.keys() == {"USAGE", "DEMAND", "BASELINE"}
    values = {
        name: [each.payloads[0].values for each in report.resources[0].intervals] for name, report in found.items()
    }
    assert values == {"USAGE": [[2.5], [0.0], [1.25]], "DEMAND": [[10.0], [0.0], [5.0]],
                      "BASELINE": [[2.5], [0.0], [1.25]]}  # fmt: skip
    start = found["USAGE"].resources[0].intervals[1].interval_period.start
    assert start == START + 2 * QUARTER


def _intervals(body: dict[str, list[dict[str, list[dict[str, dict[str, str]]]]]]) -> list[dict[str, dict[str, str]]]:
    return body["resources"][0]["intervals"]


def test_the_command_writes_a_meters_period_and_says_what_nobody_read(tmp_path: Path) -> None:
    folder, path = tmp_path / "p", tmp_path / "r.json"
    assert run("init", str(folder))[0] == 0
    (tmp_path / "a.csv").write_text("timestamp,kwh\n2025-01-01T00:00Z,1\n2025-01-01T00:15Z,2\n2025-01-01T00:45Z,3\n")
    assert run("ingest", str(tmp_path / "a.csv"), "--site", "my_site", folder=folder)[0] == 0
    span = "2025-01-01"
    asked = ("export", "openadr", "--site", "my_site", "--meter", "main", "--to", str(path))
    code, out, error = run(*asked, "--period", span, "--event-id", "e-7", "--json", folder=folder)
    assert code == 0, error
    assert (json.loads(out)["left_out"], json.loads(out)["synthetic_readings"]) == (93, 0)
    reports = [Report.model_validate(each) for each in json.loads(path.read_text())]
    assert [(each.report_name, each.event_id, len(each.resources[0].intervals)) for each in reports] == [
        ("USAGE 2025-01-01", "e-7", 3), ("DEMAND 2025-01-01", "e-7", 3)
    ]  # fmt: skip
    for words, sentence in (
        (("--period", span), "needs --site, --meter and --event-id"),
        ((), "give --event, or --site, --meter and --period"),
        (("--period", "2020", "--event-id", "e"), "has no kWh in 2020"),
    ):
        code, _, error = run(*asked, *words, folder=folder)
        assert (code, sentence in error) == (2, True), error
