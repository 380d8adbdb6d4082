"""A real broker for every test that speaks MQTT."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controls.gateways.broker import Broker, find_mosquitto, start_broker
from tests.conftest import MUST_NOT_SKIP


def need_mosquitto() -> None:
    """Skip without Mosquitto, with the command that installs it; in CI nothing may be skipped."""
    if find_mosquitto() is None and not MUST_NOT_SKIP:
        pytest.skip("no Mosquitto: apt-get install -y mosquitto")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One Mosquitto for the session; tests use device ids and topics that do not collide."""
    need_mosquitto()
    folder: Path = tmp_path_factory.mktemp("broker")
    with start_broker(folder) as running:
        yield running
