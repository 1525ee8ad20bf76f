"""Groups: an item is what it is alone, whatever is made beside it, and what happens to one happens to no other."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_parts import changed_weights
from conftest import Build, RunMain, write_rows
from readers import record_of

from genai_cli.device.spec import ModelSpec, Placing
from genai_cli.errors import InputError
from genai_cli.hub.access import Access
from genai_cli.hub.names import parse_name
from genai_cli.hub.reference import ModelReference
from genai_cli.modality.decoding.sampling import OwnChance
from genai_cli.modality.image import Image, ImageRequest
from genai_cli.modality.registry import load_catalog
from genai_cli.modality.text import TextRequest
from genai_cli.work.assignment import Assignment, Hints
from genai_cli.work.batching import LOOKAHEAD, InputSequence, cut_groups, parse_batch_size
from genai_cli.work.job import Job
from genai_cli.work.loaded_model import LoadedModel, ModelSource
from genai_cli.work.producer import Producer

PROMPTS = [
    "It",
    "a photo of an astronaut riding a horse on mars",
    "this movie",
    "we loved the actors and the plot",
    "x",
]
KINDS_OF_CHANCE = [
    {"temperature": 0},
    {"temperature": 0.9, "top_k": 0},
    {"temperature": 1.2, "top_p": 0.8, "repetition_penalty": 1.4},
]


def locate(name: str, task: str) -> ModelReference:
    return parse_name(name, task, load_catalog())


def made(run_main: RunMain, task: str, rows: list[dict[str, Any]], *options: str) -> list[dict[str, Any]]:
    """What a run tells of each row, without what differs from run to run."""
    done = run_main(task, "--prompts", write_rows(Path("rows.jsonl"), rows), "--json", *options)
    assert done.code == 0, done.stderr
    lines = [json.loads(line) for line in done.lines]
    return [{name: line.get(name) for name in ("content_sha256", "parameters", "text", "labels")} for line in lines]


@pytest.mark.parametrize("chance", KINDS_OF_CHANCE)
@pytest.mark.parametrize("fixture", ["gpt2", "llama_chat"])
def test_a_text_is_the_same_in_any_group(
    run_main: RunMain, request: pytest.FixtureRequest, fixture: str, chance: dict[str, Any]
) -> None:
    folder = str(request.getfixturevalue(fixture))
    rows = [{"prompt": PROMPTS[n % 5] + " dark" * n, "seed": n, "max_new_tokens": 10, **chance} for n in range(10)]
    options = ["-m", folder] + (["--no-chat"] if fixture == "llama_chat" else [])
    alone = made(run_main, "text", rows, *options, "--batch-size", "1")
    assert len({line["text"] for line in alone}) == 10
    for size in ("auto", "3"):
        assert made(run_main, "text", rows, *options, "--batch-size", size) == alone
    assert made(run_main, "text", rows[7:8], *options) == alone[7:8]


def test_each_row_of_a_group_ends_by_itself(run_main: RunMain, gpt2: Path) -> None:
    options = ["-m", str(gpt2), "--seed", "3", "--no-echo", "--max-new-tokens", "12"]
    whole = json.loads(run_main("text", "It was", *options, "--json").stdout)["text"]
    rows = [
        {"prompt": "It was", "stop": [whole[5:8]]},
        {"prompt": "It was"},
        {"prompt": "It was" + " dark" * 12},
        {"prompt": "It was", "stop": [whole[8:10], "never"]},
    ]
    texts = [line["text"] for line in made(run_main, "text", rows, *options)]
    assert texts[0] == whole[: whole.index(whole[5:8])]
    assert texts[1] == whole
    assert texts[3] == whole[: whole.index(whole[8:10])]


def test_the_context_is_each_row_s_own(run_main: RunMain, gpt2: Path) -> None:
    rows = [{"prompt": "It"}, {"prompt": "dark " * 20}, {"prompt": "It was"}]
    options = ["-m", str(gpt2), "--temperature", "0", "--seed", "0"]
    lengths = [line["parameters"]["max_new_tokens"] for line in made(run_main, "text", rows, *options)]
    assert lengths[0] > lengths[1]
    assert made(run_main, "text", rows, *options, "--batch-size", "1") == made(run_main, "text", rows, *options)
    together = run_main("text", "--prompts", write_rows(Path("rows.jsonl"), rows), *options, "-v")
    assert "an item, 3 at once" in together.stderr  # though the longest ends at its context before the others do


def test_what_is_wrong_with_one_row_is_no_other_s(run_main: RunMain, gpt2: Path, tmp_path: Path) -> None:
    """A prompt past the context; and a model whose later positions are NaN, so that long prompts alone go wrong."""
    folder = tmp_path / "broken"
    shutil.copytree(gpt2, folder)
    with changed_weights(folder / "model.safetensors") as tensors:
        tensors["wpe.weight"][40:] = float("nan")
    prompts = ["It was", "dark " * 21, "a photo", "word " * 200]
    rows = [{"prompt": prompt, "seed": 1, "max_new_tokens": 8} for prompt in prompts]
    done = run_main("text", "--prompts", write_rows(Path("rows.jsonl"), rows), "-m", folder, "--json")
    assert done.code == 3
    lines = [json.loads(line) for line in done.lines]
    assert [line["status"] for line in lines] == ["done", "failed", "done", "failed"]
    assert "not finite" in lines[1]["error"]
    assert "context is 64" in lines[3]["error"]
    sound = made(run_main, "text", [rows[0], rows[2]], "-m", str(gpt2))
    assert [lines[0]["text"], lines[2]["text"]] == [line["text"] for line in sound]


def test_results_come_in_the_order_of_the_input(run_main: RunMain, gpt2: Path, distilbert: Path) -> None:
    prompts = ["a much longer text than the others are", "b", "c of some length"]
    done = run_main("text", *prompts, "-m", gpt2, "--temperature", "0", "--json", "--max-new-tokens", "4")
    assert [json.loads(line)["prompt"] for line in done.lines] == prompts
    done = run_main("classify", *prompts, "-m", distilbert)
    assert [line.split("\t")[2] for line in done.lines] == prompts


def test_labels_are_exact_in_any_group(run_main: RunMain, distilbert: Path, three_labels: Path) -> None:
    rows = [{"prompt": PROMPTS[n % 5] + " film" * (n % 7), "top": 0} for n in range(30)]
    rows += [{"prompt": "good and then bad " * 30, "top": 0}, {"prompt": "the music " * 50, "top": 0}]
    for folder in (distilbert, three_labels):
        alone = made(run_main, "classify", rows, "-m", str(folder), "--batch-size", "1", "--seed", "0")
        for size in ("auto", "5"):
            assert made(run_main, "classify", rows, "-m", str(folder), "--batch-size", size, "--seed", "0") == alone


@pytest.mark.parametrize("chance", [{}, {"temperature": 0}, {"guidance": 1, "temperature": 1.3, "top_k": 0}])
def test_a_sound_is_the_same_in_any_group(run_main: RunMain, musicgen: Path, chance: dict[str, Any]) -> None:
    prompts = ["rock", "a calm piano melody with drums", "pop"]
    rows = [{"prompt": prompt, "seed": n, "duration": 0.3, **chance} for n, prompt in enumerate(prompts)]
    alone = made(run_main, "audio", rows, "-m", str(musicgen), "--batch-size", "1")
    assert len({line["content_sha256"] for line in alone}) == 3
    assert made(run_main, "audio", rows, "-m", str(musicgen), "--batch-size", "3") == alone


def test_a_picture_is_the_same_with_any_batch_size(run_main: RunMain, stable_diffusion: Path) -> None:
    rows = [{"prompt": f"a cat {n}", "seed": n, "steps": 2, "negative_prompt": "fog" * (n % 2)} for n in range(4)]
    sizes = [made(run_main, "image", rows, "-m", str(stable_diffusion), "--batch-size", size) for size in ("1", "4")]
    assert sizes[0] == sizes[1]


def test_a_group_of_pictures_has_the_pictures_alone(stable_diffusion: Path) -> None:
    """On the CPU convolutions of several pictures sum in another order: a step of the 255 at most."""
    spec = ModelSpec("image", locate(str(stable_diffusion), "image"), placing=Placing(device="cpu", dtype="float32"))
    loaded = LoadedModel(ModelSource(spec, Access(), print), Hints(), print)
    options = {"model": str(stable_diffusion), "num_inference_steps": 3, "scheduler": "euler-a"}
    requests = [
        ImageRequest(prompt=f"a cat {n}", negative_prompt=f"fog {n}", seed=n, **options)  # type: ignore[arg-type]
        for n in range(3)
    ]
    together = loaded.model.generate(requests, lambda _: None)
    for request, result in zip(requests, together, strict=True):
        alone = loaded.model.generate([request], lambda _: None)[0]
        assert np.abs(result.content.values - alone.content.values).max() < 1 / 255
        assert result.parameters == alone.parameters


def overflowing(folder: Path, place: Path) -> Path:
    """The checkpoint with a decoder whose numbers are too large for float16 and no others are wrong."""
    shutil.copytree(folder, place)
    for weights in (place / "vae").glob("*.safetensors"):
        with changed_weights(weights) as tensors:
            for part in ("weight", "bias"):
                name = f"decoder.conv_in.{part}"
                values = tensors[name].float()
                tensors[name] = (values * (60000 / float(values.abs().max()))).to(tensors[name].dtype)
    return place


def test_a_decoder_that_overflows_in_float16_is_run_in_float32(
    run_main: RunMain, stable_diffusion: Path, tmp_path: Path
) -> None:
    folder = overflowing(stable_diffusion, tmp_path / "overflowing")
    options = ["-m", str(folder), "--steps", "2", "--seed", "1", "--no-safety"]
    half = run_main("image", "a cat", *options, "--dtype", "float16", "-o", "half.png")
    assert half.code == 0, half.stderr
    assert record_of(Path("half.png"))["vae_dtype"] == "float32"
    full = run_main("image", "a cat", *options, "--dtype", "float32", "--variant", "fp16", "-o", "full.png")
    assert full.code == 0, full.stderr
    assert "vae_dtype" not in record_of(Path("full.png"))
    from PIL import Image

    pictures = [np.asarray(Image.open(name)).astype(float) for name in ("half.png", "full.png")]
    assert np.abs(pictures[0] - pictures[1]).mean() < 4


def starved(task: str, folder: Path, megabytes: int) -> tuple[list[str], list[dict[str, Any]]]:
    """The notices and the ends of a run with so much memory more than the loaded model has."""
    program = [sys.executable, str(Path(__file__).with_name("starved.py")), task, str(folder), str(megabytes)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line["notice"] for line in lines if "notice" in line], [line for line in lines if "index" in line]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit and its measure are Linux's")
def test_out_of_memory_halves_the_group(build: Build) -> None:
    folder = build("gpt2", context=2048)
    notices, ends = starved("text", folder, 24)
    assert notices
    assert notices[0].startswith("out of memory on cpu: ")
    assert notices[0].endswith("; 32 at once from now on, not 64")
    enough, whole = starved("text", folder, 4000)
    assert enough == []
    assert len(ends) == 64
    assert [text_of(end) for end in ends] == [text_of(end) for end in whole]


def text_of(end: dict[str, Any]) -> str:
    """An item's text, or, where the model added none to its prompt, that it did not."""
    return str(end["end"]["text"] if end["code"] == 0 else end["end"])


