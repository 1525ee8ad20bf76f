"""One resolved set of generation settings: the option, else the checkpoint's generation_config, else genai's own."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_parts import changed_weights
from checkpoints_decoding import build_stretched_llama, copy_with, save_llama, wordpiece_tokenizer
from conftest import RunMain
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from genai_cli.modality.decoding.context import find_context

TOKENS = 24
GREEDY = ["--temperature", "0", "--max-new-tokens", str(TOKENS)]


def make(run_main: RunMain, folder: Path, *options: str, prompt: str = "It was") -> dict[str, Any]:
    """The record of one text."""
    done = run_main("text", prompt, "-m", folder, "--seed", "3", "--json", *options)
    assert done.code == 0, done.stderr
    return dict(json.loads(done.stdout))


def generate_by_library(folder: Path, **options: Any) -> str:
    """What transformers itself makes, greedily, with the given settings alone."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=0)
    inputs = tokenizer("It was", return_tensors="pt")
    ids = model.generate(**inputs, do_sample=False, max_new_tokens=TOKENS, **options)[0]
    return str(tokenizer.decode(ids, skip_special_tokens=True)).rstrip("\N{REPLACEMENT CHARACTER}")


def same_start(text: str, other: str) -> bool:
    """Whether two texts are one, but for a character cut at the end."""
    return bool(text) and (text.startswith(other) or other.startswith(text)) and abs(len(text) - len(other)) < 4


def test_a_stated_penalty_is_applied_once(run_main: RunMain, gpt2: Path, tmp_path: Path) -> None:
    folder = copy_with(gpt2, tmp_path / "m", repetition_penalty=1.3)
    record = make(run_main, folder, *GREEDY)
    assert record["parameters"]["repetition_penalty"] == 1.3
    assert same_start(record["text"], generate_by_library(gpt2, repetition_penalty=1.3))
    assert record["text"] == make(run_main, gpt2, *GREEDY, "--repetition-penalty", "1.3")["text"]
    twice = generate_by_library(gpt2, repetition_penalty=1.3**2)
    assert not same_start(record["text"], twice)  # or the test says nothing


@pytest.mark.parametrize("samples", [{}, {"do_sample": True}, {"do_sample": False}])
def test_an_option_switches_a_stated_penalty_off(
    run_main: RunMain, gpt2: Path, tmp_path: Path, samples: dict[str, Any]
) -> None:
    folder = copy_with(gpt2, tmp_path / "m", repetition_penalty=1.9, **samples)
    off = make(run_main, folder, *GREEDY, "--repetition-penalty", "1")
    assert off["parameters"]["repetition_penalty"] == 1
    assert off["text"] == make(run_main, gpt2, *GREEDY)["text"]
    assert off["text"] != make(run_main, folder, *GREEDY)["text"]


def test_drawing_is_as_stated_and_options_come_first(run_main: RunMain, gpt2: Path, tmp_path: Path) -> None:
    stated = {"temperature": 0.3, "top_p": 0.6, "top_k": 7, "max_new_tokens": 9}
    folder = copy_with(gpt2, tmp_path / "m", do_sample=True, **stated)
    record = make(run_main, folder)
    assert {name: record["parameters"][name] for name in stated} == stated
    assert record["tokens"]["completion"] == 9
    options = ["--temperature", "0.9", "--top-p", "0.5", "--top-k", "0", "--max-new-tokens", "4"]
    assert make(run_main, folder, *options)["text"] == make(run_main, gpt2, *options)["text"]


def test_a_checkpoint_that_does_not_sample_is_greedy(run_main: RunMain, gpt2: Path, tmp_path: Path) -> None:
    folder = copy_with(gpt2, tmp_path / "m", do_sample=False, max_new_tokens=TOKENS)
    record = make(run_main, folder)
    assert record["parameters"]["temperature"] == 0
    assert record["text"] == make(run_main, gpt2, *GREEDY)["text"]
    assert make(run_main, folder, "--top-p", "0.9")["parameters"]["temperature"] == 0.7


def test_stated_stop_strings_are_stop_texts(run_main: RunMain, gpt2: Path, tmp_path: Path) -> None:
    whole = make(run_main, gpt2, *GREEDY, "--no-echo")["text"]
    stop = whole[4:7]
    for number, value in enumerate(([stop, "never"], stop)):
        record = make(run_main, copy_with(gpt2, tmp_path / f"m{number}", stop_strings=value), *GREEDY, "--no-echo")
        assert record["text"] == whole[: whole.index(stop)]
        assert (record["finish_reason"], stop in record["parameters"]["stop"]) == ("stop", True)


