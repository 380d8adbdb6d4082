"""Renew what the API promises: `python -m tests.web.openapi_golden`. Only for what is added; a break is refused."""

import json
import sys
from pathlib import Path
from typing import Any

from orchestration.open_project import OpenProject
from orchestration.web.app import make_app
from orchestration.web.openapi import breaking, described

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "openapi.json"


def present() -> dict[str, Any]:
    """The document of this checkout."""
    app = make_app(OpenProject("."), clock=None, signed_in=lambda _: None)  # type: ignore[arg-type]
    return described(app)


def main() -> int:
    """Write it, unless it breaks what stands there; 1 then."""
    now = present()
    found = breaking(json.loads(GOLDEN.read_text()), now) if GOLDEN.exists() else []
    if found:
        sys.stderr.write("\n".join(found) + "\n")
        return 1
    GOLDEN.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
