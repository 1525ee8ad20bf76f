"""The page of genai gallery in a real browser: Debian's Chromium, driven by Playwright, without a network."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Serve
from gallery_folder import BREAKOUTS, fill_beside, fill_folder, fill_unknown, make_record, write_picture

from genai_cli.gallery.building import build_page
from genai_cli.gallery.item import Item
from genai_cli.gallery.lineage import relate
from genai_cli.gallery.page import Page
from genai_cli.gallery.thumbnails import Thumbnail

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
MANY = 10_000
LOAD = (
    "audio => { audio.preload = 'auto'; audio.load(); return new Promise(go => audio.onloadedmetadata = () => go()); }"
)
CARDS = "document.querySelectorAll('.card').length"


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of all kinds of results, with hostile ones among them."""
    folder = fill_folder(tmp_path_factory.mktemp("gallery") / "out")
    build_page(folder, folder / "gallery.html")
    return folder / "gallery.html"


@pytest.fixture
def tab(browser: "Browser", file: Path) -> Iterator["Tab"]:
    """The page of all kinds of results."""
    with open_tab(browser, file) as tab:
        yield tab


@pytest.fixture
def pairs(browser: "Browser", tmp_path: Path) -> Iterator["Tab"]:
    """A page of results that stand beside what they are about."""
    folder = fill_beside(tmp_path / "out")
    build_page(folder, folder / "gallery.html")
    with open_tab(browser, folder / "gallery.html") as tab:
        yield tab


@contextmanager
def open_tab(browser: "Browser", file: Path, is_fault: Callable[[str], bool] = lambda _text: True) -> Iterator["Tab"]:
    """A page from the disk; any error in its script, and any request that is none of a file, fails a test."""
    context = browser.new_context(
        permissions=["clipboard-read", "clipboard-write"], viewport={"width": 1100, "height": 800}
    )
    context.set_default_timeout(0)
    tab = context.new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on(
        "console",
        lambda message: faults.append(message.text) if message.type == "error" and is_fault(message.text) else None,
    )
    tab.on("request", lambda request: faults.append(request.url) if not is_local(request.url) else None)
    tab.goto(file.as_uri())
    yield tab
    assert tab.evaluate("window.hit") is None
    assert not faults
    context.close()


def is_local(url: str) -> bool:
    return url.startswith(("file:", "data:image/webp"))


def wait(tab: "Tab", expression: str) -> None:
    """Until an expression is true. Playwright's own way runs a string in the page, which the policy forbids.

    The only deadline is that of the test: on a busy machine no other is right.
    """
    while not tab.evaluate(expression):
        tab.wait_for_timeout(20)


def settle(tab: "Tab") -> str:
    """Wait until what was asked for is shown, and return the line that counts it."""
    wait(tab, "!document.getElementById('list').hasAttribute('aria-busy')")
    return tab.locator("#count").inner_text()


def search(tab: "Tab", words: str) -> list[str]:
    """The captions of the cards that are shown for a search."""
    tab.fill("#search", words)
    settle(tab)
    return list(tab.locator(".caption").all_inner_texts())


def test_search_filters_and_order(tab: "Tab") -> None:
    whole = settle(tab)
    assert search(tab, "piano") == ["calm piano"] * 4
    assert settle(tab).startswith("4 of ")
    tab.click("button[type=reset]")
    wait(tab, f"document.getElementById('count').textContent === {json.dumps(whole)}")
    tab.select_option("#t", "tint")
    assert settle(tab).startswith("2 of ")
    assert tab.locator(".caption").all_inner_texts() == ["photo.jpg"] * 2
    tab.select_option("#t", "")
    tab.select_option("#state", "failed")
    assert settle(tab).startswith("1 of ")
    assert tab.locator(".failed").inner_text() == "the picture is a single colour"
    tab.select_option("#state", "")
    tab.fill("#seed", "2")
    tab.fill("#from", "2026-11-25")
    tab.fill("#to", "2026-11-25")
    tab.select_option("#sort", "prompt")
    settle(tab)
    captions = tab.locator(".caption").all_inner_texts()
    assert "calm piano" in captions and captions == sorted(captions)
    search(tab, "no such words")
    assert tab.locator("#empty").is_visible()
    tab.click("#clear")
    wait(tab, f"document.getElementById('count').textContent === {json.dumps(whole)}")


