"""The lines of the benchmark, a file for each family, in the order in which they run."""

from tools.bench.bench import Line
from tools.bench.lines import cold, generate, imports, limits, many, peers

FAMILIES: dict[str, tuple[Line, ...]] = {
    "imports": imports.LINES,
    "limits": limits.LINES,
    "cold": cold.LINES,
    "generate": generate.LINES,
    "many": many.LINES,
    "peers": peers.LINES,
}
