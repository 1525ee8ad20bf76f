"""Only the files that were chosen are opened, and what is on this machine is never asked of the hub."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoint_parts import update_json
from conftest import Genai, RunMain, copy_of
from loopback_hub import LoopbackHub
from safetensors.torch import load_file, save_file

from genai_cli.device.loading import asks_bfloat16
from genai_cli.errors import InputError, ModelError, RefusedError
from genai_cli.hub.fetching import ModelFiles, fetch
from genai_cli.hub.files import FetchOptions
from genai_cli.hub.names import parse_name
from genai_cli.hub.reference import ModelReference
from genai_cli.modality.registry import load_catalog

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 267832558\n"
GARBAGE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "  # an AppleDouble header
STRAY = ["._config.json", "._model.safetensors", "._tokenizer.json", "config copy.json", "config (1).json", ".x.json"]
STRAY += ["config_old.json", "model copy.safetensors", "model.bf16.safetensors", "notes.pt"]
TASKS = {"gpt2": "text", "distilbert": "classify", "stable_diffusion": "image"}


def fetch_from(folder: Path, task: str) -> ModelFiles:
    catalog = load_catalog()
    reference = ModelReference(str(folder), folder=folder)
    return fetch(reference, FetchOptions(catalog.kind(task), catalog), lambda _event: None)


def read_files(folder: Path) -> list[Path]:
    return [folder, *(path for path in folder.iterdir() if path.is_dir())]


@pytest.mark.parametrize("fixture", TASKS)
def test_what_a_desktop_leaves_beside_a_model_is_not_opened(
    run_main: RunMain, request: pytest.FixtureRequest, tmp_path: Path, fixture: str
) -> None:
    folder = copy_of(request.getfixturevalue(fixture), tmp_path)
    options = ["a cat", "-m", folder, "--seed", "1", "--json"]
    options += {"text": ["--max-new-tokens", "3"], "image": ["--steps", "2"]}.get(TASKS[fixture], [])
    before = json.loads(run_main(TASKS[fixture], *options, "-o", "a/").stdout)["content_sha256"]
    for place in read_files(folder):
        for name in STRAY:
            (place / name).write_bytes(GARBAGE)
    done = run_main(TASKS[fixture], *options, "-o", "b/")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["content_sha256"] == before
    chosen = fetch_from(folder, TASKS[fixture])
    assert not {path.name for path in chosen.weights} & set(STRAY)


def test_stray_files_of_a_repository_are_not_fetched(
    genai: Genai, hub: LoopbackHub, distilbert: Path, tmp_path: Path
) -> None:
    folder = copy_of(distilbert, tmp_path)
    for name in STRAY:
        (folder / name).write_bytes(GARBAGE)
    hub.add("owner/name", folder)
    done = genai("models", "pull", "owner/name")
    assert done.code == 0, done.stderr
    assert set(hub.fetched()) & set(STRAY) <= {"config_old.json"}


def test_stray_weights_do_not_count_as_weights(run_main: RunMain, distilbert: Path, tmp_path: Path) -> None:
    folder = copy_of(distilbert, tmp_path)
    shutil.move(folder / "model.safetensors", folder / "._model.safetensors")
    done = run_main("classify", "good", "-m", folder)
    assert done.code == 9
    assert "pytorch_model.bin" in done.stderr


def test_a_settings_file_that_the_library_does_not_read_is_no_danger(
    run_main: RunMain, distilbert: Path, tmp_path: Path
) -> None:
    folder = copy_of(distilbert, tmp_path)
    (folder / "config_remote.json").write_text('{"auto_map": {"AutoConfig": "mine.Mine"}}')
    assert run_main("classify", "good", "-m", folder).code == 0


@pytest.mark.parametrize(
    "name", ["config copy.4.0.json", "._config.4.0.json", "config.later.json", "../config.json", 7]
)
def test_settings_of_a_version_have_a_name_that_is_checked(
    run_main: RunMain, distilbert: Path, tmp_path: Path, name: object
) -> None:
    folder = copy_of(distilbert, tmp_path)
    update_json(folder / "config.json", configuration_files=["config.4.0.0.json", name])
    done = run_main("classify", "good", "-m", folder)
    assert done.code == 9
    assert "config.json takes its settings from a file of another name" in done.stderr


def test_settings_of_a_version_are_checked_for_code(run_main: RunMain, distilbert: Path, tmp_path: Path) -> None:
    folder = copy_of(distilbert, tmp_path)
    shutil.copy(folder / "config.json", folder / "config.4.0.0.json")
    update_json(folder / "config.json", configuration_files=["config.4.0.0.json"])
    assert run_main("classify", "good", "-m", folder).code == 0
    update_json(folder / "config.4.0.0.json", auto_map={"AutoConfig": "mine.Mine"})
    done = run_main("classify", "good", "-m", folder)
    assert done.code == 9
    assert "config.4.0.0.json names code" in done.stderr


POINTERS = {
    "weights": ("distilbert", "model.safetensors"),
    "settings": ("distilbert", "config.json"),
    "vocabulary": ("distilbert", "vocab.txt"),
    "tokenizer": ("gpt2", "tokenizer.json"),
    "a shard": ("gpt2_sharded", "model-00002-of-"),
    "index of a pipeline": ("stable_diffusion", "model_index.json"),
    "weights of a component": ("stable_diffusion", "unet/diffusion_pytorch_model.safetensors"),
}


@pytest.mark.parametrize("case", POINTERS)
def test_a_git_lfs_pointer_is_named_as_one(
    run_main: RunMain, request: pytest.FixtureRequest, tmp_path: Path, case: str
) -> None:
    fixture, start = POINTERS[case]
    folder = copy_of(request.getfixturevalue(fixture), tmp_path)
    name = next(name for path in folder.rglob("*") if (name := path.relative_to(folder).as_posix()).startswith(start))
    (folder / name).write_text(POINTER)
    done = run_main(TASKS[fixture.removesuffix("_sharded")], "a cat", "-m", folder)
    assert done.code == 4, done.stderr
    assert done.stderr.splitlines() == [
        f"genai: error: model {folder}: {name} is a Git LFS pointer, not the file itself",
        "hint: fetch the large files: git lfs pull",
    ]


def test_a_pointer_that_was_not_chosen_does_no_harm(run_main: RunMain, distilbert: Path, tmp_path: Path) -> None:
    folder = copy_of(distilbert, tmp_path)
    for name in ("pytorch_model.bin", "model.bf16.safetensors", "onnx/model.onnx"):
        (folder / name).write_text(POINTER)
    assert run_main("classify", "good", "-m", folder).code == 0


# The dtype


def in_bfloat16(weights: Path, place: Path) -> None:
    tensors = {name: value.to(torch.bfloat16) for name, value in load_file(weights).items()}
    save_file(tensors, place, metadata={"format": "pt"})


def test_only_chosen_weights_ask_for_bfloat16(distilbert: Path, tmp_path: Path) -> None:
    folder = copy_of(distilbert, tmp_path)
    update_json(folder / "config.json", dtype="float32")
    in_bfloat16(folder / "model.safetensors", folder / "a.bf16.safetensors")
    assert not asks_bfloat16(fetch_from(folder, "classify"))
    in_bfloat16(folder / "model.safetensors", folder / "model.safetensors")
    assert asks_bfloat16(fetch_from(folder, "classify"))


def test_the_settings_of_a_folder_without_chosen_weights_ask_for_nothing(
    stable_diffusion: Path, tmp_path: Path
) -> None:
    folder = copy_of(stable_diffusion, tmp_path)
    (folder / "config.json").write_text('{"dtype": "bfloat16"}')
    shutil.copytree(folder / "unet", folder / "transformer")
    update_json(folder / "transformer" / "config.json", dtype="bfloat16")
    assert not asks_bfloat16(fetch_from(folder, "image"))
    update_json(folder / "unet" / "config.json", dtype="bfloat16")
    assert asks_bfloat16(fetch_from(folder, "image"))


# Names


def write_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


def link_to_nothing(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("gone")
    return path


PATHS: dict[str, tuple[str, Callable[[Path], Path] | None, str]] = {
    "weights": ("models/merged-v1.safetensors", write_file, "is not a safetensors file"),
    "a file of any name": ("models/merged-v1", write_file, "is not a safetensors file"),
    "a file in this folder": ("merged.bin", write_file, "is a pickle"),
    "a file with a revision": ("models/merged-v1@main", None, "is not a revision of a file"),
    "a file with @ in its name": ("models/merged@v1", write_file, "is not a safetensors file"),
    "a link to nothing": ("models/merged-v1", link_to_nothing, "there is no folder"),
    "weights that are not there": ("models/merged-v2.safetensors", None, "there is no file"),
    "a name too long for a file": ("/" + "a" * 300, None, "there is no folder"),
    "a name that no file can have": ("/a\0b", None, "there is no folder"),
}


@pytest.mark.parametrize("case", PATHS)
def test_a_path_is_never_asked_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.chdir(tmp_path)
    name, make, words = PATHS[case]
    if make:
        make(Path(name))
    elif "@" in name:
        write_file(Path(name.partition("@")[0]))
    for task in ("classify", None):
        with pytest.raises((ModelError, RefusedError, InputError), match=words):
            parse_name(name, task, load_catalog())


def test_no_request_leaves_for_a_file(genai: Genai, hub: LoopbackHub) -> None:
    write_file(genai.cwd / "models" / "merged-v1.safetensors")
    (genai.cwd / "rows.jsonl").write_text('{"prompt": "a", "model": "models/merged-v1.safetensors"}\n')
    commands = [["text", "a", "-m", "models/merged-v1.safetensors"], ["text", "--prompts", "rows.jsonl"]]
    commands += [["models", action, "models/merged-v1.safetensors"] for action in ("show", "pull", "remove")]
    for command in commands:
        done = genai(*command)
        assert done.code == 4, (command, done.stderr)
        assert "models/merged-v1.safetensors is not a safetensors file" in done.stderr
    assert hub.requests == []


def test_an_alias_and_a_revision_of_a_repository_mean_what_they_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_file(Path("gpt2"))
    Path("owner/name").mkdir(parents=True)
    catalog = load_catalog()
    assert parse_name("gpt2", "text", catalog).folder is None
    assert parse_name("owner/name", "text", catalog).folder == Path("owner/name")
    pinned = parse_name("owner/name@main", "text", catalog)
    assert (pinned.id, pinned.revision, pinned.folder) == ("owner/name", "main", None)


def test_a_file_without_a_dot_beside_a_variant_does_no_harm(
    run_main: RunMain, stable_diffusion: Path, tmp_path: Path
) -> None:
    """To find the variant diffusers splits every name at its dots."""
    folder = copy_of(stable_diffusion, tmp_path)
    options = ["a cat", "-m", folder, "--variant", "fp16", "--steps", "2", "--seed", "1", "--json"]
    before = json.loads(run_main("image", *options, "-o", "a.png").stdout)
    (folder / "scheduler" / "LICENSE").write_text("mine")
    (folder / "tokenizer" / "old").mkdir()
    done = run_main("image", *options, "-o", "b.png")
    assert done.code == 0, done.stderr
    after = json.loads(done.stdout)
    assert (after["content_sha256"], after["model"]) == (before["content_sha256"], before["model"])
