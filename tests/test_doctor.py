"""genai doctor says what is there and what is wrong, and mends the cache."""

import json
from pathlib import Path

from conftest import Genai
from loopback_hub import LoopbackHub


def findings(lines: list[str]) -> dict[str, dict[str, str | None]]:
    return {finding["name"]: finding for finding in map(json.loads, lines)}


def test_a_healthy_machine(genai: Genai, hub: LoopbackHub) -> None:
    done = genai("doctor", "--json", env={"HF_TOKEN": "hf_canary"})
    assert done.code == 0, done.stderr
    assert done.stderr == "genai: nothing is wrong\n"
    found = findings(done.lines)
    assert {"genai", "python", "torch", "device", "dtype", "cache", "free disk", "token", "hub"} <= set(found)
    assert found["token"]["value"] == "present"
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
