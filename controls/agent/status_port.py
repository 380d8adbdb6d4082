"""Status of the agent on the loopback: /healthz, /metrics in Prometheus' text format, and POST /stop.

Nothing but the stop can be asked of it.
"""

from collections.abc import Callable
from http.server import ThreadingHTTPServer

from controls.agent.loop import Agent
from controls.gateways.access.loopback_port import Metrics, serve_loopback

# A cycle takes a tenth of a second; after ten seconds an agent gives up its lease, too.
MAX_CYCLE_AGE_S = 10.0


def health(agent: Agent) -> tuple[bool, str]:
    """Whether the agent does its work, and one sentence."""
    age_s = agent.context.monotonic() - agent.cycled_s if agent.cycled_s is not None else None
    if age_s is None:
        return False, "no cycle has ended yet"
    if age_s > MAX_CYCLE_AGE_S:
        return False, f"the last cycle ended {age_s:.0f} s ago"
    if agent.context.stop_reason:
        return True, f"emergency stop: {agent.context.stop_reason}"
    if agent.is_standby:
        return True, "standby: another agent holds the lease of this site"
    if agent.context.lease is None:
        return False, agent.trouble or "no lease is held"
    if not agent.is_store_reached:
        return False, agent.trouble
    return True, "at work"


def metrics(agent: Agent) -> str:
    """Everything that is counted, as Prometheus reads it."""
    context = agent.context
    now_s = context.monotonic()
    page = Metrics("meterloom_agent_")
    add_metric = page.add_metric

    def counted(group: str, label: str) -> list[tuple[str, float]]:
        found = [(name, count) for (kind, name), count in sorted(context.counts.items()) if kind == group]
        return [(f'{{{label}="{name}"}}', count) for name, count in found]

    def one(group: str) -> list[tuple[str, float]]:
        return [("", context.counts.get((group, ""), 0))]

    silent = sum(device.is_silent for device in agent.devices)
    age_s = now_s - context.renewed_s if context.lease is not None else float("nan")
    add_metric("up", "gauge", [("", health(agent)[0])], "1 while /healthz is 200")
    add_metric("cycles_total", "counter", one("cycles"), "Control cycles")
    add_metric("cycle_seconds_total", "counter", one("cycle_seconds"), "Seconds spent in them")
    add_metric("commands_total", "counter", counted("state", "state"), "Commands moved into a state by this process")
    add_metric("evidence_total", "counter", counted("grade", "grade"), "Grades of evidence that were reached")
    add_metric("frames_written_total", "counter", one("written"), "Writes handed to a gateway")
    add_metric("reverts_total", "counter", one("reverts"), "Safe defaults written")
    add_metric("devices", "gauge", [("", len(agent.devices))], "Devices that take set-points")
    add_metric("devices_silent", "gauge", [("", silent)], "Of them without an answer")
    add_metric("latches", "gauge", [("", agent.latches)], "Fault latches that are set")
    add_metric("lease_age_seconds", "gauge", [("", age_s)], "Since the lease was renewed; NaN without one")
    add_metric("stopped", "gauge", [("", bool(context.stop_reason))], "1 while the emergency stop is pulled")
    return page.text()


def serve_status(
    agent: Agent, stop: Callable[[str], None], *, token: str, host: str = "127.0.0.1", port: int = 0
) -> ThreadingHTTPServer:
    """Serve in a thread of its own until `shutdown`. Port 0 takes a free one.

    stop: pulls the emergency stop, told by whom. Raises BadInput for an address that others can reach, OSError.
    """
    return serve_loopback(
        "agent",
        health=lambda: health(agent),
        metrics=lambda: metrics(agent),
        posts={"/stop": (stop, "stopping; remove the stop file to take it back")},
        token=token,
        host=host,
        port=port,
    )
