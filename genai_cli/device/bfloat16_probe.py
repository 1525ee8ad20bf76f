"""How many times as fast as float32 the processor does a kind of work in bfloat16: measured in three seconds at most.

The shapes are those of Stable Diffusion 1.5 and of language models of 100 million parameters and more. Both dtypes run
in turn, and the shortest of a few runs counts, so that another busy program changes little.
"""

import time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from genai_cli.device.workload import Work

if TYPE_CHECKING:
    import torch

    Call = Callable[[], object]
    Part = Callable[[torch.dtype], Call]

LONGEST = 1.2  # seconds for all parts together; what is running then is brought to its end
RUNS = 8  # of each part in each dtype, where time allows
FAR_SLOWER = (
    0.5  # the gain of a small part below which no more is measured: that of a tenth of a millisecond says little
)


def measure_gain(work: Work) -> float:
    """The time in float32 over that in bfloat16; of work that is done in several ways, the least gain of them.

    Where a small part of the work is far slower in bfloat16, no more is measured: on a processor that cannot multiply
    it, a single convolution of a usual size takes ten seconds.
    """
    import torch

    end = time.perf_counter() + LONGEST
    with torch.inference_mode():
        gain = measure_way([PILOTS[work]], end)
        if gain < FAR_SLOWER:
            return gain
        gains = []
        for way in WAYS[work]:
            gains.append(measure_way(way, end))
            if gains[-1] < 1:
                break
    return min(gains)


def measure_way(parts: "Sequence[Part]", end: float) -> float:
    """The time that the parts take in float32, over that in bfloat16. One that takes too long in bfloat16 decides."""
    took = []
    for part in parts:
        took.append(compare(part, end))
        if took[-1][1] > LONGEST:
            break
    return sum(plain for plain, _ in took) / sum(half for _, half in took)


def compare(part: "Part", end: float) -> tuple[float, float]:
    """The shortest seconds of a part in float32 and in bfloat16. First calls warm up, and count only if too long."""
    import torch

    calls = [part(torch.float32), part(torch.bfloat16)]
    best = [measure_call(call) for call in calls]
    if best[1] > LONGEST:
        return best[0], best[1]
    best = [measure_call(call) for call in calls]
    for _ in range(RUNS - 1):
        if time.perf_counter() > end:
            break
        best = [min(shortest, measure_call(call)) for shortest, call in zip(best, calls, strict=True)]
    return best[0], best[1]


def measure_call(call: "Call") -> float:
    """The seconds of a call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def convolution(channels: int, side: int) -> "Part":
    """A convolution of 3x3 over a square of pixels."""

    def make(dtype: "torch.dtype") -> "Call":
        import torch

        weight = torch.rand(channels, channels, 3, 3, dtype=dtype)
        pixels = torch.rand(1, channels, side, side, dtype=dtype)
        return lambda: torch.nn.functional.conv2d(pixels, weight, padding=1)

    return make


def products(rows: int, inputs: int, outputs: int, layers: int = 1) -> "Part":
    """Linear layers, multiplied as a model's are; each call takes the next, so that none stays in the cache."""

    def make(dtype: "torch.dtype") -> "Call":
        import torch

        from genai_cli.device.onednn import use_onednn

        stack = torch.nn.ModuleList(torch.nn.Linear(inputs, outputs, bias=False, dtype=dtype) for _ in range(layers))
        use_onednn(stack)
        values, turn = torch.rand(rows, inputs, dtype=dtype), cycle(stack)
        return lambda: [next(turn)(values) for _ in range(layers)]

    return make


def attention(heads: int, positions: int, width: int) -> "Part":
    """Attention of all positions to each other."""

    def make(dtype: "torch.dtype") -> "Call":
        import torch

        values = torch.rand(1, heads, positions, width, dtype=dtype)
        return lambda: torch.nn.functional.scaled_dot_product_attention(values, values, values)

    return make


PILOTS: "dict[Work, Part]" = {
    Work.PICTURES: convolution(64, 16),
    Work.TOKENS: products(16, 768, 768),
    Work.READING: products(64, 768, 768),
    Work.HEARING: products(64, 768, 768),
}
# The ways in which the work is done, each with its parts. One that gains nothing decides.
WAYS: "dict[Work, Sequence[Sequence[Part]]]" = {
    Work.PICTURES: [[convolution(640, 32), convolution(128, 128), products(1024, 640, 2560), attention(8, 1024, 80)]],
    Work.TOKENS: [[products(1, 2048, 2048, layers=6)], [products(16, 2048, 2048, layers=2)]],
    Work.READING: [[products(128, 768, 3072, layers=2), attention(12, 128, 64)]],
    # A third of what a layer of Whisper small does with a window of 30 s and 60 tokens, where four windows go together.
    Work.HEARING: [[products(500, 768, 3072, layers=3), attention(4, 1500, 64), products(4, 768, 3072, layers=17)]],
}
