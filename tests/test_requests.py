"""Requests refuse what cannot work, in words that name the option."""

from collections.abc import Callable
from typing import Any

import pytest

from genai_cli.errors import InputError
from genai_cli.modality.audio import AudioRequest
from genai_cli.modality.classify import ClassifyRequest
from genai_cli.modality.image import ImageRequest
from genai_cli.modality.text import TextRequest
from genai_cli.request.option import declared_options, find_field
from genai_cli.request.request import Request


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (ImageRequest, {"prompt": "  "}, "prompt is empty"),
        (ImageRequest, {"prompt": "a\0b"}, "NUL"),
        (ImageRequest, {"prompt": "a \udcff"}, "UTF-8"),
        (ImageRequest, {"num_inference_steps": 0}, "--steps must be 1 to 1000, not 0"),
        (ImageRequest, {"guidance_scale": -1.0}, "--guidance"),
        (ImageRequest, {"guidance_scale": float("nan")}, "--guidance"),
        (ImageRequest, {"width": 0}, "--width"),
        (ImageRequest, {"height": -512}, "--height"),
        (ImageRequest, {"scheduler": "eular"}, "unknown scheduler"),
        (ImageRequest, {"seed": -2}, "--seed must be 0 to 18446744073709551615, not -2"),
        (ImageRequest, {"seed": 2**64}, "--seed must be 0 to 18446744073709551615, not 18446744073709551616"),
        (TextRequest, {"repetition_penalty": float("inf")}, "--repetition-penalty is too large"),
        (TextRequest, {"max_new_tokens": 10**400}, "--max-new-tokens is too large"),
        (TextRequest, {"max_new_tokens": 0}, "--max-new-tokens must be 1 or more"),
        (TextRequest, {"temperature": -0.1}, "--temperature"),
        (TextRequest, {"top_p": 0.0}, "--top-p must be above 0 and at most 1"),
        (TextRequest, {"top_p": 1.1}, "--top-p"),
        (TextRequest, {"repetition_penalty": 0.0}, "--repetition-penalty"),
        (TextRequest, {"stop": ("",)}, "--stop"),
        (TextRequest, {"system": "Be brief.", "chat": False}, "--system"),
        (ClassifyRequest, {"top": -1}, "--top"),
        (AudioRequest, {"duration": 0.0}, "--duration must be above 0"),
        (AudioRequest, {"duration": -3.0}, "--duration"),
        (AudioRequest, {"top_k": -1}, "--top-k"),
    ],
)
def test_impossible_requests_are_refused(kind: type[Request], fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        kind(**({"prompt": "a red circle", "model": "tiny"} | fields))
    assert words in raised.value.message
    assert "\n" not in raised.value.message


def test_a_misspelt_scheduler_names_the_nearest() -> None:
    with pytest.raises(InputError) as raised:
        ImageRequest(prompt="a", model="tiny", scheduler="eular")
    assert "euler" in str(raised.value.hint)


def test_rows_may_name_options_as_on_the_command_line() -> None:
    row = {
        "prompt": "a",
        "model": "tiny",
        "steps": "20",
        "cfg-scale": "7.5",
        "size": "64x32",
        "seed": "",
        "safety": "no",
    }
    request = ImageRequest.from_fields(row)
    assert (request.num_inference_steps, request.guidance_scale) == (20, 7.5)
    assert (request.width, request.height, request.seed, request.safety) == (64, 32, None, False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"steps": "many"}, "'steps' must be a whole number"),
        ({"steps": 2.5}, "'steps' must be a whole number"),
        ({"steps": True}, "'steps' must be a whole number"),
        ({"guidance": [1]}, "'guidance' must be a number"),
        ({"safety": "perhaps"}, "'safety' must be true or false"),
        ({"negative_prompt": 3}, "'negative_prompt' must be text"),
        ({"size": "64"}, "WIDTHxHEIGHT"),
        ({"stepps": 3}, "unknown field 'stepps'"),
        ({"output": "/etc/passwd"}, "unknown field 'output'"),
    ],
)
def test_rows_with_wrong_fields_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        ImageRequest.from_fields({"prompt": "a", "model": "tiny", **fields})
    assert words in raised.value.message


@pytest.mark.parametrize("seed", [-1, -1.0, "-1", "-1.0", None, ""])
def test_a_seed_of_minus_one_is_drawn_as_where_none_is_given(seed: object) -> None:
    row = {"prompt": "a", "model": "m"}
    assert TextRequest.from_fields({**row, "seed": seed}) == TextRequest.from_fields(row)


@pytest.mark.parametrize("seed", [2**64 - 1, 2**53 + 1, 0])
@pytest.mark.parametrize("form", [int, str, "{}.0".format, "+{}".format])
def test_every_seed_is_kept_to_its_last_digit(seed: int, form: Callable[[int], object]) -> None:
    assert TextRequest.from_fields({"prompt": "a", "model": "m", "seed": form(seed)}).seed == seed


def test_lists_of_texts_are_read_from_rows() -> None:
    assert TextRequest.from_fields({"prompt": "a", "model": "m", "stop": ["\n", "End"]}).stop == ("\n", "End")
    assert TextRequest.from_fields({"prompt": "a", "model": "m", "stop": "End"}).stop == ("End",)


@pytest.mark.parametrize("field", ["num_inference_steps", "guidance_scale"])
def test_an_option_and_its_field_name_each_other(field: str) -> None:
    long = declared_options(ImageRequest)[field].option.long
    assert find_field(ImageRequest, long.removeprefix("--")) == field
