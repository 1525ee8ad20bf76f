"""genai doctor says what is there and what is wrong, and mends the cache."""

import json
import os
import re
import socket
from pathlib import Path

import pytest
from conftest import Genai, RunMain, heed_permissions
from loopback_hub import LoopbackHub


def findings(lines: list[str]) -> dict[str, dict[str, str | None]]:
    return {finding["name"]: finding for finding in map(json.loads, lines)}


def test_a_healthy_machine(genai: Genai, hub: LoopbackHub) -> None:
    done = genai("doctor", "--json", env={"HF_TOKEN": "hf_canary"})
    assert done.code == 0, done.stderr
    assert done.stderr == "genai: nothing is wrong\n"
    found = findings(done.lines)
    assert {"genai", "python", "torch", "device", "dtype", "cache", "free disk", "token", "hub"} <= set(found)
    assert found["token"]["value"] == f"present; not sent to {hub.url}, which GENAI_TRUST_ENDPOINT does not name"
    assert "reachable" in str(found["hub"]["value"])
    assert "hf_canary" not in done.stdout + done.stderr


def test_a_broken_cache_entry_is_found_and_mended(
    genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path
) -> None:
    hub.add("owner/name", gpt2)
    genai("models", "pull", "owner/name")
    pointer = next((environment / "huggingface" / "hub").glob("*/snapshots/*/model.safetensors"))
    pointer.resolve().unlink()
    (pointer.resolve().parent / "0000.incomplete").write_bytes(b"half")
    sick = genai("doctor", "--offline")
    assert sick.code == 4
    assert "cache entries: 2 broken or unfinished files" in sick.stderr
    assert "hint: genai doctor --repair removes them" in sick.stderr
    mended = genai("doctor", "--offline", "--repair")
    assert (mended.code, "removed 2 broken" in mended.stderr) == (0, True)
    assert genai("text", "It was", "-m", "owner/name", "--offline").code == 4
    assert genai("models", "pull", "owner/name").code == 0


def test_broken_files_are_named_and_removed(genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path) -> None:
    hub.add("owner/name", gpt2)
    genai("models", "pull", "owner/name")
    snapshot = next((environment / "huggingface" / "hub").glob("*/snapshots/*"))
    for name in ("model.safetensors", "config.json"):
        blob = (snapshot / name).resolve()
        blob.write_bytes(blob.read_bytes()[:-30])
    sick = findings(genai("doctor", "--json", "--offline").lines)["cache entries"]
    assert sick["problem"] == "2 broken or unfinished files"
    assert "model.safetensors: broken: " in str(sick["value"])
    assert "config.json: broken: " in str(sick["value"])
    mended = genai("doctor", "--json", "--offline", "--repair")
    assert mended.code == 0
    assert findings(mended.lines)["cache entries"]["value"] == "whole"
    assert not (snapshot / "model.safetensors").is_symlink()
    hub.requests.clear()
    assert genai("models", "pull", "owner/name").code == 0
    assert sorted(hub.fetched()) == ["config.json", "model.safetensors"]


def test_an_nvidia_driver_without_a_gpu_in_torch(
    run_main: RunMain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU that torch sees")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    done = run_main("doctor", "--offline")
    assert done.code == 7
    assert done.stderr.startswith("genai: error: device: this machine has an NVIDIA driver, and torch ")
    assert "hint: " in done.stderr


def test_a_library_that_is_too_old(run_main: RunMain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "mutagen-1.0.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: mutagen\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    done = run_main("doctor", "--offline")
    assert done.code == 4
    assert re.match(r"genai: error: mutagen: 1\.0 is older than >=[\d.]+\n", done.stderr)
    assert "hint: pip install --upgrade 'mutagen>=" in done.stderr


def test_folders_that_cannot_be_written(genai: Genai, environment: Path) -> None:
    cache = environment / "huggingface"
    cache.mkdir()
    for folder in (cache, genai.cwd):
        folder.chmod(0o555)
    process = genai.start("doctor", "--offline", preexec_fn=heed_permissions)
    _, error = process.communicate(timeout=100)
    for folder in (cache, genai.cwd):
        folder.chmod(0o755)
    assert process.returncode == 6
    assert f"cache: {cache} cannot be written, so no model can be fetched\nhint: HF_HOME" in error.decode()
    assert "current folder: it cannot be written, so no result can be kept in it\nhint: -o" in error.decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model = ", "at end of document"),
        ("[image]\nstepps = 3", "genai image has no option 'stepps'"),
        ("[image]\nsteps = 'many'", "--steps must be a whole number, not 'many'"),
        ("[doctor]\noffline = 'perhaps'", "--offline must be true or false"),
        ("dtype = 'float8'", "unknown dtype 'float8'"),
    ],
)
def test_a_broken_settings_file_is_named_and_all_else_is_looked_at(
    run_main: RunMain, environment: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    path = environment / "config.toml"
    path.write_text(text)
    monkeypatch.setenv("GENAI_CONFIG", str(path))
    done = run_main("doctor", "--json", "--offline")
    assert done.code == 2, done.stderr
    assert f"settings: {path}: " in done.stderr
    assert words in done.stderr
    assert {"device", "cache", "hub"} <= set(findings(done.lines))


def test_a_variable_that_sets_nothing_is_named(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GENAI_CONFIG", "GENAI_DEBUG", "GENAI_TRUST_ENDPOINT", "GENAI_IMAGE_MODEL", "GENAI_DRY_RUN"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setenv("GENAI_IMAGE_STEPS", "3")
    monkeypatch.setenv("GENAI_STEPZ", "3")
    done = run_main("doctor", "--json", "--offline")
    problem = str(findings(done.lines)["environment"]["problem"])
    assert "GENAI_IMAGE_STEPS sets nothing: genai has no such variable; did you mean GENAI_STEPS?" in problem
    assert "GENAI_STEPZ sets nothing" in problem
    assert problem.count("sets nothing") == 2
    told = run_main("classify", "good", "-m", "tiny").stderr
    assert told.count("sets nothing") == 2
    assert all(line.startswith("genai: GENAI_") for line in told.splitlines())
    assert run_main("classify", "good", "-m", "tiny", "-q").stderr == ""


def test_a_hub_that_takes_the_call_and_says_nothing(genai: Genai) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = genai("doctor", "--json", env={"HF_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"})
    assert done.code == 0
    assert "not reachable" in str(findings(done.lines)["hub"]["value"])
