"""The house keeps its shape: what the import contracts do not tell. `make lint` checks those."""

import ast
from collections.abc import Iterator
from pathlib import Path

import genai_cli
from genai_cli.modality.registry import REGISTRY

ROOT = Path(genai_cli.__file__).parent
TASKS = {entry.task for entry in REGISTRY}
BELOW_THE_COMMANDS = ("work", "modality", "device", "hub", "request", "content", "store", "gallery")


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def below(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def test_no_modality_imports_another() -> None:
    for path in below("modality"):
        imported = {name.split(".")[2] for name in imports_of(path) if name.startswith("genai_cli.modality.")}
        assert not (imported & TASKS) - {path.stem}, path


def test_a_task_is_named_in_its_own_file_and_in_the_registry_alone() -> None:
    """A table or an `if` that names a task would be a second place to change."""
    own = {ROOT / "modality" / f"{task}.py" for task in TASKS} | {ROOT / "modality" / "registry.py"}
    # Words that are a task's name by chance: fields of records and bodies, the types of values, kinds of progress.
    chance = {
        ("content", "text.py"): {"text"},
        ("content", "description.py"): {"text"},
        ("content", "openai_answers.py"): {"text"},
        ("content", "segments.py"): {"text"},
        ("content", "transcript.py"): {"text"},
        ("hearing", "endpoints.py"): {"text"},
        ("hearing", "whisper.py"): {"transcribe"},
        ("content", "foreign.py"): {"image"},
        ("request", "openai_rows.py"): {"audio", "text"},
        ("request", "seeing.py"): {"text"},
        ("request", "option.py"): {"text"},
        ("cli", "models_show.py"): {"text"},
        ("decoding", "chat.py"): {"text"},
        ("server", "answering.py"): {"text"},
        ("server", "streaming.py"): {"text"},
        ("gallery", "item.py"): {"text"},
        ("request", "records.py"): {"text"},
        ("gallery", "collecting.py"): {"text"},
        ("diffusion", "pipelines.py"): {"image"},
        ("seeing", "readers.py"): {"image"},
        ("speaking", "pocket.py"): {"audio", "text"},
        ("diffusion", "editing.py"): {"image"},
        ("diffusion", "controlling.py"): {"image"},
        ("diffusion", "ways.py"): {"image"},
    }
    for path in set(ROOT.rglob("*.py")) - own:
        named = {
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in TASKS
        }
        assert not named - chance.get((path.parent.name, path.name), set()), path


def test_results_are_not_told_apart_by_their_classes() -> None:
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
                assert not ast.unparse(node.args[1]).endswith("Result"), path


def test_from_pretrained_has_one_home() -> None:
    callers = {path.name for path in ROOT.rglob("*.py") if ".from_pretrained(" in path.read_text()}
    assert callers == {"loading.py"}


def test_nothing_below_the_commands_prints_or_exits() -> None:
    for folder in BELOW_THE_COMMANDS:
        for path in below(folder):
            calls = {
                ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
            }
            assert not calls & {"print", "sys.exit", "exit", "typer.echo", "typer.Exit"}, path


def test_nothing_changes_the_environment_when_it_is_imported() -> None:
    for path in ROOT.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            assert "os.environ" not in ast.unparse(node) or isinstance(node, ast.FunctionDef | ast.ClassDef), path
