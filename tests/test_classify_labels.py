"""genai classify by labels of one's own, and of pictures: the scores are those that the libraries give."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints_encoders import build_inference, build_vit
from conftest import Genai, RunMain, write_rows
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    pipeline,
)

LABELS = ["sports", "politics", "a piano melody"]
ASKED = ",".join(LABELS)
TEXTS = ["the film was good", "a red circle", "the plot was bad but we liked the music and the actors"]


@pytest.fixture(scope="module")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_inference(tmp_path_factory.mktemp("inference"))


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_vit(tmp_path_factory.mktemp("vit"))


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    places = [tmp_path / "red.png", tmp_path / "green.jpg"]
    for place, colour in zip(places, ("red", "green"), strict=True):
        Image.new("RGB", (50, 40), colour).save(place)
    return places


def records(run_main: RunMain, *arguments: str | Path) -> list[dict[str, Any]]:
    done = run_main("classify", *arguments, "--json")
    assert done.code == 0, done.stderr
    return [json.loads(line) for line in done.lines]


def by_label(record: dict[str, Any]) -> dict[str, float]:
    return {entry["label"]: entry["score"] for entry in record["labels"]}


@pytest.mark.parametrize("kind", ["Bert", "Roberta", "Bart"])
@pytest.mark.parametrize("multi_label", [False, True])
def test_labels_of_ones_own_are_scored_as_transformers_does(
    run_main: RunMain, tmp_path: Path, kind: str, multi_label: bool
) -> None:
    folder = build_inference(tmp_path / "model", kind)
    options = ["--multi-label"] if multi_label else []
    made = records(run_main, *TEXTS, "--labels", ASKED, "--scores", "-m", folder, *options)
    theirs = pipeline("zero-shot-classification", model=str(folder))
    for text, record in zip(TEXTS, made, strict=True):
        expected = theirs(text, LABELS, hypothesis_template="This text is about {}.", multi_label=multi_label)
        assert by_label(record) == pytest.approx(
            dict(zip(expected["labels"], expected["scores"], strict=True)), abs=1e-4
        )
        assert record["label"] == expected["labels"][0]


def test_another_hypothesis_and_one_label(run_main: RunMain, inference: Path) -> None:
    theirs = pipeline("zero-shot-classification", model=str(inference))
    (record,) = records(run_main, TEXTS[0], "--labels", "music", "--hypothesis", "It is {} .", "-m", inference)
    expected = theirs(TEXTS[0], ["music"], hypothesis_template="It is {} .")
    assert by_label(record)["music"] == pytest.approx(expected["scores"][0], abs=1e-4)
    assert record["parameters"]["labels"] == ["music"]
    assert record["parameters"]["hypothesis"] == "It is {} ."


def test_a_long_text_is_read_in_windows_with_each_label(run_main: RunMain, inference: Path) -> None:
    text = " ".join(TEXTS * 12)
    done = run_main("classify", text, "--labels", ASKED, "--scores", "-m", inference, "--json")
    record = json.loads(done.stdout)
    assert record["parameters"]["windows"] > 2
    assert f"{record['parameters']['windows']} windows averaged" in done.stderr
    model = AutoModelForSequenceClassification.from_pretrained(inference).eval()
    tokenizer = AutoTokenizer.from_pretrained(inference)
    hypotheses = [f"This text is about {label}." for label in LABELS]
    room = 64 - 3 - max(len(tokenizer(text, add_special_tokens=False).input_ids) for text in hypotheses)
    tokens = tokenizer(text, add_special_tokens=False).input_ids
    step = room - int(room * 0.25)
    parts = [tokens[start : start + room] for start in range(0, len(tokens) - int(room * 0.25), step)]
    shares = []
    for part in parts:
        logits = []
        for hypothesis in hypotheses:
            second = tokenizer(hypothesis, add_special_tokens=False).input_ids
            ids = [tokenizer.cls_token_id, *part, tokenizer.sep_token_id, *second, tokenizer.sep_token_id]
            types = [0] * (len(part) + 2) + [1] * (len(second) + 1)
            with torch.no_grad():
                logits.append(model(torch.tensor([ids]), token_type_ids=torch.tensor([types])).logits[0, 0])
        shares.append(torch.stack(logits).softmax(0))
    expected = torch.stack(shares).mean(0).tolist()
    assert by_label(record) == pytest.approx(dict(zip(LABELS, expected, strict=True)), abs=1e-4)


def test_scores_do_not_depend_on_the_group(run_main: RunMain, inference: Path) -> None:
    many = [f"{text} {number}" for number in range(30) for text in TEXTS]
    Path("many.txt").write_text("\n".join(many))
    together = records(run_main, "--prompts", "many.txt", "--labels", ASKED, "--scores", "-m", inference)
    for place in (0, 17, 89):
        alone = records(run_main, many[place], "--labels", ASKED, "--scores", "-m", inference)
        assert alone[0]["content_sha256"] == together[place]["content_sha256"]
        assert alone[0]["labels"] == together[place]["labels"]


def test_a_table_with_a_column_for_each_label(genai: Genai, inference: Path) -> None:
    """The command as a user types it, killed by nothing and run twice."""
    rows = [["id", "text", "score"], *([str(number), text, "x"] for number, text in enumerate(TEXTS))]
    with (genai.cwd / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    command = ["classify", "--prompts", "reviews.csv", "--column", "text", "--labels", ASKED, "--scores"]
    done = genai(*command, "-m", inference, "-o", "labels.csv")
    assert done.code == 0, done.stderr
    with (genai.cwd / "labels.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    names = ["id", "text", "score", "genai_label", "genai_score", *(f"genai_{label}" for label in LABELS)]
    assert list(table[0]) == names
    for row in table:
        scores = {label: float(row[f"genai_{label}"]) for label in LABELS}
        assert sum(scores.values()) == pytest.approx(1, abs=1e-4)
        assert row["genai_label"] == max(scores, key=lambda label: scores[label])
        assert float(row["genai_score"]) == pytest.approx(max(scores.values()), abs=1e-6)


def test_the_models_own_labels_in_columns(run_main: RunMain, three_labels: Path) -> None:
    Path("texts.txt").write_text("\n".join(TEXTS))
    done = run_main("classify", "--prompts", "texts.txt", "--scores", "-m", three_labels, "-o", "labels.csv")
    assert done.code == 0, done.stderr
    head = Path("labels.csv").read_text().splitlines()[0]
    assert head == "prompt,label,score,negative,neutral,positive"


def test_a_label_that_is_called_as_a_column_is(run_main: RunMain, inference: Path) -> None:
    Path("texts.txt").write_text(TEXTS[0])
    options = ["--labels", "score,music", "--scores", "-m", inference, "-o", "labels.csv"]
    assert run_main("classify", "--prompts", "texts.txt", *options).code == 0
    assert Path("labels.csv").read_text().splitlines()[0] == "prompt,label,score,score_2,music"


def test_rows_with_labels_of_their_own(run_main: RunMain, inference: Path, clip: Path, pictures: list[Path]) -> None:
    rows = write_rows(
        Path("jobs.jsonl"),
        [
            {"task": "classify", "text": TEXTS[0], "labels": ["music", "film, and more"], "model": str(inference)},
            {"task": "classify", "prompt": TEXTS[0], "labels": "a, b", "multi_label": True, "model": str(inference)},
            {"task": "classify", "picture": str(pictures[0]), "labels": "a cat,a dog", "model": str(clip), "top": 0},
        ],
    )
    done = run_main("batch", rows, "-o", "labels.jsonl")
    assert done.code == 0, done.stderr
    made = [json.loads(line) for line in Path("labels.jsonl").read_text().splitlines()]
    assert made[0]["parameters"]["labels"] == ["music", "film, and more"]
    assert made[1]["parameters"]["labels"] == ["a", "b"]
    assert set(by_label(made[2])) == {"a cat", "a dog"}
    assert made[2]["inputs"]["picture"]["name"] == "red.png"
    assert sum(by_label(made[2]).values()) == pytest.approx(1, abs=1e-4)


def test_what_cannot_be_classified(
    run_main: RunMain, inference: Path, three_labels: Path, vit: Path, clip: Path, pictures: list[Path]
) -> None:
    for arguments, words in (
        (("a", "--labels", "a,b", "-m", three_labels), "knows its own labels alone: it is not a model of inference"),
        (("a", "--multi-label", "-m", three_labels), "--multi-label is about labels of your own"),
        (("a", "--hypothesis", "x {}", "-m", three_labels), "--hypothesis is about labels of your own"),
        (("a", "--labels", "a,b", "--hypothesis", "x", "-m", inference), "--hypothesis has no {}"),
        (("a", "--labels", "a,,b", "-m", inference), "--labels holds an empty label"),
        (("a", "--labels", "a,b,a", "-m", inference), "--labels holds 'a' twice"),
        (("a", "--labels", f"b,{'music ' * 60}", "-m", inference), "a label is too long"),
        (("--picture", pictures[0], "-m", three_labels), "reads texts and no pictures"),
        (("a", "-m", vit), "classifies pictures, and this is a text"),
        (("--picture", pictures[0], "--labels", "a,b", "-m", vit), "has labels of its own, and takes no others"),
        (("--picture", pictures[0], "-m", clip), "has no labels of its own"),
        (("--picture", pictures[0], "--labels", "a,b", "--multi-label", "-m", clip), "shares a score among labels"),
    ):
        done = run_main("classify", *arguments)
        assert done.code == 2, (arguments, done)
        assert words in done.stderr, (words, done.stderr)


def test_pictures_by_the_labels_of_the_model(run_main: RunMain, vit: Path, pictures: list[Path]) -> None:
    model = AutoModelForImageClassification.from_pretrained(vit).eval()
    processor = AutoImageProcessor.from_pretrained(vit, backend="pil")
    made = records(run_main, "--picture", *pictures, "-m", vit, "--top", "0")
    for place, record in zip(pictures, made, strict=True):
        with torch.no_grad():
            logits = model(**processor(Image.open(place).convert("RGB"), return_tensors="pt")).logits[0]
        expected = dict(zip(("cat", "dog", "house"), logits.softmax(0).tolist(), strict=True))
        assert by_label(record) == pytest.approx(expected, abs=1e-4)
    shown = run_main("classify", "--picture", *pictures, "-m", vit)
    assert [line.split("\t")[2] for line in shown.lines] == ["red.png", "green.jpg"]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_pictures_by_labels_of_ones_own(
    run_main: RunMain, request: pytest.FixtureRequest, pictures: list[Path], kind: str
) -> None:
    folder: Path = request.getfixturevalue(kind)
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    labels = ["a cat", "a dog", "a red circle on a ground"]
    sentences = [f"This is a photo of {label}." for label in labels]
    padding: Any = {"padding": "max_length", "max_length": 16, "truncation": True} if kind == "siglip" else {}
    made = records(run_main, "--picture", *pictures, "--labels", ",".join(labels), "--scores", "-m", folder)
    for place, record in zip(pictures, made, strict=True):
        pixels = processor(Image.open(place).convert("RGB"), return_tensors="pt").pixel_values
        logits = []
        for sentence in sentences:
            tokens = tokenizer(sentence, return_tensors="pt", **padding).input_ids
            with torch.no_grad():
                logits.append(model(input_ids=tokens, pixel_values=pixels).logits_per_image[0, 0])
        scores = torch.stack(logits).softmax(0) if kind == "clip" else torch.stack(logits).sigmoid()
        assert by_label(record) == pytest.approx(dict(zip(labels, scores.tolist(), strict=True)), abs=1e-4)
    assert (
        run_main(
            "classify", "--picture", pictures[0], "--labels", "a,b", "--hypothesis", "a drawing of {}", "-m", folder
        ).code
        == 0
    )


def test_a_picture_that_is_broken_costs_itself_alone(run_main: RunMain, vit: Path, pictures: list[Path]) -> None:
    broken = Path("broken.png")
    broken.write_bytes(pictures[0].read_bytes()[:60])
    done = run_main("classify", "--picture", broken, pictures[1], "-m", vit)
    assert done.code == 3
    assert "broken.png cannot be read" in done.stderr
    assert len(done.lines) == 1
