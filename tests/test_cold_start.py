"""From the start of the process to the first result: what is imported and when, and the weights read meanwhile."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RunMain

from genai_cli.device.importing import find_classes
from genai_cli.device.read_ahead import read_into_cache
from genai_cli.hub.fetching import ModelFiles
from genai_cli.hub.names import ModelReference

# Large libraries that no command has a use for, and that are often there.
UNUSED = {"pandas", "sklearn", "librosa", "matplotlib", "torchvision", "tensorflow", "datasets", "IPython"}
PROGRAM = """
import gc, json, sys
from genai_cli.cli.main import main
code = main(sys.argv[1:])
full = gc.get_stats()[-1]["collections"]
print(json.dumps([code, full, gc.get_freeze_count(), gc.isenabled(), sorted(sys.modules)]), file=sys.stderr)
"""
COMMANDS = {
    "text": ["--max-new-tokens", "4"],
    "classify": [],
    "image": ["--steps", "1", "-o", "out/"],
    "audio": ["--duration", "0.2", "-o", "out/"],
}


@pytest.mark.parametrize("task", COMMANDS)
def test_a_command_imports_what_its_model_needs_and_lets_the_collector_rest(task: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, task, "a red circle", "-m", "tiny", "--seed", "1", *COMMANDS[task]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    code, full_collections, frozen, collects, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    assert not UNUSED & set(modules)
    assert ("diffusers" in modules) == (task == "image")
    assert ("mutagen" in modules) == (task == "audio")
    assert ("transformers.pipelines" in modules) == (task == "audio")
    # Left alone, Python walks through all its objects six or seven times while these libraries define them.
    assert full_collections <= 3
    assert frozen > 100_000
    assert collects


def test_the_classes_that_a_checkpoint_names(gpt2: Path, flagging_stable_diffusion: Path) -> None:
    text = ModelFiles(ModelReference("m", folder=gpt2), gpt2, None, "GPT2LMHeadModel", None, frozenset())
    assert find_classes(text) == [("transformers", "GPT2LMHeadModel")]
    folder, unused = flagging_stable_diffusion, frozenset({"safety_checker"})
    image = ModelFiles(ModelReference("m", folder=folder), folder, "fp16", "StableDiffusionPipeline", None, unused)
    named = find_classes(image)
    assert named[0] == ("diffusers", "StableDiffusionPipeline")
    assert {("diffusers", "UNet2DConditionModel"), ("transformers", "CLIPTextModel")} < set(named)
    assert not any("Safety" in name for _, name in named)


def test_the_record_and_v_tell_where_the_time_went(run_main: RunMain) -> None:
    done = run_main(
        "text", "It was", "-m", "tiny", "--seed", "1", "--max-new-tokens", "4", "--json", "-v", "-o", "a.txt"
    )
    assert done.code == 0, done.stderr
    seconds = json.loads(done.stdout)["seconds"]
    assert set(seconds) == {"load", "download", "import", "generate"}
    assert seconds["load"] >= seconds["download"] + seconds["import"]
    for told in ("loaded in ", "download ", "import ", "generated in ", "encoded in ", "written in "):
        assert told in done.stderr


@pytest.mark.skipif(not hasattr(os, "sendfile") or not hasattr(os, "preadv"), reason="Linux only")
def test_weights_are_read_into_the_cache(tmp_path: Path) -> None:
    weights, size = tmp_path / "model.safetensors", 8 << 20
    weights.write_bytes(os.urandom(size))
    with weights.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if cached_bytes(file.fileno(), size) == size:
            pytest.skip("this file system keeps its files in memory")
        read_into_cache([weights])
        assert cached_bytes(file.fileno(), size) == size


def cached_bytes(descriptor: int, size: int) -> int:
    """How many bytes of a file can be read from its start on without the disk."""
    buffer, done = bytearray(1 << 16), 0
    while done < size:
        try:
            done += os.preadv(descriptor, [buffer], done, os.RWF_NOWAIT)
        except BlockingIOError:
            break
    return done


def test_weights_that_are_gone_or_too_large_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "sendfile", lambda *arguments: moved.append(arguments) or 0, raising=False)
    read_into_cache([tmp_path / "gone.safetensors"])
    huge = tmp_path / "huge.safetensors"
    with huge.open("wb") as file:
        file.truncate(1 << 43)  # 8 TB, sparse: reading it would take hours
    read_into_cache([huge])
    assert moved == []
