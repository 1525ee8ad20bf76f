"""Writes what the pages show of the program: the table of options, the known models, and the help texts.

python -m tools.readme rewrites them; tests/test_readme.py fails where they are not what the program says.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from genai_cli.cli import batch, chat, doctor, gallery, models, rerun, serve, show
from genai_cli.cli.app import load_task
from genai_cli.cli.command import Command, describe, is_offered
from genai_cli.hub.catalog import MEGABYTE
from genai_cli.hub.environment import HUB
from genai_cli.modality.registry import REGISTRY, load_catalog
from genai_cli.request.option import HEADINGS, Declared
from genai_cli.sizes import show_bytes

ROOT = Path(__file__).parent.parent
MODELS = re.compile(r"(<!-- models -->\n).*?(<!-- end of models -->)", re.DOTALL)
OPTIONS = re.compile(r"(<!-- options -->\n).*?(<!-- end of options -->)", re.DOTALL)
HELP = re.compile(r"(```text\n\$ genai ([^\n]*--help)\n).*?(```)", re.DOTALL)
WIDTH = "100"


def list_commands() -> list[Command]:
    """All commands that take options, the tasks first."""
    tasks = [load_task(entry.task) for entry in REGISTRY]
    own = [batch.COMMAND, rerun.make_command(), show.COMMAND, doctor.COMMAND, models.PULL, serve.COMMAND]
    return [*tasks, *own, chat.COMMAND, gallery.COMMAND]


def collect() -> dict[str, tuple[Declared, list[str], str]]:
    """Each option by its names, with the commands that show it, and its help."""
    found: dict[str, tuple[Declared, list[str], str]] = {}
    for command in list_commands():
        for declared, owner in command.declared().values():
            option = declared.option
            hidden = command.modality is not None and not is_offered(option, command.modality)
            if hidden or owner in command.plain:
                continue
            names = ", ".join(option.names)
            default = None if declared.name == "model" else declared.default
            found.setdefault(names, (declared, [], describe(option, default)))[1].append(command.name)
    return found


def name_commands(names: list[str]) -> str:
    """The commands in a few words."""
    tasks = {entry.task for entry in REGISTRY}
    everywhere = {*tasks, "batch", "rerun"}
    if everywhere <= set(names):
        return "all"
    return ", ".join(names)


def table_lines() -> Iterator[str]:
    """The table, a task's own options first, then by their headings."""
    yield "| option | commands | meaning |"
    yield "| --- | --- | --- |"
    rows = sorted(collect().values(), key=lambda row: HEADINGS.index(row[0].heading))
    for declared, commands, words in rows:
        option = declared.option
        shown = [f"`{name}`" for name in option.names]
        if option.metavar:
            shown[-1] = f"{shown[-1][:-1]} {option.metavar}`".replace("|", "\\|")
        yield f"| {', '.join(shown)} | {name_commands(commands)} | {words} |"
    yield "| `--version` | all | Show the version and stop. |"


def model_lines() -> Iterator[str]:
    """The models that have a short name, by their kinds."""
    yield "| name | model | kind | good for | fetch | memory | licence |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for kind in load_catalog().kinds:
        for known in kind.known:
            memory, measured = known.find_memory("cpu", 4)
            name = f"[{known.repository}]({HUB}/{known.repository})"
            sizes = f"{show_bytes(known.download * MEGABYTE)} | {'' if measured else '~'}{show_bytes(memory)}"
            yield f"| `{known.alias}` | {name} | {kind.task} | {known.words} | {sizes} | {known.license} |"


def read_help(arguments: str) -> str:
    """A help text as the program prints it on a wide terminal."""
    command = Path(sys.executable).with_name("genai")
    environment = {**os.environ, "COLUMNS": WIDTH}
    done = subprocess.run([command, *arguments.split()], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.rstrip() + "\n"


def list_pages() -> list[Path]:
    """The README and the pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def render(text: str) -> str:
    """A page with its generated parts as they should be."""
    table = "\n".join(table_lines()) + "\n"
    text = OPTIONS.sub(lambda match: match[1] + table + match[2], text)
    models = "\n".join(model_lines()) + "\n"
    text = MODELS.sub(lambda match: match[1] + models + match[2], text)
    return HELP.sub(lambda match: match[1] + read_help(match[2]) + match[3], text)


def write_pages() -> None:
    """Write each page that is not as it should be."""
    for page in list_pages():
        text = page.read_text(encoding="utf-8")
        rendered = render(text)
        if rendered != text:
            page.write_text(rendered, encoding="utf-8")


if __name__ == "__main__":
    write_pages()
