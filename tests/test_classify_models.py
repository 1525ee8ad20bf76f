"""genai classify, on the classes of transformers that count positions, pad or end in a way of their own."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_parts import SIZES, changed_weights, update_json
from checkpoints_classifiers import SEQ2SEQ, TRANSFORMER, build_classifier
from conftest import RunMain, write_rows
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

WINDOW = 40
# The table of positions of RoBERTa and its relatives has two rows more than a text may have tokens.
OFFSET = {**SIZES, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "max_position_embeddings": WINDOW + 2}
PLAIN = {**SIZES, "pad_token_id": 1, "max_position_embeddings": WINDOW}
CLASSES: dict[str, dict[str, Any]] = {
    "Roberta": OFFSET,
    "Camembert": OFFSET,
    "XLMRoberta": OFFSET,
    "XLMRobertaXL": OFFSET,
    "RobertaPreLayerNorm": OFFSET,
    "MPNet": OFFSET,
    "Data2VecText": OFFSET,
    "IBert": OFFSET,
    "Luke": OFFSET | {"entity_vocab_size": 4, "entity_emb_size": 8},
    "Longformer": OFFSET | {"attention_window": [8, 8]},
    "BigBird": PLAIN | {"block_size": 4, "num_random_blocks": 1, "attention_type": "original_full"},
    "RoFormer": PLAIN | {"embedding_size": 32},
    "Electra": PLAIN | {"embedding_size": 32},
    "Nystromformer": PLAIN,
    "Bart": SEQ2SEQ | {"pad_token_id": 1, "eos_token_id": 2, "max_position_embeddings": WINDOW},
}
DECODERS: dict[str, dict[str, Any]] = {
    "GPT2": TRANSFORMER | {"n_positions": WINDOW, "bos_token_id": 0, "eos_token_id": 2},
    "Llama": SIZES | {"max_position_embeddings": WINDOW, "bos_token_id": 0, "eos_token_id": 2},
    "GPTNeoX": SIZES | {"max_position_embeddings": WINDOW, "bos_token_id": 0, "eos_token_id": 2},
    "OPT": SIZES | {"max_position_embeddings": WINDOW, "ffn_dim": 32, "word_embed_proj_dim": 32, "pad_token_id": None},
}
LONG = "the film was good and then it was bad " * 12


def classify(run_main: RunMain, texts: list[str], folder: Path, *options: str) -> list[dict[str, Any]]:
    rows = write_rows(Path("rows.jsonl"), [{"prompt": text, "top": 0} for text in texts])
    done = run_main("classify", "--prompts", rows, "-m", folder, "--json", *options)
    assert done.code == 0, done.stderr
    return [json.loads(line) for line in done.lines]


def by_label(record: dict[str, Any]) -> list[float]:
    """The scores in the order of the model's outputs."""
    scores = {entry["label"]: entry["score"] for entry in record["labels"]}
    return [scores[label] for label in sorted(scores)]


