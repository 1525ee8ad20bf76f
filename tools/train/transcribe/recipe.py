"""The recipe from novels to exported folder and report: speech, training, export, measure."""

from __future__ import annotations

from tools.train.shared.budget import Budget
from tools.train.shared.device import choose_device
from tools.train.shared.device_command import StagedOptions
from tools.train.shared.speech import check_programs
from tools.train.transcribe.data import load_clips
from tools.train.transcribe.export import export
from tools.train.transcribe.measure import figure_table, measure
from tools.train.transcribe.training import TranscribeRecipe, train

CLIPS = 12_000
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
            recipe = TranscribeRecipe() if device.type == "cuda" else TranscribeRecipe(batch_size=16, workers=0)
            train(clips, budget, options.seed, work / "model.pt", device, recipe, options.most_steps)
    if "export" in options.stages:
        export(work, options.out)
    if "measure" in options.stages:
        trained_on = options.clips or CLIPS
        figures = measure(options.out, options.data, SENTENCES, options.seed, options.processes, trained_on)
        (work / "report.md").write_text(
            f"# The small transcribing model\n\n{figure_table(figures)}\n", encoding="utf-8"
        )
        print(figure_table(figures))
