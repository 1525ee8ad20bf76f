"""--compiler openvino for texts: the same words as torch's, by a network that is kept; torch's where it cannot be."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import transformers
from checkpoint_parts import SIZES, save_model
from checkpoints_decoding import byte_level, save_llama
from checkpoints_seeing import build_llava
from conftest import RunMain, read_records, write_rows
from transformers import AutoModelForCausalLM, PretrainedConfig

pytestmark = [
    pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed"),
    pytest.mark.usefixtures("cache"),
]

WORDS = byte_level().get_vocab_size()
TEN = ("--max-new-tokens", "10", "--seed", "1", "--json", "-v", "--keep", "0")
BY_OPENVINO = (*TEN, "--compiler", "openvino")


def find_network(cache: Path, words: str) -> Path:
    (about,) = (path for path in cache.glob("*/about.json") if words in path.read_text())
    return about.parent / "network.bin"


PROMPTS = ["Once upon a time", "The dog", "It was a dark and stormy night, and the wind", "She said"]


def test_texts_alone_and_in_groups_are_those_of_torch(run_main: RunMain, cache: Path) -> None:
    rows = write_rows(Path("rows.jsonl"), [{"prompt": prompt} for prompt in PROMPTS])
    command = ["text", "--prompts", rows, "-m", "tiny"]
    plain = read_records(run_main(*command, *TEN, "-o", "plain/"))
    done = run_main(*command, *BY_OPENVINO, "-o", "grouped/")
    assert "openvino: the text model was converted and kept" in done.stderr
    grouped = read_records(done)
    done = run_main(*command, *BY_OPENVINO, "--batch-size", "1", "-o", "alone/")
    assert "openvino: the text model was read from what was kept" in done.stderr
    for a, b, c in zip(plain, grouped, read_records(done), strict=True):
        assert a["text"] == b["text"] == c["text"]
        assert (b["compiled"], b["compiler"], "openvino" in b["libraries"]) == (True, "openvino", True)  # type: ignore[operator]
        assert "openvino" not in a["libraries"]  # type: ignore[operator]
    again = run_main("rerun", str(grouped[0]["file"]), "--verify", "-v")
    assert again.code == 0
    assert "compiled: by openvino" in again.stderr


def test_a_network_is_listed_and_removed_and_a_cut_one_is_made_again(
    run_main: RunMain, gpt2: Path, cache: Path
) -> None:
    command = ["text", "Once", "-m", gpt2, *BY_OPENVINO, "-o", "-"]
    (whole,) = read_records(run_main(*command))
    assert whole["text"] == read_records(run_main("text", "Once", "-m", gpt2, *TEN, "-o", "-"))[0]["text"]
    assert "openvino text model float32, made here" in run_main("models", "list").stdout
    network = find_network(cache, str(gpt2))
    network.write_bytes(network.read_bytes()[:-1000])
    done = run_main(*command)
    assert "the text model was converted and kept" in done.stderr
    assert read_records(done)[0]["text"] == whole["text"]
    assert run_main("models", "remove", gpt2).code == 0
    assert not list(cache.glob(f"{network.parent.name}*"))


@pytest.mark.parametrize(("quantize", "share"), [("int8", 0.3), ("int4", 0.25)])
def test_small_weights_are_made_by_openvino(run_main: RunMain, cache: Path, quantize: str, share: float) -> None:
    pytest.importorskip("torchao")
    command = ["text", PROMPTS[0], "-m", "tiny", *BY_OPENVINO, "--quantize", quantize, "-o", "-"]
    (first,), (second,) = read_records(run_main(*command)), read_records(run_main(*command))
    assert first["text"] == second["text"] != PROMPTS[0]
    assert (first["compiled"], first["parameters"]["quantize"]) == (True, quantize)  # type: ignore[index]
    read_records(run_main("text", PROMPTS[0], "-m", "tiny", *BY_OPENVINO, "-o", "-"))
    whole, small = (find_network(cache, f'text model {how}"') for how in ("float32", f"float32 {quantize}"))
    assert small.stat().st_size < share * whole.stat().st_size


def list_kinds() -> list[PretrainedConfig]:
    """Models that differ in how they know places, hide what is far, or hold keys and values."""
    few = {"num_key_value_heads": 2, **SIZES, "vocab_size": WORDS}
    heads = {"head_dim": 16, "sliding_window": 5}
    gpt = {"vocab_size": WORDS, "n_embd": 64, "n_layer": 2, "n_head": 4}
    return [
        transformers.Qwen3Config(**few, head_dim=16),
        transformers.MistralConfig(**few, sliding_window=5),
        transformers.Gemma3TextConfig(**few, **heads, layer_types=["sliding_attention", "full_attention"]),
        transformers.BloomConfig(vocab_size=WORDS, hidden_size=64, n_layer=2, n_head=4),
        transformers.GPTBigCodeConfig(**gpt, n_positions=64),
        transformers.OPTConfig(
            vocab_size=WORDS,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            ffn_dim=64,
            word_embed_proj_dim=64,
        ),
    ]


@pytest.mark.parametrize("config", list_kinds(), ids=lambda config: config.model_type)
def test_scores_of_many_kinds_of_models_are_those_of_torch(
    config: PretrainedConfig, tmp_path: Path, run_main: RunMain
) -> None:
    torch.manual_seed(0)
    folder = save_llama(tmp_path / "model", byte_level(), {"eos_token": "<|endoftext|>"})
    config.eos_token_id = byte_level().token_to_id("<|endoftext|>")
    model = AutoModelForCausalLM.from_config(config)
    model.generation_config.min_new_tokens = 10
    save_model(model, folder)
    rows = write_rows(Path("rows.jsonl"), [{"prompt": prompt} for prompt in PROMPTS])
    command = ["text", "--prompts", rows, "-m", folder]
    done = run_main(*command, *BY_OPENVINO, "-o", "ours/")
    for ours, theirs in zip(read_records(done), read_records(run_main(*command, *TEN, "-o", "plain/")), strict=True):
        assert ours["compiled"] is True, done.stderr
        assert ours["text"] == theirs["text"]


def test_what_openvino_cannot_run_is_torch_s_and_the_reason_is_said(tmp_path: Path, run_main: RunMain) -> None:
    pytest.importorskip("torchao")
    torch.manual_seed(0)
    folder = save_llama(tmp_path / "model", byte_level(), {"eos_token": "<|endoftext|>"})
    config = transformers.MambaConfig(vocab_size=WORDS, hidden_size=64, num_hidden_layers=2, state_size=4)
    save_model(transformers.MambaForCausalLM(config), folder)
    command = ["text", "Once", "-m", folder, "--quantize", "int8", "-o", "-"]
    done = run_main(*command, *BY_OPENVINO)
    (ours,), (plain,) = read_records(done), read_records(run_main(*command, *TEN))
    assert "could not be compiled and runs as it is: text model: " in done.stderr
    assert (ours["compiled"], ours["text"]) == (False, plain["text"])


def test_a_model_that_sees_is_torch_s(tmp_path: Path, run_main: RunMain) -> None:
    done = run_main("text", "Once", "-m", build_llava(tmp_path / "llava"), *BY_OPENVINO, "-o", "-")
    assert read_records(done)[0]["compiled"] is False
    assert "it is not for models that see" in done.stderr


@pytest.mark.parametrize("quantize", ["int8", "int4"])
def test_scores_of_small_weights_are_near_those_of_whole_ones(quantize: str) -> None:
    import openvino

    from genai_cli.device.openvino_network import compile_network
    from genai_cli.device.openvino_text import CLOSE_IN, shrink_weights

    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.Tanh(), torch.nn.Linear(512, 256, bias=False))
    values = torch.randn(4, 256)
    network = openvino.convert_model(layers.eval(), example_input=values)
    shrink_weights(network, quantize)
    made = torch.from_numpy(compile_network(network, torch.float32)(values.numpy())[0])
    with torch.no_grad():
        wanted = layers(values)
    error = float((made - wanted).norm() / wanted.norm())
    assert 1e-4 < error < CLOSE_IN[quantize] / 3
