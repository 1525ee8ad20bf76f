"""Matrix products in which a row's result does not depend on how many rows there are."""

from typing import Any

# Measured with MKL on AVX-512, one and two threads: with fewer rows for each thread, other kernels sum in another order
# and the last digits differ; from here on a row's result is the same, bit for bit, in any number of rows.
ROWS_A_THREAD = 8


def keep_rows_apart(model: Any) -> None:
    """Make each linear layer of a model on the CPU compute at least so many rows that all are summed alike."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.forward = FilledUp(module.forward)


class FilledUp:
    """A linear layer's forward that fills few rows up with zeros and takes their results away again."""

    def __init__(self, forward: Any) -> None:
        self.forward = forward

    def __call__(self, rows: Any) -> Any:
        """The layer's output for rows of shape (..., features)."""
        import torch

        count, least = rows.shape[:-1].numel(), ROWS_A_THREAD * torch.get_num_threads()
        if count >= least:
            return self.forward(rows)
        flat = rows.reshape(count, -1)
        filled = torch.cat([flat, flat.new_zeros(least - count, flat.shape[1])])
        return self.forward(filled)[:count].reshape(*rows.shape[:-1], -1)
