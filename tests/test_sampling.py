"""Logits processors behind MusicGen's guidance choose the tokens that they choose on the guided scores alone."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from transformers import ClassifierFreeGuidanceLogitsProcessor, LogitsProcessorList

from genai_cli.modality.decoding.sampling import FiniteScores, GuidedProcessor, OwnChance, build_sampling_processors

ITEMS, CODEBOOKS, VOCABULARY, STEPS = 3, 4, 64, 20
ROWS = ITEMS * CODEBOOKS
IDS = torch.zeros((ROWS, 1), dtype=torch.long)


def make_processors(temperature: float | None, top_k: int | None, noise: bool) -> list[Any]:
    """New processors, so that two lists of them draw the same noise."""
    chance = [OwnChance(range(ITEMS), "cpu", CODEBOOKS)] if noise else []
    return [*build_sampling_processors(temperature, top_k, None), *chance]


def run_library(scale: float, given: Sequence[Any], scores: torch.Tensor) -> torch.Tensor:
    """The scores after the given processors and the guidance that generate appends."""
    guidance = [ClassifierFreeGuidanceLogitsProcessor(scale)] if scale > 1 else []
    return LogitsProcessorList([*given, *guidance])(IDS, scores)


def expect(scale: float, processors: Sequence[Any], scores: torch.Tensor) -> torch.Tensor:
    """The scores after the guidance and the processors behind it."""
    guidance = [ClassifierFreeGuidanceLogitsProcessor(scale)] if scale > 1 else []
    return LogitsProcessorList([*guidance, *processors])(IDS, scores)


def draw_scores(scale: float, generator: torch.Generator) -> torch.Tensor:
    rows = 2 * ROWS if scale > 1 else ROWS
    return torch.randn((rows, VOCABULARY), generator=generator) * 5


def keep_all(scores: torch.Tensor) -> None:
    """Leave the scores as they are."""


def forbid_some(scores: torch.Tensor) -> None:
    """Forbid a few tokens of a conditional row."""
    scores[1, 3:9] = -torch.inf


@pytest.mark.parametrize("change", [keep_all, forbid_some])
@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize(("temperature", "top_k"), [(None, None), (0.7, None), (1.3, 5), (1.0, 1)])
@pytest.mark.parametrize("scale", [3.0, 1.0])
def test_the_tokens_are_those_of_processors_behind_the_guidance(
    scale: float, temperature: float | None, top_k: int | None, noise: bool, change: Callable[[torch.Tensor], None]
) -> None:
    generator = torch.Generator().manual_seed(0)
    old, new = (make_processors(temperature, top_k, noise) for _ in range(2))
    guided = GuidedProcessor(scale, ROWS, new)
    for _ in range(STEPS):
        scores = draw_scores(scale, generator)
        change(scores)
        expected, actual = expect(scale, old, scores.clone()), run_library(scale, [guided], scores.clone())
        assert actual.shape == expected.shape == (ROWS, VOCABULARY)
        assert torch.equal(actual.argmax(dim=-1), expected.argmax(dim=-1))
        finite = expected.isfinite()
        assert torch.equal(actual[finite], expected[finite])
        assert not actual.isnan().any()


@pytest.mark.parametrize("scale", [3.0, 1.0])
def test_rows_that_are_not_finite_are_noted(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    finite = FiniteScores()
    assert finite.find_broken_items(ITEMS) == [False] * ITEMS
    guided = GuidedProcessor(scale, ROWS, [finite, *make_processors(0.7, 5, noise=True)])
    run_library(scale, [guided], draw_scores(scale, generator))
    assert finite.find_broken_items(ITEMS) == [False] * ITEMS
    scores = draw_scores(scale, generator)
    scores[CODEBOOKS + 1, 2] = torch.nan
    if scale > 1:
        scores[ROWS + 2 * CODEBOOKS, 0] = torch.nan  # without the prompt
    run_library(scale, [guided], scores)
    run_library(scale, [guided], draw_scores(scale, generator))
    assert finite.find_broken_items(ITEMS) == [False, True, scale > 1]


def test_scores_are_given_twice_with_guidance_alone() -> None:
    scores = draw_scores(3.0, torch.Generator().manual_seed(0))
    assert GuidedProcessor(3.0, ROWS, [])(IDS, scores).shape == (2 * ROWS, VOCABULARY)
    for scale in (None, 1.0):
        assert torch.equal(GuidedProcessor(scale, ROWS, [])(IDS, scores[:ROWS]), scores[:ROWS])
