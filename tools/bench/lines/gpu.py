"""What only a CUDA GPU shows: pictures in groups, compiling, writing beside the next pictures, static caches."""

from collections.abc import Callable
from dataclasses import dataclass

from tools.bench.bench import Bench, Line, model_seconds, records, walls, write_rows
from tools.bench.lines.generate import NO_SLOWER, NO_SLOWER_RATE, PROMPT, text_prompts
from tools.bench.measure import Command, Sample, run, spread
from tools.bench.report import Expectation


@dataclass(frozen=True)
class Pictures:
    """Pictures of one model: its name, its checkpoint, the steps of each picture, and the sizes of the groups."""

    name: str
    checkpoint: str
    steps: int
    groups: tuple[int, ...]


SD15 = Pictures("SD 1.5, 512x512", "sd15", 50, (1, 4, 16))
SDXL = Pictures("SDXL, 1024x1024", "sdxl", 30, (1, 4, 16))
WARM_UP = 2  # steps


def on_gpu(measure: Callable[[Bench, str], None], line: str) -> Callable[[Bench], None]:
    """A line that is noted as skipped where no CUDA GPU is measured."""

    def run_line(bench: Bench) -> None:
        if bench.device == "cuda":
            measure(bench, line)
        else:
            bench.skip(line, "needs a CUDA GPU")

    return run_line


def paint(pictures: Pictures) -> Callable[[Bench, str], None]:
    """Seconds of groups of pictures, against a bare script."""

    def measure(bench: Bench, line: str) -> None:
        groups = pictures.groups
        commands = {f"genai {size}": group_command(bench, pictures, size) for size in groups}
        checkpoint = bench.checkpoint(pictures.checkpoint)
        commands["the bare script"] = bench.script("image_groups", checkpoint, pictures.steps, *groups)
        taken = bench.measure(line, commands, bench.choose(2, 1))
        bare = [list(map(float, sample.stdout.split())) for sample in taken["the bare script"]]
        for place, size in enumerate(groups):
            ours = [long_seconds(sample, pictures.steps) for sample in taken[f"genai {size}"]]
            theirs = [seconds[place] for seconds in bare]
            what = f"{pictures.name}, {pictures.steps} steps, {size} at once"
            notes = f"{size / spread(ours).median:.2f} pictures a second"
            bench.add_pairs(line, what, "the bare script", "s", (ours, theirs), NO_SLOWER, notes)

    return measure


def group_command(bench: Bench, pictures: Pictures, size: int) -> Command:
    """genai image: a group with few steps, which warms up, and a group with all of them."""
    rows = [
        {"prompt": PROMPT, "steps": steps, "seed": number}
        for steps in (WARM_UP, pictures.steps)
        for number in range(size)
    ]
    name = f"{pictures.checkpoint}-{size}"
    prompts, folder = write_rows(bench.folder / f"{name}.jsonl", rows), bench.folder / name
    arguments = ("--prompts", prompts, "-m", bench.checkpoint(pictures.checkpoint), "--batch-size", size)
    return bench.genai("image", *arguments, "--no-compile", "--json", "-o", f"{folder}/", fresh=folder)


def long_seconds(sample: Sample, steps: int) -> float:
    """The seconds in the model of the pictures with all steps, according to their records."""
    found = [record for record in records(sample) if record["parameters"]["num_inference_steps"] == steps]
    return float(sum(record["seconds"]["generate"] for record in found))


def compile_image(bench: Bench, line: str) -> None:
    """Seconds of a picture with --compile, against --no-compile, and what compiling takes."""
    rows = [{"prompt": PROMPT, "steps": SD15.steps, "seed": number} for number in range(4)]
    prompts, folder = write_rows(bench.folder / "compile.jsonl", rows), bench.folder / "compile"
    options = ("--prompts", prompts, "-m", bench.checkpoint("sd15"), "--batch-size", 1, "--json", "-o", f"{folder}/")
    commands = {way: bench.genai("image", *options, f"--{way}", fresh=folder) for way in ("compile", "no-compile")}
    compare_compiled(bench, line, f"{SD15.name}, {SD15.steps} steps", commands)


def compile_text(bench: Bench, line: str) -> None:
    """Seconds of a text with a static cache and a captured graph (--compile), against the growing cache."""
    prompts = text_prompts(bench, 4)
    options = ("--prompts", prompts, "-m", bench.checkpoint("gpt2"), "--max-new-tokens", 256, "--batch-size", 1)
    options += ("--temperature", 0.7, "--seed", 1, "--json", "-o", "-")
    commands = {way: bench.genai("text", *options, f"--{way}") for way in ("compile", "no-compile")}
    compare_compiled(bench, line, "GPT-2 124M, 256 tokens", commands)


