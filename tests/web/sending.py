"""Forms with files, as a browser sends them."""

from orchestration.web.app import make_app
from tests.web.asking import PAGE, Answer, answer_of
from tests.web.marts_world import Asking


def sent(
    asking: Asking,
    target: str,
    *parts: tuple[str, bytes],
    token: str = "token",  # noqa: S107 - no secret
    method: str = "POST",
) -> Answer:
    """A form with files as a browser sends it: head and content of each part."""
    body = b"".join(
        f"--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
        for head, data in (('name="csrf"', token.encode()), *parts)
    )
    head = [("content-type", "multipart/form-data; boundary=XX"), ("sec-fetch-site", "same-origin"), PAGE]
    app = make_app(asking.project, clock=asking.clock, signed_in=lambda _: (asking.person, "token"))
    return answer_of(app, method, target, head, body + b"--XX--\r\n")


def file_of(name: str, content: bytes) -> tuple[str, bytes]:
    return f'name="file"; filename="{name}"\r\nContent-Type: text/csv', content
