"""Print the seconds of pictures by stable-diffusion.cpp, one for each number of steps, with a Python that has cyllama.

python peer_diffusion.py FILE SIZE THREADS STEPS...; the file holds a checkpoint as the releases of Stable Diffusion do.
"""

import sys
import time

from cyllama.sd import SampleMethod, SDContext, SDContextParams

file, size, threads, *steps = sys.argv[1:]
parameters = SDContextParams(model_path=file)
parameters.n_threads = int(threads)
with SDContext(parameters) as context:
    seconds = []
    for count in map(int, steps):
        started = time.perf_counter()
        context.generate(
            "an astronaut riding a horse",
            width=int(size),
            height=int(size),
            seed=1,
            sample_steps=count,
            cfg_scale=7.5,
            sample_method=SampleMethod.EULER,
        )
        seconds.append(time.perf_counter() - started)
print(*seconds)
