"""How a run's items ended, and what that makes of its exit code."""

from dataclasses import dataclass

from genai_cli.errors import GenaiError, PartialError


@dataclass
class Report:
    """Counts of a run: `items` in all, of which some were done or had failed in earlier runs."""

    items: int
    done: int = 0
    failed: int = 0
    done_earlier: int = 0
    failed_earlier: int = 0
    elsewhere: int = 0
    """Items of other shards."""
    error: GenaiError | None = None

    def take(self, error: GenaiError | None) -> None:
        """Count one item's end."""
        if error is None:
            self.done += 1
        else:
            self.failed += 1
            self.error = error

    @property
    def all_done(self) -> int:
        """Items done, now and earlier."""
        return self.done + self.done_earlier

    @property
    def left(self) -> int:
        """Items of this run that are still to come."""
        ended = self.all_done + self.failed + self.failed_earlier
        return self.items - self.elsewhere - ended

    def text(self) -> str:
        """The counts in words; what is none is left out."""
        counts = {
            "done": self.done,
            "failed": self.failed,
            "done earlier": self.done_earlier,
            "failed earlier": self.failed_earlier,
            "left": self.left,
        }
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count or name == "done")

    def exit_code(self) -> int:
        """0 where nothing failed, one item's own code, 3 where some of several failed."""
        if self.error is not None and self.items == 1:
            return self.error.exit_code
        return PartialError.exit_code if self.failed or self.failed_earlier else 0
