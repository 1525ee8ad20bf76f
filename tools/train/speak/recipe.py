"""The recipe from novels to exported folder and report: speech, the two networks, export, measure."""

from __future__ import annotations

from tools.train.shared.budget import Budget
from tools.train.shared.device import choose_device
from tools.train.shared.device_command import StagedOptions
from tools.train.shared.speech import check_programs
from tools.train.speak.acoustic import AcousticRecipe, train_acoustic
from tools.train.speak.data import load_clips
from tools.train.speak.export import export
from tools.train.speak.vocoder import VocoderRecipe, train_vocoder

CLIPS = 4000


def run(options: StagedOptions) -> None:
    """Run the stages that were asked for. Once the speech is there, the networks can be trained side by side."""
    work, seed = options.work, options.seed
    work.mkdir(parents=True, exist_ok=True)
    device = choose_device(options.device)
    if set(options.stages) & {"speech", "acoustic", "vocoder"}:
        if not (work / "clips.pt").exists():
            check_programs(["flite"])
        clips = load_clips(options.data, work, options.clips or CLIPS, seed, options.processes)
        print(f"{len(clips)} clips, {sum(len(clip.samples) for clip in clips) / 16_000 / 60:.0f} minutes", flush=True)
        seconds, steps = options.minutes * 60, options.most_steps
        on_cpu = device.type == "cpu"
        if "acoustic" in options.stages:
            recipe = AcousticRecipe(frames_a_batch=4000) if on_cpu else AcousticRecipe()
            train_acoustic(clips, Budget(seconds), seed, work / "acoustic.pt", device, recipe, steps)
        if "vocoder" in options.stages:
            shape = VocoderRecipe(batch_size=8) if on_cpu else VocoderRecipe()
            train_vocoder(clips, Budget(seconds), seed, work / "vocoder.pt", device, shape, steps)
    if "export" in options.stages:
        export(work, options.out)
