"""Print the seconds of pictures by stable-diffusion.cpp, one for each number of steps, with a Python that has cyllama.

python peer_diffusion.py FOLDER SIZE THREADS STEPS...; the folder holds a checkpoint in the layout of diffusers.
"""

import sys
import time

from cyllama.sd import SampleMethod, SDContext, SDContextParams

folder, size, threads, *steps = sys.argv[1:]
parameters = SDContextParams(model_path=folder)
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
