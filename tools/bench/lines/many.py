"""Many items in one command, mostly with the built-in small models, where what is not the model shows most."""

import math
from pathlib import Path

from tools.bench.bench import Bench, Line, model_seconds, walls, write_rows
from tools.bench.lines.generate import text_prompts
from tools.bench.measure import Command, paired, run, spread
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


def images_in_one(bench: Bench) -> None:
    """Many images in one command against a command for each; of these a sample is run, and counted up."""
    bench.warm_libraries()
    items, pairs = bench.of(200, 40), bench.of(5, 2)
    many = bench.measure("images-in-one", {"one command": image_batch(bench, items)}, bench.of(3, 1))["one command"]
    single = bench.genai("image", "a red circle", "-m", "tiny", "--seed", 1, "-o", bench.folder / "one.png")
    alone = bench.measure("images-in-one", {"single commands": single}, 2 * pairs)["single commands"]
    together, apart = spread(walls(many)), spread(walls(alone))
    factor = spread([items * apart.median / wall for wall in walls(many)])
    notes = f"{apart.count} single commands of {apart.median:.2f} s ({apart.low:.2f} to {apart.high:.2f}) counted up"
    row = Row("images-in-one", f"{items} images with tiny: how many times quicker", f"{items} commands", "s",
              together.median, items * apart.median, factor, Expectation(30, at_least=True), notes)  # fmt: skip
    bench.rows.append(row)


def image_batch(bench: Bench, items: int, *options: object, threads: int | None = None) -> Command:
    """genai image with so many prompts for tiny, into a folder of its own."""
    rows = (
        {"prompt": f"a {COLOURS[n % 8]} {SHAPES[n // 8 % 4]} on a grey background", "seed": n} for n in range(items)
    )
    name = "-".join(["images", str(items), *map(str, options)])
    prompts, folder = write_rows(bench.folder / f"{name}.jsonl", rows), bench.folder / name
    env = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    arguments = ("--prompts", prompts, "-m", "tiny", "--json", "-o", f"{folder}/", *options)
    return bench.genai("image", *arguments, env=env, fresh=folder)


def outside(bench: Bench) -> None:
    """What an item costs outside the model: the time of a long command beyond that of a short one, less the model's."""
    bench.warm_libraries()
    items = bench.of(200, 40)
    commands = {"many": image_batch(bench, items), "one": image_batch(bench, 1)}
    taken = bench.measure("outside", commands, bench.of(5, 2))
    beside = {name: [sample.wall - model_seconds(sample) for sample in samples] for name, samples in taken.items()}
    each = [
        1000 * (many - one) / (items - 1) for many, one in zip(beside["many"], beside["one"], strict=True)
    ]  # milliseconds
    bench.add_own("outside", "outside the model for each image with tiny", "ms", each, Expectation(10))


def classify_many(bench: Bench) -> None:
    """Many short texts through classify, grouped, against one at a time."""
    if bench.lacks("classify-many", "classify", "--batch-size"):
        return
    bench.warm_libraries()
    items = bench.of(10000, 1000)
    prompts = bench.folder / "texts.txt"
    prompts.write_text("".join(f"{short_text(number)}\n" for number in range(items)))
    grouped = bench.genai("classify", "--prompts", prompts, "-m", "tiny")
    alone = bench.genai("classify", "--prompts", prompts, "-m", "tiny", "--batch-size", 1)
    times_quicker(
        bench, "classify-many", f"{items} short texts, classify with tiny", "--batch-size 1", grouped, alone, 5
    )


def short_text(number: int) -> str:
    """A text of 3 to 20 words, always the same for a number."""
    return " ".join(WORDS[(number * 7 + place * (number % 11 + 3)) % len(WORDS)] for place in range(3 + number % 18))


def text_gpt2(bench: Bench) -> None:
    """Texts of GPT-2's size at batch 16 against 1."""
    if not bench.lacks("text-batch-gpt2", "text", "--batch-size"):
        text_batch(bench, "text-batch-gpt2", "GPT-2 124M", bench.checkpoint("gpt2"), bench.of(64, 24))


def text_tiny(bench: Bench) -> None:
    """Texts with tiny at batch 16 against 1."""
    if not bench.lacks("text-batch-tiny", "text", "--batch-size"):
        bench.warm_libraries()
        text_batch(bench, "text-batch-tiny", "tiny", "tiny", bench.of(128, 64))


