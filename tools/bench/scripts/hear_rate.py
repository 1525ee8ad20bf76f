"""Print the seconds to encode windows of 30 s and to write the same number of tokens for each, in int8, once warm.

usage: hear_rate.py DEVICE DTYPE PROGRAM MODELS WINDOWS TOKENS
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy

program, models, windows, tokens = sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
START, NO_TIMES, END = 50257, 50362, 50256
THREADS = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
features = numpy.random.default_rng(0).normal(size=(windows, 80, 3000)).astype(numpy.float32)


def load_genai() -> Callable[[int], None]:
    """transformers' model with genai's layers of 8 bits, as `--quantize int8` has them."""
    import torch
    from transformers import WhisperForConditionalGeneration

    from genai_cli.device.placement import Placement
    from genai_cli.device.quantize import quantize_model

    model = WhisperForConditionalGeneration.from_pretrained(models / "transformers", dtype=torch.float32).eval()
    quantize_model(model, Placement("cpu", "float32", "", "", "int8"))
    given = torch.from_numpy(features)

    def hear(many: int) -> None:
        with torch.inference_mode():
            model.generate(given, min_new_tokens=many, max_new_tokens=many)

    return hear


def load_ctranslate2() -> Callable[[int], None]:
    """The engine of faster-whisper."""
    import ctranslate2

    model = ctranslate2.models.Whisper(
        str(models / "ctranslate2"), device="cpu", compute_type="int8", intra_threads=THREADS
    )
    given = ctranslate2.StorageView.from_array(features)

    def hear(many: int) -> None:
        prompts = [[START, NO_TIMES]] * windows
        model.generate(given, prompts, beam_size=1, max_length=many + 2, suppress_tokens=[END], suppress_blank=False)

    return hear


hear = {"genai": load_genai, "ctranslate2": load_ctranslate2}[program]()
hear(2)
started = time.perf_counter()
hear(tokens)
print(json.dumps({"seconds": time.perf_counter() - started}))
