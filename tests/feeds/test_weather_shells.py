"""Weather by command, asset and schedule: the same look, the same store, one sentence where it fails."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from assets.feeds.defs import core_site__weather_forecast
from assets.feeds.fetch_weather import fetch_weather
from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from orchestration.partitions import SITES
from orchestration.resources import ProjectResource
from orchestration.schedules import hourly_weather
from tests.feeds.documents import FIRST, HOUR, NOW, bright_sky, content, open_meteo
from tests.feeds.server import Reply, Service, serving

SITE = """\
site_id: works
name: Works
time_zone: Europe/Berlin
currency: EUR
country: DE
latitude_deg: 52.5
longitude_deg: 13.4
meters: [{meter_id: m1}]
"""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as found:
        found.say(Reply(body=content(open_meteo())))
        yield found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one site, whose file names no feed."""
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").write_text("{}\n")
    (tmp_path / "people.yaml").write_text("people: []\n")
    (tmp_path / "sites" / "works.yaml").write_text(SITE)
    return tmp_path


def feed(project: Path, service: Service, kind: str = "open_meteo") -> None:
    (project / "sites" / "works.yaml").write_text(f"{SITE}weather_feed: {{kind: {kind}, url: '{service.url}'}}\n")


def call(project: Path, *words: str, is_json: bool = True) -> tuple[int, Any, str]:
    more = ["--json"] if is_json else []
    done = CliRunner().invoke(build_app(("weather",)), ["weather", *words, "--project", str(project), *more])
    return done.exit_code, json.loads(done.stdout) if is_json and done.stdout else done.stdout, done.stderr


def test_a_file_is_imported_once_and_listed(project: Path) -> None:
    path = project / "forecast.csv"
    path.write_text("issued_at,timestamp,temp_degc\n2025-01-01T00:00Z,2025-01-01T01:00Z,1.5\n")
    assert call(project, "import", str(path), "--site", "works")[1] == {"site": "works", "found": 1, "new": 1}
    assert call(project, "import", str(path), "--site", "works")[1]["new"] == 0
    _, found, _ = call(project, "list", "--site", "works")
    assert [(each["source"], each["issued_at_utc"]) for each in found["issues"]] == [("file", "2025-01-01T00:00:00Z")]
    _, shown, _ = call(project, "list", "--site", "works", is_json=False)
    assert "it counts as known from its issue on" in shown


def test_of_several_files_none_is_stored_where_one_is_wrong(project: Path) -> None:
    (project / "good.json").write_bytes(content(open_meteo()))
    (project / "bad.json").write_bytes(b"{}")
    code, _, message = call(
        project, "import", *(str(project / name) for name in ("good.json", "bad.json")), "--site", "works"
    )
    assert (code, "bad.json: expected an Open-Meteo forecast" in message) == (2, True)
    assert call(project, "list", "--site", "works")[1]["stored"] == 0


def test_fetch_asks_the_service_of_the_site_file(project: Path, service: Service) -> None:
    code, _, message = call(project, "fetch", "--site", "works")
    assert (code, "site works has no weather_feed" in message) == (2, True)
    feed(project, service)
    assert call(project, "fetch", "--site", "works")[1]["new"] == 1
    service.say(Reply(404))
    code, _, message = call(project, "fetch", "--site", "works")
    assert (code, "refuses the question with 404 (look at weather_feed in the site file)" in message) == (2, True)


def test_the_asset_keeps_the_forecast_and_shows_it(project: Path, service: Service) -> None:
    feed(project, service, "bright_sky")
    service.say(Reply(body=content(bright_sky())))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(SITES.name or "", ["works"])
        resources = {"project": ProjectResource(root=str(project)), "clock": FixedClock(NOW)}
        result = dg.materialize(
            [core_site__weather_forecast], instance=instance, partition_key="works", resources=resources
        )
    (made,) = result.asset_materializations_for_node("core_site__weather_forecast")
    assert made.metadata["dagster/row_count"].value == 2
    shown = str(made.metadata["issues"].value)
    assert "what the service's stations measured" in shown.replace("&#39;", "'")
    assert str(made.metadata["bright_sky_temperature_degc"].value).startswith("![temperature")
    with_store = ProjectResource(root=str(project))
    assert len(with_store.weather.known("works", start_utc=FIRST, end_utc=FIRST + 99 * HOUR)) == 2
    with_store.close()


def test_the_schedule_asks_a_feed_as_often_as_its_site_wants(project: Path, service: Service, tmp_path: Path) -> None:
    resource = ProjectResource(root=str(project))

    def requested(instance: dg.DagsterInstance, hours: int) -> list[str | None]:
        with dg.build_schedule_context(
            instance=instance,
            resources={"project": ProjectResource(root=str(project))},
            scheduled_execution_time=NOW + timedelta(hours=hours),
        ) as context:
            return [each.partition_key for each in hourly_weather(context) if isinstance(each, dg.RunRequest)]

    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        assert requested(instance, 0) == []
        feed(project, service)
        assert requested(instance, 0) == ["works"]
        fetch_weather(resource.site("works"), store=resource.weather, clock=FixedClock(NOW), root=project)
        resource.close()
        assert [requested(instance, hours) for hours in (1, 2, 3)] == [[], [], ["works"]]
