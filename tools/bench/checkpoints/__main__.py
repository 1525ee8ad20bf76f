"""Build one checkpoint: python -m tools.bench.checkpoints NAME FOLDER."""

import shutil
import sys
from pathlib import Path

import torch
import transformers

from tools.bench.checkpoints import hearing, language, lcm_lora, llama, music, stable_diffusion, stable_diffusion_xl

BUILDERS = {
    "sd15": stable_diffusion.build,
    "lcm-lora": lcm_lora.build,
    "sdxl": stable_diffusion_xl.build,
    "gpt2": language.build_gpt2,
    "llama": llama.build,
    "sst2": language.build_distilbert,
    "musicgen": music.build,
    "hearing": hearing.build_hearing,
    "hearing-small": hearing.build_small,
}


def main() -> None:
    """Build the checkpoint beside its final place, and move it there when it is complete."""
    name, place = sys.argv[1], Path(sys.argv[2])
    transformers.utils.logging.disable_progress_bar()
    part = place.with_name(f"{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    torch.manual_seed(0)
    # Random numbers of this size come from a GPU in a second.
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.no_grad(), device:
        BUILDERS[name](part)
    part.rename(place)


if __name__ == "__main__":
    main()
