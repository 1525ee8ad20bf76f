"""The wheel holds all that is needed: in a fresh environment it answers with an empty cache and no home."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from readers import record_of

from genai_cli.modality.registry import load_catalog

ROOT = Path(__file__).parent.parent
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, timeout=280)
    return next(folder.glob("genai_cli-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in a fresh environment, which borrows nothing but the libraries it depends on."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=280)
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--ignore-installed"]
    subprocess.run([*command, wheel], check=True, capture_output=True, timeout=280)
    return folder / "bin" / "genai"


def test_the_wheel_holds_the_built_in_models_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    catalog = load_catalog()
    for folder in {catalog.built_in(task).folder for task in catalog.built_in_tasks()}:
        assert folder is not None
        assert f"genai_cli/tiny/{folder.name}/README.md" in sizes
    assert "genai_cli/py.typed" in sizes
    later = ("describe", "detect", "speak", "transcribe")  # what came to the first models may have 20 MB
    added = [size for name, size in sizes.items() if name.startswith(tuple(f"genai_cli/tiny/{one}/" for one in later))]
    assert 0 < sum(added) <= 20 * MEGABYTE
    assert sum(size for name, size in sizes.items() if "/tiny/" in name) <= 57 * MEGABYTE
    assert wheel.stat().st_size < 60 * MEGABYTE
    assert not [name for name in sizes if not name.startswith(("genai_cli/", "genai_cli-"))]


@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        (["image", "a large red circle on a blue background", "--seed", "1", "-o", "{out}/x.png"], "x.png"),
        (
            ["text", "It was a dark and stormy", "--seed", "1", "--max-new-tokens", "20", "-o", "-"],
            "It was a dark and stormy",
        ),
        (["classify", "What a waste of time"], "NEGATIVE"),
        (["audio", "a slow high flute", "--duration", "2", "--seed", "1", "-o", "{out}/x.wav"], "x.wav"),
    ],
)
def test_the_installed_command_answers_offline_with_a_home_that_cannot_be_written(
    installed: Path, tmp_path: Path, arguments: list[str], shows: str
) -> None:
    nowhere = "/proc/no-such-home"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHON"))}
    environment |= {"HOME": nowhere, "HF_HOME": f"{nowhere}/cache", "HF_ENDPOINT": "http://127.0.0.1:9"}
    command = [installed, *(word.format(out=tmp_path) for word in arguments), "-m", "tiny"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
    assert (done.returncode, done.stderr) == (0, "")
    assert shows in done.stdout
    for name in ("x.png", "x.wav"):
        if name in shows:
            assert record_of(tmp_path / name)["model"]["id"] == "tiny"
