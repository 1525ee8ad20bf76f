"""/v1/embeddings, asked by OpenAI's own client, by hand, and by genai itself."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Genai, RunMain, Serve

openai = pytest.importorskip("openai")


def test_vectors_over_http_are_those_of_the_command(
    serve: Serve, genai: Genai, run_main: RunMain, encoder: Path
) -> None:
    texts = [f"the plot was bad {number}" for number in range(300)]
    (genai.cwd / "texts.txt").write_text("\n".join(texts))
    done = run_main("embed", "--prompts", "texts.txt", "-m", encoder, "-o", "vectors.npy")
    assert done.code == 0, done.stderr
    vectors = np.load(genai.cwd / "vectors.npy")

    server, name = serve("-m", encoder), str(encoder)
    client = server.client()
    answer = client.embeddings.create(model=name, input=texts)  # which asks for base64 and reads it
    assert [item.index for item in answer.data] == list(range(300))
    assert np.array_equal(np.float32([item.embedding for item in answer.data]), vectors)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 300 * 4
    plain = client.embeddings.create(model=name, input=texts[0], encoding_format="float", dimensions=8)
    cut = vectors[0, :8] / np.linalg.norm(vectors[0, :8])
    assert plain.data[0].embedding == pytest.approx(cut, abs=1e-6)

    status, _, body = server.ask("POST", "/v1/embeddings", {"input": texts[0], "encoding_format": "base64"})
    packed = json.loads(body)["data"][0]["embedding"]
    assert (status, np.array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), vectors[0])) == (200, True)
    for wrong, words in (
        ({"input": [[1, 2, 3]]}, "input holds tokens"),
        ({"input": [1, 2]}, "input holds tokens"),
        ({"input": []}, "input must be a text or a list of texts"),
        ({"input": ""}, "the prompt is empty"),
        ({"input": "a", "dimensions": 100}, "--dimensions is 100"),
        ({"input": "a", "dimensions": 0}, "--dimensions must be"),
        ({"input": "a", "encoding_format": "hex"}, "unknown encoding format 'hex'"),
        ({"input": ["a"] * 2049}, "more than 2048 results"),
    ):
        status, _, body = server.ask("POST", "/v1/embeddings", wrong)
        assert (status, words in json.loads(body)["error"]["message"]) == (400, True), body

    address = f"http://127.0.0.1:{server.port}/v1"
    done = genai("embed", *texts[:3], "-m", address, "-o", "served.npy")
    assert done.code == 0, done.stderr
    assert np.array_equal(np.load(genai.cwd / "served.npy"), vectors[:3])
    done = run_main("embed", "a", "--pooling", "cls", "-m", address)
    assert (done.code, "--pooling does not work with a server" in done.stderr) == (2, True)
    requests = [
        {"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": name, "input": texts[:2]}}
    ]
    (genai.cwd / "requests.jsonl").write_text("".join(json.dumps(row) + "\n" for row in requests))
    done = run_main("batch", "requests.jsonl", "--format", "openai", "-o", "answers.jsonl")
    assert done.code == 0, done.stderr
    body = json.loads((genai.cwd / "answers.jsonl").read_text())["response"]["body"]
    assert [np.float32(item["embedding"]).tolist() for item in body["data"]] == vectors[:2].tolist()
