"""The server: how soon a text begins, and what a request costs beside the bare library."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import genai_cli
from tools.bench.bench import BIN, Bench, Line
from tools.bench.lines.generate import text_prompts
from tools.bench.measure import FailedError, run, spread
from tools.bench.report import Expectation

TINY = Path(genai_cli.__file__).parent / "tiny" / "text"
TOKENS = 20
PLACE = "XDG_RUNTIME_DIR"


@contextmanager
def serving(bench: Bench, *options: str) -> Iterator[int]:
    """A server with a worker of its own, on a port of this machine, until the context ends."""
    with tempfile.TemporaryDirectory(prefix="g") as folder:
        before = os.environ.get(PLACE)
        os.environ[PLACE] = folder  # for the programs that ask it, too: they share its worker
        place = ("--device", bench.device, "--dtype", bench.dtype)
        command = [str(BIN / "genai"), "serve", "--port", "0", "--keep", "10m", *place, *options]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            line = process.stderr.readline() if process.stderr else ""
            found = re.search(r":(\d+)/v1$", line.strip())
            if not found:
                raise FailedError(f"genai serve does not start: {line}")
            yield int(found[1])
        finally:
            process.terminate()
            process.wait()
            subprocess.run([str(BIN / "genai"), "worker", "stop"], check=False, capture_output=True)
            del os.environ[PLACE]
            if before is not None:
                os.environ[PLACE] = before


def first(bench: Bench) -> None:
    """How much later than in the model's own process a text begins, by the worker and by the server."""
    if bench.lacks("server-first", "serve", "--port"):
        return
    bench.warm_libraries()
    with serving(bench, "-m", "tiny") as port:
        sample = run(bench.script("first_piece", "tiny", port, bench.choose(100, 20)))
    taken = json.loads(sample.stdout)
    own = f"in the model's own process {1000 * spread(taken['model']).median:.0f} ms"
    for name, what in (("worker", "through the worker"), ("server", "from the server, streamed")):
        later = [ours - model for ours, model in zip(taken[name], taken["model"], strict=True)]
        measure = f"tiny: how much later a text begins {what}"
        bench.add_own("server-first", measure, "s", later, Expectation(0.1), own)


def bare(bench: Bench) -> None:
    """The same prompts one after another: by one client of the server, and by the bare library in one process."""
    if bench.lacks("server-bare", "serve", "--port"):
        return
    bench.warm_libraries()
    count = bench.choose(100, 30)
    prompts = text_prompts(bench, count)
    figures: dict[str, list[float]] = {"server": [], "bare": []}
    made = {"server": 0, "bare": 0}
    with serving(bench, "-m", "tiny") as port:
        for number in range(bench.choose(5, 2)):
            for name in list(figures)[:: -1 if number % 2 else 1]:
                address = port if name == "server" else "none"
                told = json.loads(run(bench.script("text_loop", TINY, address, TOKENS, prompts)).stdout)
                figures[name].append(told["seconds"])
                made[name] = told["tokens"]
    what = f"{count} texts of tiny one after another, {made['server']} tokens"
    against = f"generate in one process, one thread, {made['bare']} tokens"
    bench.add_pairs("server-bare", what, against, "s", (figures["server"], figures["bare"]))


LINES = (
    Line("server-first", "how much later a text begins through the worker and from the server", first),
    Line("server-bare", "a client of the server against the bare library in one process", bare),
)
