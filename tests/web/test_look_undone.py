"""A look that was changed a moment ago is offered back, once."""

from tests.web.asking import PAGE
from tests.web.served import Served

ENERGY = "/energy?site=works&period=2026-03"


def test_a_changed_view_is_offered_back_once_and_nothing_else_is(served: Served) -> None:
    browser = served.browser("viewer")
    token, cookie = browser.token("/profile"), browser.cookie
    browser.cookie = f"{cookie}; theme=dark; changed=theme."
    assert 'role="status"><span>The view was changed.</span>' in browser.ask(ENERGY, headers=[PAGE]).text
    undone = browser.act("/profile/look", csrf=token, theme="", seen="changed", next="/energy?site=works")
    assert "changed=" not in undone.headers["set-cookie"]
    for cookies in ("theme=dark; changed=theme.dark", "theme=dark; changed=x.y", "changed=theme.pink"):
        browser.cookie = f"{cookie}; {cookies}"
        assert 'class="toast"' not in browser.ask(ENERGY, headers=[PAGE]).text
