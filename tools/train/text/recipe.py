"""The recipe from novels to exported folder and report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tools.train.text.books import HELD_OUT, read_books
from tools.train.text.export import export
from tools.train.text.measure import measure
from tools.train.text.report import TrainingFacts, write_card, write_report
from tools.train.text.training import TextRecipe, train
from tools.train.text.vocabulary import learn_tokenizer


def run(data: Path, out: Path, work: Path, minutes: float, seed: int) -> None:
    """Train for `minutes` (resuming from `work`), export to `out`, measure the export, write report and card."""
    work.mkdir(parents=True, exist_ok=True)
    books = {name: text for name, text in read_books(data).items() if name not in HELD_OUT}
    recipe = TextRecipe()
    tokenizer = learn_tokenizer(books.values(), recipe.vocab_size, recipe.context)
    end = tokenizer.eos_token_id
    ids = [[end, *tokenizer(text, verbose=False).input_ids] for text in books.values()]
    tokens = np.concatenate([np.array(book, dtype=np.uint16) for book in ids])
    model, steps = train(recipe, tokens, end, minutes * 60, seed, work / "checkpoint.pt")
    export(model, tokenizer, out)
    figures = measure(out, data)
    facts = TrainingFacts(
        books=len(books),
        tokens=len(tokens),
        passes=steps * recipe.batch_size * recipe.context / len(tokens),
        parameters=model.num_parameters(),
        minutes=minutes,
        seed=seed,
    )
    write_card(out, figures, facts)
    write_report(work / "report.md", figures)
    print((work / "report.md").read_text(encoding="utf-8"))
