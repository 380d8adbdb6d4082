"""What the agent says of itself on the loopback: /healthz, /metrics in Prometheus' text format, and POST /stop.

A thread of its own reads what the cycle left behind and waits for nobody. Nothing but the stop can be asked of it.
"""

import hmac
import ipaddress
import os
import secrets
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from controls.agent.loop import Agent
from data_quality.contracts.errors import BadInput

# A cycle takes a tenth of a second; after ten seconds an agent gives up its lease, too.
MAX_CYCLE_AGE_S = 10.0
_PREFIX = "meterloom_agent_"


def health(agent: Agent) -> tuple[bool, str]:
    """Whether the agent does its work, and one sentence."""
    age_s = agent.bench.monotonic() - agent.cycled_s if agent.cycled_s is not None else None
    if age_s is None:
        return False, "no cycle has ended yet"
    if age_s > MAX_CYCLE_AGE_S:
        return False, f"the last cycle ended {age_s:.0f} s ago"
    if agent.bench.stop_reason:
        return True, f"emergency stop: {agent.bench.stop_reason}"
    if agent.is_standby:
        return True, "standby: another agent holds the lease of this site"
    if agent.bench.lease is None:
        return False, agent.trouble or "no lease is held"
    if not agent.is_store_reached:
        return False, agent.trouble
    return True, "at work"


def metrics(agent: Agent) -> str:
    """Everything that is counted, as Prometheus reads it."""
    bench = agent.bench
    now_s = bench.monotonic()
    lines: list[str] = []

    def tell(name: str, kind: str, values: Iterable[tuple[str, float]], said: str) -> None:
        lines.extend([f"# HELP {_PREFIX}{name} {said}", f"# TYPE {_PREFIX}{name} {kind}"])
        lines.extend(f"{_PREFIX}{name}{label} {value:g}" for label, value in values)

    def counted(group: str, label: str) -> list[tuple[str, float]]:
        found = [(name, count) for (kind, name), count in sorted(bench.counts.items()) if kind == group]
        return [(f'{{{label}="{name}"}}', count) for name, count in found]

    def one(group: str) -> list[tuple[str, float]]:
        return [("", bench.counts.get((group, ""), 0))]

    silent = sum(device.is_silent for device in agent.devices)
    age_s = now_s - bench.renewed_s if bench.lease is not None else float("nan")
    tell("up", "gauge", [("", health(agent)[0])], "1 while /healthz is 200")
    tell("cycles_total", "counter", one("cycles"), "Control cycles")
    tell("cycle_seconds_total", "counter", one("cycle_seconds"), "Seconds spent in them")
    tell("commands_total", "counter", counted("state", "state"), "Commands moved into a state by this process")
    tell("evidence_total", "counter", counted("grade", "grade"), "Grades of evidence that were reached")
    tell("frames_written_total", "counter", one("written"), "Writes handed to a gateway")
    tell("reverts_total", "counter", one("reverts"), "Safe defaults written")
    tell("devices", "gauge", [("", len(agent.devices))], "Devices that take set-points")
    tell("devices_silent", "gauge", [("", silent)], "Of them without an answer")
    tell("latches", "gauge", [("", agent.latches)], "Fault latches that are set")
    tell("lease_age_seconds", "gauge", [("", age_s)], "Since the lease was renewed; NaN without one")
    tell("stopped", "gauge", [("", bool(bench.stop_reason))], "1 while the emergency stop is pulled")
    return "\n".join(lines) + "\n"


def token_in(file: Path) -> str:
    """The secret of POST /stop, made at the first start and readable by the owner alone. Raises OSError."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
            made.write(secrets.token_urlsafe(24))
    return file.read_text().strip()


def serve_status(
    agent: Agent, stop: Callable[[str], None], *, token: str, host: str = "127.0.0.1", port: int = 0
) -> ThreadingHTTPServer:
    """Serve in a thread of its own until `shutdown`. Port 0 takes a free one.

    stop: pulls the emergency stop, told by whom. Raises BadInput for an address that others can reach, OSError.
    """
    if not ipaddress.ip_address(host).is_loopback:
        raise BadInput(f"the agent's port is for this machine alone, not for {host}", reason="not_loopback")

    class Handler(BaseHTTPRequestHandler):
        # A client that says nothing must not keep its thread.
        timeout = 5

        def do_GET(self) -> None:
            if self.path == "/healthz":
                is_well, said = health(agent)
                self._answer(200 if is_well else 503, f"{said}\n")
            elif self.path == "/metrics":
                self._answer(200, metrics(agent))
            else:
                self._answer(404, "there are /healthz, /metrics and POST /stop\n")

        def do_POST(self) -> None:
            given = self.headers.get("Authorization", "").removeprefix("Bearer ").encode()
            if self.path != "/stop":
                self._answer(404, "only /stop takes a POST\n")
            elif not (token and hmac.compare_digest(given, token.encode())):
                self._answer(403, "the token of the agent's token file is missing or another\n")
            else:
                stop("POST /stop")
                self._answer(202, "stopping; remove the stop file to take it back\n")

        def _answer(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing: a scrape every few seconds is no news."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
    return server
