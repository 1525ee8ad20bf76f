"""Many items in one command. Most lines use the built-in small models, where the time outside the model shows most."""

import math
from datetime import datetime
from pathlib import Path

from tools.bench.bench import Bench, Line, model_seconds, records, walls, write_rows
from tools.bench.lines.generate import text_prompts
from tools.bench.measure import Command, Sample, paired, run, spread
from tools.bench.report import Expectation, Row

COLOURS = ("red", "green", "blue", "yellow", "white", "black", "orange", "purple")
SHAPES = ("circle", "square", "triangle", "star")
WORDS = (
    "the",
    "film",
    "was",
    "good",
    "bad",
    "dull",
    "moving",
    "long",
    "boring",
    "great",
    "a",
    "of",
    "it",
    "and",
    "not",
)


def images(bench: Bench) -> None:
    """Many images in one command, compared with one command each (one is run and multiplied), and outside the model."""
    bench.warm_libraries()
    items = bench.choose(200, 40)
    options = ("-m", "tiny", "--seed", 1, "--json", "-o", bench.folder / "one.png")
    commands = {"many": image_batch(bench, items), "one": bench.genai("image", "a red circle", *options)}
    taken = bench.measure("images", commands, bench.choose(3, 1))
    together, alone = walls(taken["many"]), walls(taken["one"])
    factor = spread([items * one / many for many, one in zip(together, alone, strict=True)])
    notes = f"a command for one takes {spread(alone).median:.2f} s; counted up"
    what, against = f"{items} images with tiny in one command: how many times quicker", f"{items} commands"
    medians = spread(together).median, items * spread(alone).median
    bench.rows.append(Row("images", what, against, "s", *medians, factor, Expectation(30, at_least=True), notes))
    # The cost of the start is the same for both commands and cancels out.
    beside = {name: [sample.wall - model_seconds(sample) for sample in samples] for name, samples in taken.items()}
    each = [1000 * (many - one) / (items - 1) for many, one in zip(beside["many"], beside["one"], strict=True)]
    bench.add_own("images", "outside the model for each further image", "ms", each, Expectation(10))
    inside = [1000 * model_seconds(sample) / items for sample in taken["many"]]
    bench.add_own("images", "in the model for each image", "ms", inside, None)


def image_batch(bench: Bench, items: int, *options: object, threads: int | None = None) -> Command:
    """genai image with `items` prompts for tiny, into its own folder."""
    rows = (
        {"prompt": f"a {COLOURS[n % 8]} {SHAPES[n // 8 % 4]} on a grey background", "seed": n} for n in range(items)
    )
    name = "-".join(["images", str(items), *map(str, options)])
    prompts, folder = write_rows(bench.folder / f"{name}.jsonl", rows), bench.folder / name
    env = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    arguments = ("--prompts", prompts, "-m", "tiny", "--json", "-o", f"{folder}/", *options)
    return bench.genai("image", *arguments, env=env, fresh=folder)


def classify_many(bench: Bench) -> None:
    """Many short texts through classify, in groups, compared with one at a time."""
    if bench.lacks("classify-many", "classify", "--batch-size"):
        return
    bench.warm_libraries()
    items = bench.choose(10000, 4000)
    prompts = bench.folder / "texts.txt"
    prompts.write_text("".join(f"{short_text(number)}\n" for number in range(items)))
    grouped = bench.genai("classify", "--prompts", prompts, "-m", "tiny", "--json")
    alone = bench.genai("classify", "--prompts", prompts, "-m", "tiny", "--json", "--batch-size", 1)
    what = f"{items} short texts, classify with tiny"
    taken = times_quicker(bench, "classify-many", what, "--batch-size 1", (grouped, alone), 5)
    figures = [list(map(model_seconds, samples)) for samples in taken]
    medians = spread(figures[0]).median, spread(figures[1]).median
    inside = f"{what}, in the model: how many times quicker"
    ratio = paired(figures[1], figures[0])
    bench.rows.append(Row("classify-many", inside, "--batch-size 1", "s", *medians, ratio))


def short_text(number: int) -> str:
    """A text of 3 to 20 words, always the same for the same number."""
    return " ".join(WORDS[(number * 7 + place * (number % 11 + 3)) % len(WORDS)] for place in range(3 + number % 18))


def text_gpt2(bench: Bench) -> None:
    """Compare batch 16 with batch 1 on a model of GPT-2's size."""
    if not bench.lacks("text-batch-gpt2", "text", "--batch-size"):
        text_batch(bench, "text-batch-gpt2", "GPT-2 124M", bench.checkpoint("gpt2"), bench.choose(48, 24))


def text_tiny(bench: Bench) -> None:
    """Compare batch 16 with batch 1 on tiny."""
    if not bench.lacks("text-batch-tiny", "text", "--batch-size"):
        bench.warm_libraries()
        text_batch(bench, "text-batch-tiny", "tiny", "tiny", bench.choose(128, 64))


