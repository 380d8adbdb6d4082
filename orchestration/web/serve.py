"""The process behind the pages: `python -m orchestration.web.serve --project DIR`, which `meterloom web` is too."""

import argparse
import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence

from assets.readings.readers.child import apart
from controls.gateways.access.http_server import HttpServer, Limits, bound
from data_quality.contracts.errors import BadInput, WorldFault
from data_quality.contracts.log import start_log
from data_quality.contracts.settings import SETTINGS_FILE, ServerSettings, check_bind
from data_quality.contracts.time import Clock, SystemClock
from data_quality.contracts.work.offload import offload_to
from orchestration.environment import loading
from orchestration.open_project import PROJECT_VARIABLE, OpenProject

logger = logging.getLogger("meterloom.web")


def serve_pages(project: OpenProject, clock: Clock, say: Callable[[str], None]) -> None:
    """Serve pages and API until SIGINT or SIGTERM. Raises BadInput, Unreachable, OSError."""
    settings_file = project.project.root / SETTINGS_FILE
    if not settings_file.exists():
        raise BadInput(f"no Meterloom project here: there is no {settings_file}", reason="no_project")
    server = project.project.settings.server
    check_server(server)
    # Whoever starts the pages may have told nobody where words go; a fault's number leads to its words there.
    start_log("web", level=logging.WARNING)
    # Many ask it, and it stays as small as it began: DuckDB and dbt, SciPy and the calendars run beside it.
    project.offload_to(apart)
    offload_to(apart)
    from orchestration.doctor.ports import Listener

    sockets = bound(
        server.web_host,
        server.web_port,
        what="the pages",
        setting="METERLOOM_SERVER__WEB_PORT",
        who=lambda port: str(Listener(port)),
    )
    with loading():
        from orchestration.web.api.live_api import feed_of
        from orchestration.web.app import make_app
        from orchestration.web.own_origin import own_hosts
        from orchestration.web.people.sign_in import SignIn

    sign_in = SignIn(project, clock, is_https=server.web_url.startswith("https"))
    app = make_app(
        project,
        clock=clock,
        sign_in=sign_in,
        hosts=own_hosts(server.bound_url(server.web_port), server.web_url),
        origins=(server.public_url.rstrip("/").lower(),) if server.public_url else (),
    )
    freeze_loaded_objects()
    HttpServer(
        app,
        sockets,
        Limits(patience_s=server.patience_s, trusted=server.trusted_proxies),
        on_ready=lambda: say(f"pages  {server.web_url}"),
        # The streams have no end of their own.
        on_end=lambda: feed_of(app).close(),
        # Only the live stream is told over it, and nothing is read (live_socket.py). Who takes nothing for so long is
        # gone: what waits for them waits in this process.
        ws="websockets-sansio",
        ws_max_size=4096,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        ws_per_message_deflate=False,
        ssl_certfile=server.certificate_file or None,
        ssl_keyfile=server.key_file or None,
    ).run()


def freeze_loaded_objects() -> None:
    """Leave what this process has loaded out of searches for garbage, which hold up a page by a fifth of a second."""
    gc.collect()
    gc.freeze()


def check_server(server: ServerSettings) -> None:
    """Raises BadInput for an address at which cookies and passwords would be read by others."""
    is_proxied = server.public_url.startswith("https://") and bool(server.trusted_proxies)
    if server.public_url and not server.public_url.startswith("https://"):
        raise BadInput(f"server.public_url {server.public_url!r} is not https", reason="no_certificate")
    check_bind("server", server.web_host, server.certificate_file, server.key_file, is_proxied=is_proxied)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 after a clean stop, 2 for wrong input, 3 where the store or the port cannot be had."""
    parser = argparse.ArgumentParser(prog="meterloom-web", description="Serves pages and API")
    parser.add_argument("--project", default=os.environ.get(PROJECT_VARIABLE, "."))
    options = parser.parse_args(arguments)
    start_log("web")
    project = OpenProject(options.project)
    try:
        serve_pages(project, SystemClock(), logger.info)
    except BadInput as fault:
        logger.error("%s", fault)
        return 2
    except (WorldFault, OSError) as fault:
        logger.error("%s", fault)
        return 3
    finally:
        project.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
