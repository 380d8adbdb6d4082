"""Push to phones, in the manner of ntfy: a topic of a server gets a message with a title, a priority and a link."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from orchestration.notices.channels.http_post import checked_url, line, post
from orchestration.notices.letter import Letter, Send

# Critical rings, information is silent.
_PRIORITY = {1: 5, 2: 4, 3: 3, 4: 2}


@contextmanager
def opened(url: str, token: str, timeout_s: float) -> Iterator[Send]:
    """Posts to the topic that is a letter's address. token: where the server asks for one. Raises BadInput."""
    checked_url(url, "notices.push_url")
    with line(timeout_s) as client:

        def send(letter: Letter) -> None:
            message = {
                "topic": letter.address,
                "title": " ".join(letter.title.split()),
                "message": letter.text,
                "priority": _PRIORITY.get(letter.severity, 3),
            }
            link = letter.document.get("link")
            body = json.dumps(message | ({"click": link} if link else {}), ensure_ascii=False).encode()
            headers = {"Idempotency-Key": letter.letter_id} | ({"Authorization": f"Bearer {token}"} if token else {})
            post(client, url, body, headers)

        yield send