@pytest.mark.skipif(sys.platform != "linux", reason="the limit and its measure are Linux's")
def test_a_picture_too_big_is_decoded_in_tiles_and_then_given_up(stable_diffusion: Path) -> None:
    # How much the allocator has in reserve differs between runs. The least memory that suffices does so with tiles.
    runs = (starved("image", stable_diffusion, megabytes) for megabytes in (32, 48, 64, 80, 96))
    notices, ends = next(run for run in runs if run[1][0]["code"] == 0)
    assert len(notices) == 1
    assert notices[0].endswith("; pictures are decoded in tiles from now on")
    assert ends[0]["end"]["memory"] == ["vae_tiling"]
    notices, ends = starved("image", stable_diffusion, 4)
    assert ends[0]["code"] == 7
    assert "out of memory on cpu" in ends[0]["end"]


def test_the_noise_makes_an_exact_sample() -> None:
    logits = torch.tensor([1.5, 0.0, -1.0, float("-inf"), 0.5])
    chance = OwnChance([7], "cpu", sequences_per_item=20_000)
    drawn = chance(None, logits.expand(20_000, -1)).argmax(dim=-1)
    shares = torch.bincount(drawn, minlength=5) / len(drawn)
    assert shares[3] == 0
    assert torch.allclose(shares, logits.softmax(0), atol=4 * 0.5 / 20_000**0.5)


