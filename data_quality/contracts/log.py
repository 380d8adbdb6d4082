"""Log of our processes on standard error: a line of text for people, or one JSON object a line for machines.

`METERLOOM_LOG_FORMAT` chooses `text` (default) or `json`. What is secret by its look is masked in both. Standard
library alone: the agent loads it.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

FORMAT_VARIABLE = "METERLOOM_LOG_FORMAT"
MASK = "***"
# A line of JSON: these always, then those of CONTEXT that are known, then `fault` with a traceback where there is one.
ALWAYS = ("time_utc", "level", "role", "event")
CONTEXT = ("site", "run_id", "batch_id")
_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s\"']+(?=@)")
_BEHIND_NAME = re.compile(
    r"((?:password|passwd|secret|token|api[_-]?key|bearer|authorization|cookie)[\"']?\s*[:= ]\s*[\"']?)"
    r"(?!\*\*\*|[:= \"']|is\b|of\b|or\b|and\b)(?:bearer )?[^\s\"',;}]{6,}",
    re.IGNORECASE,
)


def masked(text: str, secrets: Iterable[str] = ()) -> tuple[str, int]:
    """The text without what is secret in it, and how often something was masked. secrets: known by value; besides,
    what stands before the `@` of an address and behind words such as `password`.
    """
    count = 0
    # The longest first: one may hold another.
    for secret in sorted({each for each in secrets if each}, key=len, reverse=True):
        # As it is written inside JSON and YAML too.
        for form in {secret, json.dumps(secret)[1:-1]}:
            count += text.count(form)
            text = text.replace(form, MASK)
    for pattern, put in ((_IN_ADDRESS, MASK), (_BEHIND_NAME, rf"\1{MASK}")):
        text, more = pattern.subn(put, text)
        count += more
    return text, count


class JsonLines(logging.Formatter):
    """One JSON object a record. role: the service; a record's `extra` may name what CONTEXT does."""

    def __init__(self, role: str, context: Mapping[str, str]) -> None:
        super().__init__()
        self._role, self._context = role, context

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, Any] = {"time_utc": at, "level": record.levelname.lower(), "role": self._role}
        line["event"] = masked(record.getMessage())[0]
        for name in CONTEXT:
            if found := getattr(record, name, None) or self._context.get(name):
                line[name] = str(found)
        if record.exc_info:
            line["fault"] = masked(self.formatException(record.exc_info))[0]
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """Time, level and message, as people read it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, and its traceback below it."""
        return masked(super().format(record))[0]


def start_log(role: str, *, level: int = logging.INFO, context: Mapping[str, str] | None = None) -> None:
    """From here on this process logs to standard error; does nothing where somebody set that up already.

    context: of every line, as `site`.
    """
    handler = logging.StreamHandler(sys.stderr)
    is_json = os.environ.get(FORMAT_VARIABLE, "").lower() == "json"
    handler.setFormatter(JsonLines(role, context or {}) if is_json else TextLines())
    logging.basicConfig(level=level, handlers=[handler])