def text_batch(bench: Bench, line: str, name: str, model: str, tokens: int) -> None:
    """Add a row of seconds in the model for 16 texts. The start is the same for both."""
    prompts = text_prompts(bench, 16)
    options = ("-m", model, "--max-new-tokens", tokens, "--seed", 1, "--json", "-o", "-", "--prompts", prompts)
    commands = {size: bench.genai("text", *options, "--batch-size", size) for size in ("16", "1")}
    taken = bench.measure(line, commands, bench.choose(3, 1))
    grouped, alone = (list(map(model_seconds, taken[size])) for size in ("16", "1"))
    row = Row(line, f"16 texts of {tokens} tokens, {name}, in the model: how many times quicker", "--batch-size 1", "s",
              spread(grouped).median, spread(alone).median, paired(alone, grouped),
              Expectation(4, at_least=True))  # fmt: skip
    bench.rows.append(row)


def ray_workers(bench: Bench) -> None:
    """Compare two Ray workers of one thread each with one process of one thread."""
    if bench.lacks("ray", "image", "--engine"):
        return
    bench.warm_libraries()
    items = bench.choose(200, 24)
    pool = image_batch(bench, items, "--engine", "ray", "--workers", 2, threads=1)
    process = image_batch(bench, items, threads=1)
    what = f"{items} images with tiny, Ray with 2 one-thread workers, its start included"
    taken = times_quicker(bench, "ray", what, "one one-thread process", (pool, process), 1.8)
    ours, theirs = ([pace(sample) for sample in samples] for samples in taken)
    once_started = "the same, pictures from the first one's end to the last one's"
    against, expected = "one one-thread process", Expectation(1.8, at_least=True)
    bench.add_pairs("ray", once_started, against, "a second", (ours, theirs), expected)


def pace(sample: Sample) -> float:
    """Items a second between the end of the first item and the end of the last, according to their records."""
    ends = sorted(datetime.fromisoformat(record["created"]) for record in records(sample))
    return (len(ends) - 1) / max((ends[-1] - ends[0]).total_seconds(), 1.0)


def times_quicker(
    bench: Bench, line: str, what: str, against: str, commands: tuple[Command, Command], bound: float
) -> tuple[list[Sample], list[Sample]]:
    """Add a row whose ratio says how many times faster the first command is. Returns the runs of both."""
    taken = bench.measure(line, dict(zip(("genai", against), commands, strict=True)), bench.choose(3, 1))
    ours, theirs = taken["genai"], taken[against]
    medians = spread(walls(ours)).median, spread(walls(theirs)).median
    ratio, expected = paired(walls(theirs), walls(ours)), Expectation(bound, at_least=True)
    bench.rows.append(Row(line, f"{what}: how many times quicker", against, "s", *medians, ratio, expected))
    return ours, theirs


def resume(bench: Bench) -> None:
    """Run a finished batch again: how long it takes, and whether torch is imported."""
    items = bench.choose(10000, 1000)
    jobs, folder = job_file(bench, items), bench.folder / "finished"
    again = bench.genai("batch", jobs, "-m", "tiny", "-o", f"{folder}/")
    first = run(again)
    taken = bench.measure("resume", {"again": again}, bench.choose(5, 3))["again"]
    traced = run(Command(again.arguments, {"PYTHONPROFILEIMPORTTIME": "1"})).stderr
    imported = {line.rpartition("|")[2].strip() for line in traced.splitlines() if line.startswith("import time:")}
    torch = "torch is imported" if "torch" in imported else "torch is not imported"
    notes = f"{torch}; the first run took {first.wall:.0f} s"
    bench.add_own("resume", f"a finished batch of {items} texts, run again", "s", walls(taken), Expectation(2), notes)


def dry_run(bench: Bench) -> None:
    """Plan many rows with --dry-run."""
    items = 10000
    plan = bench.genai("batch", job_file(bench, items), "-m", "tiny", "-o", f"{bench.folder}/plan/", "--dry-run")
    run(plan)
    taken = bench.measure("dry-run", {"plan": plan}, bench.choose(5, 3))["plan"]
    bench.add_own("dry-run", f"--dry-run of {items} rows", "s", walls(taken), Expectation(1))


def job_file(bench: Bench, items: int) -> Path:
    """Write a batch of short texts to classify."""
    digits = math.ceil(math.log10(items))
    rows = ({"task": "classify", "prompt": short_text(n), "id": f"text-{n:0{digits}}"} for n in range(items))
    return write_rows(bench.folder / f"jobs-{items}.jsonl", rows)


LINES = (
    Line("images", "many images with tiny in one command: against a command for each, and outside the model", images),
    Line("classify-many", "many short texts through classify, against --batch-size 1", classify_many),
    Line("text-batch-gpt2", "16 texts of GPT-2's size at --batch-size 16, against 1", text_gpt2),
    Line("text-batch-tiny", "16 texts of tiny at --batch-size 16, against 1", text_tiny),
    Line("ray", "--engine ray with two one-thread workers, against one one-thread process", ray_workers),
    Line("resume", "a finished batch of 10,000 texts, run again", resume),
    Line("dry-run", "--dry-run of 10,000 rows", dry_run),
)
