"""Calls of several commands to one model: made at once where they go together, and each as it is alone."""

import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import TIMEOUT, Build, Genai, write_rows

from genai_cli.content.sound import Sound
from genai_cli.content.text import Text
from genai_cli.device.spec import ModelSpec, Placing
from genai_cli.errors import GenaiError, InputError
from genai_cli.events import AboutItem, Event, SoundPiece, TextPiece, ignore
from genai_cli.hub.access import Access
from genai_cli.hub.reference import ModelReference
from genai_cli.modality.modality import Result
from genai_cli.modality.speak import SpeakRequest
from genai_cli.modality.text import TextRequest
from genai_cli.work.assignment import Hints
from genai_cli.work.joining import Call, Joiner
from genai_cli.work.loaded_model import LoadedModel, ModelSource
from genai_cli.work.producer import Run


class Shared:
    """A model that calls of many threads go to; `held` keeps it busy, so that calls wait for it."""

    def __init__(self, folder: Path, task: str = "text") -> None:
        spec = ModelSpec(task, ModelReference(str(folder), folder=folder), Placing(device="cpu"))
        self.loaded = LoadedModel(ModelSource(spec, Access(), ignore), Hints(), ignore)
        self.thread = ThreadPoolExecutor(1)
        self.joiner = Joiner(self.thread)
        self.callers = ThreadPoolExecutor(8)

    def run(self, *calls: Call) -> list[Run | BaseException]:
        """What comes of calls that all wait while the model is held."""
        go = threading.Event()
        self.thread.submit(go.wait, TIMEOUT)
        answers: list[Future[Run]] = []
        for number, call in enumerate(calls, 1):
            answers.append(self.callers.submit(self.joiner.generate, self.loaded, call))
            while len(self.joiner.waiting) < number:  # in their order
                pass
        go.set()
        return [answer.exception(TIMEOUT) or answer.result() for answer in answers]


@pytest.fixture(scope="module")
def shared(build: Build) -> Iterator[Shared]:
    found = Shared(build("gpt2"))
    yield found
    found.thread.shutdown()
    found.callers.shutdown()


def request(prompt: str, seed: int, **options: Any) -> TextRequest:
    return TextRequest(**{"prompt": prompt, "seed": seed, "model": "m", "max_new_tokens": 8, **options})


def show(run: Run | BaseException) -> list[str]:
    assert isinstance(run, Run)
    return [str(result) if isinstance(result, GenaiError) else text_of(result.content) for result in run.results]


def text_of(content: object) -> str:
    assert isinstance(content, Text)
    return content.text


def alone(shared: Shared, *requests: TextRequest) -> list[str]:
    """What the model makes of requests, one after another."""
    return [show(Run(shared.loaded.generate([one], ignore), 0, 1))[0] for one in requests]


def test_what_goes_together_is_made_at_once_and_as_it_is_alone(shared: Shared) -> None:
    said: dict[int, list[Event]] = {number: [] for number in range(4)}
    requests = [request(f"Chapter {number}", number, stop=("e",) if number == 2 else ()) for number in range(5)]
    hot = replace(requests[4], temperature=1.5)
    calls = [
        Call(requests[:1], said[0].append),
        Call(requests[1:3], said[1].append),
        Call([hot], said[2].append),
        Call(requests[3:4], said[3].append),
    ]
    runs = shared.run(*calls)
    assert [run.items for run in runs if isinstance(run, Run)] == [4, 4, 1, 4]
    expected = alone(shared, *requests[:4], hot)
    assert [text for run in runs for text in show(run)] == [*expected[:3], expected[4], expected[3]]
    for number, texts in {0: expected[:1], 1: expected[1:3], 2: expected[4:], 3: expected[3:4]}.items():
        for place, text in enumerate(texts):  # each hears of its own items, counted from its own first
            pieces = [event.event for event in said[number] if isinstance(event, AboutItem) and event.item == place]
            assert "".join(piece.text for piece in pieces if isinstance(piece, TextPiece)) == text


