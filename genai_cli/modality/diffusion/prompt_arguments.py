"""What a pipeline is given of the prompts of requests: the words as they are, or what weighted ones become."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from genai_cli.device.clip_encoding import encode, find_encoders
from genai_cli.errors import InputError
from genai_cli.events import Emit, Notice
from genai_cli.modality.diffusion.adaptable import AdaptableRequest
from genai_cli.modality.diffusion.weighted_prompts import Piece, looks_weighted, parse_weighted
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline


def choose_prompts(pipeline: "DiffusionPipeline", requests: Sequence[AdaptableRequest], emit: Emit) -> JsonObject:
    """The pipeline's arguments for the prompts of requests that share a `batch_key`. Raises InputError."""
    shared = requests[0]
    is_plain = shared.clip_skip == 1 and find_encoders(pipeline) is None  # the last layer counts in any other model
    if shared.weights or (shared.clip_skip is not None and not is_plain):
        check(pipeline, shared)
    else:
        arguments: JsonObject = {"prompt": [request.prompt for request in requests]}
        if shared.negative_prompt:
            arguments["negative_prompt"] = [request.negative_prompt for request in requests]
        report_weighted(requests, emit)
        return arguments
    import torch

    encoded = [encode_one(pipeline, request) for request in requests]
    joined = {name: torch.cat([one[name] for one in encoded]) for name in encoded[0]}
    return {**joined, "negative_prompt": None}  # pipelines take words or what they became


def encode_one(pipeline: "DiffusionPipeline", request: AdaptableRequest) -> "dict[str, torch.Tensor]":
    """The pipeline's arguments for one request's prompts, encoded; without weights, one window is read as it is.

    diffusers' own way to leave out layers fails with the text encoder of transformers from 5.6 on, which has no
    `text_model`.
    """
    sides = []
    for prompt in (request.prompt, request.negative_prompt):
        pieces = parse_weighted(prompt) if request.weights else [Piece(prompt)] if prompt else []
        sides.append([(piece.text, piece.weight) for piece in pieces])
    negative = sides[1] if request.negative_prompt else None
    return encode(pipeline, sides[0], negative, request.clip_skip, None if request.weights else 1)


def check(pipeline: "DiffusionPipeline", request: AdaptableRequest) -> None:
    """Raise InputError for a pipeline without CLIP's text encoders, or with fewer layers."""
    encoders = find_encoders(pipeline)
    option, instead = ("--weights", "--no-weights") if request.weights else ("--clip-skip", "--clip-skip 1")
    if encoders is None:
        raise InputError(
            f"{option} is for Stable Diffusion 1.x, 2.x and XL, and {request.model} is a {type(pipeline).__name__}",
            hint=f"leave {option} out; where a file states it: {instead}",
        )
    layers = min(encoder.config.num_hidden_layers for _, encoder in encoders)
    if request.clip_skip is not None and request.clip_skip > layers:
        raise InputError(f"--clip-skip must be 1 to {layers} for this model, not {request.clip_skip}")


def report_weighted(requests: Sequence[AdaptableRequest], emit: Emit) -> None:
    """Say that weights in prompts are read as words."""
    prompts = [prompt for request in requests for prompt in (request.prompt, request.negative_prompt)]
    if any(map(looks_weighted, prompts)):
        emit(Notice("the prompt looks weighted, and is read as plain words; --weights reads (word:1.3)", once=True))
