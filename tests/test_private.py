"""Private and undocumented names of the libraries: each exists and does what genai relies on."""

import ast
from pathlib import Path

import pytest
import torch
from checkpoint_parts import changed_weights
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    CompileConfig,
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
    PreTrainedModel,
)

from genai_cli.device import private
from genai_cli.device.private import (
    compile_on_all_devices,
    has_fbgemm_product,
    has_hooks,
    has_onednn_product,
    is_stateful,
    keep_attention,
    make_opaque_int4,
    multiply_by_fbgemm,
    multiply_by_onednn,
    multiply_int8,
    pack_for_fbgemm,
    quantize_to_opaque_int4,
    replace_compiled_call,
    watch_loading,
)

ROOM = Path(private.__file__).parent


@pytest.fixture
def gpt2_model() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "vocab_size": 32, "n_positions": 32}
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=None, pad_token_id=0)).eval()


@pytest.mark.parametrize("bias", [torch.linspace(-1, 1, 80), None])
def test_linear_pointwise_gives_what_linear_gives(bias: torch.Tensor | None) -> None:
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    assert has_onednn_product()
    torch.manual_seed(0)
    values, weight = torch.randn(2, 5, 48), torch.randn(80, 48)
    expected = nn.functional.linear(values, weight, bias)
    torch.testing.assert_close(multiply_by_onednn(values, weight, bias), expected, rtol=1e-5, atol=1e-5)
    # A transposed view of a weight too: GPT-2's layers have one.
    turned = weight.t().contiguous().t()
    torch.testing.assert_close(multiply_by_onednn(values, turned, bias), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 64), (17, 64), (3, 40)])
def test_int_mm_sums_in_32_bits(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    rows, weight = (torch.randint(-127, 128, (length, shape[1]), dtype=torch.int8) for length in (shape[0], 48))
    product = multiply_int8(rows, weight)
    assert product.dtype is torch.int32
    assert torch.equal(product, rows.int() @ weight.int().t())


def test_fbgemm_s_product_gives_what_linear_gives_for_8_bits() -> None:
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        pytest.skip("this torch has no FBGEMM")
    assert has_fbgemm_product()
    torch.manual_seed(0)
    weight = torch.randint(-127, 128, (48, 64), dtype=torch.int8)
    scale = torch.rand(48) / 100
    whole = torch.randint(-63, 64, (5, 64))  # 7 bits, which every processor sums without saturation
    product = multiply_by_fbgemm(whole / 63, 1 / 63, 64, pack_for_fbgemm(weight, scale))
    expected = (whole / 63) @ (weight * scale[:, None]).t()
    assert product.dtype is torch.float32
    torch.testing.assert_close(product, expected, rtol=1e-5, atol=1e-5)


def test_an_opaque_int4_weight_multiplies_on_a_cpu_in_4_bits() -> None:
    pytest.importorskip("torchao")
    torch.manual_seed(0)
    weight, values = torch.randn(48, 64, dtype=torch.bfloat16), torch.randn(5, 64, dtype=torch.bfloat16)
    small = quantize_to_opaque_int4(weight, 32)
    assert (small.shape, small.dtype) == (weight.shape, torch.bfloat16)
    assert small.qdata.numel() * small.qdata.element_size() == weight.numel() // 2
    exact = nn.functional.linear(values, weight)
    assert 0 < (nn.functional.linear(values, small) - exact).norm() / exact.norm() < 0.15
    again = make_opaque_int4(small.qdata.clone(), small.scale_and_zero.clone())
    assert (again.shape, again.dtype, again.block_size) == (small.shape, small.dtype, small.block_size)
    assert torch.equal(nn.functional.linear(values, again), nn.functional.linear(values, small))


def test_torchao_s_public_int4_still_does_not_work_on_a_cpu() -> None:
    """Where this fails, take the public way instead of quantize_to_opaque_int4."""
    quantization = pytest.importorskip("torchao.quantization")
    from torchao.quantization.quantize_.workflows import Int4PackingFormat

    for packing in Int4PackingFormat:
        linear = nn.Linear(64, 48, bias=False, dtype=torch.bfloat16)
        config = quantization.Int4WeightOnlyConfig(group_size=32, int4_packing_format=packing)
        with pytest.raises((ImportError, NotImplementedError, AssertionError, RuntimeError)):
            quantization.quantize_(linear, config)
            linear(torch.randn(1, 64, dtype=torch.bfloat16))


def test_generate_makes_its_steps_with_the_call_that_replaces_its_own(gpt2_model: GPT2LMHeadModel) -> None:
    """And only with the mark of compile_on_all_devices, since this is a CPU."""
    lengths: list[int] = []

    def step(**inputs: torch.Tensor) -> object:
        lengths.append(inputs["input_ids"].shape[1])
        return gpt2_model(**inputs)

    tokens = torch.tensor([[1, 2, 3]])
    options = {"max_new_tokens": 5, "do_sample": False, "attention_mask": torch.ones_like(tokens)}
    plain = gpt2_model.generate(tokens, **options)
    options |= {"cache_implementation": "static"}
    replace_compiled_call(gpt2_model, step)
    assert torch.equal(gpt2_model.generate(tokens, **options, compile_config=CompileConfig()), plain)
    assert lengths == []
    assert torch.equal(gpt2_model.generate(tokens, **options, compile_config=compile_on_all_devices()), plain)
    assert lengths == [1, 1, 1, 1]


def test_hooks_are_found_on_the_parts_of_a_module() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2)))
    own = module.register_forward_hook(lambda *_: None)  # which is called whoever makes the call within
    assert not has_hooks(module)
    own.remove()
    for add in (module[1][0].register_forward_hook, module[1][0].register_forward_pre_hook):
        hook = add(lambda *_: None)
        assert has_hooks(module)
        hook.remove()
        assert not has_hooks(module)


