"""The memory of weights that were read from a mapped file is given back early, and no other memory is."""

import mmap
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from genai_cli.device import mapped
from genai_cli.device.mapped import SpentWeights

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what is mapped")
NUMBERS = 2_000_000  # 8 MB of them
STATISTICS = Path("/proc/self/smaps")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    save_file({name: torch.randn(NUMBERS // 1000, 1000) for name in ("first", "second")}, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def read(file: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Both tensors, as transformers opens them."""
    with safe_open(file, framework="pt") as weights:
        return weights.get_slice("first")[...], weights.get_slice("second")[...]


def in_memory(file: Path) -> int:
    """The kB of a file that its mappings hold in this process's memory."""
    lines, total, inside = STATISTICS.read_text().splitlines(), 0, False
    for line in lines:
        if "-" in line.split(maxsplit=1)[0]:
            inside = line.endswith(str(file))
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


def test_a_mapped_tensor_leaves_memory_and_reads_the_same(file: Path) -> None:
    first, second = read(file)
    copy, neighbour = first.clone(), second.clone()
    before = in_memory(file)
    spent = SpentWeights()
    spent.add(first)
    assert in_memory(file) == before >= 16_000_000 // 1024  # so few bytes wait for more
    spent.give_back()
    assert in_memory(file) <= before - 7_900_000 // 1024
    assert torch.equal(first, copy)
    assert torch.equal(second, neighbour)


def test_large_tensors_are_given_back_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "AT_ONCE", NUMBERS)  # a quarter of a tensor
    first, _ = read(file)
    first.sum()
    before = in_memory(file)
    spent = SpentWeights()
    for rows in first.split(250):
        spent.add(rows)
    assert in_memory(file) <= before - 7_900_000 // 1024


def test_ordinary_memory_and_a_transposed_view_are_left_alone(file: Path) -> None:
    with mmap.mmap(-1, 8_000_000, mmap.MAP_PRIVATE) as pages:
        numbers = torch.frombuffer(pages, dtype=torch.float32)
        numbers.fill_(1)
        kept = [numbers, torch.ones(NUMBERS), torch.ones(3), torch.empty(0), torch.ones(NUMBERS).to("meta")]
        transposed = read(file)[0].t()
        copy, before = transposed.clone(), in_memory(file)
        spent = SpentWeights()
        for tensor in [*kept, transposed]:
            spent.add(tensor)
        spent.give_back()
        assert all(bool((tensor == 1).all()) for tensor in kept[:4])
        assert in_memory(file) == before
        assert torch.equal(transposed, copy)
        del kept, tensor, numbers


def test_what_a_device_backs_is_ordinary_memory() -> None:
    with Path("/dev/zero").open("r+b") as zero, mmap.mmap(zero.fileno(), 8_000_000, mmap.MAP_PRIVATE) as pages:
        numbers = torch.frombuffer(pages, dtype=torch.float32)
        numbers.fill_(1)
        spent = SpentWeights()
        spent.add(numbers)
        spent.give_back()
        assert bool((numbers == 1).all())
        spent.tensors.clear()
        del numbers


def test_weights_leave_memory_as_a_model_is_quantized(gpt2: Path) -> None:
    from transformers import AutoModelForCausalLM

    from genai_cli.device.placement import Placement
    from genai_cli.device.quantize import quantize_model

    file = gpt2 / "model.safetensors"
    model = AutoModelForCausalLM.from_pretrained(gpt2)
    held = [weight.data for weight in model.parameters()]  # so that the mapping itself stays
    copies = [weight.clone() for weight in held]
    before = in_memory(file)
    quantize_model(model, Placement("cpu", "float32", "", "", "int8"))
    assert in_memory(file) < before / 2
    assert all(map(torch.equal, held, copies))
