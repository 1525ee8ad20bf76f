"""One command from the start of the process to the finished file. It does little work, so the start dominates."""

import json
import sys
from collections.abc import Mapping, Sequence

from tools.bench.bench import MEGABYTE, Bench, Line, walls
from tools.bench.measure import Command, Sample, spread
from tools.bench.report import Expectation

MEMORY = Expectation(1.15)
FASTER = Expectation(0.85)
PROMPT = "an astronaut riding a horse"


def cold_text(bench: Bench) -> None:
    """genai text against pipeline("text-generation")."""
    checkpoint, tokens = bench.checkpoint("gpt2"), 16
    script = bench.script("text", checkpoint, tokens, bench.folder / "bare.txt")
    compare(bench, "cold-text", "genai text", {"genai": text_command(bench), "the bare script": script}, {})


def text_command(bench: Bench) -> Command:
    """genai text, 16 tokens of GPT-2."""
    options = ("--max-new-tokens", 16, "--temperature", 0.7, "--seed", 1, "-o", bench.folder / "genai.txt")
    return bench.genai("text", "It was a dark and stormy night", "-m", bench.checkpoint("gpt2"), *options)


def cold_classify(bench: Bench) -> None:
    """genai classify against pipeline("text-classification")."""
    checkpoint, text = bench.checkpoint("sst2"), "This movie is disgustingly good !"
    genai = bench.genai("classify", text, "-m", checkpoint, "-o", bench.folder / "genai-label.txt")
    script = bench.script("classify", checkpoint, bench.folder / "bare-label.txt")
    compare(bench, "cold-classify", "genai classify", {"genai": genai, "the bare script": script}, {})


def cold_audio(bench: Bench) -> None:
    """genai audio against pipeline("text-to-audio")."""
    checkpoint, prompt = bench.checkpoint("musicgen"), "electric rock solo"
    options = ("--duration", 1, "--seed", 1, "-o", bench.folder / "genai.wav")
    genai = bench.genai("audio", prompt, "-m", checkpoint, *options)
    script = bench.script("audio", checkpoint, 1, bench.folder / "bare.wav")
    compare(bench, "cold-audio", "genai audio", {"genai": genai, "the bare script": script}, {})


def cold_image(bench: Bench) -> None:
    """genai image against the three lines of diffusers and `diffusers-cli run`, on the plain float32 files."""
    commands = image_commands(bench, variant="")
    compare(bench, "cold-image", "genai image", commands, {"diffusers-cli run": Expectation(0.75)})


def cold_image_fp16(bench: Bench) -> None:
    """The same on the fp16 files, which genai uses by default."""
    if bench.quick:
        bench.skip("cold-image-fp16", "left out by --quick")
        return
    commands = image_commands(bench, variant="fp16")
    del commands["diffusers-cli run"]
    compare(bench, "cold-image-fp16", "genai image, fp16 files", commands, {})


def image_commands(bench: Bench, variant: str) -> dict[str, Command]:
    """One step at 256x256 with the safety checker, for each of the programs."""
    checkpoint, size, steps = bench.checkpoint("sd15"), 256, 1
    options = ("--steps", steps, "--size", f"{size}x{size}", "--seed", 1, "--variant", variant or "none")
    arguments = {"prompt": PROMPT, "num_inference_steps": steps, "width": size, "height": size}
    cli = ["-m", checkpoint, "--dtype", bench.dtype, "--device-map", bench.device, "--seed", "1"]
    cli += ["--pipeline-kwargs", json.dumps(arguments), "--output", str(bench.folder / "cli.png")]
    return {
        "genai": bench.genai("image", PROMPT, "-m", checkpoint, *options, "-o", bench.folder / "genai.png"),
        "the bare script": bench.script("image", checkpoint, variant, size, steps, bench.folder / "bare.png"),
        "diffusers-cli run": Command([sys.executable, "-m", "diffusers.commands.diffusers_cli", "run", *cli]),
    }


def noise(bench: Bench) -> None:
    """Compare a command with itself. This shows how reliable the ratios of this machine are."""
    same = text_command(bench)
    taken = bench.measure("noise", {"A": same, "A again": same}, bench.choose(5, 2))
    figures = walls(taken["A"]), walls(taken["A again"])
    bench.add_pairs("noise", "genai text, start to finished file", "itself (A/A)", "s", figures)
    bench.add_pairs("noise", "its peak memory", "itself (A/A)", "MB", (peaks(taken["A"]), peaks(taken["A again"])))


def compare(
    bench: Bench, line: str, measure: str, commands: Mapping[str, Command], expected: Mapping[str, Expectation]
) -> None:
    """Compare the first command with each of the others: one row of wall seconds, and one of peak memory."""
    taken = bench.measure(line, commands, bench.choose(5, 1))
    first = taken["genai"]
    for against, theirs in list(taken.items())[1:]:
        cpu = [spread([sample.cpu for sample in samples]).median for samples in (first, theirs)]
        notes = f"CPU {cpu[0]:.1f} s and {cpu[1]:.1f} s"
        bound = expected.get(against, FASTER)
        figures = walls(first), walls(theirs)
        bench.add_pairs(line, f"{measure}, start to finished file", against, "s", figures, bound, notes)
        bench.add_pairs(line, "its peak memory", against, "MB", (peaks(first), peaks(theirs)), MEMORY)


def peaks(samples: Sequence[Sample]) -> list[float]:
    """Peak memory in megabytes."""
    return [sample.peak / MEGABYTE for sample in samples]


LINES = (
    Line("noise", "a command against itself: the noise of the ratios", noise),
    Line("cold-text", "genai text, 16 tokens of GPT-2, against the bare script", cold_text),
    Line("cold-classify", "genai classify, one text with DistilBERT, against the bare script", cold_classify),
    Line("cold-audio", "genai audio, one second of MusicGen-small, against the bare script", cold_audio),
    Line(
        "cold-image",
        "genai image, one step of SD 1.5 at 256x256, against the bare script and diffusers-cli",
        cold_image,
    ),
    Line("cold-image-fp16", "the same from the fp16 files, against the bare script", cold_image_fp16),
)
