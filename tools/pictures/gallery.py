"""Takes the pictures of genai's gallery that the pages show, in a real Chromium.

python -m tools.pictures.gallery FOLDER writes docs/pictures/gallery.png and gallery-detail.png from FOLDER's results.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from genai_cli.gallery.building import build_page

ROOT = Path(__file__).parent.parent.parent
PICTURES = ROOT / "docs" / "pictures"
WIDTH = 1000
HEIGHTS = {"light": 980, "dark": 640}  # of the list, in which each kind of result is to be seen, and of the details


def take_pictures(folder: Path) -> None:
    """The list in light colours, and in dark ones a picture with what a model said of it."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        copy = shutil.copytree(folder, Path(place) / folder.name)
        page = copy / "gallery.html"
        build_page(copy, page)
        options = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        for scheme, name in (("light", "gallery"), ("dark", "gallery-detail")):
            viewport = {"width": WIDTH, "height": HEIGHTS[scheme]}
            tab = browser.new_context(color_scheme=scheme, viewport=viewport).new_page()
            tab.goto(page.as_uri())
            tab.wait_for_load_state()
            tab.select_option("#sort", "new")
            tab.locator("#list:not([aria-busy])").wait_for()
            if scheme == "dark":
                tab.locator(".open", has_text="describe ·").first.click()
                tab.locator("#detail-body .beside img").wait_for()
            tab.screenshot(path=PICTURES / f"{name}.png")
        browser.close()


def main() -> None:
    """Take the pictures of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="results, such as those of make demo")
    take_pictures(parser.parse_args().folder)


if __name__ == "__main__":
    main()
