"""--compile, the policy that decides where nobody asked, and what it learns."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Genai, RunMain

from genai_cli.device.compile_decision import Decision, Situation, Times, decide
from genai_cli.device.compile_times import Lesson, build_times_key, find_times_file, read_times
from genai_cli.device.compiling import CompiledCall
from genai_cli.modality.image import ImageRequest
from genai_cli.modality.text import TextRequest
from genai_cli.request.request import Request
from genai_cli.work import loaded_model
from genai_cli.work.job import Job
from genai_cli.work.runner import find_usual_pace

GIGABYTE = 2**30
ESTIMATE = Times(2.0, 1.6, 120.0)
ON_CUDA = Situation("image", "cuda", items=1, weights=2 * GIGABYTE, free_memory=20 * GIGABYTE, estimate=ESTIMATE)
KNOWN = Times(eager=2.0, compiled=1.0, compiling=60.0)


def situation(**changes: object) -> Situation:
    from dataclasses import replace

    return replace(ON_CUDA, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, False),
        ({"items": 100}, False),  # no times are known: the estimate expects little
        ({"items": 1000}, True),
        ({"items": 120, "times": KNOWN}, False),  # 120 s saved are not more than twice 60 s
        ({"items": 121, "times": KNOWN}, True),
        ({"items": 10**6, "times": Times(eager=1.0, compiled=1.0, compiling=1.0)}, False),
        ({"items": 10**6, "times": KNOWN, "free_memory": GIGABYTE}, False),
        ({"items": 10**6, "times": KNOWN, "device": "cpu", "free_memory": None}, False),
        ({"items": 10**6, "times": KNOWN, "device": "mps", "free_memory": None}, False),
        ({"items": 10**6, "times": KNOWN, "estimate": None}, False),
        ({"items": 10**6, "times": KNOWN, "asked": False}, False),
        ({"device": "cpu", "free_memory": None, "asked": True}, True),
        ({"estimate": None, "asked": True}, False),
    ],
)
def test_compiling_is_decided_by_what_it_saves(changes: dict[str, object], wanted: bool) -> None:
    decision = decide(situation(**changes))
    assert decision.compile is wanted
    assert decision.reason


def test_one_known_time_scales_the_estimate() -> None:
    eager_only = Times(eager=20.0)
    assert not decide(situation(items=60, times=eager_only)).compile  # 60 x (20 - 16) s = 2 x 120 s
    assert decide(situation(items=61, times=eager_only)).compile


def test_what_items_took_is_learnt_and_kept(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(environment / "cache"))
    plain, compiled = Lesson("card"), Lesson("card")
    plain.take(9.0, compiled=False)
    assert read_times("card") == Times()
    for seconds in (2.0, 2.0):
        plain.take(seconds, compiled=False)
    for seconds in (61.0, 1.0, 1.0):
        compiled.take(seconds, compiled=True)
    assert read_times("card") == Times(eager=2.0, compiled=1.0, compiling=60.0)
    assert read_times("another card") == Times()
    assert [path.name for path in find_times_file().parent.iterdir()] == ["compile-times.json"]
    find_times_file().write_text("{broken")
    assert read_times("card") == Times()
    find_times_file().write_text('{"card": {"eager": "fast"}}')
    assert read_times("card") == Times()


def test_only_what_is_left_to_make_counts(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def watched(situation: Situation) -> Decision:
        asked.append(situation.items)
        return decide(situation)

    monkeypatch.setattr(loaded_model, "decide", watched)
    Path("prompts.txt").write_text("".join(f"text {number}\n" for number in range(5)))
    command = ["text", "--prompts", "prompts.txt", "-m", "tiny", "--max-new-tokens", "4", "-o", "out/"]
    assert [run_main(*command, *limit).code for limit in (["--limit", "3"], [])] == [0, 0]
    assert asked == [3, 2]


def test_times_belong_to_a_size_and_steps() -> None:
    def jobs(*requests: Request) -> list[Job]:
        return [Job(index, str(index), str(index), request) for index, request in enumerate(requests)]

    small = ImageRequest(prompt="a cat", model="tiny", width=64, height=64, num_inference_steps=20)
    large = ImageRequest(prompt="a dog", model="tiny", width=512, height=512)
    assert find_usual_pace(jobs(small, large, large)) == large.pace() == "512x512, default steps of default"
    assert find_usual_pace([]) == ""
    text = TextRequest(prompt="It was", model="tiny", max_new_tokens=64)
    assert text.pace() == TextRequest(prompt="another one", model="tiny", max_new_tokens=64, temperature=0.1).pace()
    keys = {build_times_key(request.task, request.pace(), "tiny", "cpu") for request in (small, large, text)}
    assert len(keys) == 3


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for a cpu needs a C++ compiler")
def test_a_compiled_model_writes_the_same_text(run_main: RunMain, gpt2: Path) -> None:
    options = ["-m", str(gpt2), "--seed", "3", "--max-new-tokens", "12", "--json"]
    plain = json.loads(run_main("text", "It was", *options).stdout)
    done = run_main("text", "It was", *options, "--compile")
    compiled = json.loads(done.stdout)
    assert (done.code, done.stderr) == (0, "")
    assert "compiled" not in plain
    assert compiled["compiled"] is True
    assert (compiled["text"], compiled["key"]) == (plain["text"], plain["key"])


def test_where_the_compiler_fails_the_model_runs_as_it_is(genai: Genai, gpt2: Path, tmp_path: Path) -> None:
    options = ["-m", gpt2, "--max-new-tokens", "5", "--seed", "1", "--json"]
    env = {"CXX": str(tmp_path / "no-compiler"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor")}
    done = genai("text", "It was", *options, "--compile", env=env)
    assert done.code == 0, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "could not be compiled and runs as it is" in done.stderr
    record = json.loads(done.stdout)
    assert record["compiled"] is False
    assert record["text"] == json.loads(genai("text", "It was", *options).stdout)["text"]


def test_a_picture_s_network_is_compiled_in_its_place(stable_diffusion: Path) -> None:
    import diffusers
    import torch

    from genai_cli.device.compiling import compile_denoiser

    pipeline = diffusers.DiffusionPipeline.from_pretrained(stable_diffusion)
    pipeline.set_progress_bar_config(disable=True)
    arguments = {"num_inference_steps": 1, "output_type": "np", "height": 64, "width": 64}
    plain = pipeline("a cat", generator=torch.Generator().manual_seed(1), **arguments).images

    def no_compiler(*_: object) -> object:
        raise RuntimeError("no compiler")

    for backend in ("eager", no_compiler):  # the graph is taken and run as it is, or refused
        compiled = compile_denoiser(pipeline, on_cuda=False, backend=backend)
        again = pipeline("a cat", generator=torch.Generator().manual_seed(1), **arguments).images
        assert compiled.active is (backend == "eager")
        del pipeline.unet.forward  # the class's own again
        assert abs(again - plain).max() < 1e-4
    assert "no compiler" in str(compiled.failure)


def test_what_is_never_compiled_says_so(run_main: RunMain) -> None:
    done = run_main("classify", "good", "-m", "tiny", "--compile", "-v")
    assert done.code == 0
    assert "compiled: no, classify is never compiled" in done.stderr


def test_too_little_memory_is_not_the_compiler_s_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def short(*_arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    call = CompiledCall(short)
    monkeypatch.setattr(call, "compiled", short)
    with pytest.raises(torch.OutOfMemoryError):
        call()
    assert call.active