def test_no_more_than_the_smallest_limit_is_made_at_once(shared: Shared) -> None:
    calls = [Call([request("It", number)], ignore, most=most) for number, most in enumerate((None, 2, None))]
    assert [run.items for run in shared.run(*calls) if isinstance(run, Run)] == [2, 2, 1]


def test_on_an_accelerator_only_those_join_that_may(shared: Shared) -> None:
    one, other = Call([request("It", 1)], ignore, joins=True), Call([request("It", 2)], ignore)
    assert one.goes_with(other, "cpu")
    assert not one.goes_with(other, "cuda")
    assert one.goes_with(Call([request("It", 2)], ignore, joins=True), "cuda")


def test_a_command_that_leaves_costs_no_other_its_result(shared: Shared) -> None:
    def leave(_event: Event) -> None:
        raise KeyboardInterrupt

    requests = [request("It", number) for number in range(3)]
    first, gone, last = shared.run(Call(requests[:1], ignore), Call(requests[1:2], leave), Call(requests[2:], ignore))
    assert isinstance(gone, KeyboardInterrupt)
    assert show(first) + show(last) == alone(shared, requests[0], requests[2])
    both = shared.run(Call(requests[:1], leave), Call(requests[1:2], leave))
    assert [type(one) for one in both] == [KeyboardInterrupt] * 2


def test_a_failure_is_that_of_the_call_it_belongs_to(shared: Shared) -> None:
    """An item that cannot be made fails alone; where the whole group fails, each call is made alone."""
    good, long = request("It", 1), request("word " * 200, 2)
    runs = shared.run(Call([good], ignore), Call([long], ignore))
    assert show(runs[0]) == alone(shared, good)
    assert "the model's context is 64" in show(runs[1])[0]

    wrong = replace(request("It", 3), stop=("x",))
    object.__setattr__(wrong, "stop", (3,))  # what no command lets through: the library fails with a group of it
    failed, done = shared.run(Call([wrong], ignore), Call([good], ignore))
    assert isinstance(failed, GenaiError)
    assert not isinstance(failed, InputError)
    assert show(done) == alone(shared, good)


def test_each_call_hears_its_own_sound_alone(build: Build) -> None:
    speaking = Shared(build("fastspeech"), "speak")
    heard: tuple[list[Event], list[Event]] = ([], [])
    texts = ("one train. two trains", "three")
    calls = [
        Call([SpeakRequest(prompt=text, model="m", seed=1)], said.append, most=2)
        for text, said in zip(texts, heard, strict=True)
    ]
    runs = speaking.run(*calls)
    for run, said in zip(runs, heard, strict=True):
        assert isinstance(run, Run)
        (result,) = run.results
        assert isinstance(result, Result)
        pieces = [event.event for event in said if isinstance(event, AboutItem)]
        samples = b"".join(piece.samples for piece in pieces if isinstance(piece, SoundPiece))
        assert run.items == 2
        assert isinstance(result.content, Sound)
        assert samples == result.content.samples.tobytes()
    speaking.thread.shutdown()
    speaking.callers.shutdown()


def test_commands_at_once_are_grouped_in_the_worker(genai: Genai, monkeypatch: pytest.MonkeyPatch) -> None:
    """They wait for the model together, and each prints what it prints alone."""
    # Long enough that the others come while the first one is made, also on a fast machine.
    command = ["text", "-m", "tiny", "--max-new-tokens", "200", "-o", "-"]
    rows = [{"prompt": f"Chapter {number}", "seed": number} for number in range(5)]
    usual = genai(*command, "--prompts", write_rows(genai.cwd / "rows.jsonl", rows), "--json", "--batch-size", "1")
    with tempfile.TemporaryDirectory(prefix="g") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        running = [
            genai.start(*command, str(row["prompt"]), "--seed", str(row["seed"]), "--keep", "1m", "-v") for row in rows
        ]
        ended = [finish(process) for process in running]
        genai("worker", "stop")
    assert [printed for printed, _ in ended] == [f"{json.loads(line)['text']}\n" for line in usual.lines]
    assert any("at once" in said for _, said in ended)


def finish(process: "subprocess.Popen[bytes]") -> tuple[str, str]:
    """What a command printed and said, when it has ended well."""
    printed, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, said
    return printed.decode(), said.decode()
