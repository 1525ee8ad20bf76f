"""Other programs for the same work, with the same weights: llama.cpp and stable-diffusion.cpp.

They come with packages that genai does not need: `pip install xllamacpp gguf safetensors cyllama` into a Python of its
own (cyllama's present version wants 3.12), which PEERS_PYTHON names.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tools.bench.bench import SCRIPTS, Bench, Line, model_seconds, walls, write_rows
from tools.bench.lines.generate import PROMPT, picture_seconds
from tools.bench.measure import Command, Sample, run
from tools.bench.report import Expectation

PYTHON = os.environ.get("PEERS_PYTHON", sys.executable)
OPENING = "It was a dark and stormy night"
# (genai's options, llama.cpp's type, the goal for the ratio of tokens a second)
INT8, OPENVINO = ("--quantize", "int8"), ("--compiler", "openvino")
RACES = (((), "F32", 0.9), (INT8, "Q8_0", 0.7), (OPENVINO, "F32", 0.9), ((*INT8, *OPENVINO), "Q8_0", 0.7))
OTHERS = {
    "mflux": "runs on Apple silicon only",
    "ollama": "a server over llama.cpp with models of its own format; llama.cpp itself is measured",
}


def lacks_packages(bench: Bench, line: str, *names: str) -> bool:
    """Whether the Python of the peers lacks a package. If so, the line is noted as skipped."""
    for name in names:
        if subprocess.run([PYTHON, "-c", f"import {name}"], capture_output=True, check=False).returncode:
            bench.skip(line, f"{name} is not installed in {Path(PYTHON).name} (PEERS_PYTHON names another Python)")
            return True
    return False


def peer(name: str, *arguments: object) -> Command:
    """A script of another program, run by the Python that has it."""
    return Command([PYTHON, str(SCRIPTS / f"{name}.py"), *map(str, arguments)])


def write_gguf(bench: Bench, kind: str) -> Path:
    """The Llama checkpoint as a file of llama.cpp, written once in a run."""
    file = bench.folder / f"llama-{kind}.gguf"
    if not file.exists():
        run(peer("peer_gguf", bench.checkpoint("llama"), file, kind))
    return file


def decode(bench: Bench) -> None:
    """Tokens a second of one text, against llama.cpp with the same weights."""
    line = "peers-llama"
    if lacks_packages(bench, line, "xllamacpp", "gguf", "safetensors"):
        return
    tokens = bench.choose(128, 48)
    shared = ("--max-new-tokens", tokens, "--temperature", 0.7, "--seed", 1, "--json", "-o", "-")
    for number, (options, kind, goal) in enumerate(RACES):
        genai = bench.genai("text", OPENING, "-m", bench.checkpoint("llama"), *shared, *options)
        other = peer("peer_llama", write_gguf(bench, kind), tokens, os.cpu_count())
        if OPENVINO[0] in options:
            run(genai)  # converts the model, once
        taken = bench.measure(f"{line}-{number}", {"genai": genai, "llama.cpp": other}, bench.choose(3, 1))
        ours = [tokens / model_seconds(sample) for sample in taken["genai"]]
        theirs = [float(json.loads(sample.stdout)["predicted_per_second"]) for sample in taken["llama.cpp"]]
        what = f"a Llama of 135M, {tokens} tokens, {' '.join(options) or bench.dtype}"
        bench.add_pairs(line, what, f"llama.cpp, {kind}", "tokens/s", (ours, theirs), Expectation(goal, at_least=True))


def cold(bench: Bench) -> None:
    """One token from the start of the process to its end, against llama.cpp; also with a warm worker."""
    line = "peers-cold"
    if lacks_packages(bench, line, "xllamacpp", "gguf", "safetensors"):
        return
    command = ("text", OPENING, "-m", bench.checkpoint("llama"), "--max-new-tokens", 1, "--seed", 1, "-o", "-")
    commands = {
        "genai": bench.genai(*command),
        "warm": bench.genai(*command, "--keep", "5m"),
        "llama.cpp": peer("peer_llama", write_gguf(bench, "F32"), 1, os.cpu_count()),
    }
    run(commands["warm"])
    taken = bench.measure(line, commands, bench.choose(5, 2))
    run(Command([bench.genai("worker").arguments[0], "worker", "stop"]))
    for name, what in (("genai", "one token, cold"), ("warm", "one token, with a warm worker")):
        bench.add_pairs(line, what, "llama.cpp, F32, cold", "s", (walls(taken[name]), walls(taken["llama.cpp"])))


def diffuse(bench: Bench) -> None:
    """Seconds a step of SD 1.5 and of the rest, against stable-diffusion.cpp."""
    line = "peers-diffusion"
    if lacks_packages(bench, line, "cyllama.sd"):
        return
    size, steps = bench.choose(512, 256), (1, 4)
    rows = [{"prompt": PROMPT, "steps": count, "seed": 1} for count in steps]
    prompts, folder = write_rows(bench.folder / "peers.jsonl", rows), bench.folder / "peers"
    options = ("--size", f"{size}x{size}", "--variant", "none", "--scheduler", "euler", "--no-safety", "--json")
    checkpoint = bench.checkpoint("sd15")
    arguments = ("--prompts", prompts, "-m", checkpoint, *options, "-o", f"{folder}/")
    genai = bench.genai("image", *arguments, fresh=folder)
    file = bench.folder / "sd15.safetensors"  # it reads no folders
    run(Command([sys.executable, "-m", "tools.bench.checkpoints.single_file", checkpoint, str(file)]))
    other = peer("peer_diffusion", file, size, os.cpu_count(), *steps)
    taken = bench.measure(line, {"genai": genai, "stable-diffusion.cpp": other}, 1)
    ours = [split_steps(picture_seconds(sample)) for sample in taken["genai"]]
    theirs = [split_steps(read_seconds(sample)) for sample in taken["stable-diffusion.cpp"]]
    for place, what in enumerate((f"SD 1.5, a step at {size}x{size}", "the rest: text, VAE decoding")):
        figures = [found[place] for found in ours], [found[place] for found in theirs]
        bench.add_pairs(line, what, "stable-diffusion.cpp, float32", "s", figures, Expectation(1.0))


def read_seconds(sample: Sample) -> list[float]:
    """The seconds that the last line of a script names; stable-diffusion.cpp writes others before it."""
    return [float(word) for word in sample.stdout.splitlines()[-1].split()]


def split_steps(seconds: list[float]) -> tuple[float, float]:
    """Seconds of one step of Euler, and of everything else, from pictures of 1 and of 4 steps."""
    step = (seconds[1] - seconds[0]) / 3
    return step, seconds[0] - step


def name_others(bench: Bench) -> None:
    """Note programs that are not measured, and why."""
    for program, reason in OTHERS.items():
        bench.skip(f"peers: {program}", reason)


LINES = (
    Line("peers-llama", "a Llama of 135M: tokens a second, against llama.cpp", decode),
    Line("peers-cold", "one token, cold and with a warm worker, against llama.cpp", cold),
    Line("peers-diffusion", "SD 1.5: seconds a step, against stable-diffusion.cpp", diffuse),
    Line("peers", "programs that are named as not measured", name_others),
)
