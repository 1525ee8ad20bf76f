"""`python -m tools.train.detect --out DIR`: train, export to DIR/model, measure, and write card and report.

The same command resumes from the checkpoint in DIR. `--stage export` takes the checkpoint as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.train.detect.scenes import draw_examples
from tools.train.detect.training import BATCH_SIZE, EXAMPLES, LEARNING_RATE, Lesson, build_model
from tools.train.shared.averaged import load_trained, train
from tools.train.shared.device import add_training_options, run_stages
from tools.train.shared.report import TrainingFacts, note_facts, read_facts, write_card


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.train.detect", description=__doc__)
    add_training_options(parser, minutes=60.0)
    return parser.parse_args()


def learn(arguments: argparse.Namespace) -> None:
    """Draw the examples and train, from the checkpoint if there is one."""
    count, batch = arguments.examples or EXAMPLES, arguments.batch or BATCH_SIZE
    examples = draw_examples(count, arguments.processes, arguments.seed)
    print(f"{len(examples[0]):,} examples", flush=True)
    lesson = Lesson(examples, arguments.device, batch, arguments.seed)
    model = build_model().to(arguments.device)
    facts = TrainingFacts(model.num_parameters(), 0, 0, count, batch, arguments.device)
    note_facts(arguments.out, facts)
    train(model, lesson.loss, arguments.out / "checkpoint.pt", arguments.minutes * 60, LEARNING_RATE)


def finish(arguments: argparse.Namespace) -> None:
    """Export the averaged weights of the checkpoint, measure them, and write card and report."""
    from tools.train.detect.evaluate import figures_table, measure
    from tools.train.detect.export import export

    model = build_model()
    trained = load_trained(model, arguments.out / "checkpoint.pt")
    export(model, arguments.out / "model")
    figures = measure(arguments.out / "model")
    facts = read_facts(arguments.out, trained)
    template = Path(__file__).with_name("card.md")
    write_card(template, arguments.out / "model", "detect", figures_table(figures), facts)


if __name__ == "__main__":
    run_stages(_arguments(), learn, finish)
