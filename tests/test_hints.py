"""A hint fits the run: it names no dtype and no device that is in use."""

import pytest

from genai_cli.device.placement import fit_hint


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