def test_details_with_the_command_to_copy(tab: "Tab") -> None:
    search(tab, "circle.png")
    tab.click(".open")
    assert tab.locator("#detail-title").inner_text() == "a large red circle on a blue background"
    image = tab.locator("#detail-body > img")
    wait(tab, "document.querySelector('#detail-body > img').naturalWidth === 64")
    assert image.get_attribute("src") == "./circle.png"
    rows = dict(tuple(row.split("\t")) for row in tab.locator("tr").all_inner_texts())
    assert rows["parameters.seed"] == "1" and rows["model.license"] == "apache-2.0"
    tab.get_by_role("button", name="Copy").click()
    tab.get_by_role("button", name="Copied").wait_for()
    command = tab.locator(".copy pre").inner_text()
    assert tab.evaluate("navigator.clipboard.readText()") == command
    assert command.startswith("genai image -m tiny --seed 1 ")


def test_lineage_both_ways(tab: "Tab") -> None:
    tab.select_option("#t", "tint")
    settle(tab)
    tab.locator(".open").first.click()
    assert tab.locator("h3").first.inner_text() == "Made from"
    tab.locator(".related button").click()
    assert tab.locator("#detail-title").inner_text() == "photo.jpg"
    assert tab.locator(".related button").count() == 2
    assert tab.locator("h3").first.inner_text() == "Made from this"


def test_keys_alone_suffice(tab: "Tab") -> None:
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "search"
    tab.locator("#theme").focus()
    tab.keyboard.press("Tab")  # one stop for the whole list
    position = "Number(document.activeElement.closest('.card')?.getAttribute('aria-posinset'))"
    assert tab.evaluate(position) == 1
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowDown")
    columns = tab.evaluate(position) - 2
    assert columns > 1
    tab.keyboard.press("End")
    assert tab.evaluate(position) == tab.evaluate(
        "Number(document.querySelector('.card').getAttribute('aria-setsize'))"
    )
    tab.keyboard.press("Home")
    tab.keyboard.press("Enter")
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#detail").is_visible()
    tab.keyboard.press("Escape")
    wait(tab, f"{position} === 2")  # where the detail view went
    assert not tab.locator("#detail").is_visible()


def test_hostile_records_and_names_stay_text(tab: "Tab") -> None:
    for text in BREAKOUTS:
        words = text.split()[0]
        captions = search(tab, words)
        assert text in captions
        card = tab.locator(".open", has_text=words).first
        card.click()
        assert tab.locator("#detail-title").text_content() == text
        assert tab.locator("#detail-body script, #detail-body b, #detail-body style").count() == 0
        link = tab.locator("#detail-body a")
        if link.count():
            assert link.get_attribute("href").startswith("./")  # type: ignore[union-attr]
        tab.keyboard.press("Escape")
    assert tab.locator("header").is_visible()


def test_a_script_that_got_in_would_not_run(tab: "Tab", browser: "Browser", file: Path) -> None:
    """The policy holds even if a text had become a part of the page."""
    page = file.read_text()
    hostile = file.with_name("hostile.html")
    hostile.write_text(
        page.replace("<main>", "<main><script>window.hit = 1</script><img src=x onerror='window.hit = 2'>")
    )
    other = browser.new_page()
    other.set_default_timeout(0)
    other.goto(hostile.as_uri())
    other.wait_for_selector(".card")
    assert other.evaluate("window.hit") is None
    other.close()


def test_sounds_play_and_show_their_waveform(tab: "Tab") -> None:
    search(tab, "piano.wav")
    assert tab.locator("svg.wave path").get_attribute("d").count("M") == 96  # type: ignore[union-attr]
    tab.get_by_role("button", name="Play calm piano").click()
    tab.click(".open")
    tab.locator("audio").evaluate(LOAD)
    assert tab.locator("audio").evaluate("audio => audio.duration") == pytest.approx(0.25, abs=0.1)


