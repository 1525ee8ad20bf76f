"""The cost before any work: imports, and `genai --help` compared with a bare Typer program."""

import sys

from tools.bench.bench import BIN, Bench, Line, walls
from tools.bench.measure import Command

IMPORTS = {
    "import torch": "import torch",
    "import a transformers model class": "from transformers import GPT2LMHeadModel",
    "import a diffusers pipeline class": "from diffusers import StableDiffusionPipeline",
}
BARE = """
import typer
app, models = typer.Typer(rich_markup_mode=None), typer.Typer(rich_markup_mode=None)
for name in ("image", "text", "classify", "audio", "batch", "show", "rerun", "doctor"):
    @app.command(name)
    def run(prompt: str, model: str = "", steps: int = 1, output: str = "", quiet: bool = False) -> None: ...
for name in ("list", "show", "pull", "remove"):
    @models.command(name)
    def manage(name: str, json: bool = False) -> None: ...
app.add_typer(models, name="models")
app()
"""


def measure_imports(bench: Bench) -> None:
    """Seconds of a Python process that only imports."""
    bench.warm_libraries()
    commands = {name: Command([sys.executable, "-c", program]) for name, program in IMPORTS.items()}
    for name, samples in bench.measure("imports", commands, bench.choose(3, 1)).items():
        bench.add_own("imports", f"`python -c`: {name}", "s", walls(samples), None)


def measure_help(bench: Bench) -> None:
    """`genai --help` against a bare program with the same commands."""
    program = bench.folder / "bare.py"
    program.write_text(BARE)
    genai, bare = Command([str(BIN / "genai"), "--help"]), Command([sys.executable, str(program), "--help"])
    bench.measure("help, first runs", {"genai": genai, "bare": bare}, 1)  # they read the files from the disk
    taken = bench.measure("help", {"genai": genai, "bare": bare}, bench.choose(25, 9))
    bench.add_pairs(
        "help", "`genai --help`", "a bare Typer program", "s", (walls(taken["genai"]), walls(taken["bare"]))
    )


LINES = (
    Line("imports", "import torch, a transformers class, a diffusers class", measure_imports),
    Line("help", "genai --help against a bare Typer program with the same commands", measure_help),
)
