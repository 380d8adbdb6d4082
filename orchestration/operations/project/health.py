"""`meterloom health`: whether each service of a project runs and does its work, and what they all need."""

from typing import Annotated

from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import PROJECT, Call, Option, operation

ROLES = Table("roles", ": {mark} | role: {name} | detail", mark=lambda each: "ok" if each["ready"] else "NOT READY")


@operation("health", takes=PROJECT, example="--role agent-home")
def health(
    call: Call,
    role: Annotated[str, Option("One service alone, by the name that 'health' gives it.")] = "",
    here: Annotated[bool, Option("Services of this machine or container alone.")] = False,
    acknowledge: Annotated[
        str, Option("One that was killed and shall not come back is named no more.", metavar="ROLE")
    ] = "",
) -> Answer:
    """Say which services run and which do their work; exit code 1 where one does not."""
    from orchestration.doctor import role_health

    if acknowledge:
        role_health.acknowledge(call.places, acknowledge)
    found = role_health.health_here(call.places) if here else role_health.health_of(call.places, role)
    is_ready = all(each.ready for each in found)
    text = "ready" if is_ready else f"{sum(not each.ready for each in found)} of {len(found)} not ready"
    if any("is gone" in each.detail for each in found):
        text += "\none that shall not come back: meterloom health --acknowledge ROLE"
    return Answer(
        {"roles": [each._asdict() for each in found]}, ROLES, text=text, exit_code=DONE if is_ready else CHECK_FAILED
    )