def score_alone(folder: Path, tokens: list[int]) -> torch.Tensor:
    """What transformers makes of one window."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].softmax(-1)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_long_text_is_read_in_the_largest_windows_that_the_model_takes(
    run_main: RunMain, tmp_path: Path, kind: str
) -> None:
    folder = build_classifier(tmp_path / "model", kind, **CLASSES[kind])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.model_max_length > 10**9
    (record,) = classify(run_main, [LONG], folder)
    windows = tokenizer(
        LONG, truncation=True, max_length=WINDOW, stride=(WINDOW - 2) // 4, return_overflowing_tokens=True
    ).input_ids
    assert record["parameters"]["windows"] == len(windows) > 2
    expected = torch.stack([score_alone(folder, tokens) for tokens in windows]).mean(0)
    assert by_label(record) == pytest.approx(expected.tolist(), abs=1e-4)
    with pytest.raises((IndexError, RuntimeError)):
        score_alone(folder, [0, *[10] * (WINDOW - 1), 2])


def test_a_shorter_length_of_the_tokenizer_holds(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_classifier(tmp_path / "model", "Roberta", length=20, **OFFSET)
    count = len(AutoTokenizer.from_pretrained(folder)(LONG, add_special_tokens=False).input_ids)
    (record,) = classify(run_main, [LONG], folder)
    assert record["parameters"]["windows"] == 1 + -(-(count - 18) // (18 - 4))


def test_a_model_without_a_limit_reads_a_text_at_once(run_main: RunMain, tmp_path: Path) -> None:
    settings = {"d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 4, "pad_token_id": 1}
    folder = build_classifier(tmp_path / "model", "T5", **settings, eos_token_id=2, decoder_start_token_id=1)
    (record,) = classify(run_main, [LONG], folder)
    assert record["parameters"]["windows"] == 1


@pytest.mark.parametrize("kind", DECODERS)
def test_a_decoder_without_a_padding_token_takes_a_group(run_main: RunMain, tmp_path: Path, kind: str) -> None:
    folder = build_classifier(tmp_path / "model", kind, marks=False, **DECODERS[kind])
    texts = [
        "this movie is good",
        "this movie is dull",
        "we loved the plot",
        "good</s></s>",
        "it was </s>",
        "it was dark",
        LONG,
    ]
    together = classify(run_main, texts, folder, "--batch-size", "7")
    assert [by_label(record) for record in together] == [
        by_label(classify(run_main, [text], folder)[0]) for text in texts
    ]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text, record in zip(texts[:-1], together, strict=False):
        assert by_label(record) == pytest.approx(score_alone(folder, tokenizer(text).input_ids).tolist(), abs=1e-4)
    assert together[-1]["parameters"]["windows"] > 2


def test_a_stated_padding_token_is_read_as_the_library_reads_it(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_classifier(tmp_path / "model", "Llama", marks=False, **DECODERS["Llama"], pad_token_id=2)
    text = "this movie is good</s></s>"
    expected = score_alone(folder, AutoTokenizer.from_pretrained(folder)(text).input_ids)
    assert by_label(classify(run_main, [text], folder)[0]) == pytest.approx(expected.tolist(), abs=1e-4)


def test_end_tokens_in_a_text_keep_no_other_out_of_its_group(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_classifier(tmp_path / "model", "Bart", **CLASSES["Bart"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = ["good</s>bad", "goodxbad"]
    if len(tokenizer(texts[0]).input_ids) != len(tokenizer(texts[1]).input_ids):
        pytest.fail("the texts have to have one length in tokens")
    rows = write_rows(Path("rows.jsonl"), [{"prompt": text} for text in texts])
    done = run_main("classify", "--prompts", rows, "-m", folder, "-v")
    assert done.code == 0, done.stderr
    assert "an item, 2 at once" in done.stderr


def test_bigbird_scores_a_long_text_as_it_does_alone_after_a_short_one(run_main: RunMain, tmp_path: Path) -> None:
    sparse = {"attention_type": "block_sparse", "block_size": 4, "num_random_blocks": 1}
    folder = build_classifier(tmp_path / "model", "BigBird", **PLAIN | sparse | {"max_position_embeddings": 128})
    long = "the film was good and then it was bad " * 4
    alone = classify(run_main, [long], folder)[0]
    assert alone["parameters"]["windows"] == 1
    both = classify(run_main, ["good", long], folder, "--batch-size", "1")
    assert by_label(both[1]) == by_label(alone)


# Regression


def build_regression(folder: Path, names: list[str] | None = None, **settings: Any) -> Path:
    labels = {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}} if names else {}
    return build_classifier(folder, "Roberta", **OFFSET | labels | settings)


@pytest.mark.parametrize("stated", [{"problem_type": "regression"}, {}])
def test_a_regression_gives_its_value(run_main: RunMain, tmp_path: Path, stated: dict[str, Any]) -> None:
    folder = build_regression(tmp_path / "model", num_labels=1, **stated)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        value = model(**tokenizer("this movie is good", return_tensors="pt")).logits.item()
    if stated:
        library = pipeline("text-classification", model=str(folder))("this movie is good")
        assert value == pytest.approx(library[0]["score"], abs=1e-6)
    assert not 0 <= value <= 1
    record = classify(run_main, ["this movie is good"], folder)[0]
    assert record["score"] == pytest.approx(value, abs=1e-4)
    assert (record["labels"], record["problem_type"]) == ([{"score": record["score"]}], "regression")
    assert "label" not in record
    done = run_main("classify", "this movie is good", "-m", folder, "-o", "value.txt")
    assert done.stdout == Path("value.txt").read_text() == f"{record['score']:.4f}\n"
    several = run_main("classify", "this movie is good", "bad", "-m", folder)
    assert several.lines[0] == f"{record['score']:.4f}\tthis movie is good"
    Path("rows.csv").write_text("prompt\nthis movie is good\n")
    table = run_main("classify", "--prompts", "rows.csv", "-m", folder, "-o", "values.csv")
    assert table.code == 0, table.stderr
    assert Path("values.csv").read_text().splitlines() == [
        "prompt,label,score",
        f"this movie is good,,{record['score']}",
    ]
    assert run_main("rerun", "value.txt", "-o", "again.txt").code == 0
    assert Path("again.txt").read_text() == done.stdout


def test_a_regression_of_several_outputs_gives_them_in_their_order(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_regression(tmp_path / "named", ["valence", "arousal", "dominance"], problem_type="regression")
    (record,) = classify(run_main, ["this movie is good"], folder)
    library = pipeline("text-classification", model=str(folder))("this movie is good", top_k=None)
    expected = {entry["label"]: pytest.approx(entry["score"], abs=1e-4) for entry in library}
    assert {entry["label"]: entry["score"] for entry in record["labels"]} == expected
    done = run_main("classify", "this movie is good", "-m", folder)
    assert [line.split("\t")[0] for line in done.lines] == ["valence", "arousal", "dominance"]
    assert [float(line.split("\t")[1]) for line in done.lines] == [
        pytest.approx(entry["score"], abs=1e-4) for entry in record["labels"]
    ]
    bare = build_regression(tmp_path / "bare", num_labels=3, problem_type="regression")
    assert all(len(line.split("\t")) == 1 for line in run_main("classify", "this movie is good", "-m", bare).lines)


def test_one_label_is_a_probability_where_the_checkpoint_names_it(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_regression(tmp_path / "model", ["toxic"])
    library = pipeline("text-classification", model=str(folder))("this movie is good")[0]
    (record,) = classify(run_main, ["this movie is good"], folder)
    assert record["label"] == library["label"] == "toxic"
    assert record["score"] == pytest.approx(library["score"], abs=1e-4)
    assert "problem_type" not in record


def test_the_values_of_windows_are_averaged(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_regression(tmp_path / "model", num_labels=1, problem_type="regression")
    (record,) = classify(run_main, [LONG], folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    windows = AutoTokenizer.from_pretrained(folder)(
        LONG, truncation=True, max_length=WINDOW, stride=(WINDOW - 2) // 4, return_overflowing_tokens=True
    ).input_ids
    with torch.no_grad():
        values = [model(torch.tensor([tokens])).logits.item() for tokens in windows]
    assert record["score"] == pytest.approx(sum(values) / len(values), abs=1e-4)


def test_scores_that_are_not_finite_are_no_result(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_regression(tmp_path / "model", num_labels=2)
    with changed_weights(folder / "model.safetensors") as tensors:
        tensors["classifier.out_proj.bias"][0] = float("nan")
    for problem in (None, "regression"):
        update_json(folder / "config.json", problem_type=problem)
        done = run_main("classify", "this movie is good", "-m", folder)
        assert done.code == 8
        assert "not finite" in done.stderr
