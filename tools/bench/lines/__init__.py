"""The lines of the benchmark in the order in which they run. Each family has its own file."""

from tools.bench.bench import Line
from tools.bench.lines import cold, generate, gpu, hear, imports, limits, load, many, peers, server, warm

FAMILIES: dict[str, tuple[Line, ...]] = {
    "imports": imports.LINES,
    "limits": limits.LINES,
    "cold": cold.LINES,
    "generate": generate.LINES,
    "gpu": gpu.LINES,
    "many": many.LINES,
    "warm": warm.LINES,
    "server": server.LINES,
    "load": load.LINES,
    "transcribe": hear.LINES,
    "peers": peers.LINES,
}
