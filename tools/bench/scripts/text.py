"""The example of a text-generation model card: pipeline("text-generation")."""

import sys
from pathlib import Path

from transformers import pipeline, set_seed

device, dtype, checkpoint, tokens, output = sys.argv[1:]
generator = pipeline("text-generation", model=checkpoint, dtype=dtype, device=device)
set_seed(1)
made = generator("It was a dark and stormy night", max_new_tokens=int(tokens), do_sample=True, temperature=0.7)
Path(output).write_text(made[0]["generated_text"], encoding="utf-8")
