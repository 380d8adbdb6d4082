"""From a source of the site file to its adapter: the one place that knows which kinds there are."""

import os
from collections.abc import Mapping

from controls.gateways.mqtt_line import BrokerAddress, Version
from controls.gateways.open import Gateways, broker_address
from controls.gateways.sources.adapter import Adapter
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Settings
from data_quality.contracts.site_file.live_source import BacnetSource, DeviceSource, LiveSource, MqttSource, P1Source
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import Clock


def open_source(
    site: Site, source: LiveSource, *, settings: Settings, clock: Clock, mqtt_version: Version = "5"
) -> Adapter:
    """The adapter of a source, not started. mqtt_version: of the settings' broker.

    Raises BadInput where this build reads no such kind.
    """
    # A library is loaded with the first source that needs it.
    match source:
        case MqttSource():
            from controls.gateways.sources.listen_mqtt import MqttListener

            return MqttListener(
                source,
                address=_broker(source, settings, os.environ, mqtt_version),
                client_id=f"ml-live-{site.site_id}-{source.source_id}",
                clock=clock,
            )
        case DeviceSource():
            from controls.gateways.sources.poll_device import DevicePoller

            asset = _device(site, source)
            template = load_template(asset.template)
            gateways = Gateways(site.site_id, settings, clock, mqtt_version)
            device = gateways.open_polled(asset, template, timeout_s=source.timeout_s)
            return DevicePoller(source, template, device, clock=clock)
        case P1Source():
            from controls.gateways.sources.p1_tcp import P1Listener

            return P1Listener(source, time_zone=site.time_zone, clock=clock)
        case BacnetSource():
            from controls.gateways.sources.poll_bacnet import BacnetPoller

            return BacnetPoller(source, clock=clock)
        case _:
            raise BadInput(f"source {source.source_id!r}: kind {source.kind} is not read yet", reason="unknown_kind")


def _broker(source: MqttSource, settings: Settings, env: Mapping[str, str], version: Version) -> BrokerAddress:
    """The source's own broker, or that of the settings. Raises BadInput where its password is not set."""
    if not source.host:
        return broker_address(settings, version)
    if source.password_env and not env.get(source.password_env):
        raise BadInput(
            f"source {source.source_id!r}: {source.password_env} is not set", reason="no_secret",
            mend=f"put the password of {source.username!r} into the environment variable {source.password_env}",
        )  # fmt: skip
    return BrokerAddress(
        host=source.host,
        port=source.port or (8883 if source.ca_file else 1883),
        username=source.username,
        password=env.get(source.password_env, ""),
        ca_file=source.ca_file,
    )


def _device(site: Site, source: DeviceSource) -> Asset:
    """The asset to read, or one made of the source's own address and template."""
    own = Asset(asset_id=source.source_id, kind="meter", template=source.template, address=source.address)
    found = next((asset for asset in site.assets if asset.asset_id == source.asset), own)
    if found is own and load_template(own.template).protocol == "mqtt5":
        # Topics of our contract hold the device's id; its address is that.
        return own.model_copy(update={"asset_id": own.address})
    return found
