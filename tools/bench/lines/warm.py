"""Commands whose model a worker keeps loaded: against the same commands without, and against the model's own work."""

import json
import shlex

from tools.bench.bench import BIN, Bench, Line, walls
from tools.bench.lines.many import times_quicker
from tools.bench.measure import Command, Sample, run
from tools.bench.report import Expectation

TASKS = {
    "image": ("a large red circle", "--seed", 1),
    "text": ("It was a dark and stormy", "--max-new-tokens", 20, "--seed", 1),
    "classify": ("This film is great",),
    "audio": ("electric rock solo", "--duration", 1, "--seed", 1),
}
KEEP = ("--keep", "10m")


def warm(bench: Bench) -> None:
    """Each task with tiny: with a warm worker, without one, and what comes beside the model's own work."""
    if bench.lacks("warm", "text", "--keep"):
        return
    bench.warm_libraries()
    for task, arguments in TASKS.items():
        command = (
            task,
            *arguments,
            "-m",
            "tiny",
            "--json",
            "-o",
            "-" if task == "text" else f"{bench.folder}/warm-{task}/",
        )
        kept = bench.genai(*command, *KEEP)
        run(kept)
        ours, _ = times_quicker(
            bench, f"warm-{task}", f"{task} with a warm worker", "--keep off", (kept, bench.genai(*command)), 5
        )
        beside = [sample.wall - read_model_seconds(sample) for sample in ours]
        bench.add_own(f"warm-{task}", "its time beside the model's own work", "s", beside, Expectation(0.15))
    end_workers()


def read_model_seconds(sample: Sample) -> float:
    """The time in the model, as the record says it."""
    return float(json.loads(sample.stdout.splitlines()[-1])["seconds"]["generate"])


def first(bench: Bench) -> None:
    """The command that starts the worker, against one without."""
    if bench.lacks("warm-first", "text", "--keep"):
        return
    bench.warm_libraries()
    command = ("text", *TASKS["text"], "-m", "tiny", "-o", "-")
    starts = bench.genai(
        *command, "--keep", "1s", env={"XDG_RUNTIME_DIR": str(bench.folder)}, fresh=bench.folder / "genai"
    )
    commands = {"genai": starts, "--keep off": bench.genai(*command, "--keep", "off")}
    taken = bench.measure("warm-first", commands, bench.choose(7, 2))
    figures = walls(taken["genai"]), walls(taken["--keep off"])
    what = "text: the command that starts the worker"
    bench.add_pairs("warm-first", what, "--keep off", "s", figures, Expectation(1.05))


def loop(bench: Bench) -> None:
    """One-line commands in a loop of the shell, with and without --keep."""
    if bench.lacks("warm-loop", "image", "--keep"):
        return
    bench.warm_libraries()
    count = bench.choose(50, 5)
    loops = (shell_loop(bench, count, " ".join(KEEP)), shell_loop(bench, count, "--keep off"))
    times_quicker(bench, "warm-loop", f"{count} image commands in a loop", "--keep off", loops, 4)
    end_workers()


def shell_loop(bench: Bench, count: int, options: str) -> Command:
    """A loop of the shell over prompts."""
    genai, folder = shlex.quote(str(BIN / "genai")), shlex.quote(f"{bench.folder}/loop/")
    prompts = " ".join(f"'a red circle, number {number}'" for number in range(count))
    body = f'{genai} image "$p" -m tiny --seed 1 -o {folder} --device {bench.device} {options}'
    return Command(["sh", "-c", f"for p in {prompts}; do {body} || exit 1; done"], fresh=bench.folder / "loop")


def end_workers() -> None:
    """The workers that were measured are not to disturb other lines."""
    run(Command([str(BIN / "genai"), "worker", "stop"]))


LINES = (
    Line("warm", "each task with tiny and a warm worker, against a command without, and beside the model", warm),
    Line("warm-first", "the command that starts the worker, against one without", first),
    Line("warm-loop", "image commands in a shell loop, with a worker and without", loop),
)
