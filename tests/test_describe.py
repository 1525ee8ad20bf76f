"""genai describe: captions and answers of each layout of models that see, in batches, and what they refuse."""

import csv
import io
import json
from pathlib import Path

import numpy
import pytest
import torch
from checkpoint_parts import update_json
from checkpoints_seeing import ANSWERERS, CAPTIONERS
from conftest import Genai, RunMain, write_rows
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, BlipForConditionalGeneration

QUESTION = ("--question", "what is it?")
FEW = ("--max-new-tokens", "6")
BUILDERS = CAPTIONERS | ANSWERERS


@pytest.fixture(scope="session")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("seeing")
    return {kind: build(folder / kind) for kind, build in BUILDERS.items()}


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Noise, and a white square."""
    noise = numpy.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=numpy.uint8)
    files = [tmp_path / "noise.png", tmp_path / "white.png"]
    for file, pixels in zip(files, (noise, numpy.full((64, 64, 3), 255, numpy.uint8)), strict=True):
        Image.fromarray(pixels).save(file)
    return files


@pytest.mark.parametrize("kind", BUILDERS)
def test_every_layout_says_something_of_every_picture(
    run_main: RunMain, seeing: dict[str, Path], pictures: list[Path], kind: str
) -> None:
    asked = QUESTION if kind in ANSWERERS else ()
    command = ("describe", *pictures, "-m", seeing[kind], *FEW, *asked)
    together = run_main(*command)
    assert together.code == 0, together.stderr
    assert [line.rpartition("\t")[2] for line in together.lines] == ["noise.png", "white.png"]
    assert all(line.partition("\t")[0].strip() for line in together.lines)
    alone = run_main(*command, "--batch-size", "1", "--json")
    records = [json.loads(line) for line in alone.lines]
    assert [record["text"].split() for record in records] == [
        line.rpartition("\t")[0].split() for line in together.lines
    ]
    assert all(0 < record["tokens"]["completion"] <= 6 for record in records)
    assert records[0]["parameters"]["question"] == (asked[1] if asked else None)
    assert "prompt" not in records[0]


@pytest.mark.parametrize("kind", BUILDERS)
def test_small_weights_say_something_of_every_picture(
    run_main: RunMain, seeing: dict[str, Path], pictures: list[Path], kind: str
) -> None:
    asked = QUESTION if kind in ANSWERERS else ()
    command = ("describe", *pictures, "-m", seeing[kind], *FEW, *asked, "--quantize", "int8", "--json")
    together, alone = (run_main(*command, *size) for size in ((), ("--batch-size", "1")))
    assert together.code == 0, together.stderr
    records = [json.loads(line) for line in together.lines]
    assert [record["parameters"]["quantize"] for record in records] == ["int8", "int8"]
    assert all(record["text"] for record in records)
    assert [record["text"] for record in records] == [json.loads(line)["text"] for line in alone.lines]


def test_a_caption_is_that_of_the_library(run_main: RunMain, seeing: dict[str, Path], pictures: list[Path]) -> None:
    done = run_main("describe", pictures[0], "-m", seeing["blip"], *FEW)
    processor = AutoProcessor.from_pretrained(seeing["blip"])
    model = BlipForConditionalGeneration.from_pretrained(seeing["blip"]).eval()
    with Image.open(pictures[0]) as image, torch.no_grad():
        tokens = model.generate(**processor(images=image, return_tensors="pt"), max_new_tokens=6, do_sample=False)
    assert done.stdout.strip() == processor.decode(tokens[0], skip_special_tokens=True).strip() != ""


def test_an_answer_is_that_of_the_library(run_main: RunMain, seeing: dict[str, Path], pictures: list[Path]) -> None:
    done = run_main("describe", pictures[0], "-m", seeing["llava"], *FEW, *QUESTION, "--json")
    record = json.loads(done.stdout)
    processor = AutoProcessor.from_pretrained(seeing["llava"])
    model = AutoModelForImageTextToText.from_pretrained(seeing["llava"]).eval()
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION[1]}]}]
    text = processor.apply_chat_template(turns, add_generation_prompt=True)
    with Image.open(pictures[0]) as image, torch.no_grad():
        inputs = processor(images=image.convert("RGB"), text=text, return_tensors="pt")
        tokens = model.generate(**inputs, max_new_tokens=6, do_sample=False)
    length = inputs["input_ids"].shape[1]
    assert record["tokens"]["prompt"] == length
    assert record["text"] == processor.decode(tokens[0, length:], skip_special_tokens=True).strip()


def test_the_token_that_begins_a_caption_is_never_in_it(
    run_main: RunMain, seeing: dict[str, Path], pictures: list[Path], tmp_path: Path
) -> None:
    """A tokenizer that does not mark [DEC] as special would write it."""
    folder = tmp_path / "unmarked"
    folder.mkdir()
    for file in seeing["blip"].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    update_json(folder / "tokenizer_config.json", additional_special_tokens=[])
    with_it = run_main("describe", pictures[0], "-m", seeing["blip"], *FEW)
    without = run_main("describe", pictures[0], "-m", folder, *FEW)
    assert without.code == 0, without.stderr
    assert without.stdout == with_it.stdout
    assert "DEC" not in without.stdout.upper()


def test_what_a_model_does_not_answer_is_said(
    run_main: RunMain, seeing: dict[str, Path], pictures: list[Path], tmp_path: Path
) -> None:
    asked = run_main("describe", pictures[0], "-m", seeing["blip"], *QUESTION)
    assert asked.code == 2
    assert "answers no question" in asked.stderr
    unasked = run_main("describe", pictures[0], "-m", seeing["blip_vqa"])
    assert unasked.code == 2
    assert "--question" in unasked.stderr
    long = run_main("describe", pictures[0], "-m", seeing["blip_vqa"], "--question", "what " * 60)
    assert long.code == 2
    assert "the model reads 48" in long.stderr
    assert run_main("describe", pictures[0], "-m", seeing["llava"], "--question", " ").code == 2
    (tmp_path / "notes.txt").write_text("no picture")
    assert "cannot be read" in run_main("describe", tmp_path / "notes.txt", "-m", seeing["blip"]).stderr
    mute = tmp_path / "mute"
    mute.mkdir()
    for file in seeing["llava"].iterdir():
        if file.name != "chat_template.jinja":
            (mute / file.name).write_bytes(file.read_bytes())
    done = run_main("describe", pictures[0], "-m", mute, *QUESTION)
    assert done.code == 4
    assert "no chat template" in done.stderr


def test_a_chat_model_is_asked_for_a_description_where_nothing_is_asked(
    run_main: RunMain, seeing: dict[str, Path], pictures: list[Path]
) -> None:
    record = json.loads(run_main("describe", pictures[1], "-m", seeing["llava"], *FEW, "--json").stdout)
    assert record["parameters"]["question"].startswith("Describe this picture")


@pytest.mark.parametrize("kind", ["llava", "idefics3", "gemma3"])
def test_a_question_may_be_about_two_pictures(
    run_main: RunMain, seeing: dict[str, Path], pictures: list[Path], kind: str
) -> None:
    command = ("describe", pictures[0], "-m", seeing[kind], *FEW, *QUESTION, "--json")
    one, two = json.loads(run_main(*command).stdout), json.loads(run_main(*command, "--also", pictures[1]).stdout)
    assert two["tokens"]["prompt"] > one["tokens"]["prompt"] + 3
    assert two["inputs"]["also"]["name"] == "white.png"
    assert two["key"] != one["key"]
    refused = run_main("describe", pictures[0], "-m", seeing["blip"], "--also", pictures[1])
    assert refused.code == 2
    assert "--question" in refused.stderr
    single = run_main("describe", pictures[0], "-m", seeing["blip_vqa"], *QUESTION, "--also", pictures[1])
    assert single.code == 2
    assert "takes one picture" in single.stderr


def test_descriptions_stand_beside_the_rows_of_a_table(
    run_main: RunMain, seeing: dict[str, Path], pictures: list[Path]
) -> None:
    Path("table.csv").write_text("name,picture\n" + "".join(f"{file.stem},{file}\n" for file in pictures))
    command = ("describe", "--prompts", "table.csv", "--column", "picture", "-m", seeing["blip"], *FEW)
    done = run_main(*command, "-o", "described.csv")
    assert done.code == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(Path("described.csv").read_text())))
    assert [row["name"] for row in rows] == ["noise", "white"]
    assert all(row["description"] for row in rows)


def test_a_batch_goes_on_and_a_result_can_be_made_again(
    genai: Genai, run_main: RunMain, seeing: dict[str, Path], pictures: list[Path]
) -> None:
    rows = [{"task": "describe", "picture": str(file), "id": file.stem, "max_new_tokens": 6} for file in pictures]
    write_rows(genai.cwd / "rows.jsonl", rows[:1])
    command = ("batch", "rows.jsonl", "-m", seeing["blip"], "-o", "out/")
    assert genai(*command).code == 0
    first = (genai.cwd / "out/noise.txt").read_text()
    write_rows(genai.cwd / "rows.jsonl", rows)
    assert run_main(*command).code == 0
    made = genai.cwd / "out/white.txt"
    assert made.read_text().strip()
    assert (genai.cwd / "out/noise.txt").read_text() == first
    again = run_main("rerun", made, "--input", pictures[1], "--verify")
    assert again.code == 0, again.stderr
    shown = run_main("show", made)
    assert "inputs.picture" in shown.stdout
