"""Print the timings of a text by llama.cpp as JSON: python peer_llama.py FILE TOKENS THREADS.

The Python has to have xllamacpp.
"""

import json
import sys

import xllamacpp

file, tokens, threads = sys.argv[1:]
parameters = xllamacpp.CommonParams()
parameters.model.path = file
parameters.port = 0
parameters.n_ctx = 1024
parameters.n_parallel = 1
parameters.warmup = False
parameters.verbosity = -1
parameters.cpuparams.n_threads = int(threads)
server = xllamacpp.Server(parameters)
asked = {"prompt": "It was a dark and stormy night", "n_predict": int(tokens), "ignore_eos": True, "seed": 1}
found = server.handle_completions(asked | {"temperature": 0.7, "top_k": 50, "top_p": 1.0, "min_p": 0.0})
answer = json.loads(found) if isinstance(found, str) else found
print(json.dumps(answer["timings"]))
