"""The figures as Markdown tables."""

from tools.train.audio.figures import ATTRIBUTES, BARS, MAIN, SECONDS, Figures, Shares
from tools.train.audio.measure import FAULTS

FAULT_LABELS = {
    "clicks": "clicks at its ends",
    "clipped": "clipped",
    "silent": "silent",
    "uneven": "with an uneven beat",
}


def _share(right: int, asked: int) -> str:
    return f"{right / asked:.0%} ({right} of {asked})" if asked else "-"


def _row(label: str, shares: Shares, bars: dict[str, float]) -> str:
    cells = []
    for name in ATTRIBUTES:
        bar = f", bar {bars[name]:.0%}" if name in bars else ""
        cells.append(_share(*shares.right[name]) + bar)
    cells += [str(shares.faults[fault]) for fault in FAULTS]
    return f"| {label} | " + " | ".join(cells) + " |"


def figures_tables(figures: Figures) -> str:
    """Shares of right attributes and faults, what went wrong, and ten plain prompts with what was heard."""
    heads = ["sounds", *ATTRIBUTES, *(FAULT_LABELS[fault] for fault in FAULTS)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, shares in figures.sets.items():
        bars = BARS if name == MAIN else {}
        lines.append(_row(f"{shares.count} prompts not seen in training, {name}", shares, bars))
    lines.append(
        _row(f"{figures.ceiling.codec.count} synthesised sounds through the codec alone", figures.ceiling.codec, {})
    )
    lines.append(
        _row(f"{figures.ceiling.synthesis.count} synthesised sounds as they are", figures.ceiling.synthesis, {})
    )
    return "\n\n".join(["\n".join(lines), _sentences(figures), _wrong_list(figures), _shown_table(figures)])


def _sentences(figures: Figures) -> str:
    ratios = ", ".join(f"{name} {ratio:.0f}" for name, ratio in figures.ceiling.distortion.items())
    return (
        f"Temperature {figures.temperature:g}, guidance scale {figures.guidance_scale:g}. "
        f"Folder: {figures.megabytes:.1f} MB. "
        f"{SECONDS:g} s of sound: {figures.seconds_a_sound:.2f} s of work on one CPU core, with measuring (bar 3 s).\n"
        f"The codec's signal-to-distortion ratio in dB on the sounds of the synthesiser: {ratios}."
    )


def _wrong_list(figures: Figures) -> str:
    if not figures.wrong:
        return f"Nothing went wrong with the prompts of {MAIN}."
    lines = [f"- {prompt!r}: {missed}" for prompt, missed in figures.wrong]
    return "\n".join([f"What went wrong with the prompts of {MAIN}:\n", *lines])


def _shown_table(figures: Figures) -> str:
    lines = ["| prompt | heard | median pitch | onsets a second |", "|---|---|---|---|"]
    for shown in figures.shown:
        heard = shown.heard
        words = [heard.instrument, heard.tempo]
        if heard.instrument != "drums":
            words += [heard.register, heard.mode]
        cells = [shown.prompt, ", ".join(filter(None, words)), f"{heard.pitch:.0f} Hz", f"{heard.rate:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
