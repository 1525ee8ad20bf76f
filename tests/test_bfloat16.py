"""dtype auto on a processor: what was measured on the machine decides, and what is made again keeps its dtype."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Genai, RunMain
from readers import record_of

from genai_cli.cli.record_rows import find_made_in
from genai_cli.device import bfloat16, bfloat16_probe
from genai_cli.device.bfloat16 import build_gain_key, choose_dtype, find_gain, find_gains_file
from genai_cli.device.bfloat16_probe import measure_gain
from genai_cli.device.kept_figures import keep_figure
from genai_cli.device.placement import select_placement
from genai_cli.device.threads import SMALL
from genai_cli.device.workload import Burden, Work
from genai_cli.request.made_in import MadeIn

QUICK = ["--steps", "2", "--seed", "7"]


def keep_gains(**gains: float) -> None:
    """State what was measured on this machine."""
    for name, gain in gains.items():
        assert keep_figure(find_gains_file(), build_gain_key(Work(name)), {"gain": gain})


@pytest.fixture
def auto(monkeypatch: pytest.MonkeyPatch) -> None:
    """No dtype is asked for, and the small models of the tests count as large ones."""
    monkeypatch.delenv("GENAI_DTYPE")
    monkeypatch.setattr(bfloat16, "SMALL", 0)


@pytest.mark.parametrize(("gain", "dtype"), [(1.3, "bfloat16"), (1.29, "float32"), (0.01, "float32")])
def test_what_was_measured_decides(gain: float, dtype: str) -> None:
    keep_gains(pictures=gain, tokens=2.0)
    chosen, reason = choose_dtype(Burden(Work.PICTURES, SMALL))
    assert chosen == dtype
    assert f"measured here for pictures: bfloat16 is {gain} times as fast" in reason


def test_nothing_is_measured_for_models_that_it_cannot_serve() -> None:
    for burden in (Burden(), Burden(Work.TOKENS, SMALL - 1), Burden(Work.TOKENS, SMALL, quantized=True)):
        assert choose_dtype(burden)[0] == "float32"
    assert not find_gains_file().exists()


def test_it_is_measured_once_a_machine() -> None:
    gain = find_gain(Work.READING)
    assert gain is not None
    assert math.isfinite(gain)
    assert gain > 0
    keep_gains(reading=7.0)
    assert find_gain(Work.READING) == 7.0
    find_gains_file().write_text("{broken")
    assert find_gain(Work.READING) not in (None, 7.0)
    key = build_gain_key(Work.READING)
    find_gains_file().write_text(json.dumps({key: {"gain": "fast"}}))
    assert isinstance(find_gain(Work.READING), float)


@pytest.mark.parametrize("work", Work)
def test_each_kind_of_work_can_be_measured(work: Work) -> None:
    assert 0 < measure_gain(work) < 1000


def spend(plain: int, half: int) -> Callable[[torch.dtype], Callable[[], object]]:
    """Work that takes so many rounds in float32, and so many in bfloat16."""

    def make(dtype: torch.dtype) -> Callable[[], object]:
        return lambda: [sum(range(2000)) for _ in range(plain if dtype is torch.float32 else half)]

    return make


@pytest.mark.parametrize(("pilot", "gain"), [((10, 13), 4), ((1, 20), 0.05)])
def test_a_small_part_decides_only_where_it_is_far_slower(
    pilot: tuple[int, int], gain: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bfloat16_probe.PILOTS, Work.PICTURES, spend(*pilot))
    monkeypatch.setitem(bfloat16_probe.WAYS, Work.PICTURES, [[spend(40, 10)]])
    assert gain / 2 < measure_gain(Work.PICTURES) < gain * 2


def test_a_machine_that_keeps_nothing_takes_float32(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (environment / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(environment / "file"))
    assert choose_dtype(Burden(Work.READING, SMALL)) == (
        "float32",
        "exact; the gain of bfloat16 could not be kept in the cache folder",
    )


@pytest.mark.usefixtures("auto")
def test_a_picture_is_made_again_in_its_dtype_and_from_its_files(run_main: RunMain, stable_diffusion: Path) -> None:
    keep_gains(pictures=1.7)
    options = ["image", "a cat", "-m", str(stable_diffusion), *QUICK]
    done = run_main(*options, "-o", "fast.png", "-v")
    assert "dtype bfloat16: measured here for pictures: bfloat16 is 1.7 times as fast" in done.stderr
    record = record_of(Path("fast.png"))
    assert (record["dtype"], record["model"]["variant"]) == ("bfloat16", "fp16")
    keep_gains(pictures=1.1)
    run_main(*options, "-o", "exact.png", "--variant", "none")
    assert record_of(Path("exact.png"))["dtype"] == "float32"
    done = run_main("rerun", "fast.png", "exact.png", "--verify")
    assert (done.code, done.stdout) == (0, "fast.png: the same\nexact.png: the same\n"), done.stderr
    run_main("rerun", "fast.png", "-o", "again.png")
    again = record_of(Path("again.png"))
    assert (again["dtype"], again["dtype_reason"]) == ("bfloat16", "that of the result that is made again")
    run_main("rerun", "fast.png", "-o", "other.png", "--dtype", "float32")
    assert record_of(Path("other.png"))["dtype"] == "float32"


def test_another_device_or_model_takes_its_own_dtype() -> None:
    earlier = MadeIn("cuda:0", "float16", None)
    assert select_placement("cpu", "auto", False, earlier=earlier).dtype == "float32"
    record = {"device": "cpu", "dtype": "bfloat16", "model": {"id": "x", "variant": "fp16"}}
    assert find_made_in(record, {}) == MadeIn("cpu", "bfloat16", "fp16")  # type: ignore[arg-type]
    assert find_made_in(record, {"model": "tiny"}) is None  # type: ignore[arg-type]
    for strange in ({"dtype": "int3"}, {"device": 3}, {"model": {"variant": "../x"}}, {"model": {"variant": 3}}):
        assert find_made_in(record | strange, {}) is None  # type: ignore[arg-type]


def test_the_doctor_says_what_was_measured(genai: Genai) -> None:
    keep_gains(pictures=1.7, tokens=1.2, reading=2.25, hearing=1.5)
    done = genai("doctor", "--offline")
    assert "dtype of pictures  bfloat16: measured here for pictures: bfloat16 is 1.7 times as fast" in done.stdout
    assert "dtype of tokens    float32: exact; measured here for tokens" in done.stdout
    assert "dtype of reading   bfloat16" in done.stdout
    assert "dtype of hearing   bfloat16" in done.stdout
