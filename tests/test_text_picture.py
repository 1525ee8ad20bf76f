"""genai text --picture: a chat model that sees answers about a picture, and without one as any other."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from checkpoints_seeing import build_gemma3, build_llava
from conftest import RunMain, write_rows
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

PROMPT = "what is it?"
FEW = ("--max-new-tokens", "6", "-o", "-")


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llava(tmp_path_factory.mktemp("llava") / "model")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "noise.png"
    Image.fromarray(numpy.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=numpy.uint8)).save(file)
    return file


def test_the_answer_is_that_of_the_library(run_main: RunMain, llava: Path, picture: Path) -> None:
    command = ("text", PROMPT, "--picture", picture, "-m", llava, "--temperature", "0", *FEW, "--json")
    record = json.loads(run_main(*command).stdout)
    processor = AutoProcessor.from_pretrained(llava)
    model = AutoModelForImageTextToText.from_pretrained(llava).eval()
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}]
    with Image.open(picture) as image, torch.no_grad():
        inputs = processor(
            images=image, text=processor.apply_chat_template(turns, add_generation_prompt=True), return_tensors="pt"
        )
        tokens = model.generate(**inputs, max_new_tokens=6, do_sample=False)
    length = inputs["input_ids"].shape[1]
    assert record["text"] == processor.decode(tokens[0, length:], skip_special_tokens=True)
    assert record["tokens"]["prompt"] == length
    assert record["inputs"]["picture"]["name"] == "noise.png"


def test_a_seed_decides_in_any_group(run_main: RunMain, llava: Path, picture: Path) -> None:
    rows = [{"prompt": PROMPT, "picture": str(picture), "seed": seed} for seed in (1, 2)] + [
        {"prompt": PROMPT, "seed": 1}
    ]
    write_rows(Path("rows.jsonl"), rows)
    done = run_main("text", "--prompts", "rows.jsonl", "-m", llava, *FEW, "--json")
    assert done.code == 0, done.stderr
    texts = [json.loads(line)["text"] for line in done.lines]
    assert len(set(texts)) == 3
    alone = run_main("text", PROMPT, "--picture", picture, "-m", llava, "--seed", "2", *FEW, "--json")
    assert json.loads(alone.stdout)["text"] == texts[1]


def test_a_model_of_causal_language_models_sees_too(run_main: RunMain, tmp_path: Path, picture: Path) -> None:
    gemma = build_gemma3(tmp_path / "gemma3")
    command = ("text", PROMPT, "-m", gemma, "--temperature", "0", *FEW, "--json")
    seen, unseen = run_main(*command, "--picture", picture), run_main(*command)
    assert (seen.code, unseen.code) == (0, 0), seen.stderr + unseen.stderr
    longer = json.loads(seen.stdout)["tokens"]["prompt"] - json.loads(unseen.stdout)["tokens"]["prompt"]
    assert longer > 4  # the tokens of the picture


def test_what_sees_nothing_says_so(run_main: RunMain, llava: Path, picture: Path, tmp_path: Path) -> None:
    blind = run_main("text", PROMPT, "--picture", picture, "-m", "tiny", *FEW)
    assert (blind.code, blind.stdout) == (2, "")
    assert "tiny sees no pictures" in blind.stderr
    assert run_main("text", PROMPT, "--picture", picture, "-m", llava, "--no-chat", *FEW).code == 2
    (tmp_path / "notes.txt").write_text("no picture")
    broken = run_main("text", PROMPT, "--picture", tmp_path / "notes.txt", "-m", llava, *FEW)
    assert broken.code == 2
    assert "notes.txt cannot be read" in broken.stderr


def test_a_request_in_openai_s_format_holds_its_picture(run_main: RunMain, llava: Path, picture: Path) -> None:
    data = base64.b64encode(picture.read_bytes()).decode()

    def ask(address: str) -> dict[str, Any]:
        parts = [{"type": "image_url", "image_url": {"url": address}}, {"type": "text", "text": PROMPT}]
        body = {"model": "any", "messages": [{"role": "user", "content": parts}], "temperature": 0, "max_tokens": 6}
        return {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}

    write_rows(Path("requests.jsonl"), [ask(f"data:image/png;base64,{data}")])
    command = ("batch", "requests.jsonl", "-m", llava, "--format", "openai", "-o", "results.jsonl")
    done = run_main(*command)
    assert done.code == 0, done.stderr
    answer = json.loads(Path("results.jsonl").read_text())["response"]["body"]["choices"][0]["message"]["content"]
    alone = run_main("text", PROMPT, "--picture", picture, "-m", llava, "--temperature", "0", *FEW, "--json")
    assert answer == json.loads(alone.stdout)["text"]
    for address, words in {
        "http://127.0.0.1/a.png": "nothing is fetched",
        "data:image/png;base64,?": "not base64",
    }.items():
        write_rows(Path("requests.jsonl"), [ask(address)])
        refused = run_main(*command)
        assert refused.code == 2
        assert words in refused.stderr
