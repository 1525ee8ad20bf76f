"""The recipe from novels to exported folder and report: speech, training, export, measure."""

from __future__ import annotations

from pathlib import Path

from tools.train.shared.averaged import load_trained
from tools.train.shared.device_command import StagedOptions
from tools.train.shared.report import TrainingFacts, note_facts, read_facts, write_card
from tools.train.shared.speech import check_programs
from tools.train.speak.data import load_utterances
from tools.train.speak.export import export
from tools.train.speak.measure import figure_table, measure
from tools.train.speak.training import BATCH, Student, learn

UTTERANCES = 9_000
SENTENCES = 50
"""to measure on"""


def run(options: StagedOptions) -> None:
    """Run the stages that were asked for. The training is for one CPU core."""
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    checkpoint = work / "model.pt"
    count = options.clips or UTTERANCES
    if set(options.stages) & {"speech", "training"}:
        if not (work / "utterances.pt").exists():
            check_programs(["flite"])
        utterances = load_utterances(options.data, work, count, options.seed, options.processes)
        print(f"{len(utterances)} utterances", flush=True)
        if "training" in options.stages:
            parameters = Student().voice.num_parameters()
            note_facts(work, TrainingFacts(parameters, 0, 0, len(utterances), BATCH, "cpu"))
            learn(utterances, checkpoint, options.minutes * 60, options.seed)
    if "export" in options.stages:
        export(checkpoint, options.out)
    if "measure" in options.stages:
        figures = measure(options.out, options.data, SENTENCES, options.seed)
        facts = read_facts(work, load_trained(Student(), checkpoint))
        write_card(Path(__file__).with_name("card.md"), options.out, "speak", figure_table(figures), facts)
