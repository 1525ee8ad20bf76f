"""Help, version, usage errors and dry runs answer at once: they load none of the heavy libraries."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "pydantic",
    "torch",
    "numpy",
    "PIL",
    "transformers",
    "diffusers",
    "huggingface_hub",
    "soundfile",
    "accelerate",
    "mutagen",
)
PROGRAM = """
import json, sys
from genai_cli.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(name for name in sys.modules if "." not in name)]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["image", "--help"], 0),
        (["models", "--help"], 0),
        (["image", "a cat", "--steps", "many"], 2),
        (["image", ""], 2),
        (["image"], 2),
        (["image", "a cat", "--dry-run"], 0),
        (["text", "Once", "--dry-run"], 0),
        (["classify", "good", "-m", "gtp2"], 4),
        (["audio", "a song", "--duration", "-1"], 2),
        (["nonsense"], 2),
    ],
)
def test_no_heavy_library_is_loaded(arguments: list[str], code: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    import json

    exit_code, modules = json.loads(done.stderr.splitlines()[-1])
    assert exit_code == code, done.stderr
    assert not set(HEAVY) & set(modules)


def test_the_collector_works_again_once_the_command_is_imported() -> None:
    program = "import gc, sys; from genai_cli.__main__ import run; sys.argv = ['genai', 'image', '--help']\n"
    program += "try:\n    run()\nfinally:\n    print(gc.isenabled(), gc.get_freeze_count() > 0, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "True True\n")


def test_version_is_the_package_s(tmp_path: Path) -> None:
    from genai_cli import __version__

    command = Path(sys.executable).with_name("genai")
    done = subprocess.run([command, "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == f"genai {__version__}\n"
    module = subprocess.run([sys.executable, "-m", "genai_cli", "--version"], capture_output=True, text=True)
    assert module.stdout == done.stdout