def test_a_recurrent_model_says_that_it_is_stateful(gpt2_model: GPT2LMHeadModel) -> None:
    mamba = MambaForCausalLM(MambaConfig(num_hidden_layers=1, hidden_size=8, state_size=2, vocab_size=32))
    assert hasattr(gpt2_model, "_is_stateful")
    assert is_stateful(mamba)
    assert not is_stateful(gpt2_model)


def test_the_attention_of_a_model_is_left_as_it_was(gpt2_model: GPT2LMHeadModel) -> None:
    before = gpt2_model.config._attn_implementation
    assert before != "eager"
    with keep_attention(gpt2_model):
        gpt2_model.config._attn_implementation = "eager"
    assert gpt2_model.config._attn_implementation == before


def test_no_other_file_of_the_room_has_a_private_name_of_a_library() -> None:
    found = []
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.attr if isinstance(node, ast.Attribute) else ""
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if (name.startswith("_") and not name.startswith("__")) or "prototype" in module or "._" in module:
                found.append(path.name)
    assert set(found) == {"private.py"}


def test_weights_that_a_checkpoint_lacks_are_reported(gpt2_model: GPT2LMHeadModel, tmp_path: Path) -> None:
    gpt2_model.save_pretrained(tmp_path)
    reports: list[tuple[type, set[str]]] = []
    plain = vars(PreTrainedModel)["from_pretrained"]
    with watch_loading(lambda loaded, missing: reports.append((loaded, missing))):
        AutoModelForCausalLM.from_pretrained(tmp_path)  # the output layer is tied, and nothing is missing
        with changed_weights(tmp_path / "model.safetensors") as tensors:
            del tensors["transformer.h.0.mlp.c_fc.weight"]
        model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert isinstance(model, GPT2LMHeadModel)
    assert reports == [(GPT2LMHeadModel, set()), (GPT2LMHeadModel, {"transformer.h.0.mlp.c_fc.weight"})]
    assert vars(PreTrainedModel)["from_pretrained"] is plain
