"""genai classify, on checkpoints in the layouts of DistilBERT and BERT."""

import json
from pathlib import Path

import pytest
from conftest import RunMain


def test_a_label_and_its_score(run_main: RunMain, distilbert: Path) -> None:
    done = run_main("classify", "This movie is great", "-m", str(distilbert))
    label, score = done.stdout.rstrip("\n").split("\t")
    assert label in ("POSITIVE", "NEGATIVE")
    assert 0.5 <= float(score) <= 1
    assert done.stderr == ""


def test_several_texts_at_once_name_their_text(run_main: RunMain, distilbert: Path) -> None:
    texts = ["great", "a much longer text\twith a tab", "bad"]
    done = run_main("classify", *texts, "-m", str(distilbert))
    assert [line.split("\t")[2] for line in done.lines] == ["great", "a much longer text with a tab", "bad"]


def test_a_text_in_a_group_scores_as_it_does_alone(run_main: RunMain, distilbert: Path) -> None:
    texts = ["great", "a much longer text that is padded to nothing at all", "bad"]
    together = [
        json.loads(line)["score"] for line in run_main("classify", *texts, "-m", str(distilbert), "--json").lines
    ]
    alone = [json.loads(run_main("classify", text, "-m", str(distilbert), "--json").stdout)["score"] for text in texts]
    assert together == pytest.approx(alone, abs=2e-6)


def test_all_labels_best_first(run_main: RunMain, three_labels: Path) -> None:
    record = json.loads(run_main("classify", "great", "-m", str(three_labels), "--top", "0", "--json").stdout)
    scores = [entry["score"] for entry in record["labels"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-4)
    assert (record["label"], record["score"]) == (record["labels"][0]["label"], scores[0])
    assert len(run_main("classify", "great", "-m", str(three_labels), "--top", "2").lines) == 2


def test_a_long_text_is_read_in_windows_and_averaged(run_main: RunMain, distilbert: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    text = "the film was good and then it was bad " * 30
    done = run_main("classify", text, "-m", str(distilbert), "--top", "0", "--json")
    record = json.loads(done.stdout)
    windows = record["parameters"]["windows"]
    assert windows > 2
    assert f"{windows} windows averaged" in done.stderr
    tokenizer = AutoTokenizer.from_pretrained(distilbert)
    model = AutoModelForSequenceClassification.from_pretrained(distilbert)
    tokens = tokenizer(text, add_special_tokens=False).input_ids
    probabilities, start = [], 0
    while True:
        ids = [tokenizer.cls_token_id, *tokens[start : start + 62], tokenizer.sep_token_id]
        with torch.no_grad():
            probabilities.append(model(torch.tensor([ids])).logits.softmax(-1)[0])
        if start + 62 >= len(tokens):
            break
        start += 62 - 15
    expected = torch.stack(probabilities).mean(0)
    by_label = {entry["label"]: entry["score"] for entry in record["labels"]}
    assert len(probabilities) == windows
    assert by_label["POSITIVE"] == pytest.approx(float(expected[1]), abs=1e-4)


def test_stdin_and_files(run_main: RunMain, distilbert: Path) -> None:
    done = run_main("classify", "-", "-m", str(distilbert), stdin="good\nbad\n")
    assert len(done.lines) == 2
    saved = run_main("classify", "good", "-m", str(distilbert), "-o", "label.txt")
    assert Path("label.txt").read_text() == saved.stdout


def test_the_wrong_kind_of_transformers_model(run_main: RunMain, masked_lm: Path, musicgen: Path) -> None:
    done = run_main("classify", "good", "-m", str(masked_lm))
    assert done.code == 2
    assert "a masked language model (BertForMaskedLM), not a classifier" in done.stderr
    assert run_main("classify", "good", "-m", str(musicgen)).code == 2
