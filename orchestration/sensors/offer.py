"""Sensor that offers new plans and forecasts to Home Assistant, where the settings name its broker."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg

from data_quality.contracts.errors import WorldFault
from data_quality.contracts.time import Clock
from orchestration.resources import ProjectResource
from orchestration.ticks import looking_every
from orchestration.views.offered import offers_of, publish

# Home Assistant calls a figure unavailable after half an hour (EXPIRES_S): it hears the same again before.
AGAIN = timedelta(minutes=10)


@looking_every(60, job=None)
def home_assistant(
    context: dg.SensorEvaluationContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> Iterator[dg.SkipReason]:
    """Offers plan, forecasts, cost and savings to Home Assistant by MQTT discovery; off without `home_assistant.host`.

    Looks every 60 s, publishes what changed, and the same again every 10 min. It starts no run and moves no device.
    With `is_offered: false` it takes back what it offered. A broker that is away is a finding, and the rest goes on.
    """
    settings = project.project.settings.home_assistant
    seen = json.loads(context.cursor) if context.cursor else {}
    if not settings.host or not (settings.is_offered or seen):
        context.update_cursor("")
        yield dg.SkipReason("nothing is offered: home_assistant in meterloom.yaml names no broker, or is off")
        return
    now_utc, is_taken_back = clock.now_utc(), not settings.is_offered
    try:
        offers = offers_of(project, project.sites.values(), now_utc, is_taken_back=is_taken_back)
        text = json.dumps([settings.host, settings.port, *(each.model_dump(mode="json") for each in offers)])
        digest = hashlib.sha256(text.encode()).hexdigest()
        if seen.get("digest") == digest and now_utc - datetime.fromisoformat(seen["at"]) < AGAIN:
            yield dg.SkipReason("nothing has changed since the last look")
            return
        publish(project, offers, clock)
    except WorldFault as fault:
        yield dg.SkipReason(str(fault))
        return
    context.update_cursor("" if is_taken_back else json.dumps({"digest": digest, "at": now_utc.isoformat()}))
    count = sum(len(each.figures) for each in offers)
    yield dg.SkipReason("what was offered is taken back" if is_taken_back else f"{count} figures are offered")
