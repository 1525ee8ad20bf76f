"""Exports the two networks as one model to the folder that ships: fp16, with its tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

from transformers import FastSpeech2ConformerWithHifiGan, FastSpeech2ConformerWithHifiGanConfig, VitsTokenizer

from tools.train.shared.checkpoint import load_checkpoint
from tools.train.shared.speech import SAMPLING_RATE
from tools.train.speak.networks import PAD, UNKNOWN, VOCABULARY, acoustic_config, vocoder_config


def export(work: Path, folder: Path) -> None:
    """Write config, fp16 weights and tokenizer to `folder`, from the averages of both checkpoints in `work`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = FastSpeech2ConformerWithHifiGanConfig(
        model_config=acoustic_config().to_dict(), vocoder_config=vocoder_config().to_dict()
    )
    model = FastSpeech2ConformerWithHifiGan(config)
    for part, name in ((model.model, "acoustic"), (model.vocoder, "vocoder")):
        state = load_checkpoint(work / f"{name}.pt")
        if state is None:
            raise FileNotFoundError(f"{work / name}.pt: train this stage first")
        part.load_state_dict(state["average"])
    model.half().save_pretrained(folder)
    path = folder / "config.json"
    fields = json.loads(path.read_text(encoding="utf-8")) | {"dtype": "float32", "sampling_rate": SAMPLING_RATE}
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps(VOCABULARY, indent=1) + "\n", encoding="utf-8")
    tokenizer = VitsTokenizer(
        str(vocabulary), pad_token=PAD, unk_token=UNKNOWN, add_blank=False, normalize=True, phonemize=False
    )
    tokenizer.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)