SHAPED: dict[str, Any] = {
    "no_repeat_ngram_size": 2,
    "suppress_tokens": [60, 61, 62, 63, 64, 65, 66, 67],
    "begin_suppress_tokens": list(range(200)),
    "bad_words_ids": [[number] for number in range(30, 90)],
    "sequence_bias": [[[number], -50.0] for number in range(100, 200)],
    "exponential_decay_length_penalty": [3, 1.9],
}


@pytest.mark.parametrize("name", SHAPED)
def test_what_else_is_stated_shapes_the_text_as_the_library_does(
    run_main: RunMain, gpt2: Path, tmp_path: Path, name: str
) -> None:
    folder = copy_with(gpt2, tmp_path / "m", **{name: SHAPED[name]})
    record = make(run_main, folder, *GREEDY)
    assert record["parameters"]["generation_config"] == {name: SHAPED[name]}
    assert same_start(record["text"], generate_by_library(gpt2, **{name: SHAPED[name]}))


@pytest.mark.parametrize("stated", [{"min_new_tokens": 15}, {"min_length": 15}])
def test_a_least_length_is_each_item_s_own(
    run_main: RunMain, gpt2: Path, tmp_path: Path, stated: dict[str, int]
) -> None:
    plain = copy_with(gpt2, tmp_path / "plain", eos_token_id=list(range(2, 400, 4)))  # one comes soon
    folder = copy_with(plain, tmp_path / "m", **stated)
    prompts = ["It was", "a photo of an astronaut"]
    Path("p.txt").write_text("\n".join(prompts) + "\n")
    options = ["--prompts", "p.txt", "--temperature", "2", "--top-k", "0", "--seed", "1", "--json"]
    options += ["--max-new-tokens", "20"]
    alone, together = (run_main("text", "-m", folder, *options, "--batch-size", size).lines for size in ("1", "2"))
    records = [json.loads(line) for line in together]
    assert [record["text"] for record in records] == [json.loads(line)["text"] for line in alone]
    for record in records:
        tokens = record["tokens"]
        least = 15 if "min_new_tokens" in stated else 15 - tokens["prompt"]
        assert tokens["completion"] > least
    short = [json.loads(line) for line in run_main("text", "-m", plain, *options).lines]
    assert min(record["tokens"]["completion"] for record in short if record["status"] == "done") < 10


def test_stated_ways_to_draw_are_applied(run_main: RunMain, gpt2: Path, tmp_path: Path) -> None:
    for name, value in {"min_p": 1.0, "epsilon_cutoff": 0.99, "top_h": 0.01}.items():
        folder = copy_with(gpt2, tmp_path / name, do_sample=True, **{name: value})
        record = make(run_main, folder, "--max-new-tokens", str(TOKENS))
        assert record["parameters"]["generation_config"] == {name: value}
        assert record["text"] == make(run_main, gpt2, *GREEDY)["text"]  # nothing but the likeliest is left


UNDONE: dict[str, Any] = {
    "num_beams": 4,
    "num_return_sequences": 3,
    "num_beam_groups": 2,
    "diversity_penalty": 0.5,
    "penalty_alpha": 0.6,
    "dola_layers": "low",
    "force_words_ids": [[60]],
    "guidance_scale": 1.5,
    "forced_bos_token_id": 5,
    "forced_eos_token_id": 5,
    "encoder_repetition_penalty": 1.4,
    "prompt_lookup_num_tokens": 3,
    "assistant_early_exit": 1,
    "token_healing": True,
    "max_time": 0.001,
    "watermarking_config": {"greenlist_ratio": 0.3, "bias": 30.0},
    "bad_words_ids": [[10**6]],
    "suppress_tokens": "all",
    "min_p": 7,
    "top_p": 0,
}


@pytest.mark.parametrize("name", UNDONE)
def test_what_genai_does_not_do_is_said_and_changes_nothing(
    run_main: RunMain, gpt2: Path, tmp_path: Path, name: str
) -> None:
    extra = {"num_beams": 4} if name in ("num_return_sequences", "num_beam_groups", "diversity_penalty") else {}
    folder = copy_with(gpt2, tmp_path / "m", **{name: UNDONE[name]}, **extra)
    done = run_main("text", "It was", "Then", "-m", folder, *GREEDY, "--seed", "3", "--json")
    assert done.code == 0, done.stderr
    assert done.stderr.count("generation_config states") == 1
    assert name in done.stderr
    record = json.loads(done.lines[0])
    assert "generation_config" not in record["parameters"]
    assert record["text"] == make(run_main, gpt2, *GREEDY)["text"]


