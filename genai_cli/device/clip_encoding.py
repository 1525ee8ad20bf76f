"""Weighted prompts of any length through the CLIP text encoders of Stable Diffusion 1.x, 2.x and XL.

A prompt is read in windows of 75 tokens, whose results stand one after the other. Weights multiply what the encoder
gives for a token, and for 1.x and 2.x the mean is restored, as in AUTOMATIC1111's web UI, for which such prompts are
written: https://github.com/AUTOMATIC1111/stable-diffusion-webui/blob/master/modules/sd_emphasis.py. compel has a syntax
of its own, weighs below 1 in another way, and knows no BREAK: these prompts would be rewritten and look different.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline
    from transformers import CLIPTextModel, CLIPTokenizer

WINDOW = 75  # tokens between the one that begins a window and the one that ends it
MOST_RATIO = 3.0  # weights of 0.5 to 1.5 change the mean of 1.x by a few hundredths
WeightedText = tuple[str, float]
Window = tuple[list[int], list[float]]


def find_encoders(pipeline: "DiffusionPipeline") -> "list[tuple[CLIPTokenizer, CLIPTextModel]] | None":
    """The tokenizers and text encoders of a pipeline with CLIP's alone; None for every other pipeline."""
    pairs = [("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")]
    found = [(getattr(pipeline, one, None), getattr(pipeline, other, None)) for one, other in pairs]
    present = [(one, other) for one, other in found if one is not None and other is not None]
    are_clip = all(type(encoder).__name__.startswith("CLIPTextModel") for _, encoder in present)
    has_unet = getattr(pipeline, "unet", None) is not None and getattr(pipeline, "text_encoder_3", None) is None
    return present if present and are_clip and has_unet else None


def encode(
    pipeline: "DiffusionPipeline",
    texts: Sequence[WeightedText],
    negative: Sequence[WeightedText] | None,
    layer: int | None,
    windows: int | None = None,
) -> "dict[str, torch.Tensor]":
    """The arguments of a pipeline for weighted texts; a text of "" begins a new window.

    `negative` is None if there is none. `layer` is the encoder's layer, counted from its end; None for the model's own.
    Only so many `windows` are read; None: all.
    """
    import torch

    encoders = find_encoders(pipeline) or []
    is_xl = len(encoders) == 2 or type(pipeline).__name__.startswith("StableDiffusionXL")
    sides = [texts, negative if negative is not None else [("", 1.0)]]
    states: list[list[torch.Tensor]] = [[], []]
    pooled: list[torch.Tensor | None] = [None, None]
    with torch.no_grad():
        for tokenizer, encoder in encoders:
            cut = [cut_windows(pipeline, tokenizer, side)[:windows] for side in sides]
            most = max(map(len, cut))
            for number, side_windows in enumerate(cut):
                whole = side_windows + [([], [])] * (most - len(side_windows))
                results = [encode_window(tokenizer, encoder, window, layer, is_xl) for window in whole]
                states[number].append(torch.cat([state for state, _ in results], dim=1))
                pooled[number] = results[0][1] if is_xl else None
    found, none = (torch.cat(side, dim=-1) for side in states)
    pooled_found, pooled_none = pooled
    if is_xl and negative is None and pipeline.config.get("force_zeros_for_empty_prompt"):
        none = torch.zeros_like(none)
        pooled_none = torch.zeros_like(pooled_none)
    arguments = {"prompt_embeds": found, "negative_prompt_embeds": none}
    if is_xl:
        arguments |= {"pooled_prompt_embeds": pooled_found, "negative_pooled_prompt_embeds": pooled_none}
    return arguments


def cut_windows(
    pipeline: "DiffusionPipeline", tokenizer: "CLIPTokenizer", texts: Sequence[WeightedText]
) -> list[Window]:
    """The tokens of texts with their weights, 75 at a time; at least one window."""
    windows: list[Window] = [([], [])]
    for text, weight in texts:
        if not text:
            windows.append(([], []))
            continue
        converted = (
            pipeline.maybe_convert_prompt(text, tokenizer) if hasattr(pipeline, "maybe_convert_prompt") else text
        )
        for token in tokenizer(converted, add_special_tokens=False, truncation=False).input_ids:
            if len(windows[-1][0]) == WINDOW:
                windows.append(([], []))
            windows[-1][0].append(int(token))
            windows[-1][1].append(weight)
    return [window for number, window in enumerate(windows) if window[0] or not number]


def encode_window(
    tokenizer: "CLIPTokenizer", encoder: "CLIPTextModel", window: Window, layer: int | None, is_xl: bool
) -> "tuple[torch.Tensor, torch.Tensor | None]":
    """What an encoder gives for a window, of shape (1, 77, features), and for XL the sum of it."""
    import torch

    tokens, weights = window
    padding = WINDOW - len(tokens)
    ids = [tokenizer.bos_token_id, *tokens, tokenizer.eos_token_id, *[tokenizer.pad_token_id] * padding]
    output = encoder(torch.tensor([ids], device=encoder.device), output_hidden_states=is_xl or layer is not None)
    if is_xl:
        state = output.hidden_states[-(layer or 2)]
    elif layer is None:
        state = output[0]
    else:
        inner = getattr(encoder, "text_model", encoder)
        state = inner.final_layer_norm(output.hidden_states[-layer])
    if any(weight != 1 for weight in weights):
        factors = torch.tensor([1.0, *weights, 1.0, *[1.0] * padding], device=state.device, dtype=state.dtype)
        weighted = state * factors[None, :, None]
        # The mean of XL's states is near zero, so restoring it would make noise of them.
        state = weighted if is_xl else weighted * find_ratio(state, weighted)
    return state, output[0] if is_xl else None


def find_ratio(state: "torch.Tensor", weighted: "torch.Tensor") -> float:
    """What restores the mean of a state after weighing; 1 where the mean is too near zero to tell."""
    after = float(weighted.float().mean())
    ratio = float(state.float().mean()) / after if after else 1.0
    return ratio if 1 / MOST_RATIO <= ratio <= MOST_RATIO else 1.0
