"""genai text --probabilities: the likeliest next words at each step, checked against the model itself."""

import json
import re
from pathlib import Path

import pytest
from conftest import RunMain, write_rows

OPTIONS = ["--max-new-tokens", "8", "--seed", "3"]


def test_the_shares_are_the_model_s_own(run_main: RunMain, gpt2: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    plain = json.loads(run_main("text", "It was", "-m", gpt2, *OPTIONS, "--json", "-o", "-").stdout)
    line = json.loads(run_main("text", "It was", "-m", gpt2, *OPTIONS, "--probabilities", "--json", "-o", "-").stdout)
    assert (line["text"], line["content_sha256"]) == (plain["text"], plain["content_sha256"])
    assert "logprobs" not in plain and plain["key"] != line["key"]
    assert len(line["logprobs"]) == line["tokens"]["completion"]
    tokenizer = AutoTokenizer.from_pretrained(gpt2)
    model = AutoModelForCausalLM.from_pretrained(gpt2, dtype="float32")
    tokens = list(tokenizer("It was").input_ids)
    for step in line["logprobs"]:
        with torch.inference_mode():
            shares = model(torch.tensor([tokens])).logits[0, -1].log_softmax(dim=-1)
        top = shares.topk(5)
        assert [one["token"] for one in step["top_logprobs"]] == [tokenizer.decode([one]) for one in top.indices]
        assert [one["logprob"] for one in step["top_logprobs"]] == pytest.approx(top.values.tolist(), abs=1e-4)
        taken = [token for token in range(len(shares)) if tokenizer.decode([token]) == step["token"]]
        token = min(taken, key=lambda one: abs(shares[one].item() - step["logprob"]))
        assert shares[token].item() == pytest.approx(step["logprob"], abs=1e-4)
        tokens.append(token)


def test_a_table_follows_the_text(run_main: RunMain, gpt2: Path) -> None:
    text = run_main("text", "It was", "-m", gpt2, *OPTIONS, "--temperature", "0", "-o", "-").stdout
    options = [*OPTIONS, "--temperature", "0", "--probabilities"]
    done = run_main("text", "It was", "-m", gpt2, *options, "-o", "-")
    assert done.stdout.startswith(text)
    heading, *rows = done.stdout.removeprefix(text).splitlines()
    assert heading.split() == ["step", "taken", "likeliest"]
    assert len(rows) == 8
    for number, row in enumerate(rows, 1):
        shares = [float(share) for share in re.findall(r"([\d.]+) %", row)]
        assert row.split()[0] == str(number) and len(shares) == 6
        assert shares[0] == shares[1] == max(shares) and sum(shares[1:]) <= 100.5  # greedy: the likeliest is taken


def test_items_of_a_group_have_their_own(run_main: RunMain, gpt2: Path) -> None:
    """Of several made at once, those that ask for shares get theirs, whatever their lengths."""
    rows = [
        {"prompt": "It was", "max_new_tokens": 5, "seed": 1, "probabilities": True},
        {"prompt": "Once upon a time there", "max_new_tokens": 5, "seed": 2, "probabilities": True},
        {"prompt": "A", "max_new_tokens": 5, "seed": 3},
    ]
    write_rows(Path("rows.jsonl"), rows)
    run_main("text", "--prompts", "rows.jsonl", "-m", gpt2, "-o", "all.jsonl")
    lines = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    assert ["logprobs" in line for line in lines] == [True, True, False]
    for row, line in zip(rows[:2], lines[:2], strict=True):
        write_rows(Path("one.jsonl"), [row])
        run_main("text", "--prompts", "one.jsonl", "-m", gpt2, "-o", "one-out.jsonl")
        alone = json.loads(Path("one-out.jsonl").read_text())
        assert [step["token"] for step in alone["logprobs"]] == [step["token"] for step in line["logprobs"]]
        assert [step["logprob"] for step in alone["logprobs"]] == pytest.approx(
            [step["logprob"] for step in line["logprobs"]], abs=1e-4
        )
