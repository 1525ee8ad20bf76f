"""A picture in place of a text, in every place: records, pipes, other engines, the hub, what is shown before."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints_encoders import build_sentence_encoder
from conftest import Genai, RunMain, write_rows
from loopback_hub import LoopbackHub
from PIL import Image

from genai_cli.gallery.item import Item
from genai_cli.gallery.remaking import build_command


@pytest.fixture
def picture(tmp_path: Path, run_main: RunMain) -> Path:
    """A picture in the current folder."""
    Image.new("RGB", (40, 30), "red").save("red.png")
    return Path("red.png")


def test_results_of_pictures_are_verified_and_made_again(run_main: RunMain, clip: Path, picture: Path) -> None:
    labels = run_main("classify", "--picture", picture, "--labels", "a cat,a dog", "-m", clip, "-o", "labels.txt")
    assert labels.code == 0, labels.stderr
    vector = run_main("embed", "--picture", picture, "-m", clip, "-o", "{slug}.npy")
    assert vector.code == 0, vector.stderr
    files = ["labels.txt", "redpng.npy" if Path("redpng.npy").exists() else "red-png.npy"]
    done = run_main("rerun", "--verify", *files)
    assert done.code == 0, done.stdout + done.stderr
    again = run_main("rerun", files[1], "--dimensions", "8", "-o", "again/")
    assert again.code == 0, again.stderr
    assert np.load(next(Path("again").glob("*.npy"))).shape == (8,)
    picture.write_bytes(Path(picture).read_bytes() + b"0")
    assert "red.png" in run_main("rerun", files[0], "-o", "other/").stderr


def test_records_of_other_tasks_are_piped_in(run_main: RunMain, clip: Path, picture: Path) -> None:
    made = run_main("edit", picture, "blue", "-m", "tiny", "--steps", "2", "-o", "blue.png", "--json")
    assert made.code == 0, made.stderr
    done = run_main("embed", "-", "-m", clip, "--json", stdin=made.stdout)
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["inputs"]["picture"]["name"] == "blue.png"
    text = run_main("text", "It was", "-m", "tiny", "--max-new-tokens", "5", "-o", "-", "--json")
    done = run_main("embed", "-", "-m", clip, "--json", stdin=text.stdout)
    assert json.loads(done.stdout)["prompt"] == json.loads(text.stdout)["text"]


def test_the_command_that_makes_a_result_again(run_main: RunMain, clip: Path, picture: Path) -> None:
    options: list[Any] = ["--picture", picture, "--labels", "a cat,a dog", "-m", clip]
    record = json.loads(run_main("classify", *options, "--json").stdout)
    command = build_command(Item(record), None)
    again = json.loads(run_main(*shlex.split(str(command))[1:], "--json").stdout)
    assert [again[name] for name in ("labels", "inputs", "parameters")] == [
        record[name] for name in ("labels", "inputs", "parameters")
    ]


def test_what_would_be_made(run_main: RunMain, clip: Path, picture: Path) -> None:
    rows = write_rows(
        Path("jobs.jsonl"),
        [
            {"task": "embed", "picture": "red.png"},
            {"task": "embed", "text": "a cat"},
            {"task": "classify", "text": "a cat", "labels": "a,b"},
            {"task": "classify", "picture": "red.png"},
        ],
    )
    done = run_main("batch", rows, "-o", "out/", "--dry-run")
    assert done.code == 0, done.stderr
    shown = done.stdout + done.stderr
    for name in ("laion/CLIP-ViT-B-32", "all-MiniLM-L6-v2", "zeroshot", "google/vit"):
        assert name in shown
    assert not Path("out").exists()
    done = run_main("embed", "--picture", picture, "--dry-run")
    assert "laion/CLIP-ViT-B-32" in done.stdout + done.stderr


def test_a_table_with_a_column_of_texts_or_of_pictures(run_main: RunMain, clip: Path, picture: Path) -> None:
    Path("table.csv").write_text("name,picture,text\nfirst,red.png,\nsecond,,a cat\n")
    done = run_main("embed", "--prompts", "table.csv", "--column", "text", "-m", clip, "-o", "v.jsonl", "--skip-bad")
    assert "1 bad row skipped" in done.stderr
    Path("table.csv").write_text("picture,text\nred.png,\n,a cat\n")
    done = run_main("embed", "--prompts", "table.csv", "-m", clip, "-o", "both.npy")
    assert done.code == 0, done.stderr
    assert np.load("both.npy").shape == (2, 24)
    Path("list.txt").write_text("red.png\n")
    done = run_main("embed", "--prompts", "list.txt", "--picture", "-m", clip, "-o", "listed.npy")
    assert done.code == 0, done.stderr
    assert np.array_equal(np.load("listed.npy")[0], np.load("both.npy")[0])


def test_the_files_of_the_modules_are_fetched(
    genai: Genai, hub: LoopbackHub, environment: Path, tmp_path: Path
) -> None:
    folder = build_sentence_encoder(tmp_path / "minilm", ("cls_token",), dense=16)
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"never fetched")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"never fetched")
    hub.add("sentence-transformers/all-MiniLM-L6-v2", folder)
    done = genai("embed", "a cat", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["dimensions"] == 16
    fetched = {target.rpartition("/resolve/")[2].partition("/")[2] for _, target in hub.requests if "resolve" in target}
    assert {"modules.json", "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"} <= fetched
    assert not [name for name in fetched if name.endswith((".bin", ".onnx", "data_config.json"))]


def test_a_worker_searches_and_sees(
    genai: Genai, run_main: RunMain, clip: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker makes is what the command itself makes."""
    place = tmp_path / "w"
    place.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    done = run_main("embed", "a cat", "a dog", "-m", clip, "-o", "vectors.npy")
    assert done.code == 0, done.stderr
    search = ("embed", "--near", "--picture", picture, "--in", "vectors.npy")
    try:
        found = genai(*search, "--keep", "1m")
        assert found.code == 0, found.stderr
        assert {line.split("\t")[1] for line in found.lines} == {"a cat", "a dog"}
        assert found.stdout == run_main(*search).stdout
    finally:
        genai("worker", "stop")
