"""Print the seconds, and the tokens made, for the prompts of a file one after another: by generate, or by a server."""

import http.client
import json
import sys
import time
from pathlib import Path

device, dtype, model, port, tokens, prompts = sys.argv[1:]
texts = Path(prompts).read_text(encoding="utf-8").splitlines()


def ask_server(text: str) -> int:
    """The tokens that the server makes of a prompt."""
    body = {"model": "tiny", "prompt": text, "max_tokens": int(tokens), "temperature": 0}
    connection.request("POST", "/v1/completions", json.dumps(body))
    made: int = json.loads(connection.getresponse().read())["usage"]["completion_tokens"]
    return made


if port != "none":
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
    make = ask_server
else:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)  # the quickest for a model of this size, and what genai takes
    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)).to(device)

    def make(text: str) -> int:
        """The tokens that the library makes of a prompt."""
        inputs = tokenizer(text, return_tensors="pt").to(device)
        with torch.inference_mode():
            ids = loaded.generate(**inputs, max_new_tokens=int(tokens), do_sample=False)
        tokenizer.decode(ids[0])
        return int(ids.shape[1] - inputs["input_ids"].shape[1])


make(texts[0])
started = time.perf_counter()
made = sum(map(make, texts))
print(json.dumps({"seconds": time.perf_counter() - started, "tokens": made}))
