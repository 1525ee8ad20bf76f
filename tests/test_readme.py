"""The README and the pages tell the truth: help texts and options are the program's, links lead somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import COMMAND

from genai_cli import errors
from genai_cli.modality.registry import REGISTRY, load_catalog
from tools.readme import list_commands, list_pages, render
from tools.site_links import list_pictures, replace_links

ROOT = Path(__file__).parent.parent
PAGES = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in list_pages()}
README = PAGES["README.md"]
OPTIONS = PAGES["docs/options.md"]
HELP = re.compile(r"```text\n\$ genai ([^\n]*--help)\n(.*?)```", re.DOTALL)
SHOWN = [shown for text in PAGES.values() for shown in HELP.findall(text)]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`]*`")
# Options of the program that belong to no command's declared options.
GENERAL = {"-h", "--help", "--version", "--install-completion", "--show-completion"}


def read_prose(text: str) -> str:
    """A page without its code."""
    return CODE.sub("", FENCE.sub("", text))


def list_anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as mkdocs and GitHub make them of plain words."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def list_calls(text: str) -> list[str]:
    """Every genai command that a page shows, in a block or in a line."""
    blocks = "\n".join(block for language, block in FENCE.findall(text) if language in ("sh", "text"))
    lines = [line.strip().removeprefix("$ ") for line in blocks.replace("\\\n", " ").splitlines()]
    spans = re.findall(r"`([^`]*\bgenai [^`]+)`", FENCE.sub("", text).replace("\\|", "|"))
    parts = [part.strip() for line in [*lines, *spans] for part in " ".join(line.split()).split(" | ")]
    return [part for part in parts if re.match(r"genai [a-z]", part)]


def split_call(call: str) -> list[str]:
    """The words of a command; a line of output that only looks like one has unpaired quotes, and gives none."""
    try:
        return shlex.split(call, comments=True)[1:]
    except ValueError:
        return []


CALLS = sorted({(page, call) for page, text in PAGES.items() for call in list_calls(text)})


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 135


def test_the_pages_show_help_texts() -> None:
    tasks = {f"{entry.task} --help" for entry in REGISTRY}
    assert {arguments for arguments, _ in SHOWN} >= {"--help", "batch --help", *tasks}


def test_the_options_page_has_a_place_for_the_table() -> None:
    assert "<!-- options -->\n" in OPTIONS
    assert "<!-- end of options -->" in OPTIONS


@pytest.mark.parametrize("page", PAGES)
def test_what_is_generated_is_up_to_date(page: str) -> None:
    """`python -m tools.readme` writes the table of options and the help texts."""
    assert render(PAGES[page]) == PAGES[page]


@pytest.mark.parametrize("command", [entry.task for entry in REGISTRY])
def test_the_options_table_names_every_option(command: str) -> None:
    done = subprocess.run([COMMAND, command, "--help"], capture_output=True, text=True, env={"COLUMNS": "200"})
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", done.stdout))
    missing = {option for option in options if f"`{option}" not in OPTIONS and f"/{option}" not in OPTIONS}
    assert not missing - {"--help"}


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/zh/quickstart.md"])
def test_the_exit_codes_are_all_there(page: str) -> None:
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    for code in {*codes, 0, 130, 141, 143}:
        assert re.search(rf"^\| {code} \|", PAGES[page], re.MULTILINE), code


@pytest.mark.parametrize("page", ["README.md", "docs/models.md", "docs/zh/quickstart.md"])
def test_the_models_and_their_licences_are_there(page: str) -> None:
    catalog = load_catalog()
    for alias in catalog.own:
        assert f"`{alias}`" in PAGES[page]
        assert catalog.aliases[alias] in PAGES[page]
    assert "CC-BY-NC 4.0" in PAGES[page]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", read_prose(PAGES[page])):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if anchor:
            assert anchor in list_anchors(file.read_text(encoding="utf-8")), target


def test_every_page_is_in_the_site_and_in_the_readme() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES.keys() - {"README.md"}:
        assert f": {page.removeprefix('docs/')}\n" in site, page
        assert f"({page}" in README, page


@pytest.mark.parametrize(("page", "call"), CALLS)
def test_every_command_that_a_page_shows_has_these_options(page: str, call: str) -> None:
    declared = {command.name: command for command in list_commands()}
    words = split_call(call)
    name = next((word for word in words if not word.startswith("-")), "")
    name = words[1] if name == "models" and words[1:2] == ["pull"] else name
    assert not words or name in declared or name in ("models", "worker"), f"{page}: {call}"
    if name in declared:
        options = {name for entry, _ in declared[name].declared().values() for name in entry.option.names}
        known = GENERAL | {part for option in options for part in option.split("/")} | {"-n", "-o", "-m", "-q", "-v"}
        for word in words:
            option = word.split("=")[0]
            if re.fullmatch(r"--[a-z][a-z0-9-]*", option):
                assert option in known, f"{page}: {call}"


def test_a_link_out_of_the_pages_becomes_its_text_in_the_site() -> None:
    text = "[how](../CONTRIBUTING.md#set-up), [here](zh/lesson.md), ![sheet](../tools/demo/contact-sheet.png)"
    assert replace_links(text, "index.md") == "how, [here](zh/lesson.md), ![sheet](files/contact-sheet.png)"
    text = "[en](../lesson.md), [how](../../LICENSE), ![s](../../a/b.png)"
    assert replace_links(text, "zh/lesson.md") == "[en](../lesson.md), how, ![s](../files/b.png)"
    assert "tools/demo/contact-sheet.png" in list_pictures()


def test_the_site_builds_with_every_link_right_and_asks_no_server(tmp_path: Path) -> None:
    """What `make docs` does. It needs the extra `docs`, which `make install` brings."""
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = [page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html")]
    assert len(pages) >= len(PAGES) - 1
    for text in pages:
        fetched = re.findall(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=.?((?:https?:)?//[^\s>]*)", text)
        assert not fetched
