"""Print the seconds to continue all prompts (a file, one per line) at a batch size."""

import sys
import time
from pathlib import Path

from transformers import pipeline, set_seed

device, dtype, checkpoint, tokens, batch_size, prompts = sys.argv[1:]
generator = pipeline("text-generation", model=checkpoint, dtype=dtype, device=device)
generator.tokenizer.pad_token = generator.tokenizer.eos_token
texts = Path(prompts).read_text(encoding="utf-8").splitlines()
set_seed(1)
started = time.perf_counter()
generator(texts, max_new_tokens=int(tokens), do_sample=True, temperature=0.7, batch_size=int(batch_size))
print(time.perf_counter() - started)
