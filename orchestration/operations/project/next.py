"""`meterloom next`: what is missing for the next figure, and the one command for it."""

from collections.abc import Mapping, Sequence

from data_quality.contracts.yaml_file import BadConfiguration
from orchestration.operations.answer import Answer
from orchestration.operations.operation import PROJECT, Call, operation
from orchestration.operations.options import OnlySiteOption
from orchestration.views.finding_sources import failures, not_working, not_working_anywhere, nothing_runs
from reports.lifecycle.control_steps import Step
from reports.lifecycle.next_steps import REPORT, Facts, next_steps, report_period


@operation("next", takes=PROJECT, example="--site factory")
def next_(call: Call, site: OnlySiteOption = None) -> Answer:
    """Say what is missing for the next figure, and the one command for it, in the order in which one would do it."""
    from orchestration.views.next_facts import facts_of

    try:
        sites = [call.project.site(site)] if site is not None else list(call.project.sites.values())
        found = [
            facts_of(call.project, each, option=call.option, folder=call.folder, clock=call.clock) for each in sites
        ]
    except BadConfiguration as fault:
        step = Step(
            what=str(fault),
            why="a file that cannot be read holds up everything",
            command=f"meterloom check{call.option}",
        )
        return Answer({"steps": [step], "findings": []}, text=steps_text({"": [step]}, {}))
    steps = {each.site_id: next_steps(each) for each in found}
    now_utc = call.clock.now_utc()
    failing = (not_working_anywhere if site is None else nothing_runs)(call.project, now_utc)
    failing += [finding for each in sites for finding in not_working(call.project, each, now_utc)]
    text = "\n".join([*failures(failing), steps_text(steps, {each.site_id: each for each in found})])
    return Answer({"steps": [step for mine in steps.values() for step in mine], "findings": failing}, text=text)


def steps_text(steps: Mapping[str, list[Step]], facts: Mapping[str, Facts]) -> str:
    """The steps for people, by site: what and why, and the command on a line of its own, to be copied."""
    lines = []
    for site_id, mine in steps.items():
        lines += [f"{site_id}:"] if len(steps) > 1 else []
        for number, step in enumerate(mine, start=1):
            can_wait = "" if step.is_needed else " (can wait)"
            lines += [f"{number:2}. {step.what}{can_wait}", f"    {step.why}", f"      {step.command}"]
        if not any(step.is_needed for step in mine) and site_id in facts:
            lines += _finished(facts[site_id])
    return "\n".join(lines)


def _finished(facts: Facts) -> list[str]:
    """Nothing is missing: what there is to look at."""
    period = report_period(facts)
    look = [("reports", "list"), ("up",)]
    if period is None:
        return ["nothing is missing that a figure needs; to look at it:", *_commands(facts, look)]
    look.insert(1, ("enpi", "--site", facts.site_id, "--seu", facts.uses[0].seu_id, "--period", period))
    name = f"{REPORT}/{facts.site_id}/{period}"
    return [f"nothing is missing: {name} is published and packed; to look at it:", *_commands(facts, look)]


def _commands(facts: Facts, words: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"      {facts.command(*each)}" for each in words]