HARMLESS: dict[str, Any] = {
    "max_length": 3,
    "num_beams": 1,
    "use_cache": False,
    "cache_implementation": "static",
    "output_scores": True,
    "return_dict_in_generate": True,
    "renormalize_logits": True,
    "early_stopping": True,
    "chat_format": "chatml",
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "low_memory": True,
    "top_k": -1,
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_changes_no_result_is_left_alone(run_main: RunMain, gpt2: Path, tmp_path: Path, name: str) -> None:
    folder = copy_with(gpt2, tmp_path / "m", **{name: HARMLESS[name]})
    done = run_main("text", "It was", "-m", folder, *GREEDY, "--seed", "3", "--json")
    assert (done.code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["text"] == make(run_main, gpt2, *GREEDY)["text"]


def test_a_group_is_what_its_items_are_alone(run_main: RunMain, gpt2: Path, tmp_path: Path) -> None:
    folder = copy_with(gpt2, tmp_path / "m", do_sample=True, repetition_penalty=1.2, **SHAPED, min_p=0.05, min_length=8)
    Path("p.txt").write_text("It\na photo of an astronaut riding a horse\nIt was dark\n")
    options = ["--prompts", "p.txt", "-m", str(folder), "--max-new-tokens", "16", "--seed", "1", "--json"]
    alone, together = (run_main("text", *options, "--batch-size", size) for size in ("1", "3"))
    assert alone.code == together.code == 0, together.stderr
    texts = [[json.loads(line)["text"] for line in done.lines] for done in (alone, together)]
    assert texts[0] == texts[1]


def test_a_rerun_makes_the_same(run_main: RunMain, gpt2: Path, tmp_path: Path) -> None:
    folder = copy_with(gpt2, tmp_path / "m", do_sample=True, repetition_penalty=1.2, min_p=0.1, stop_strings=["zz"])
    assert run_main("text", "It was", "-m", folder, "--seed", "3", "--max-new-tokens", "9", "-o", "a.txt").code == 0
    verified = run_main("rerun", "a.txt", "--verify")
    assert (verified.code, verified.stdout) == (0, "a.txt: the same\n"), verified.stderr


# The context


ROPES = [
    (64, {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}, 256),
    (64, {"rope_type": "yarn", "factor": 4.0}, 256),
    (80, {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}, 256),
    (256, {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}, 256),
    (64, {"type": "linear", "factor": 4.0}, 256),
    (64, {"type": "dynamic", "factor": 2.0}, 128),
    (
        128,
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
        128,
    ),
    (
        256,
        {
            "rope_type": "longrope",
            "short_factor": [1.0] * 4,
            "long_factor": [2.0] * 4,
            "factor": 4.0,
            "original_max_position_embeddings": 64,
        },
        256,
    ),
]


@pytest.mark.parametrize(("stated", "rope", "context"), ROPES)
def test_a_stretched_context_is_what_the_configuration_says(
    run_main: RunMain, tmp_path: Path, stated: int, rope: dict[str, Any], context: int
) -> None:
    folder = build_stretched_llama(tmp_path / "m", stated, rope)
    prompt = "a b " * 20
    done = run_main("text", prompt, "-m", folder, "--seed", "1", "--max-new-tokens", "1000", "--json")
    assert done.code == 0, done.stderr
    record = json.loads(done.stdout)
    assert f"the context of {context} tokens leaves" in done.stderr
    assert record["tokens"]["prompt"] + record["parameters"]["max_new_tokens"] == context
    refused = run_main("text", "a b " * 200, "-m", folder)
    assert (refused.code, f"the model's context is {context}" in refused.stderr) == (2, True)


def test_layers_of_several_types_have_the_context_that_is_stated() -> None:
    config = AutoConfig.for_model("gemma3_text", max_position_embeddings=512)
    config.rope_parameters = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    assert find_context(config) == 512
    assert find_context(AutoConfig.for_model("bloom")) is None
    assert find_context(AutoConfig.for_model("gpt2", n_positions=99)) == 99


def test_scores_that_are_not_finite_are_still_told(run_main: RunMain, gpt2: Path, tmp_path: Path) -> None:
    folder = copy_with(gpt2, tmp_path / "m", suppress_tokens=[5], remove_invalid_values=True)
    with changed_weights(folder / "model.safetensors") as tensors:
        tensors["ln_f.weight"].fill_(torch.nan)
    done = run_main("text", "It was", "-m", folder, *GREEDY)
    assert (done.code, "not finite" in done.stderr) == (8, True)


def test_words_that_a_text_model_does_not_know_are_named(run_main: RunMain, tmp_path: Path) -> None:
    folder = save_llama(tmp_path / "m", wordpiece_tokenizer(), {"eos_token": "[UNK]", "unk_token": "[UNK]"})
    done = run_main("text", "do 你好 not", "-m", folder, "--max-new-tokens", "4", "--temperature", "0", "--json")
    assert "cannot read '你好'; skipped" in done.stderr
