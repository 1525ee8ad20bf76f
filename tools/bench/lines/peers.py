"""Other programs for the same work. They are named, so that readers know that they were not measured."""

from tools.bench.bench import Bench, Line

PROGRAMS = {
    "mflux": "runs on Apple silicon only",
    "stable-diffusion.cpp": "not raced yet; the checkpoint built here has the layout that it reads",
    "ollama": "a server with models of its own format; none with random weights is built here",
}


def name_peers(bench: Bench) -> None:
    """Note each program and why it is not measured."""
    for program, reason in PROGRAMS.items():
        bench.skip(f"peers: {program}", reason)


LINES = (Line("peers", "programs that are named as not measured", name_peers),)