def test_boxes_lie_over_the_picture_at_any_size(pairs: "Tab") -> None:
    search(pairs, "car")
    assert pairs.locator(".card .boxed .box").count() == 1 + len(BREAKOUTS)
    assert pairs.locator(".card .tag").first.is_visible()
    pairs.click(".open")
    wait(pairs, "document.querySelector('#detail-body .boxed img').naturalWidth === 600")
    image = pairs.locator("#detail-body .boxed img")
    assert image.get_attribute("src") == "./street.jpg"
    assert image.get_attribute("alt") == f"street.jpg, with {1 + len(BREAKOUTS)} boxes"
    widths = set()
    for width in (1100, 420):
        pairs.set_viewport_size({"width": width, "height": 800})
        whole, box = (pairs.locator(f"#detail-body .boxed {name}").last.bounding_box() for name in ("img", ".box"))
        assert whole is not None and box is not None
        scale = whole["width"] / 600
        assert whole["height"] == pytest.approx(400 * scale, abs=1)
        assert [box["x"] - whole["x"], box["y"] - whole["y"]] == pytest.approx([60 * scale, 80 * scale], abs=1)
        assert [box["width"], box["height"]] == pytest.approx([150 * scale, 100 * scale], abs=1)
        assert pairs.evaluate("document.documentElement.scrollWidth <= innerWidth")
        widths.add(round(whole["width"]))
    assert len(widths) == 2
    tags = pairs.locator("#detail-body .tag").all_inner_texts()
    assert tags[-1] == "car 97 %" and any("<script>" in tag for tag in tags)
    rows = pairs.locator(".boxes tbody tr").all_inner_texts()
    assert rows[0].split("\t") == ["car", "0.9700", "60.0", "80.0", "150.0", "100.0"]
    assert len(rows) == len(tags)
    assert pairs.locator("#detail-body script, #detail-body b, #detail-body style").count() == 0


def test_words_stand_beside_their_picture_and_a_transcript_beside_its_sound(pairs: "Tab") -> None:
    search(pairs, "white van")
    assert pairs.locator(".card .pair img").get_attribute("alt") == "street.jpg"
    pairs.click(".open")
    assert pairs.locator(".beside pre").inner_text() == "a white van"
    wait(pairs, "document.querySelector('.beside img').naturalWidth === 600")
    pairs.locator(".beside").get_by_role("button", name="street.jpg").click()
    assert pairs.locator("#detail-body > img").count() == 1
    assert pairs.locator("h3").first.inner_text() == "Made from this"
    pairs.keyboard.press("Escape")
    search(pairs, "the train leaves")
    assert pairs.locator(".card svg.wave").is_visible()
    pairs.get_by_role("button", name="Play talk.wav").click()
    pairs.click(".open")
    assert pairs.locator(".beside pre").inner_text() == "the train leaves"
    pairs.locator(".beside audio").evaluate(LOAD)
    assert pairs.locator("audio").evaluate("audio => audio.duration") == pytest.approx(0.25, abs=0.1)
    pairs.keyboard.press("Escape")
    search(pairs, "room.bmp")
    assert pairs.get_by_text("Nothing was found.").count() == 1


