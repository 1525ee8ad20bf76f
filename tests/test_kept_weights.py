"""Quantized weights are kept: the same results, listed, bounded, removed, and made again if they are damaged."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import Genai, RunMain, copy_of
from loopback_hub import LoopbackHub
from readers import record_of

from genai_cli.device import kept_weights, loading
from genai_cli.device.loading import load_kept
from genai_cli.hub import kept
from genai_cli.hub.kept import ABOUT, list_kept, locate_user_place

QUICK = {
    "gpt2": ["text", "It was", "--max-new-tokens", "12"],
    "llama_chat": ["text", "Who?", "--max-new-tokens", "12"],
    "distilbert": ["classify", "good"],
    "musicgen": ["audio", "a song", "--duration", "0.2"],
    "vits": ["audio", "hello"],
}


@pytest.fixture(autouse=True)
def _small_models_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small models of the tests count as large ones."""
    for module in (kept_weights, loading):
        monkeypatch.setattr(module, "SMALL", 0)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """For each model that is loaded whether its kept weights served."""
    served: list[bool] = []

    def watched(*arguments: object) -> object:
        model = load_kept(*arguments)  # type: ignore[arg-type]
        served.append(model is not None)
        return model

    monkeypatch.setattr(loading, "load_kept", watched)
    yield served


def only_kept() -> Path:
    """The folder of the only weights that are kept."""
    (found,) = list_kept()
    return found.folder


@pytest.mark.parametrize("name", ["int8", "int4"])
@pytest.mark.parametrize("fixture", QUICK)
def test_what_was_kept_gives_the_same_results(
    run_main: RunMain, fixture: str, name: str, loads: list[bool], request: pytest.FixtureRequest
) -> None:
    folder = str(request.getfixturevalue(fixture))
    hashes = []
    for _ in range(2):
        done = run_main(*QUICK[fixture], "-m", folder, "--quantize", name, "--seed", "1", "--json")
        assert done.code == 0, done.stderr
        hashes.append(json.loads(done.stdout)["content_sha256"])
    assert loads == [False, True]
    assert hashes[0] == hashes[1]


def test_every_number_of_the_model_is_the_same(gpt2: Path, run_main: RunMain) -> None:
    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import fetch
    from genai_cli.hub.files import FetchOptions
    from genai_cli.hub.reference import ModelReference
    from genai_cli.modality.registry import load_catalog

    catalog = load_catalog()
    options = FetchOptions(catalog.kind("text"), catalog)
    files = fetch(ModelReference(str(gpt2), folder=gpt2), options, lambda _: None)
    placement = Placement("cpu", "float32", "", "", "int8")
    made, read = (loading.load_model("AutoModelForCausalLM", files, placement) for _ in range(2))
    ours, theirs = dict(made.named_buffers()) | dict(made.named_parameters()), dict(read.named_buffers())
    theirs |= dict(read.named_parameters())
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
    assert read.transformer.wte.weight.data_ptr() == read.lm_head.weight.data_ptr()
    assert made.generation_config.to_dict() == read.generation_config.to_dict()
    assert [type(module) for module in made.modules()] == [type(module) for module in read.modules()]
    tokens = torch.arange(10).reshape(1, -1)
    with torch.inference_mode():
        assert torch.equal(made(tokens).logits, read(tokens).logits)


def test_damaged_ones_are_made_again(run_main: RunMain, gpt2: Path, loads: list[bool]) -> None:
    command = ["text", "It was", "-m", str(gpt2), "--quantize", "int8", "--seed", "1", "--max-new-tokens", "8"]
    first = run_main(*command).stdout
    shard = only_kept() / "0000.safetensors"
    shard.write_bytes(shard.read_bytes()[:-40])
    assert run_main(*command).stdout == first
    assert run_main(*command).stdout == first
    (only_kept() / ABOUT).write_text("{")
    assert run_main(*command).stdout == first
    shard.unlink()
    assert run_main(*command).stdout == first
    assert loads == [False, False, True, False, False]
    assert [path.name for path in only_kept().iterdir()] != []


