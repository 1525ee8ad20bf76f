"""`python -m tools.train.embed --data DIR --teacher DIR --out DIR`: train, export to DIR/model, measure.

The same command resumes from the checkpoint in DIR. `--stage export` takes the checkpoint as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.train.embed.sentences import collect
from tools.train.embed.teacher import targets
from tools.train.embed.training import BATCH_SIZE, LEARNING_RATE, VOCABULARY, WIDTH, Lesson, build_model
from tools.train.embed.vocabulary import kept_tokenizer
from tools.train.shared.averaged import load_trained, train
from tools.train.shared.device import add_training_options, run_stages
from tools.train.shared.report import TrainingFacts, note_facts, read_facts, write_card


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.train.embed", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with books/*.txt and sentiment/*.tsv, or the sentences of it"
    )
    parser.add_argument("--teacher", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    add_training_options(parser, minutes=5.0)
    return parser.parse_args()


def learn(arguments: argparse.Namespace) -> None:
    """Have the teacher encode the sentences once, and train, from the checkpoint if there is one."""
    sentences = collect(arguments.data).training[: arguments.examples]
    batch = arguments.batch or BATCH_SIZE
    wanted = targets(arguments.teacher, sentences, WIDTH, arguments.out / "targets.npy", arguments.device)
    print(f"{len(sentences):,} sentences", flush=True)
    tokenizer = kept_tokenizer(arguments.out / "tokenizer", sentences, VOCABULARY)
    lesson = Lesson(tokenizer, sentences, wanted, arguments.device, batch, arguments.seed)
    model = build_model(len(tokenizer)).to(arguments.device)
    facts = TrainingFacts(model.num_parameters(), 0, 0, len(sentences), batch, arguments.device)
    note_facts(arguments.out, facts)
    train(model, lesson.loss, arguments.out / "checkpoint.pt", arguments.minutes * 60, LEARNING_RATE)


def finish(arguments: argparse.Namespace) -> None:
    """Export the averaged weights of the checkpoint, measure them, and write card and report."""
    from tools.train.embed.evaluate import figures_table, measure
    from tools.train.embed.export import export

    sentences = collect(arguments.data)
    tokenizer = kept_tokenizer(arguments.out / "tokenizer", sentences.training, VOCABULARY)
    model = build_model(len(tokenizer))
    trained = load_trained(model, arguments.out / "checkpoint.pt")
    export(model, tokenizer, arguments.out / "model")
    figures = measure(arguments.out / "model", arguments.teacher, sentences.held_out)
    facts = read_facts(arguments.out, trained)
    template = Path(__file__).with_name("card.md")
    write_card(template, arguments.out / "model", "embed", figures_table(figures), facts)


if __name__ == "__main__":
    run_stages(_arguments(), learn, finish)
