"""Prompts are encoded once: by the passes through the text encoder, and by the pictures."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import RunMain
from transformers import DynamicCache

from genai_cli.modality.diffusion.prompt_encoding import KEPT, RememberedCall, remember_encodings

PROMPTS = ["a red circle", "a blue square", "a red circle", "a green circle"]


def test_repeated_and_negative_prompts_are_encoded_once(stable_diffusion: Path) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(stable_diffusion)
    remember_encodings(pipeline)
    passes: list[Any] = []
    next(pipeline.text_encoder.children()).register_forward_hook(lambda *arguments: passes.append(arguments))
    for _ in range(3):
        pipeline("a red circle", negative_prompt="blurred", num_inference_steps=1, height=16, width=16)
    assert len(passes) == 2
    for prompt in ("a blue square", "a green circle"):
        pipeline(prompt, negative_prompt="blurred", num_inference_steps=1, height=16, width=16)
    assert len(passes) == 4


@pytest.mark.parametrize("model", ["stable_diffusion", "sdxl", "flow_pipeline"])
def test_a_picture_is_the_same_after_any_other(run_main: RunMain, request: pytest.FixtureRequest, model: str) -> None:
    options = ("-m", request.getfixturevalue(model), "--steps", "2", "--json")
    Path("prompts.txt").write_text("\n".join(PROMPTS))
    done = run_main("image", "--prompts", "prompts.txt", *options)
    together = [json.loads(line) for line in done.lines]
    assert len({line["content_sha256"] for line in together}) == len(PROMPTS)
    for line in together[1:]:
        alone = run_main("image", line["prompt"], "--seed", str(line["parameters"]["seed"]), *options)
        assert json.loads(alone.stdout)["content_sha256"] == line["content_sha256"]


def test_the_last_results_are_kept_and_no_more() -> None:
    asked: list[int] = []

    def call(tokens: torch.Tensor, *, deep: bool = False) -> list[int]:
        asked.append(int(tokens))
        return [int(tokens), deep]

    remembered = RememberedCall(call)
    assert [remembered(torch.tensor(number)) for number in range(KEPT + 1)] == [[n, False] for n in range(KEPT + 1)]
    remembered(torch.tensor(KEPT))
    assert asked == list(range(KEPT + 1))
    remembered(torch.tensor(0))
    assert remembered(torch.tensor(0), deep=True) == [0, True]
    assert asked == [*range(KEPT + 1), 0, 0]


def test_what_has_a_state_is_called_each_time() -> None:
    cache = DynamicCache()
    remembered = RememberedCall(lambda _tokens, past_key_values: past_key_values.get_seq_length())
    tokens = torch.tensor([1])
    assert remembered(tokens, past_key_values=cache) == 0
    cache.update(torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 3, 4), 0)
    assert remembered(tokens, past_key_values=cache) == 3
