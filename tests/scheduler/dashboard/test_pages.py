"""The dashboard in a real browser, over a controller of a simulated fleet: the loop that runs in production."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from tests.real import require
from tests.scheduler.api.front import TOKENS, Running, access_of, performed, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGES = (
    "/", "/map", "/map?when=before&top=10", "/map?when=after&at=1", "/decisions", "/decisions?all=1", "/services",
    "/services/shop", "/clusters", "/clusters/frankfurt", "/graph", "/graph?service=catalog", "/failover", "/drills",
    "/cost?hours=1", "/whatif", "/whatif?fault=gray", "/audit",
)  # fmt: skip
GRAVE = {"serious", "critical"}


@dataclass
class Desk:
    """A browser that is signed in, and what it complained of."""

    running: Running
    browser: Browser
    page: Page
    complaints: list[str] = field(default_factory=list)

    async def go(self, path: str) -> None:
        answer = await self.page.goto(self.running.url + path)
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status} {await self.page.inner_text('main')}"

    def watch(self, page: Page) -> None:
        here = self.running.url

        def asked(request: Any) -> None:
            if not request.url.startswith((here, "data:")):
                self.complaints.append(f"asked for {request.url}")

        page.on("console", lambda m: self.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", asked)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    chromium = require("chromium")
    made = performed(tmp_path_factory.mktemp("pages"), access=access_of(TOKENS))
    async with made as running, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        found = Desk(running, browser, page)
        found.watch(page)
        await page.goto(running.url + "/decisions")
        assert page.url.endswith("/login?next=/decisions"), "nothing is shown to who is not signed in"
        await page.fill("input[name=token]", TOKENS["operator"])
        await page.click("button.primary")
        await page.wait_for_url(running.url + "/decisions")
        yield found
        await browser.close()


async def turns(running: Running, reason: str) -> list[dict[str, Any]]:
    _, body = await running.ask("GET", "/api/v1/turns?limit=100", "viewer")
    return [turn for turn in body["items"] if turn["reason"] == reason]


async def test_every_page_is_there_without_a_complaint_and_without_grave_faults_of_access(desk: Desk) -> None:
    axe, grave = Axe(), []
    for path in PAGES:
        await desk.go(path)
        found = await axe.run(desk.page)
        grave += [f"{path}: {v['id']} {v['nodes'][0]['html'][:120]}" for v in found.response["violations"]
                  if v["impact"] in GRAVE]  # fmt: skip
        assert await desk.page.locator("main h1").count() == 1, path
    assert not grave
    assert not desk.complaints


async def test_dark_and_narrow_pages_have_contrast_and_fit_their_width(desk: Desk) -> None:
    context = await desk.browser.new_context(
        color_scheme="dark",
        viewport={"width": 390, "height": 844},
        storage_state=await desk.page.context.storage_state(),
    )
    page = await context.new_page()
    grave = []
    for path in ("/", "/map", "/decisions", "/failover", "/audit"):
        await page.goto(desk.running.url + path)
        found = await Axe().run(page)
        grave += [f"{path}: {v['id']}" for v in found.response["violations"] if v["impact"] in GRAVE]
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390, path
    await page.click("#menu")
    assert await page.get_by_role("link", name="Drills").is_visible()
    await context.close()
    assert not grave


async def test_page_of_a_browser_without_script_is_complete(desk: Desk) -> None:
    context = await desk.browser.new_context(
        java_script_enabled=False, storage_state=await desk.page.context.storage_state()
    )
    page = await context.new_page()
    await page.goto(desk.running.url + "/services/shop")
    assert await page.locator("#backends tbody tr").count() == 4
    await context.close()


async def test_overview_follows_the_loop_without_being_loaded_again(desk: Desk) -> None:
    await desk.go("/")
    before = await desk.page.inner_text("#strip")

    async def later() -> bool:
        return await desk.page.inner_text("#stream") == "live" and await desk.page.inner_text("#strip") != before

    await until(later, "the strip shows a newer turn")


async def test_map_slides_along_the_decisions_and_keeps_the_moment_in_its_address(desk: Desk) -> None:
    drained = {"kind": "limit", "cluster": "virginia", "ratio": 0.0, "lasts_s": 60, "reason": "something to decide"}
    status, made = await desk.running.ask("POST", "/api/v1/overrides", "operator", json=drained)
    assert status == 201

    async def several() -> bool:
        await desk.go("/map")
        return bool(await desk.page.locator("input[type=range]").count())

    await until(several, "there are two decisions to slide between")
    slider = desk.page.locator("input[type=range]")
    oldest = await slider.get_attribute("min")
    await slider.focus()
    await desk.page.keyboard.press("Home")
    await desk.page.wait_for_url(f"**/map?*at={oldest}*")

    assert await desk.page.locator("input[type=range]").input_value() == oldest
    assert await desk.page.locator("svg.world .ring").count() == 4
    await desk.page.get_by_role("link", name="later").click()
    assert f"at={oldest}&" not in desk.page.url
    assert not desk.complaints
    await desk.running.ask("DELETE", f"/api/v1/overrides/{made['id']}", "operator")


async def test_keyboard_alone_reaches_the_content_and_the_first_page(desk: Desk) -> None:
    await desk.go("/")
    await desk.page.keyboard.press("Tab")
    assert await desk.page.evaluate("document.activeElement.className") == "skip"
    await desk.page.keyboard.press("Enter")
    assert await desk.page.evaluate("document.activeElement.id") == "main"


async def test_drill_when_begun_is_shown_live_and_aborted(desk: Desk) -> None:
    async def ready() -> bool:
        await desk.go("/drills?loss=cluster frankfurt")
        await desk.page.select_option("select[name=level]", "L3")
        await desk.page.click("button.primary")
        return "/drills/d-" in desk.page.url

    await until(ready, "the drill begins")
    await desk.page.locator("#drill dd", has_text="away").wait_for(timeout=20_000)
    await desk.page.click("#drill button.danger")
    await desk.page.locator("#drill dd", has_text="interrupted").wait_for(timeout=20_000)

    name = desk.page.url.rpartition("/")[2].partition("?")[0]
    _, body = await desk.running.ask("GET", f"/api/v1/drills/{name}", "viewer")
    assert (body["outcome"], body["asked_by"]) == ("INTERRUPTED", "the-operator")
    assert body["rehearsed_requests"] > 0
    desk.complaints[:] = [c for c in desk.complaints if "409" not in c]  # it was asked before it could begin


async def test_rollback_on_the_page_moves_the_loop_and_unfreeze_lets_it_go_on(desk: Desk) -> None:
    async def offered() -> bool:
        await desk.go("/decisions")
        return await desk.page.locator("#good form").count() > 0

    await until(offered, "something is known good")
    desk.page.once("dialog", lambda dialog: dialog.accept())
    await desk.page.locator("#good input[name=reason]").first.fill("the shop got slower")
    await desk.page.locator("#good button").first.click()
    await desk.page.wait_for_selector("[role=status]")

    async def back() -> bool:
        return any("the shop got slower" in turn["detail"] for turn in await turns(desk.running, "rollback"))

    await until(back, "the loop went back")
    await desk.page.get_by_role("button", name="Unfreeze").click()
    _, mode = await desk.running.ask("GET", "/api/v1/freeze", "viewer")
    assert mode["mode"] == "auto"


async def test_override_ordered_on_the_page_is_in_force_and_in_the_audit(desk: Desk) -> None:
    await desk.go("/audit")
    await desk.page.select_option("select[name=cluster]", "virginia")
    await desk.page.fill("form[action='/do/override'] input[name=reason]", "new kernel")
    await desk.page.click("form[action='/do/override'] button")
    await desk.page.wait_for_selector("[role=status]")
    assert "new kernel" in await desk.page.inner_text("#overrides")
    assert "POST /do/override" in await desk.page.inner_text("#entries")
    await desk.page.locator("#overrides form button").click()
    ordered = desk.page.locator("#overrides tr", has_text="new kernel")
    await ordered.locator("td", has_text="ended").wait_for()


async def test_whatif_when_run_compares_with_the_same_time_without_the_event(desk: Desk) -> None:
    await desk.go("/whatif?fault=cluster-outage&cluster=dublin&for=1m&minutes=2")
    await desk.page.click("button.primary")
    await desk.page.wait_for_selector("#run table", timeout=60_000)

    text = await desk.page.inner_text("#run")
    assert "without the events" in text
    assert "answered well" in text
    assert await desk.page.locator("#run figure svg").count() >= 3
    assert not desk.complaints


async def test_form_that_is_not_ours_changes_nothing(desk: Desk) -> None:
    cookies = {c["name"]: c["value"] for c in await desk.page.context.cookies()}
    async with desk.running.session.post(
        desk.running.url + "/do/freeze", data={"reason": "gotcha", "form_token": "0" * 64}, cookies=cookies
    ) as forged:
        pass
    async with desk.running.session.post(
        desk.running.url + "/api/v1/freeze", json={}, cookies=cookies, headers={"Origin": "https://evil.example"}
    ) as elsewhere:
        pass
    _, mode = await desk.running.ask("GET", "/api/v1/freeze", "viewer")

    assert (forged.status, elsewhere.status, mode["mode"]) == (403, 403, "auto")
