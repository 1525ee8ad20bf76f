"""Sizes in words."""


def show_bytes(size: int) -> str:
    """A size in the unit that suits it (powers of 1000, as disks are sold)."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
