"""The recipe from novels to exported folder and report: speech, training, export, measure."""

from __future__ import annotations

from pathlib import Path

from tools.train.shared.averaged import load_trained
from tools.train.shared.budget import Budget
from tools.train.shared.device import choose_device
from tools.train.shared.device_command import StagedOptions
from tools.train.shared.report import TrainingFacts, note_facts, read_facts, write_card
from tools.train.shared.speech import check_programs
from tools.train.transcribe.data import load_clips
from tools.train.transcribe.export import export
from tools.train.transcribe.measure import figure_table, measure
from tools.train.transcribe.networks import build_model
from tools.train.transcribe.training import TranscribeRecipe, start_from, train
from tools.train.transcribe.words import WORDS

CLIPS = 24_000
SENTENCES = 200
"""to measure on"""


def run(options: StagedOptions) -> None:
    """Run the stages that were asked for. The time of the training begins with the synthesis of the speech."""
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    device = choose_device(options.device)
    if set(options.stages) & {"speech", "training"}:
        budget = Budget(options.minutes * 60)
        if not (work / "clips.pt").exists():
            check_programs(["espeak-ng", "flite"])
        clips = load_clips(options.data, work, options.clips or CLIPS, options.seed, options.processes)
        print(f"{len(clips.texts)} clips, {len(clips.samples) / 16_000 / 60:.0f} minutes", flush=True)
        if "training" in options.stages:
            recipe = TranscribeRecipe() if device.type == "cuda" else TranscribeRecipe(batch_size=32, workers=1)
            count = build_model().num_parameters()
            note_facts(work, TrainingFacts(count, 0, 0, len(clips.texts), recipe.batch_size, device.type))
            if options.start is not None and not (work / "model.pt").exists():
                start_from(options.start, work / "model.pt")
            train(clips, budget, options.seed, work / "model.pt", device, recipe, options.most_steps)
    if "export" in options.stages:
        export(work, options.out)
    if "measure" in options.stages:
        trained_on = options.clips or CLIPS
        figures = measure(options.out, options.data, SENTENCES, options.seed, options.processes, trained_on)
        facts = read_facts(work, load_trained(build_model(), work / "model.pt"))
        card = Path(__file__).with_name("card.md")
        write_card(card, options.out, "transcribe", figure_table(figures), facts, words=len(WORDS))
