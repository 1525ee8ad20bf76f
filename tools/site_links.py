"""A hook of mkdocs: links of docs/ to files outside of it (CONTRIBUTING.md, tools/) have to work in the site too.

On GitHub and in a clone they lead to the file. In the site a picture is taken along, and another link becomes its text.
"""

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(!?)\[([^\]]*)\]\(((?:\.\./)+[^)\s]+)\)")


def find_outside(page: str, target: str) -> str | None:
    """The path in the repository that a link of a page names, if it lies outside of docs/."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target.split("#")[0]))
    return None if path.startswith("docs/") else path


def list_pictures() -> set[str]:
    """The pictures outside of docs/ that its pages show."""
    docs = ROOT / "docs"
    pages = {page.relative_to(docs).as_posix(): page.read_text(encoding="utf-8") for page in docs.rglob("*.md")}
    found = ((find_outside(name, link[3]), link[1]) for name, text in pages.items() for link in LINK.finditer(text))
    return {path for path, mark in found if path and mark}


def replace_links(text: str, page: str) -> str:
    """The text of a page as the site needs it."""

    def replace(link: re.Match[str]) -> str:
        path = find_outside(page, link[3])
        if path is None:
            return link[0]
        up = "../" * page.count("/")
        return f"![{link[2]}]({up}files/{posixpath.basename(path)})" if link[1] else link[2]

    return LINK.sub(replace, text)


def on_files(files: "Files", *, config: "MkDocsConfig") -> "Files":
    """Take the pictures along."""
    from mkdocs.structure.files import File

    for path in sorted(list_pictures()):
        name = f"files/{posixpath.basename(path)}"
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: "Page", config: "MkDocsConfig", files: "Files") -> str:  # noqa: ARG001
    """Replace the links of each page before mkdocs checks them."""
    return replace_links(markdown, page.file.src_uri)
