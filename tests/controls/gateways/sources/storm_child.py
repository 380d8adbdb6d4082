"""Some of many connections to one broker: `python -m … PORT USERNAME FIRST COUNT FILE`; FILE says how many hold.

Processes of their own: the MQTT client waits with select(), which knows files up to 1023, and needs three of them.
"""

import sys
import time
from pathlib import Path

from controls.gateways.mqtt_line import BrokerAddress
from controls.gateways.sources.listen_mqtt import MqttListener
from data_quality.contracts.time import SystemClock
from tests.controls.gateways.sources.live_sink import ListSink, mqtt_source

if __name__ == "__main__":
    port, username, first, count, told = sys.argv[1:]
    address, sink = BrokerAddress(port=int(port), username=username, password="secret"), ListSink()
    numbers = range(int(first), int(first) + int(count))
    storm = [
        MqttListener(
            mqtt_source(f"tele/storm/{number}", silent_after_s=3600), address=address, client_id=f"storm-{number}",
            clock=SystemClock(),
        )
        for number in numbers
    ]  # fmt: skip
    for each in storm:
        each.start(sink)
    while True:
        held = sum(each.state().sentence == "connected" for each in storm)
        Path(f"{told}.new").write_text(str(held))
        Path(f"{told}.new").replace(told)
        time.sleep(0.1)
