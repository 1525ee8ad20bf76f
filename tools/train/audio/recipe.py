"""The whole recipe up to the exported folder: codec, codebooks, coded melodies, decoder."""

from pathlib import Path

import torch
from transformers import EncodecModel

from tools.train.audio.codec import draw_initial_crops, train_continuous, train_quantized
from tools.train.audio.decoder import Trained, train_decoder
from tools.train.audio.export import export_model
from tools.train.audio.networks import build_codec, build_model, initialize_from_data
from tools.train.audio.pool import Pool, encode_all, quantize_all
from tools.train.audio.quantization import fit_codebooks
from tools.train.audio.tokens import build_tokenizer
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint

# Shares of the time. The decoder gets the rest.
CONTINUOUS_SHARE = 0.23
QUANTIZED_SHARE = 0.33


def _code_melodies(codec: EncodecModel, path: Path, seed: int) -> Pool:
    """Fit the codebooks and code every melody, or load both from the file."""
    saved = load_checkpoint(path)
    if saved is None:
        latents = encode_all(codec)
        fit_codebooks(codec, torch.cat([part.transpose(1, 2).flatten(0, 1) for part in latents.values()]), seed)
        saved = {"codebooks": codec.quantizer.state_dict(), "codes": quantize_all(codec, latents).codes}
        save_checkpoint(path, saved)
    codec.quantizer.load_state_dict(saved["codebooks"])
    return Pool(saved["codes"])


def train(folder: Path, seconds: float, seed: int) -> Trained:
    """Train all stages and write the exported model to folder/model. Resumes from the checkpoints in the folder."""
    torch.manual_seed(seed)
    codec = build_codec()
    if not (folder / "codec.pt").exists():
        initialize_from_data(codec, draw_initial_crops(seed))
    train_continuous(codec, folder, CONTINUOUS_SHARE * seconds, seed)
    pool = _code_melodies(codec, folder / "pool.pt", seed)
    train_quantized(codec, folder, QUANTIZED_SHARE * seconds, seed)
    tokenizer = build_tokenizer(seed)
    torch.manual_seed(seed)
    model = build_model(len(tokenizer), codec.eval())
    rest = (1 - CONTINUOUS_SHARE - QUANTIZED_SHARE) * seconds
    return train_decoder(
        folder, model, tokenizer, pool, rest, seed, lambda trained: export_model(folder / "model", trained, tokenizer)
    )
