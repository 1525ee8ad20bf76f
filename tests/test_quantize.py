"""--quantize: weights in fewer bits, by name only, and what it refuses."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import RunMain, write_rows
from readers import record_of
from torch import nn
from transformers import AutoModelForCausalLM, MusicgenForConditionalGeneration

from genai_cli.device.placement import Placement
from genai_cli.device.quantize import find_drawback, quantize_model, quantize_to_int4, quantize_to_int8
from genai_cli.device.quantized_layers import PackedInt8Linear, SharingInt8Linear, has_fbgemm
from genai_cli.errors import DeviceError

QUICK = {
    "gpt2": ["text", "It was", "--max-new-tokens", "8"],
    "llama_chat": ["text", "Who?", "--max-new-tokens", "8"],
    "distilbert": ["classify", "good"],
    "musicgen": ["audio", "a song", "--duration", "0.2"],
    "bark": ["audio", "hello"],
    "vits": ["audio", "hello"],
}


@pytest.mark.parametrize("name", ["int8", "int4"])
@pytest.mark.parametrize("fixture", QUICK)
def test_models_run_and_the_record_says_so(
    run_main: RunMain, fixture: str, name: str, request: pytest.FixtureRequest
) -> None:
    folder = str(request.getfixturevalue(fixture))
    done = run_main(*QUICK[fixture], "-m", folder, "--quantize", name, "--seed", "1", "--json")
    told = [line for line in done.stderr.splitlines() if "does not allow commercial use" not in line]
    assert (done.code, told) == (0, [])
    assert json.loads(done.stdout)["parameters"]["quantize"] == name


def packed_to_int8(linear: object) -> object:
    return PackedInt8Linear(quantize_to_int8(linear))


needs_fbgemm = pytest.mark.skipif(not has_fbgemm(), reason="torch has no FBGEMM here")


@pytest.mark.parametrize(
    ("quantize", "most"),
    [(quantize_to_int8, 0.02), pytest.param(packed_to_int8, 0.02, marks=needs_fbgemm), (quantize_to_int4, 0.15)],
)
def test_a_layer_is_near_the_plain_one_and_each_row_stands_alone(
    quantize: Callable[[object], nn.Module], most: float
) -> None:
    torch.manual_seed(0)
    linear, values = nn.Linear(64, 48), torch.randn(3, 5, 64)
    with torch.inference_mode():
        exact = linear(values)
        small = quantize(linear)
        assert 0 < (small(values) - exact).norm() / exact.norm() < most
        assert torch.equal(small(values)[1:2], small(values[1:2]))


@needs_fbgemm
def test_the_largest_numbers_do_not_saturate() -> None:
    linear = nn.Linear(256, 32, bias=False)
    values = torch.ones(2, 256)
    values[1] = -1
    with torch.inference_mode():
        linear.weight.fill_(0.5)
        torch.testing.assert_close(packed_to_int8(linear)(values), linear(values), rtol=5e-3, atol=0)


@needs_fbgemm
@pytest.mark.parametrize(("fixture", "shared"), [("llama_chat", 5), ("musicgen", 3), ("gpt2", 0)])
def test_layers_with_the_same_input_share_a_product_and_the_numbers_stay(
    fixture: str, shared: int, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(fixture)
    load = MusicgenForConditionalGeneration if fixture == "musicgen" else AutoModelForCausalLM
    alone, together = (load.from_pretrained(folder).eval() for _ in range(2))
    quantize_model(alone, Placement("cpu", "float32", "", "", "int8", compile=True))
    quantize_model(together, Placement("cpu", "float32", "", "", "int8"))
    kinds = [name for name, module in together.named_modules() if isinstance(module, SharingInt8Linear)]
    assert not any(isinstance(module, SharingInt8Linear) for module in alone.modules())
    assert not any("encoder_attn" in name for name in kinds)
    decoder = together.decoder.model.decoder.layers[0] if fixture == "musicgen" else together
    assert sum(isinstance(module, SharingInt8Linear) for module in decoder.modules()) % max(shared, 1) == 0
    assert bool(kinds) == bool(shared)
    tokens = torch.arange(10).reshape(1, -1)
    given = {"input_ids": tokens, "use_cache": False}
    if fixture == "musicgen":
        given |= {"decoder_input_ids": tokens.expand(alone.decoder.num_codebooks, -1)}
    with torch.inference_mode():
        assert torch.equal(alone(**given).logits, together(**given).logits)


def test_a_tied_embedding_goes_along_in_8_bits(gpt2: Path) -> None:
    plain, small = (AutoModelForCausalLM.from_pretrained(gpt2).eval() for _ in range(2))
    quantize_model(small, Placement("cpu", "float32", "", "", "int8"))
    assert small.transformer.wte.weight.dtype == torch.int8
    assert small.transformer.wte.weight.data_ptr() == small.lm_head.weight.data_ptr()
    tokens = torch.arange(10).reshape(1, -1)
    with torch.inference_mode():
        exact, near = plain(tokens).logits, small(tokens).logits
    assert (near - exact).norm() / exact.norm() < 0.1


def test_a_rerun_carries_it_and_a_plain_run_knows_nothing_of_it(run_main: RunMain, gpt2: Path) -> None:
    options = ["-m", str(gpt2), "--seed", "1", "--max-new-tokens", "8"]
    run_main("text", "It was", *options, "--quantize", "int8", "-o", "small.txt")
    run_main("text", "It was", *options, "-o", "plain.txt")
    assert run_main("rerun", "small.txt", "--verify").stdout == "small.txt: the same\n"
    assert "quantize" not in record_of(Path("plain.txt"))["parameters"]
    again = run_main("rerun", "plain.txt", "--quantize", "int8", "-o", "again.txt")
    assert again.code == 0
    assert Path("again.txt").read_text() == Path("small.txt").read_text()


def test_a_batch_keeps_both_apart(run_main: RunMain, gpt2: Path) -> None:
    row = {"task": "text", "prompt": "It was", "model": str(gpt2), "seed": 1, "max_new_tokens": 8}
    rows = [row | {"id": "plain"}, row | {"id": "small", "quantize": "int8"}]
    done = run_main("batch", write_rows(Path("jobs.jsonl"), rows), "-o", "out/", "--json")
    assert done.code == 0, done.stderr
    lines = {line["id"]: line for line in map(json.loads, done.lines)}
    assert lines["small"]["parameters"]["quantize"] == "int8"
    assert lines["small"]["key"] != lines["plain"]["key"]
    alone = run_main("text", "It was", "-m", str(gpt2), "--seed", "1", "--max-new-tokens", "8", "--quantize", "int8")
    assert alone.stdout == lines["small"]["text"] + "\n"


def test_what_cannot_be_is_refused_before_anything_loads(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run_main("text", "It was", "-m", "tiny", "--quantize", "int5")
    assert (done.code, "did you mean" in done.stderr) == (2, True)
    assert run_main("image", "a cat", "-m", "tiny", "--quantize", "int8").code == 2
    Path("jobs.jsonl").write_text('{"task": "image", "prompt": "a cat", "quantize": "int8"}\n')
    done = run_main("batch", "jobs.jsonl", "-o", "out/")
    assert (done.code, "unknown field 'quantize' for image" in done.stderr) == (2, True)
    monkeypatch.setitem(sys.modules, "torchao", None)
    done = run_main("text", "It was", "-m", "tiny", "--quantize", "int8")
    assert done.code == 2
    assert done.stderr.count("\n") == 2
    assert "genai-cli[quantize]" in done.stderr


def test_a_device_that_cannot_is_told_before_anything_loads() -> None:
    placement = Placement("mps", "float16", "", "", quantize="int8")
    with pytest.raises(DeviceError, match="does not work on mps"):
        find_drawback(placement)
