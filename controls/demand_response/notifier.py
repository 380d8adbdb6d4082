"""Notifications of an OpenADR 3.1 server over MQTT: each brings the next look forward, and none is believed by itself.

A message says that something changed; what stands is asked of the server itself, as by every other look. So a message
that is lost, forged or repeated costs a look at most, and polling goes on beside it.
"""

import secrets
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.programmes.openadr3 import MqttNotifier
from controls.programmes.vtn_client import VtnClient
from data_quality.contracts.errors import BadInput, WorldFault

# A broker that is away is tried again after this pause.
RETRY_S = 10.0


class Notifier:
    """The line to the broker of one source. heard: called in the line's own thread, for each message. own: the broker
    of `meterloom up`, whose port and password nobody can write into a site file; it stands for that of the file.
    """

    def __init__(
        self, client: VtnClient, heard: Callable[[], None], *, monotonic: Callable[[], float] = time.monotonic,
        own: BrokerAddress | None = None,
    ) -> None:  # fmt: skip
        self._client, self._on_message, self._monotonic, self._own = client, heard, monotonic, own
        self._line: MqttLine | None = None
        self._due_s, self._trouble = 0.0, ""

    def keep(self, programme_id: str) -> str:
        """Connect where nothing is connected. Returns what hinders it, in words; empty where it hears."""
        if self._line is not None and self._line.is_open:
            return ""
        if self._monotonic() >= self._due_s:
            self.close()
            try:
                self._line = self._opened(programme_id)
            except (DeviceSilent, DeviceRefused, WorldFault) as fault:
                self._due_s = self._monotonic() + RETRY_S
                self._trouble = f"no notifications, polling goes on: {fault}"
            else:
                # What changed while nobody listened.
                self._trouble = ""
                self._on_message()
        return self._trouble

    def close(self) -> None:
        """Let the line go; safe to call twice."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _opened(self, programme_id: str) -> MqttLine:
        notifiers = self._client.notifiers()
        if notifiers is None or notifiers.mqtt is None:
            raise BadInput("the server tells of changes by no broker", reason="no_notifier")
        topics = self._client.event_topics(programme_id)
        if not topics:
            raise BadInput("the server names no topic for this node", reason="no_notifier")
        return MqttLine(
            self._address(notifiers.mqtt),
            client_id=f"ven-{secrets.token_hex(6)}",
            subscriptions=topics,
            on_message=lambda *_: self._on_message(),
        )

    def _address(self, notifier: MqttNotifier) -> BrokerAddress:
        """The broker that the site file names, if the server names it too. Raises BadInput, Unreachable."""
        source = self._client.source
        broker = source.broker if self._own is None else self._own.url
        wanted, named = urlsplit(broker), [urlsplit(each) for each in notifier.uris]
        if (wanted.scheme, wanted.netloc) not in [(each.scheme, each.netloc) for each in named]:
            there = ", ".join(notifier.uris[:3]) or "none"
            raise BadInput(f"the server names {there}, the site file {broker}", reason="other_broker")
        if self._own is not None:
            return self._own
        method, user, password = notifier.authentication.get("method"), "", ""
        if method == "OAUTH2_BEARER_TOKEN":
            user = str(notifier.authentication.get("username", "")).replace("{clientID}", source.client_id)
            password = self._client.bearer()
        elif method != "ANONYMOUS":
            # A private key is not taken from an answer.
            raise BadInput(f"the broker wants {method!r}, which is not spoken here", reason="no_notifier")
        port = wanted.port or (8883 if wanted.scheme == "mqtts" else 1883)
        host = wanted.hostname or ""
        return BrokerAddress(host=host, port=port, username=user, password=password, ca_file=source.broker_ca_file)
