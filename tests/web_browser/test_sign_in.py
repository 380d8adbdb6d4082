"""Signing in as people do it, in a browser: in, wrongly, out; and a tenant who sees their own part alone."""

from playwright.sync_api import Browser

from tests.web_browser.conftest import PASSWORD, Site, sign_in


def test_somebody_signs_in_with_their_password_and_goes_where_they_wanted(
    chromium: Browser, site: Site, olga: dict
) -> None:
    context = chromium.new_context(base_url=site.url)
    page = context.new_page()
    page.goto("/energy?site=works&period=2026-03")
    assert "/login" in page.url
    for password, said in (("wrong wrong wrong", True), (PASSWORD, False)):
        page.get_by_role("textbox", name="Person").fill("olga")
        page.get_by_role("textbox", name="Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        assert ("do not belong together" in page.inner_text("main")) == said
    assert "period=2026-03" in page.url
    page.locator(".foot > summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto("/energy")
    assert "/login" in page.url
    context.close()


def test_a_tenant_sees_their_own_part_and_of_the_rest_not_that_it_is_there(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(base_url=site.url, storage_state=sign_in(chromium, site, "lena"))
    page = context.new_page()
    page.goto("/energy?site=works&period=2026-03&grain=day")
    assert "Law firm" in page.inner_text("main")
    assert "compressors" not in page.content().lower()
    foreign = page.goto("/energy?site=works&scope=site:works&period=2026-03")
    assert foreign is not None
    assert foreign.status == 404
    assert [each.inner_text() for each in page.locator(".places a").all()] == ["My area", "Energy"]
    context.close()
