"""`meterloom offer`: plan, forecasts, cost and savings as sensors of Home Assistant, at once."""

from typing import Annotated, Any

from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import PROJECT, Call, Option, operation
from orchestration.operations.options import OnlySiteOption

OFFERED = Table("figures", "site: {site_id} | figure: {object_id} | now: {state:|-} {unit} | synthetic: {is_synthetic}")


@operation("offer", takes=PROJECT, example="--site home", writes=True)
def offer(
    call: Call,
    site: OnlySiteOption = None,
    remove: Annotated[bool, Option("Take back what was offered.")] = False,
) -> Answer:
    """Publish plan, forecasts, cost and savings as sensors to the broker that `home_assistant` in meterloom.yaml names.

    Information only: nothing that is published commands a device. `meterloom up` does the same by itself.
    """
    from orchestration.views.offered import offers_of, publish

    project = call.project
    sites = list(project.sites.values()) if site is None else [project.site(site)]
    settings = project.project.settings.home_assistant
    call.doing(f"offering to {settings.host}")
    offers = offers_of(project, sites, call.clock.now_utc(), is_taken_back=remove)
    publish(project, offers, call.clock)
    figures: list[dict[str, Any]] = [
        {"site_id": each.site_id, **figure.model_dump(mode="json"), "is_synthetic": figure.attributes["is_synthetic"]}
        for each in offers
        for figure in each.figures
    ]
    if remove:
        text = "what was offered is taken back"
    elif figures:
        text = f"{len(figures)} figures are offered to {settings.host}:{settings.port}"
    else:
        text = "nothing to offer yet: no plan and no forecast is stored"
    return Answer({"figures": figures}, OFFERED if figures else None, text)
