"""Passes to Dagster and MLflow: a token for programs, links that work once, and the sign-ins that a link becomes.

All are files of one folder that its owner alone can read. Of links and sign-ins only the SHA-256 is kept.
"""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controls.gateways.access.loopback_port import token_in
from data_quality.contracts.settings import Project

LINK_FOR, SIGN_IN_FOR = timedelta(minutes=15), timedelta(hours=12)
ENTER = "/enter/"


class Passes:
    """Passes of one project, for all of its processes. `now_utc` is the moment of the question."""

    def __init__(self, project: Project) -> None:
        self._folder, self._server = project.data_dir / "tools", project.settings.server
        self.token_file = self._folder / "token"

    def token(self) -> str:
        """Token that programs send as `Authorization: Bearer TOKEN`; made at the first question. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return token_in(self.token_file)

    def is_token(self, text: str) -> bool:
        """True where a program sent the token."""
        return bool(text) and hmac.compare_digest(text.encode(), self.token().encode())

    def link(self, now_utc: datetime) -> str:
        """A link to Dagster that signs in one browser, once and for 15 minutes. Raises OSError."""
        return f"{self.dagster_url}{ENTER}{self._new('links', now_utc + LINK_FOR)}"

    def enter(self, code: str, now_utc: datetime) -> str | None:
        """Use up a link's code: the secret of a new sign-in, or None where the code is unknown, used or over."""
        file = self._file("links", code)
        try:
            until_utc = _until(file)
            # Of two that come at once, one removes it.
            file.unlink()
        except (OSError, ValueError):
            return None
        return self._new("sign_ins", now_utc + SIGN_IN_FOR) if now_utc < until_utc else None

    def is_signed_in(self, secret: str, now_utc: datetime) -> bool:
        """True where it is the secret of a sign-in that is not over."""
        try:
            return now_utc < _until(self._file("sign_ins", secret))
        except (OSError, ValueError):
            return False

    @property
    def dagster_url(self) -> str:
        """Address of Dagster: that of the last `meterloom up`, else of the settings."""
        with suppress(OSError):
            return (self._folder / "dagster_url").read_text(encoding="utf-8").strip()
        return f"http://127.0.0.1:{self._server.dagster_port}"

    def note_dagster_url(self, url: str) -> None:
        """Note where Dagster answers from now on. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / "dagster_url").write_text(url, encoding="utf-8")

    def _file(self, kind: str, secret: str) -> Path:
        return self._folder / kind / hashlib.sha256(secret.encode()).hexdigest()

    def _new(self, kind: str, until_utc: datetime) -> str:
        folder, secret = self._folder / kind, secrets.token_urlsafe(32)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file in folder.iterdir():
            with suppress(OSError, ValueError):
                # A day late: whoever asks goes by the text, and clocks are set.
                if _until(file) < until_utc - timedelta(days=1):
                    file.unlink()
        with os.fdopen(os.open(self._file(kind, secret), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
            made.write(until_utc.isoformat())
        return secret


def _until(file: Path) -> datetime:
    """Raises OSError, ValueError."""
    return datetime.fromisoformat(file.read_text(encoding="utf-8")).astimezone(UTC)
