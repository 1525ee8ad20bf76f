"""The README tells the truth: its help texts are the program's, its links and files are there."""

import re
import subprocess
from pathlib import Path

import pytest
from conftest import COMMAND

from genai_cli import errors
from genai_cli.modality.registry import REGISTRY, load_catalog
from tools.readme import render

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```text\n\$ genai ([^\n]*--help)\n(.*?)```", README, re.DOTALL)


def test_the_readme_shows_help_texts() -> None:
    assert {arguments for arguments, _ in SHOWN} >= {"--help", "image --help"}


@pytest.mark.parametrize(("arguments", "shown"), SHOWN)
def test_the_help_texts_are_the_program_s(arguments: str, shown: str) -> None:
    done = subprocess.run([COMMAND, *arguments.split()], capture_output=True, text=True, env={"COLUMNS": "100"})
    assert done.stdout.strip() == shown.strip()


def test_what_is_generated_is_up_to_date() -> None:
    """`python -m tools.readme` writes the table of options and the help texts."""
    assert render(README) == README


@pytest.mark.parametrize("command", [entry.task for entry in REGISTRY])
def test_the_options_table_names_every_option(command: str) -> None:
    done = subprocess.run([COMMAND, command, "--help"], capture_output=True, text=True, env={"COLUMNS": "200"})
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", done.stdout))
    missing = {option for option in options if f"`{option}" not in README and f"/{option}" not in README}
    assert not missing - {"--help"}


def test_the_exit_codes_are_all_there() -> None:
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    for code in {*codes, 0, 130, 141, 143}:
        assert re.search(rf"^\| {code} \|", README, re.MULTILINE), code


def test_the_models_and_their_licences_are_there() -> None:
    for alias, name in load_catalog().aliases.items():
        assert f"`{alias}`" in README
        assert name in README
    assert "CC-BY-NC 4.0" in README


def test_every_file_that_the_readme_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
