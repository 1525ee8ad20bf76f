"""Linear layers multiplied by oneDNN give what torch's own give."""

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from genai_cli.device import onednn

ROWS = [(1, 48), (1, 1, 48), (3, 48), (2, 5, 48)]


@pytest.fixture
def processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the system says of its processor: one of AMD."""
    if not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):
        pytest.skip("torch has not both libraries here")
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\n")
    monkeypatch.setattr(onednn, "PROCESSORS", file)
    return file


def layers(dtype: torch.dtype = torch.float32) -> nn.ModuleList:
    torch.manual_seed(1)
    return nn.ModuleList([nn.Linear(48, 80), nn.Linear(48, 80, bias=False), Conv1D(80, 48)]).to(dtype)


@torch.no_grad()
@pytest.mark.parametrize("shape", ROWS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_layer_gives_the_same_by_onednn(processor: Path, shape: tuple[int, ...], place: int) -> None:
    layer, faster = layers(), layers()
    onednn.use_onednn(faster)
    assert type(faster[place]) is not type(layer[place])
    values = torch.randn(shape)
    torch.testing.assert_close(faster[place](values), layer[place](values), rtol=1e-5, atol=1e-5)


def test_no_weight_is_copied(processor: Path) -> None:
    faster = layers()
    addresses = [weight.data_ptr() for weight in faster.parameters()]
    onednn.use_onednn(faster)
    assert [weight.data_ptr() for weight in faster.parameters()] == addresses


def test_other_dtypes_and_other_layers_stay(processor: Path) -> None:
    class OwnLinear(nn.Linear):  # type: ignore[misc]
        """A subclass, which its model may read in a way of its own."""

    kept = nn.ModuleList([*layers(torch.bfloat16), OwnLinear(48, 80)])
    onednn.use_onednn(kept)
    assert [type(layer) for layer in kept] == [nn.Linear, nn.Linear, Conv1D, OwnLinear]


def test_where_mkl_is_at_home_its_products_stay(processor: Path) -> None:
    processor.write_text("processor\t: 0\nvendor_id\t: GenuineIntel\n")
    kept = layers()
    onednn.use_onednn(kept)
    assert [type(layer) for layer in kept] == [nn.Linear, nn.Linear, Conv1D]
