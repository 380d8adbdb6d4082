"""Lines of a log: one schema for machines, plain text for people, and no secret in either."""

import json
import os
import subprocess
import sys

import pytest

from data_quality.contracts.log import ALWAYS, CONTEXT, FORMAT_VARIABLE, masked

PROGRAM = """
import logging
from data_quality.contracts.log import start_log

start_log("agent", context={"site": "home"})
logger = logging.getLogger("meterloom.agent")
logger.info("read %d values\\nfrom %s", 3, "mqtt://ems:topsecret@broker")
logger.warning("stored", extra={"batch_id": "b1", "site": "works"})
try:
    raise ValueError("password: hunter22")
except ValueError:
    logger.exception("no value")
"""


def log_lines(form: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {FORMAT_VARIABLE: form}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stderr.splitlines()


def test_a_line_for_machines_has_the_same_keys_whatever_is_said() -> None:
    lines = [json.loads(line) for line in log_lines("json")]
    assert [tuple(line)[: len(ALWAYS)] for line in lines] == [ALWAYS] * 3
    assert {name for line in lines for name in line} <= {*ALWAYS, *CONTEXT, "fault"}
    assert [(line["level"], line["role"], line["site"]) for line in lines] == [
        ("info", "agent", "home"),
        ("warning", "agent", "works"),
        ("error", "agent", "home"),
    ]
    assert lines[0]["event"] == "read 3 values\nfrom mqtt://***@broker"
    assert lines[1]["batch_id"] == "b1"
    assert lines[0]["time_utc"][-1] == "Z"
    assert lines[2]["fault"].startswith("Traceback")
    assert "hunter22" not in str(lines)


def test_people_read_time_level_and_message_without_secrets() -> None:
    text = "\n".join(log_lines("text"))
    assert " INFO read 3 values" in text
    assert " ERROR no value\nTraceback" in text
    assert "topsecret" not in text
    assert "hunter22" not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret1@host/x", "https://***@host/x"),
        ('{"api_key": "abcdefgh"}', '{"api_key": "***"}'),
        ("cookie: session=abcdefgh; next", "cookie: ***; next"),
        ("Authorization: Bearer abcdefgh", "Authorization: ***"),
        ("a password is needed", "a password is needed"),
        ("the secret of it", "the secret of it"),
    ],
)
def test_what_looks_like_a_secret_is_masked_and_a_sentence_is_not(text: str, shown: str) -> None:
    assert masked(text)[0] == shown


def test_a_secret_that_holds_another_is_masked_whole() -> None:
    assert masked("abcabc and abc", ["abc", "abcabc"]) == ("*** and ***", 2)
    assert masked(json.dumps({"a": 'quo"ted'}), ['quo"ted']) == ('{"a": "***"}', 1)
