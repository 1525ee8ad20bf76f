"""What is set before torch is imported, and how the threads of a model on the CPU wait for each other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RunMain

from genai_cli.device import threads
from genai_cli.device.environment import SETTINGS, prepare_environment

HEAVY = {"torch", "numpy", "transformers", "diffusers", "tokenizers", "huggingface_hub", "safetensors"}
FOLDER = Path(threads.__file__).parent
# The others say that they are imported inside functions only, since they load torch.
LIGHT = sorted(
    {path.stem for path in FOLDER.glob("*.py")}
    - {"__init__", "onednn", "openvino_network", "openvino_text", "quantized_layers"}
)


def environment_after(
    load: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **env: str
) -> tuple[str | None, str | None]:
    """OMP_WAIT_POLICY and GOMP_SPINCOUNT as set_waiting leaves them, on a machine with such a load."""
    file = tmp_path / "loadavg"
    if load is not None:
        file.write_text(load)
    monkeypatch.setattr(threads, "LOAD", file)
    for name in (threads.POLICY, threads.SPINS):
        monkeypatch.setenv(name, "")  # so that what it was comes back
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    threads.set_waiting()
    return os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT")


@pytest.mark.parametrize(
    ("load", "policy"),
    [
        ("0.81 0.93 0.70 1/79 3352\n", (None, threads.MOMENT)),
        ("0.00 0.00 0.00 2/79 3352\n", ("passive", None)),
        ("9.00 9.00 9.00 17/612 3352\n", ("passive", None)),
        ("", ("passive", None)),
        (None, ("passive", None)),
    ],
)
def test_threads_sleep_where_others_compute_or_nothing_is_known(
    load: str | None, policy: tuple[str | None, str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment_after(load, tmp_path, monkeypatch) == policy


@pytest.mark.parametrize(("running", "busy"), [("21121", False), ("22112", True), ("12222", True), ("11112", False)])
def test_one_look_alone_does_not_decide(running: str, busy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    left = iter(running)

    class Looks:
        """What the system says, another thing at each look."""

        def read_text(self) -> str:
            return f"0.00 0.00 0.00 {next(left)}/79 3352\n"

    monkeypatch.setattr(threads, "LOAD", Looks())
    assert threads.others_compute() is busy


@pytest.mark.parametrize("load", ["2.00 2.00 2.00 5/79 3352\n", "0.00 0.00 0.00 1/79 3352\n"])
def test_the_users_own_choice_stays(load: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment_after(load, tmp_path, monkeypatch, OMP_WAIT_POLICY="active") == ("active", None)
    assert environment_after(load, tmp_path, monkeypatch, GOMP_SPINCOUNT="7") == (None, "7")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says what is running")
def test_a_busy_program_is_seen() -> None:
    busy = subprocess.Popen([sys.executable, "-S", "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        assert any(threads.others_compute() for _ in range(200))
    finally:
        busy.kill()
        busy.wait()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OMP_WAIT_POLICY", "passive", "asleep"),
        ("OMP_WAIT_POLICY", "active", "awake"),
        ("GOMP_SPINCOUNT", "4000", "awake for a moment, then asleep,"),
    ],
)
def test_verbose_says_how_they_wait(
    name: str, value: str, said: str, run_main: RunMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for unset in (threads.POLICY, threads.SPINS):
        monkeypatch.setenv(unset, "")
        monkeypatch.delenv(unset)
    monkeypatch.setenv(name, value)
    done = run_main("classify", "good", "-m", "tiny", "-v")
    assert f"threads: 1, {said} while they wait for each other" in done.stderr


def test_what_the_libraries_read_is_set_and_the_users_own_settings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    prepare_environment()
    assert SETTINGS.items() <= os.environ.items()
    monkeypatch.setattr(os, "environ", own := dict.fromkeys([*SETTINGS, "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"], "mine"))
    expected = dict(own)
    prepare_environment()
    assert expected.items() <= os.environ.items()


def test_nothing_is_set_by_an_import_and_setting_it_imports_nothing_heavy() -> None:
    program = f"""
import os, sys
from importlib import import_module
before = dict(os.environ)
from genai_cli.device.environment import prepare_environment
for name in {LIGHT}:
    import_module(f"genai_cli.device.{{name}}")
assert dict(os.environ) == before
prepare_environment()
assert os.environ["TRANSFORMERS_VERBOSITY"] == "critical"
assert not {HEAVY} & set(sys.modules), {HEAVY} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
