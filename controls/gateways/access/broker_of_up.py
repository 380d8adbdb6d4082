"""Address of the broker of `meterloom up` for other shells: a name that receives the messages of the sources.

It queries devices of our own contract for their state, says nothing else, and stands in a file that its owner alone may
read, as long as the broker runs.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from controls.gateways.access.broker_rights import Client
from controls.gateways.mqtt_line import BrokerAddress
from controls.gateways.ports import is_listening
from controls.gateways.topics import Topics
from controls.templates.load_templates import load_template, template_names
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.live_source import DeviceSource, MqttSource
from data_quality.contracts.site_file.site import Site

LISTENER = "sources-test"


def listener_of(sites: Iterable[Site]) -> Client:
    """The name that receives the topics of all sources without a broker of their own, and queries devices of ours.

    What a foreign device is asked on may be a topic that commands it: there it says nothing.
    """
    topics, queried = dict[str, None](), list[Topics]()
    for site in sites:
        sources = [each for each in site.sources if isinstance(each, MqttSource) and not each.host]
        topics |= dict.fromkeys(point.topic for source in sources for point in source.points)
        polled = {each.asset for each in site.sources if isinstance(each, DeviceSource)}
        known = [each for each in site.assets if each.asset_id in polled and each.template in template_names()]
        ours = [each.asset_id for each in known if load_template(each.template).protocol == "mqtt5"]
        queried += [Topics(site_id=site.site_id, device_id=name) for name in ours]
    topics_heard = (*topics, *(topic for device in queried for topic in (device.state, device.ack)))
    queries = tuple(device.get for device in queried)
    return Client(username=LISTENER, password=secrets.token_urlsafe(24), publishes=queries, subscribes=topics_heard)


@contextmanager
def broker_file(project: Project, address: BrokerAddress, listener: Client) -> Iterator[None]:
    """Keep the file while this is open. Raises OSError. A broker without names (the fallback) has none in it."""
    file, own = _file(project), address
    if address.username:
        own = address.model_copy(update={"username": listener.username, "password": listener.password})
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
        made.write(own.model_dump_json())
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def broker_of_up(project: Project) -> BrokerAddress | None:
    """The address for a listener; None where `meterloom up` does not run, or was killed with its broker."""
    try:
        address = BrokerAddress.model_validate_json(_file(project).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
    return address if is_listening(address.port) else None


def _file(project: Project) -> Path:
    return project.data_dir / "broker" / "listener.json"
