"""JSON answers of a checkout's code about a project: run as a file in that checkout, FOLDER FIGURE... .

Old code loads it too: it imports nothing but what every revision since 320e130 has.
"""

import json
import sys
from typing import Any

from typer.testing import CliRunner

from orchestration.cli.main import build_app


def main(folder: str, *figures: str) -> None:
    """Print values of figures as computed again, statuses of reports, and the mode of the devices' site."""
    runner, app = CliRunner(), build_app()

    def answer(*words: str) -> Any:
        done = runner.invoke(app, [*words, "--project", folder, "--json"])
        if done.exit_code not in {0, 1}:
            raise SystemExit(f"{words}: exit {done.exit_code}\n{done.output}\n{done.exception!r}")
        return json.loads(done.stdout)

    traced = {each: answer("trace", each) for each in figures}
    found = {
        "figures": {name: [each["recomputed"], each["is_equal"]] for name, each in traced.items()},
        "reports": [[each["id"], each["status"]] for each in answer("reports", "list")["reports"]],
        "mode": answer("dispatch", "mode", "--site", "home")["mode"],
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
