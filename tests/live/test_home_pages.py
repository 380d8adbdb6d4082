"""The pages of Home Assistant and evcc are followed: files, commands, and messages on a real Mosquitto."""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.gateways.ports import free_port
from controls.gateways.sources.listen_mqtt import MqttListener
from data_quality.contracts.site_file.live_source import MqttSource
from data_quality.contracts.time import SystemClock
from orchestration.open_project import OpenProject
from tests.controls.conftest import need_mosquitto
from tests.controls.gateways.sources.live_sink import ListSink, until
from tests.live.test_tutorial import mosquitto
from tests.orchestration.test_cli import run

pytestmark = pytest.mark.real
DOCS = Path(__file__).resolve().parents[2] / "docs" / "ems"
FILES = re.compile(r"^```(?:yaml|csv) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^\$ meterloom (.+)$", re.MULTILINE)
# As evcc (server/mqtt.go) and statestream publish: plain text, retained.
SAID = {
    "evcc": {
        "evcc/site/grid/energy": "21034.512",
        "evcc/site/pvEnergy": "9120.75",
        "evcc/loadpoints/1/chargeTotalImport": "1509.5",
        "evcc/site/grid/power": "-1250.5",
        "evcc/site/pvPower": "4310",
        "evcc/loadpoints/1/chargePower": "0",
        "evcc/site/battery/power": "-1800",
        "evcc/site/battery/soc": "64",
    },
    "home_assistant": {
        "homeassistant/sensor/grid_import/state": "5101.5",
        "homeassistant/sensor/grid_power/state": "431.0",
    },
}


class Page:
    """A page beside a real broker, in a folder of its own."""

    def __init__(self, name: str, port: int) -> None:
        text = (DOCS / f"{name}.md").read_text(encoding="utf-8").replace("1883", str(port))
        self.name, self.port = name, port
        self.files, self.commands = dict(FILES.findall(text)), COMMANDS.findall(text)

    def write(self, suffix: str) -> None:
        for name, content in self.files.items():
            if name.endswith(suffix):
                Path(name).write_text(content, encoding="utf-8")

    def run(self, first: str, *more: str, code: int = 0) -> str:
        """The page's command that begins so."""
        (words,) = [each for each in self.commands if each.startswith(first)]
        found, output, error = run(*shlex.split(words), *more)
        assert found == code, (words, output, error)
        return output

    @contextmanager
    def publishing(self) -> Iterator[MqttLine]:
        line = MqttLine(BrokerAddress(port=self.port), client_id="", subscriptions=())
        for topic, text in SAID[self.name].items():
            line.publish(topic, text.encode(), retain=True)
        yield line
        line.close()

    def source(self, project: str) -> MqttSource:
        (site,) = OpenProject(project).sites.values()
        (source,) = site.sources
        assert isinstance(source, MqttSource)
        return source


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    need_mosquitto()
    monkeypatch.chdir(tmp_path)
    free = free_port()
    with mosquitto(free):
        yield free


def listened(page: Page, source: MqttSource, words: dict[str, str]) -> ListSink:
    """Sink of the collector: what stood there before, and what comes while it listens."""
    sink = ListSink()
    adapter = MqttListener(source, address=BrokerAddress(port=page.port), client_id="page", clock=SystemClock())
    with page.publishing() as line:
        adapter.start(sink)
        until(lambda: len(sink.refusals) == len(source.points))
        assert not sink.samples
        for topic, text in {**SAID[page.name], **words}.items():
            line.publish(topic, text.encode(), retain=True)
        until(lambda: len(sink.samples) == len(source.points) - len(words))
    adapter.stop()
    return sink


def test_the_page_of_evcc_ends_with_sessions_in_the_lake_and_live_values(port: int) -> None:
    page = Page("evcc", port)
    page.write("sessions.csv")
    assert "evcc, " in page.run("sniff")
    page.run("init")
    assert "accept" in page.run("ingest")
    page.write("garage.yaml")
    assert json.loads(page.run("check", "--json"))["problems"] == []
    with page.publishing():
        samples = json.loads(page.run("sources test", "--json"))["samples"]
    assert {each["point"]: each["value"] for each in samples}["grid/w"] == -1250.5
    sink = listened(page, page.source("garage"), {})
    assert {each.point: each.value for each in sink.samples}["battery/soc"] == 64.0


def test_the_page_of_home_assistant_ends_with_readings_live_values_and_an_offer(port: int) -> None:
    page = Page("home_assistant", port)
    page.write("history.csv")
    assert "home_assistant_history" in page.run("sniff")
    page.run("init")
    site = Path("house/sites/house.yaml")
    answers = {"sensor.grid_import": "kwh", "sensor.oven_power": "w"}
    text = site.read_text().replace("# units:", "units:")
    for entity, unit in answers.items():
        text = text.replace(f'# "{entity}": ', f'"{entity}": {unit} ')
    site.write_text(text)
    assert "home_assistant_history" in page.run("ingest")
    page.write("house.yaml")
    assert json.loads(page.run("check", "--json"))["problems"] == []
    with page.publishing():
        assert len(json.loads(page.run("sources test", "--json"))["samples"]) == 2
    sink = listened(page, page.source("house"), {"homeassistant/sensor/grid_power/state": "unavailable"})
    assert [each.value for each in sink.samples] == [5101.5]
    # A word that is declared is no fault, and what the broker kept from before is refused by its sentence.
    assert {each.reason for each in sink.refusals} == {"the broker kept it from before, and it does not say since when"}
    settings = Path("house/meterloom.yaml")
    settings.write_text(settings.read_text() + f"home_assistant: {{host: 127.0.0.1, port: {port}}}\n")
    assert "nothing to offer yet" in page.run("offer")
