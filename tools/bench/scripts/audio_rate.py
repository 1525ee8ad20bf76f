"""Print the seconds to make a sound of the given length."""

import sys
import time

from transformers import pipeline, set_seed

device, dtype, checkpoint, duration = sys.argv[1:]
synthesiser = pipeline("text-to-audio", checkpoint, dtype=dtype, device=device)
set_seed(1)
started = time.perf_counter()
synthesiser("electric rock solo", forward_params={"do_sample": True, "max_new_tokens": round(50 * float(duration)) + 3})
print(time.perf_counter() - started)