def test_other_files_have_weights_of_their_own(run_main: RunMain, gpt2: Path, tmp_path: Path) -> None:
    folder = copy_of(gpt2, tmp_path)
    command = ["text", "It was", "-m", str(folder), "--seed", "1", "--max-new-tokens", "8", "--json"]
    run_main(*command, "--quantize", "int8")
    run_main(*command, "--quantize", "int4")
    assert [found.quantize for found in list_kept()] == ["int8", "int4"]
    weights = folder / "model.safetensors"
    times = weights.stat()
    weights.write_bytes(bytes(weights.read_bytes()))
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    run_main(*command, "--quantize", "int8")
    assert len(list_kept()) == 3


def test_they_are_listed_and_removed(run_main: RunMain, gpt2: Path) -> None:
    run_main("text", "It was", "-m", str(gpt2), "--quantize", "int8", "--max-new-tokens", "4")
    size = sum(path.stat().st_size for path in only_kept().iterdir())
    listed = [json.loads(line) for line in run_main("models", "list", "--here", "--json").lines]
    (line,) = [model for model in listed if model["variant"] == "int8, made here"]
    assert (line["name"], line["size"]) == (str(gpt2.resolve()), size)
    done = run_main("models", "remove", str(gpt2), "--json")
    assert json.loads(done.stdout)["freed"] == size
    assert list_kept() == []
    assert run_main("models", "remove", str(gpt2)).code == 4
    assert gpt2.is_dir()


def test_those_of_a_model_of_the_hub_go_with_it(genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path) -> None:
    hub.add("owner/name", gpt2)
    assert genai("models", "pull", "owner/name").code == 0
    cache = environment / "huggingface" / "hub" / "models--owner--name"
    unfinished = kept.begin_keeping(cache / kept.PLACE)
    (unfinished / "0000.safetensors").write_bytes(b"0" * 5000)
    revision = next((cache / "snapshots").iterdir()).name
    kept.finish_keeping(unfinished, "key", {"model": "owner/name", "revision": revision, "quantize": "int8"})
    listed = [json.loads(line) for line in genai("models", "list", "--here", "--json").lines]
    assert [model["variant"] for model in listed if model["name"] == "owner/name"].count("int8, made here") == 1
    done = genai("models", "remove", f"owner/name@{revision}", "--json")
    assert json.loads(done.stdout)["freed"] > 5000
    assert not (cache / kept.PLACE / "key").exists()


def test_the_oldest_go_where_they_take_too_much_room(
    run_main: RunMain, gpt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["text", "It was", "-m", str(gpt2), "--max-new-tokens", "4", "--seed", "1"]
    run_main(*command, "--quantize", "int8")
    weights = (gpt2 / "model.safetensors").stat().st_size
    monkeypatch.setattr(kept, "MOST_BYTES", weights // 2 + 100)
    run_main(*command, "--quantize", "int4")
    assert [found.quantize for found in list_kept()] == ["int4"]
    shutil.rmtree(only_kept())
    monkeypatch.setattr(kept, "MOST_BYTES", 100)
    assert run_main(*command, "--quantize", "int8").code == 0
    assert list_kept() == []
    assert list(locate_user_place().iterdir()) == []


def test_a_cache_that_cannot_be_written_changes_nothing(
    run_main: RunMain, gpt2: Path, environment: Path, monkeypatch: pytest.MonkeyPatch, loads: list[bool]
) -> None:
    command = ["text", "It was", "-m", str(gpt2), "--seed", "1", "--max-new-tokens", "8", "--quantize", "int8"]
    (environment / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(environment / "file"))
    first = run_main(*command, "-o", "small.txt")
    assert first.code == 0, first.stderr
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert run_main(*command, "-o", "kept.txt").code == 0
    assert run_main("rerun", "small.txt", "--verify").stdout == "small.txt: the same\n"
    assert loads == [False, False, True]
    assert "quantize" in record_of(Path("kept.txt"))["parameters"]
