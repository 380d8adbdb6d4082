"""Asking a service that is well, slow, down, cut off, elsewhere or hostile: a real one, on this machine."""

import gzip
import socket
from collections.abc import Iterator

import pytest

from assets.feeds.fetch import Patience, Question, fetch
from data_quality.contracts.errors import BadInput, Unreachable
from tests.feeds.server import Reply, Service, serving

PATIENT = Patience(connect_s=5, read_s=5, whole_s=10, pauses_s=(0.1, 0.2), max_bytes=1000)
QUICK = Patience(connect_s=0.5, read_s=0.2, whole_s=0.3, pauses_s=(0.1, 0.2), max_bytes=1000)
DOWN = Reply(503, b"busy")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service that no proxy of this machine stands before."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as found:
        yield found


@pytest.fixture
def pauses() -> list[float]:
    """Waits between tries."""
    return []


def ask(service: Service, pauses: list[float], patience: Patience = QUICK) -> bytes:
    return fetch(Question(service.url, "/v1/forecast", {"hourly": "a,b"}), patience=patience, sleep=pauses.append)


def test_an_answer_is_its_body(service: Service, pauses: list[float]) -> None:
    service.say(Reply(body=b'{"hourly": {}}'))
    assert ask(service, pauses) == b'{"hourly": {}}'
    assert (service.asked, pauses) == (["/v1/forecast?hourly=a%2Cb"], [])


def test_a_packed_answer_is_unpacked(service: Service, pauses: list[float]) -> None:
    service.say(Reply(body=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}))
    assert ask(service, pauses) == b"{}"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_service_that_is_down_for_a_moment_is_asked_again(service: Service, pauses: list[float], status: int) -> None:
    service.say(Reply(status), Reply(status), Reply(body=b"{}"))
    assert ask(service, pauses) == b"{}"
    assert pauses == [0.1, 0.2]


def test_a_service_that_stays_down_is_one_sentence(service: Service, pauses: list[float]) -> None:
    service.say(DOWN)
    with pytest.raises(Unreachable) as found:
        ask(service, pauses)
    text = f"{service.url} does not answer: it answers 503 Service Unavailable, 3 times; look at the service"
    assert str(found.value).startswith(text)
    assert len(service.asked) == 3


def test_a_silent_service_is_waited_for_no_longer_than_said(service: Service, pauses: list[float]) -> None:
    service.say(Reply(body=b"x" * 8, wait_s=0.4))
    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s, 3 times"):
        ask(service, pauses)


def test_a_service_that_drips_is_waited_for_no_longer_than_said(service: Service, pauses: list[float]) -> None:
    service.say(Reply(body=b"x" * 80, wait_s=0.05))
    with pytest.raises(Unreachable, match=r"its answer is not complete after 0\.3 s, 3 times"):
        ask(service, pauses)


def test_a_body_that_was_cut_off_is_no_answer(service: Service, pauses: list[float]) -> None:
    service.say(Reply(body=b'{"hourly": ', length=900))
    # What ends is the connection, and never our patience, however busy the machine.
    with pytest.raises(Unreachable, match="peer closed connection"):
        ask(service, pauses, PATIENT)
    service.say(Reply(body=b"no gzip", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(Unreachable, match="does not answer"):
        ask(service, pauses)


def test_nobody_there_is_one_sentence(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unreachable, match=f"{url} does not answer: .*refused, 3 times"):
            fetch(Question(url, "/weather"), patience=QUICK, sleep=pauses.append)


def test_a_refusal_is_told_in_the_services_own_words_and_not_asked_again(service: Service, pauses: list[float]) -> None:
    for body in (b'{"error": true, "reason": "Latitude must be in range"}', b'{"detail": "Latitude must be in range"}'):
        service.say(Reply(400, body))
        with pytest.raises(BadInput, match="refuses the question with 400: Latitude must be in range"):
            ask(service, pauses)
        assert len(service.asked) == 1
    service.say(Reply(404, b"<html>\x1b[2J not here"))
    with pytest.raises(BadInput, match=r"refuses the question with 404$"):
        ask(service, pauses)


def test_a_redirect_is_told_and_never_followed(service: Service, pauses: list[float]) -> None:
    with serving() as elsewhere:
        for status in (301, 302, 307, 308):
            service.say(Reply(status, headers={"Location": f"{elsewhere.url}/v1/forecast"}))
            with pytest.raises(BadInput, match=f"sends us to {elsewhere.url}/v1/forecast, and redirects are not"):
                ask(service, pauses)
        assert elsewhere.asked == []


def test_an_answer_without_end_is_refused(service: Service, pauses: list[float]) -> None:
    for reported in (
        Reply(body=b"x" * 2000),
        Reply(body=gzip.compress(b"x" * 100_000), headers={"Content-Encoding": "gzip"}),
    ):
        service.say(reported)
        with pytest.raises(BadInput, match=r"sends more than .* MiB; expected far less"):
            ask(service, pauses)
        assert len(service.asked) == 1


def test_the_address_at_which_clouds_keep_their_secrets_is_never_asked(pauses: list[float]) -> None:
    for url in ("http://169.254.169.254", "http://[fe80::1]"):
        with pytest.raises(BadInput, match="is a link-local address"):
            fetch(Question(url, "/latest/meta-data"), patience=QUICK, sleep=pauses.append)
