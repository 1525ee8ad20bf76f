"""The house keeps its shape: imports run one way, and only some files may end the program or print."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import genai_cli

ROOT = Path(genai_cli.__file__).parent
# cli -> work -> modality -> model, and work -> output; errors and events are everyone's.
ALLOWED = {
    "model": {"model"},
    "modality": {"modality", "model"},
    "output": {"output"},
    "work": {"work", "modality", "model", "output"},
}
EVERYONE_S = {"genai_cli", "genai_cli.errors", "genai_cli.events"}
MODALITIES = {"image", "text", "classify", "audio"}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def below(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_run_one_way(folder: str) -> None:
    wrong = []
    for path in below(folder):
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] != "genai_cli" or any(
                name == own or name.startswith(f"{own}.") for own in EVERYONE_S - {"genai_cli"}
            ):
                continue
            if len(parts) > 1 and parts[1] not in ALLOWED[folder] and name != "genai_cli.__version__":
                wrong.append(f"{path.name} imports {name}")
    assert not wrong


def test_no_modality_imports_another() -> None:
    for path in below("modality"):
        imported = {name.split(".")[2] for name in imports_of(path) if name.startswith("genai_cli.modality.")}
        assert not (imported & MODALITIES) - {path.stem}, path


def test_from_pretrained_has_one_home() -> None:
    callers = {path.name for path in ROOT.rglob("*.py") if "from_pretrained(" in path.read_text()}
    assert callers == {"loading.py"}


def test_nothing_below_the_commands_prints_or_exits() -> None:
    for folder in ALLOWED:
        for path in below(folder):
            calls = {
                ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
            }
            assert not calls & {"print", "sys.exit", "exit", "typer.echo", "typer.Exit"}, path