def test_types_that_the_browser_does_not_know(browser: "Browser", tmp_path: Path) -> None:
    """Chromium shows no HEIC and plays no AIFF: a small copy or a note stands for them, never a broken picture."""
    folder = fill_unknown(tmp_path / "out")
    build_page(folder, folder / "gallery.html")
    with open_tab(browser, folder / "gallery.html", is_fault=lambda text: "ERR_" not in text) as tab:
        search(tab, "two colours")
        assert tab.locator(".card .pair img").evaluate("image => image.naturalWidth") > 0
        tab.click(".open")
        tab.locator(".note", has_text="This is a small copy.").wait_for()
        wait(tab, "document.querySelector('.beside img').naturalWidth > 0")
        tab.keyboard.press("Escape")
        search(tab, "broken.heic")
        assert "broken.heic cannot be read" in tab.locator(".card .failed").inner_text()
        tab.click(".open")
        tab.locator(".note", has_text="broken.heic cannot be read").wait_for()
        assert tab.locator("#detail-body img").count() == 0
        tab.keyboard.press("Escape")
        search(tab, "the train leaves")
        assert tab.locator(".card svg.wave").is_visible()
        tab.get_by_role("button", name="Play talk.aiff").click()
        wait(tab, "document.getElementById('count').textContent.startsWith('This browser cannot play talk.aiff')")
        tab.click(".open")
        tab.locator("audio").evaluate("audio => audio.play().catch(() => {})")
        tab.locator(".note", has_text="This browser cannot play talk.aiff").wait_for()
        tab.keyboard.press("Escape")
        search(tab, "mind the gap")
        tab.click(".open")
        tab.locator("audio").evaluate(LOAD)
        assert tab.locator(".note:not([hidden])").count() == 0  # Debian's Chromium plays M4A


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility_beside(browser: "Browser", tmp_path: Path, scheme: Any) -> None:
    """The same of boxes, words and a transcript beside what they are about."""
    folder = fill_beside(tmp_path / "out")
    build_page(folder, folder / "gallery.html")
    check_accessibility(browser, folder / "gallery.html", scheme, ["car", "one is dark", "the train leaves"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(browser: "Browser", file: Path, scheme: Any) -> None:
    """axe-core finds nothing, in both colours, in the list and in the detail view."""
    check_accessibility(browser, file, scheme, ["a large red circle"])


def check_accessibility(browser: "Browser", file: Path, scheme: Any, results: list[str]) -> None:
    """Let axe-core look at the list, and at the details of some results."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    # axe is put into the page, which the page's own policy forbids to everyone else.
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)
    context.set_default_timeout(0)
    tab = context.new_page()
    tab.goto(file.as_uri())
    tab.wait_for_selector(".card img")
    for words in ("", *results):
        if words:
            search(tab, words)
            tab.locator(".open").first.click()
        found = axe.Axe().run(tab)
        assert not found.response["violations"], found.generate_report()
        tab.keyboard.press("Escape")
    context.close()


def test_ten_thousand_items_stay_quick(browser: "Browser", tmp_path: Path) -> None:
    """The first paint takes under 1.5 s, and the list holds the cards of the window alone, wherever it is."""
    small = "UklGRhYAAABXRUJQVlA4TAoAAAAvAAAAAEX/I/of" + "A" * 4000
    items = [Item(make_record(f"picture {number} of many"), tmp_path / f"{number}.png") for number in range(MANY)]
    page = Page("many", items, relate(items), tmp_path / "gallery.html")
    with (tmp_path / "gallery.html").open("wb") as stream:
        stream.writelines(page.render(Thumbnail(small, (64, 64)) for _ in items))
    tab = browser.new_page()
    tab.set_default_timeout(0)
    session = tab.context.new_cdp_session(tab)
    session.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
    session.send("Performance.enable")
    tab.goto((tmp_path / "gallery.html").as_uri())
    taken = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    (paint,) = tab.evaluate("performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)")
    loaded = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    # Seconds of the processor, not of the clock: other work on the machine has no part in them.
    assert taken["TaskDuration"] * paint / loaded < 1.5
    assert tab.evaluate(CARDS) < 100
    tab.evaluate("scrollTo(0, document.body.scrollHeight)")
    wait(tab, "document.querySelector('.card:last-child').getAttribute('aria-posinset') === '10000'")
    assert tab.evaluate(CARDS) < 100
    tab.fill("#search", "9876")
    assert settle(tab).startswith("1 of 10000")
    tab.click(".open")
    assert tab.locator("#detail-title").inner_text() == "picture 9876 of many"
    assert tab.evaluate("performance.memory.usedJSHeapSize") < 100e6
    tab.close()


def test_a_page_that_a_server_shows_follows_its_folder(browser: "Browser", serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    server = serve("--gallery", tmp_path / "out")
    tab = browser.new_page()
    tab.set_default_timeout(0)
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    tab.goto(f"http://127.0.0.1:{server.port}/gallery/")
    assert tab.evaluate(CARDS) == 0
    write_picture(tmp_path / "out" / "new.png", make_record("a new cat"))
    tab.locator(".card img").wait_for()
    wait(tab, "document.querySelector('.card img').naturalWidth > 0")
    assert not faults
    tab.close()
