"""Measure genai's command line: python -m tools.bench, or make bench."""

import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tools.bench.bench import Bench, Line
from tools.bench.lines import FAMILIES
from tools.bench.report import markdown, write_json, write_page

CACHE = Path.home() / ".cache" / "genai-bench"
# No network, no telemetry, and none of the user's own settings in the measurements.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "GENAI_CONFIG": os.devnull}
LIBRARIES = ("genai-cli", "torch", "transformers", "diffusers", "ray", "torchao")


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--list", action="store_true", help="show the lines by family and stop")
    parser.add_argument("--only", metavar="NAME,...", help="run only these lines or families")
    parser.add_argument("--quick", action="store_true", help="fewer runs and less work: under 10 minutes on 2 cores")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where checkpoints are built (default: {CACHE})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures and every single run")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the report between the markers of a page")
    return parser.parse_args()


def select_lines(only: str | None) -> list[Line]:
    """The requested lines, in the order in which they run. Raises SystemExit for an unknown name."""
    wanted = only.split(",") if only else list(FAMILIES)
    known = {line.name for lines in FAMILIES.values() for line in lines} | set(FAMILIES)
    if unknown := set(wanted) - known:
        raise SystemExit(f"no line or family {', '.join(sorted(unknown))}; --list shows them")
    return [line for family, lines in FAMILIES.items() for line in lines if {family, line.name} & set(wanted)]


def facts(device: str, quick: bool) -> dict[str, str]:
    """Where, when and with which software the figures were measured."""
    versions = (f"{name} {version}" for name in LIBRARIES if (version := find_version(name)))
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{processor()}, {os.cpu_count()} cores, {memory():.0f} GB, {platform.platform()}",
        "device": device,
        "versions": ", ".join([*versions, f"Python {platform.python_version()}"]),
        "runs": "`--quick`: few runs and little work, good for a look and not for a claim" if quick else "in full",
    }


def find_version(distribution: str) -> str | None:
    """The version of an installed distribution."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's name, as far as the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def memory() -> float:
    """Memory in gigabytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def device_name() -> tuple[str, str]:
    """The device that is measured, and its name for readers."""
    program = (
        "import torch; cuda = torch.cuda.is_available(); "
        "print('cuda' if cuda else 'cpu', torch.cuda.get_device_name() if cuda else 'cpu', sep='\\n')"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    device, name = answer.stdout.splitlines()
    return device, name


def main() -> None:
    """Measure the lines one after another. If a line fails, it is noted, the others run, and the exit code is 1."""
    arguments = parse_arguments()
    lines = select_lines(arguments.only)
    if arguments.list:
        for family, members in FAMILIES.items():
            print(family, *(f"  {line.name:16} {line.about}" for line in members if line in lines), sep="\n")
        return
    for name in [name for name in os.environ if name.startswith("GENAI_")]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT)
    device, name = device_name()
    found, failed = facts(name, arguments.quick), False
    with tempfile.TemporaryDirectory(prefix="genai-bench-") as folder:
        bench = Bench(arguments.cache, Path(folder), device, arguments.quick)
        for line in lines:
            started = time.perf_counter()
            try:
                line.run(bench)
            except Exception as error:  # an error in one line must not lose an hour of other lines
                failed = True
                bench.skip(line.name, f"failed: {type(error).__name__}: {' '.join(str(error).split())}")
            print(f"{line.name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
            if arguments.json:
                write_json(arguments.json, found, bench.rows, bench.skips, bench.samples)
    report = markdown(found, bench.rows, bench.skips)
    print(report)
    if arguments.write:
        write_page(arguments.write, report)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
