"""The recipe from data to exported folder and report."""

from __future__ import annotations

import random
from pathlib import Path

from tools.train.classify.batches import BatchSource
from tools.train.classify.data import PLAIN_CASES, read_sentences, split_off
from tools.train.classify.evaluate import measure
from tools.train.classify.export import calibrate, export
from tools.train.classify.opinions import OpinionSource
from tools.train.classify.report import TrainingFacts, write_card, write_report
from tools.train.classify.settings import ClassifyRecipe
from tools.train.classify.training import train
from tools.train.classify.vocabulary import learn_tokenizer

CALIBRATION_SHARE = 0.08
OPINIONS_FOR_VOCABULARY = 20_000


def run(data: Path, out: Path, work: Path, minutes: float, seed: int) -> None:
    """Train for `minutes` (resuming from `work`), export to `out`, measure the export, write report and card."""
    work.mkdir(parents=True, exist_ok=True)
    plain = read_sentences(PLAIN_CASES)
    validation = read_sentences(data / "validation.tsv")
    reviews, held_back = split_off(read_sentences(data / "train.tsv"), CALIBRATION_SHARE, seed)
    opinions = OpinionSource(excluded=[sentence.text for sentence in plain])
    recipe = ClassifyRecipe()
    source = random.Random(seed)
    drawn = [opinions.draw(source).text for _ in range(OPINIONS_FOR_VOCABULARY)]
    tokenizer = learn_tokenizer([sentence.text for sentence in reviews] + drawn, recipe.vocab_size)
    batches = BatchSource(recipe, reviews, opinions, seed)
    model = train(recipe, batches, tokenizer, minutes * 60, seed, work / "checkpoint.pt")
    temperature = calibrate(model, tokenizer, held_back)
    export(model, tokenizer, out)
    figures = measure(out, validation, plain)
    write_card(out, figures, TrainingFacts(len(reviews), minutes, seed, temperature))
    write_report(work / "report.md", out, figures)
    print((work / "report.md").read_text(encoding="utf-8"))
