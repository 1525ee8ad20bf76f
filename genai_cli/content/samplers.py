"""Which scheduler of genai other tools mean by the name of a sampler."""

import re

from genai_cli.content.parameters_text import SAMPLER_NAMES

# Spellings of ComfyUI, InvokeAI, NovelAI, Fooocus, Draw Things and Easy Diffusion, squeezed (see `squeeze`).
SPELLINGS = {
    "plms": "pndm",
    "eulerancestral": "euler-a",
    "ddimv3": "ddim",
    "unipcbh2": "unipc",
    "dpmsolver++": "dpm++2m",
    "dpmsolvermultistep": "dpm++2m",
    "dpmsolverpp": "dpm++2m",
    "dpm++2mtrailing": "dpm++2m",
    "dpm++sdegpu": "dpm++sde",
    "dpm++": "dpm++2m",
}
KARRAS, TRAILING = "karras", "trailing"
# Spacings of the noise that are not the scheduler's own, squeezed; SGM's begins where all is noise, as trailing does.
SGM_UNIFORM = "sgmuniform"
SPACINGS = frozenset(
    {SGM_UNIFORM, "exponential", "polyexponential", "beta", "kloptimal", "turbo", "ddim", "ddimuniform"}
)
SPACINGS |= {
    "alignyoursteps",
    "alignyourstepsgits",
    "alignyoursteps11",
    "alignyoursteps32",
    "linearquadratic",
    "beta57",
}


def squeeze(name: str) -> str:
    """A name without what tools spell in different ways: case, spaces, `k_` in front, `dpmpp` for `dpm++`."""
    word = re.sub(r"[^a-z0-9+]", "", re.sub(r"^(sample_|k_)+", "", name[:100].strip().lower()))
    return word.replace("dpmpp", "dpm++")


BY_NAME = {squeeze(name): short for short, name in SAMPLER_NAMES.items()} | {
    squeeze(short): short for short in SAMPLER_NAMES
}


def find_scheduler(sampler: str, schedule: str | None = None) -> tuple[str | None, bool]:
    """The scheduler that a sampler's name and its noise schedule mean, or None, and whether it is exactly that.

    `Karras` may be part of the sampler's name, or its last letter `k` (InvokeAI), or the name of the schedule.
    """
    word = squeeze(sampler)
    karras = word.endswith(KARRAS) or squeeze(schedule or "") == KARRAS
    word = word.removesuffix(KARRAS)
    found = BY_NAME.get(word) or SPELLINGS.get(word)
    if found is None and word.endswith("k"):
        found, karras = BY_NAME.get(word[:-1]) or SPELLINGS.get(word[:-1]), True
    spacing = KARRAS if karras else squeeze(schedule or "")
    ending = TRAILING if spacing == SGM_UNIFORM else spacing
    if found is None or (spacing != KARRAS and spacing not in SPACINGS) or found.endswith((f"-{ending}", spacing)):
        return found, True
    spaced = f"{found}-{ending}"
    return (spaced, True) if spaced in SAMPLER_NAMES else (found, False)