def compare_compiled(bench: Bench, line: str, what: str, commands: dict[str, Command]) -> None:
    """Rows for the items after the first, and for how much longer the first one takes."""
    taken = bench.measure(line, commands, 1)
    (first, *ours), (_, *theirs) = (item_seconds(taken[way][0]) for way in ("compile", "no-compile"))
    bench.add_pairs(line, f"{what}, --compile", "--no-compile", "s", (ours, theirs), NO_SLOWER)
    bench.add_own(line, "what compiling takes", "s", [first - spread(ours).median], None)


def item_seconds(sample: Sample) -> list[float]:
    """The seconds in the model of each item, in the order in which they were made."""
    ordered = sorted(records(sample), key=lambda record: str(record["created"]))
    return [float(record["seconds"]["generate"]) for record in ordered]


def text_rate(bench: Bench, line: str) -> None:
    """Tokens a second in groups, against a bare script."""
    for size, tokens in ((1, 128), (32, 128)):
        prompts = text_prompts(bench, size)
        options = ("--max-new-tokens", tokens, "--temperature", 0.7, "--seed", 1, "--json", "-o", "-", "--no-compile")
        arguments = ("--prompts", prompts, "-m", bench.checkpoint("gpt2"), "--batch-size", size, *options)
        script = bench.script("text_rate", bench.checkpoint("gpt2"), tokens, size, prompts)
        commands = {"genai": bench.genai("text", *arguments), "the bare script": script}
        taken = bench.measure(f"{line}-{size}", commands, bench.choose(2, 1))
        made = size * tokens
        ours = [made / model_seconds(sample) for sample in taken["genai"]]
        theirs = [made / float(sample.stdout) for sample in taken["the bare script"]]
        what = f"GPT-2 124M, {tokens} tokens for each of {size}, batch {size}, the first calls included"
        bench.add_pairs(line, what, "the bare script", "tokens/s", (ours, theirs), NO_SLOWER_RATE)


def overlap(bench: Bench, line: str) -> None:
    """How much of a command's time is outside the model for each further picture, written beside the next ones."""
    size = 8
    rows = [{"prompt": f"{PROMPT} {number}", "steps": 10, "seed": number} for number in range(8 * size)]
    prompts, folder = write_rows(bench.folder / "overlap.jsonl", rows), bench.folder / "overlap"
    first = write_rows(bench.folder / "overlap-first.jsonl", rows[:size])
    options = ("-m", bench.checkpoint("sd15"), "--batch-size", size, "--no-compile", "--json", "-o", f"{folder}/")
    commands = {
        name: bench.genai("image", "--prompts", file, *options, fresh=folder)
        for name, file in (("all", prompts), ("first", first))
    }
    taken = bench.measure(line, commands, bench.choose(2, 1))
    beside = {name: [sample.wall - model_seconds(sample) for sample in taken[name]] for name in commands}
    each = [1000 * (more - one) / (7 * size) for more, one in zip(beside["all"], beside["first"], strict=True)]
    bench.add_own(line, "outside the model for each further picture of 512x512", "ms", each, Expectation(10))
    inside = [1000 * model_seconds(sample) / len(rows) for sample in taken["all"]]
    bench.add_own(line, "in the model for each, 10 steps, 8 at once", "ms", inside, None)


def warm(bench: Bench, line: str) -> None:
    """A command with a warm worker against one without, with models of full size."""
    for task, arguments in {
        "image": (PROMPT, "-m", bench.checkpoint("sd15"), "--steps", 20, "-o", bench.folder / "warm.png"),
        "text": ("It was", "-m", bench.checkpoint("gpt2"), "--max-new-tokens", 64, "-o", bench.folder / "warm.txt"),
    }.items():
        commands = {
            keep: bench.genai(task, *arguments, "--seed", 1, "--no-compile", "--keep", keep) for keep in ("5m", "off")
        }
        run(commands["5m"])
        taken = bench.measure(f"{line}-{task}", commands, bench.choose(2, 1))
        figures = walls(taken["5m"]), walls(taken["off"])
        bench.add_pairs(line, f"{task} with a warm worker", "--keep off", "s", figures, Expectation(0.25))
    run(Command([bench.genai("worker").arguments[0], "worker", "stop"]))


ABOUT = {
    "gpu-sd15": ("SD 1.5 in 50 steps, 1 to 16 at once, against a bare script", paint(SD15)),
    "gpu-sdxl": ("SDXL in 30 steps, 1 to 16 at once, against a bare script", paint(SDXL)),
    "gpu-text": ("GPT-2 in groups of 1 and 32, against a bare script", text_rate),
    "gpu-overlap": ("pictures that are written beside the next ones: the time outside the model", overlap),
    "gpu-warm": ("a picture and a text of full size with a warm worker, against --keep off", warm),
    "gpu-compile-text": ("GPT-2 with a static cache and a captured graph, against the growing cache", compile_text),
    "gpu-compile": ("SD 1.5 with --compile, against --no-compile", compile_image),
}
LINES = tuple(Line(name, about, on_gpu(measure, name)) for name, (about, measure) in ABOUT.items())
