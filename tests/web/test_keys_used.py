"""Last use of a machine's key."""

from datetime import timedelta

from assets.stores.api_keys import ApiKeyStore
from tests.e2e.conftest import call_here
from tests.web.served import Served
from tests.web.test_signing_in import DOCS, key_of


def test_the_list_of_keys_tells_when_a_key_last_read_to_the_minute(served: Served) -> None:
    text = key_of(served, "viewer")
    bearer, browser = [("authorization", f"Bearer {text}")], served.browser()
    keys, first = ApiKeyStore(served.project.store), served.clock.now_utc()
    assert keys.last_used() == {}
    # Within a minute nothing more is written: a machine that reads every second costs no more than one that rests.
    for seconds, noted in ((0, 0), (30, 0), (29, 0), (1, 60)):
        served.clock.advance(timedelta(seconds=seconds))
        served.ticks.now_s += seconds
        assert browser.ask(DOCS, headers=bearer).status == 200
        assert keys.last_used() == {text.split("_")[1]: first + timedelta(seconds=noted)}
    code, told, _ = call_here("keys", "list", "--project", str(served.folder))
    assert code == 0
    assert [each["last_used_utc"] for each in told["machine_keys"]] == ["2026-03-10T09:01:00Z"]
