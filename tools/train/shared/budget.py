"""Time budgets that survive a restart, and the learning rate that follows them."""

import time
from dataclasses import dataclass, field


@dataclass
class Budget:
    """Seconds of training allowed and spent; `spent_before` comes from the checkpoint of an earlier run."""

    seconds: float
    spent_before: float = 0.0
    _started: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        """Seconds of training so far, earlier runs included."""
        return self.spent_before + time.monotonic() - self._started

    @property
    def fraction(self) -> float:
        """The share of the budget that is spent, at most 1."""
        return min(1.0, self.spent / self.seconds)


def learning_rate_scale(step: int, fraction: float, warmup_steps: int = 50, decay_from: float = 0.5) -> float:
    """Linear warm-up by steps, then constant, then linear decay to zero over the rest of the time budget."""
    warmup = min(1.0, (step + 1) / warmup_steps)
    return warmup * min(1.0, (1.0 - fraction) / (1.0 - decay_from))