def jobs(prompts: list[str], **options: Any) -> list[Job]:
    requests = [TextRequest(prompt=prompt, model="tiny", seed=1, **options) for prompt in prompts]
    return [Job(number, str(number), str(number), request) for number, request in enumerate(requests)]


def test_groups_are_alike_and_of_about_one_length() -> None:
    mixed = jobs(["aaaa", "b", "cccccc", "dd"]) + jobs(["e" * 50, "f"], temperature=0.5)
    groups = [[job.request.prompt[0] for job in group] for group in cut_groups(mixed, lambda _: 2)]
    assert groups == [["b", "d"], ["a", "c"], ["f", "e"]]


def test_no_more_than_a_lookahead_is_taken_from_the_stream() -> None:
    taken = 0

    def stream() -> Iterator[Job]:
        nonlocal taken
        for job in jobs(["word"] * (3 * LOOKAHEAD), max_new_tokens=1):
            taken += 1
            yield job

    spec = ModelSpec("text", locate("tiny", "text"), placing=Placing(device="cpu", dtype="float32"))
    next(Producer(lambda _: None).produce(Assignment(spec), stream()))
    assert taken == LOOKAHEAD


def test_outcomes_are_put_back_into_order() -> None:
    class End:
        def __init__(self, job: Job) -> None:
            self.job = job

    order = InputSequence()
    given = list(order.watch(jobs(list("abcde"))))
    shuffled = [End(given[place]) for place in (2, 0, 1, 4, 3)]
    assert [end.job.index for end in order.restore(shuffled)] == [0, 1, 2, 3, 4]


def test_how_many_pictures_fit() -> None:
    def fit(device: str, free: int, side: int = 512) -> int:
        request = ImageRequest(prompt="a cat", model="tiny", width=side, height=side)
        model = Image.__new__(Image)
        model.pipeline = object()
        return model.choose_batch_size(request, device, free)

    assert fit("cpu", 0) == 1
    assert fit("cuda", 1 * 2**30) == 1
    assert 1 < fit("cuda:1", 20 * 2**30) < 16
    assert fit("cuda", 140 * 2**30) == 16
    assert fit("cuda", 20 * 2**30, 1024) < fit("cuda", 20 * 2**30)


def test_the_batch_size_is_auto_or_a_number(run_main: RunMain) -> None:
    assert (parse_batch_size("auto"), parse_batch_size("7")) == (None, 7)
    for wrong in ("0", "-1", "many", ""):
        with pytest.raises(InputError):
            parse_batch_size(wrong)
    assert run_main("text", "x", "-m", "tiny", "--batch-size", "none").code == 2
