"""How long `genai --help` takes, held against a bare Typer program with the same commands.

`python -m tools.bench.startup` runs the two in turn and prints medians and the median of the paired ratios.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def seconds(command: list[str]) -> float:
    """The wall time of one run of a command."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=25, help="how many pairs of runs (default: 25)")
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "bare.py")
        program.write_text(BARE)
        genai = [str(Path(sys.executable).with_name("genai")), "--help"]
        bare = [sys.executable, str(program), "--help"]
        seconds(genai), seconds(bare)  # the first runs read the files from the disk
        timed = [(seconds(genai), seconds(bare)) for _ in range(pairs)]
    ratios = [ours / theirs for ours, theirs in timed]
    print(f"genai --help {statistics.median(ours for ours, _ in timed):.3f} s")
    print(f"bare Typer   {statistics.median(theirs for _, theirs in timed):.3f} s")
    print(f"ratio        {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}, {pairs} pairs)")


if __name__ == "__main__":
    main()
