"""The example of MusicGen's model card: pipeline("text-to-audio"), 50 tokens a second."""

import sys

import soundfile
from transformers import pipeline, set_seed

device, dtype, checkpoint, seconds, output = sys.argv[1:]
synthesiser = pipeline("text-to-audio", checkpoint, dtype=dtype, device=device)
set_seed(1)
music = synthesiser(
    "electric rock solo", forward_params={"do_sample": True, "max_new_tokens": round(50 * float(seconds)) + 3}
)
soundfile.write(output, music["audio"].T, music["sampling_rate"])