def text_batch(bench: Bench, line: str, name: str, model: str, tokens: int) -> None:
    """A row of seconds in the model for 16 texts (the start is the same for both)."""
    options = ("-m", model, "--max-new-tokens", tokens, "--seed", 1, "--json", "--prompts", text_prompts(bench, 16))
    commands = {size: bench.genai("text", *options, "--batch-size", size) for size in ("16", "1")}
    taken = bench.measure(line, commands, bench.of(3, 1))
    grouped, alone = (list(map(model_seconds, taken[size])) for size in ("16", "1"))
    row = Row(line, f"16 texts of {tokens} tokens, {name}, in the model: how many times quicker", "--batch-size 1", "s",
              spread(grouped).median, spread(alone).median, paired(alone, grouped),
              Expectation(4, at_least=True))  # fmt: skip
    bench.rows.append(row)


def ray_workers(bench: Bench) -> None:
    """Two Ray workers of one thread each against one process of one thread."""
    if bench.lacks("ray", "image", "--engine"):
        return
    bench.warm_libraries()
    items = bench.of(400, 60)
    pool = image_batch(bench, items, "--engine", "ray", "--workers", 2, threads=1)
    process = image_batch(bench, items, threads=1)
    what = f"{items} images with tiny, Ray with 2 one-thread workers, its start included"
    times_quicker(bench, "ray", what, "one one-thread process", pool, process, 1.8)


def times_quicker(
    bench: Bench, line: str, what: str, against: str, quick: Command, slow: Command, bound: float
) -> None:
    """A row whose ratio is how many times quicker the first command is."""
    taken = bench.measure(line, {"quick": quick, "slow": slow}, bench.of(3, 1))
    ours, theirs = walls(taken["quick"]), walls(taken["slow"])
    medians = spread(ours).median, spread(theirs).median
    expected = Expectation(bound, at_least=True)
    bench.rows.append(
        Row(line, f"{what}: how many times quicker", against, "s", *medians, paired(theirs, ours), expected)
    )


def resume(bench: Bench) -> None:
    """A finished batch run again: how long until it says so, and that it does so without torch."""
    items = bench.of(10000, 1000)
    jobs, folder = job_file(bench, items), bench.folder / "finished"
    again = Command([*bench.genai("batch", jobs, "-m", "tiny", "-o", f"{folder}/").arguments])
    first = run(again)
    taken = bench.measure("resume", {"again": again}, bench.of(5, 3))["again"]
    traced = run(Command(again.arguments, {"PYTHONPROFILEIMPORTTIME": "1"})).stderr
    imported = {line.rpartition("|")[2].strip() for line in traced.splitlines() if line.startswith("import time:")}
    torch = "torch is imported" if "torch" in imported else "torch is not imported"
    notes = f"{torch}; the first run took {first.wall:.0f} s"
    bench.add_own("resume", f"a finished batch of {items} texts, run again", "s", walls(taken), Expectation(2), notes)


def dry_run(bench: Bench) -> None:
    """A plan of many rows."""
    items = 10000
    plan = bench.genai("batch", job_file(bench, items), "-m", "tiny", "-o", f"{bench.folder}/plan/", "--dry-run")
    run(plan)
    taken = bench.measure("dry-run", {"plan": plan}, bench.of(5, 3))["plan"]
    bench.add_own("dry-run", f"--dry-run of {items} rows", "s", walls(taken), Expectation(1))


def job_file(bench: Bench, items: int) -> Path:
    """A batch of short texts to classify."""
    digits = math.ceil(math.log10(items))
    rows = ({"task": "classify", "prompt": short_text(n), "id": f"text-{n:0{digits}}"} for n in range(items))
    return write_rows(bench.folder / f"jobs-{items}.jsonl", rows)


LINES = (
    Line("images-in-one", "many images with tiny in one command, against a command for each", images_in_one),
    Line("outside", "milliseconds outside the model for each image with tiny", outside),
    Line("classify-many", "many short texts through classify, against --batch-size 1", classify_many),
    Line("text-batch-gpt2", "16 texts of GPT-2's size at --batch-size 16, against 1", text_gpt2),
    Line("text-batch-tiny", "16 texts of tiny at --batch-size 16, against 1", text_tiny),
    Line("ray", "--engine ray with two one-thread workers, against one one-thread process", ray_workers),
    Line("resume", "a finished batch of 10,000 texts, run again", resume),
    Line("dry-run", "--dry-run of 10,000 rows", dry_run),
)
