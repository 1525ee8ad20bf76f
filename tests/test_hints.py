"""A hint fits the run: it names no dtype and no device that is in use."""

from pathlib import Path

import pytest

from genai_cli.device.loading import explain_failures
from genai_cli.device.placement import Placement, fit_hint
from genai_cli.errors import DeviceError
from genai_cli.hub.fetching import ModelFiles
from genai_cli.hub.reference import ModelReference


@pytest.mark.parametrize(
    ("hint", "device", "dtype", "fitted"),
    [
        ("try --dtype float32", "cuda", "float16", "try --dtype float32"),
        ("try --dtype float32", "cpu", "float32", "try another seed or another prompt"),
        ("try --dtype float32, or another seed", "cpu", "float32", "try another seed"),
        ("try a smaller size, --dtype float16 or --device cpu", "cpu", "float32", "try a smaller size"),
        (
            "try a smaller size, --dtype float16 or --device cpu",
            "cuda:1",
            "float16",
            "try a smaller size or --device cpu",
        ),
        ("shorten the prompt", "cpu", "float32", "shorten the prompt"),
        (None, "cpu", "float32", None),
    ],
)
def test_hints_fit(hint: str | None, device: str, dtype: str, fitted: str | None) -> None:
    assert fit_hint(hint, device, dtype) == fitted


def test_a_model_that_is_too_large_is_told_with_what_helps(tmp_path: Path) -> None:
    files = ModelFiles(ModelReference("owner/large"), tmp_path, None, "GPT2LMHeadModel", None, frozenset())
    placement = Placement("cpu", "float32", "", "")
    with pytest.raises(DeviceError) as raised, explain_failures(files, placement):
        raise MemoryError
    assert (raised.value.exit_code, raised.value.hint) == (7, "try a smaller model")
