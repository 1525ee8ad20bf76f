"""Print the seconds and the text of a sound heard by another program, which has heard a shorter one before.

usage: hear.py DEVICE DTYPE PROGRAM MODELS SHORT SOUND
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

program, models, short, sound = sys.argv[3], Path(sys.argv[4]), sys.argv[5], sys.argv[6]
THREADS = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def load_openai() -> Callable[[str], str]:
    """openai-whisper as its command runs it, but greedy; it is given samples, as its own reader needs ffmpeg."""
    import soundfile
    import torch
    import whisper

    torch.set_num_threads(THREADS)
    model = whisper.load_model(str(models / "tiny.en.pt"), device="cpu")

    def hear(path: str) -> str:
        samples = soundfile.read(path, dtype="float32")[0]
        return str(model.transcribe(samples, fp16=False, language="en")["text"])

    return hear


def load_faster(beams: int) -> Callable[[str], str]:
    """faster-whisper in int8."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(models / "ctranslate2"), device="cpu", compute_type="int8", cpu_threads=THREADS)

    def hear(path: str) -> str:
        return "".join(segment.text for segment in model.transcribe(path, beam_size=beams, language="en")[0])

    return hear


def load_cpp() -> Callable[[str], str]:
    """whisper.cpp."""
    from pywhispercpp.model import Model

    model = Model(str(models / "ggml-tiny.en.bin"), n_threads=THREADS, print_progress=False)

    def hear(path: str) -> str:
        return " ".join(segment.text for segment in model.transcribe(path))

    return hear


LOADERS: dict[str, Callable[[], Callable[[str], str]]] = {
    "openai-whisper": load_openai,
    "faster-whisper-greedy": lambda: load_faster(1),
    "faster-whisper-beam-5": lambda: load_faster(5),
    "whisper.cpp": load_cpp,
}
hear = LOADERS[program]()
hear(short)
started, used = time.perf_counter(), time.process_time()
text = hear(sound)
seconds, cpu = time.perf_counter() - started, time.process_time() - used
print(json.dumps({"seconds": seconds, "cpu": cpu, "text": text}))
