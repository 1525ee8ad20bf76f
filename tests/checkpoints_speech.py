"""Checkpoints in the layouts of models that speak, small and with seeded random weights."""

from pathlib import Path
from typing import Any

import torch
import transformers
from checkpoint_parts import save_model, update_json, write_card, write_decoys, write_json
from tokenizers import Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

LETTERS = ["<pad>", *" abcdefghijklmnopqrstuvwxyz'.,!?", "<unk>"]
FRAMES = 8  # of a letter
CORPUS = ("the train leaves at nine", "what a quick brown fox", "jumps over a lazy dog", "voice zebra hotel")


def write_letters(folder: Path, letters: list[str] = LETTERS, **changes: Any) -> None:
    """A tokenizer of letters, as MMS has it."""
    write_json(folder / "vocab.json", {letter: number for number, letter in enumerate(letters)})
    settings = {"tokenizer_class": "VitsTokenizer", "language": "eng", "phonemize": False, "is_uroman": False}
    special = {"pad_token": "<pad>", "unk_token": "<unk>"}
    settings |= special | {"add_blank": False, "normalize": True} | changes
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "special_tokens_map.json", special)


def build_fastspeech(folder: Path, speakers: int | None = None, dimensions: int | None = None) -> Path:
    """FastSpeech2Conformer with its HiFi-GAN at 16 kHz, reading letters; each takes a steady number of frames."""
    torch.manual_seed(0)
    model_config = {
        "hidden_size": 16,
        "vocab_size": len(LETTERS),
        "num_mel_bins": 8,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_linear_units": 16,
        "decoder_linear_units": 16,
        "speech_decoder_postnet_layers": 1,
        "speech_decoder_postnet_units": 8,
        "duration_predictor_channels": 8,
        "energy_predictor_channels": 8,
        "pitch_predictor_channels": 8,
        "pitch_predictor_layers": 1,
        "num_speakers": speakers,
        "speaker_embed_dim": dimensions,
    }
    vocoder = {
        "model_in_dim": 8,
        "upsample_initial_channel": 16,
        "upsample_rates": [8, 8, 2],
        "upsample_kernel_sizes": [16, 16, 4],
        "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1, 3]],
        "initializer_range": 0.3,
    }
    config = transformers.FastSpeech2ConformerWithHifiGanConfig(model_config=model_config, vocoder_config=vocoder)
    model = transformers.FastSpeech2ConformerWithHifiGan(config)
    predictor = model.model.duration_predictor.linear
    predictor.weight.data *= 0.01
    predictor.bias.data.fill_(float(torch.log(torch.tensor(FRAMES + 1.0))))
    save_model(model, folder)
    update_json(folder / "config.json", sampling_rate=16000)
    write_letters(folder)
    write_card(folder, "apache-2.0", "text-to-speech", "transformers")
    write_decoys(folder, "pytorch_model.bin")
    return folder


def write_characters(folder: Path) -> int:
    """A sentencepiece tokenizer of characters, as SpeechT5 has it; the size of its vocabulary."""
    import sentencepiece

    prefix = folder / "spm_char"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 5),
        model_prefix=str(prefix),
        model_type="char",
        vocab_size=40,
        hard_vocab_limit=False,
        bos_id=0,
        pad_id=1,
        eos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    prefix.with_suffix(".vocab").unlink()
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "SpeechT5Tokenizer", "model_max_length": 600})
    tokenizer = transformers.SpeechT5Tokenizer(str(prefix.with_suffix(".model")))
    return len(tokenizer)


def build_speecht5_vocoder(folder: Path) -> Path:
    """The HiFi-GAN of SpeechT5."""
    torch.manual_seed(1)
    config = transformers.SpeechT5HifiGanConfig(
        model_in_dim=8,
        upsample_initial_channel=16,
        upsample_rates=[8, 8, 4],
        upsample_kernel_sizes=[16, 16, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        initializer_range=0.3,
        normalize_before=False,
    )
    model = transformers.SpeechT5HifiGan(config)
    model.conv_post.weight.data *= 0.01  # random weights would sit at full scale
    save_model(model, folder)
    write_card(folder, "mit", "audio-to-audio", "transformers")
    return folder


def build_speecht5(folder: Path, with_vocoder: bool = True) -> Path:
    """SpeechT5, which takes its voice from a vector of 16 numbers, and its vocoder beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    tokens = write_characters(folder)
    config = transformers.SpeechT5Config(
        vocab_size=tokens,
        hidden_size=16,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_layers=1,
        decoder_ffn_dim=16,
        decoder_attention_heads=2,
        num_mel_bins=8,
        speech_decoder_prenet_units=8,
        speech_decoder_postnet_layers=1,
        speech_decoder_postnet_units=8,
        speaker_embedding_dim=16,
        max_text_positions=128,
        max_speech_positions=400,
        initializer_range=0.3,
    )
    model = transformers.SpeechT5ForTextToSpeech(config)
    model.speech_decoder_postnet.prob_out.bias.data.fill_(-30)  # it ends where it has to
    save_model(model, folder)
    write_card(folder, "mit", "text-to-speech", "transformers")
    write_decoys(folder, "pytorch_model.bin")
    if with_vocoder:
        build_speecht5_vocoder(folder / "vocoder")
    return folder


PLACEHOLDERS = {
    "audio_prompt_token": "<|audio_prompt|>",
    "audio_latent_token": "<|audio_latent|>",
    "audio_prompt_bos_token": "<|audio_prompt_bos|>",
    "audio_bos_token": "<|audio_bos|>",
}
SPEECH_TEMPLATE = (
    "{% for part in messages[0]['content'] %}{% if part['type'] == 'audio' %}<|audio_prompt_bos|><|audio_prompt|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|audio_bos|>"
)


def build_pocket_codec(folder: Path) -> Path:
    """The codec of Pocket TTS: frames of eight numbers, 1920 samples each at 24 kHz."""
    torch.manual_seed(1)
    config = transformers.PocketTTSAudioTokenizerConfig(
        hidden_size=16,
        num_filters=4,
        upsample_groups=16,
        num_hidden_layers=1,
        intermediate_size=16,
        num_attention_heads=2,
        num_key_value_heads=2,
        latent_dim=8,
        initializer_range=0.2,
    )
    save_model(transformers.PocketTTSAudioTokenizerModel(config), folder)
    write_card(folder, "apache-2.0", "audio-to-audio", "transformers")
    return folder


def build_pocket(folder: Path, codec: str = "codec") -> Path:
    """Pocket TTS; `codec` is a folder inside, or the repository of the codec."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    special = ["<unk>", "<pad>", *PLACEHOLDERS.values()]
    vocabulary = {token: number for number, token in enumerate([*special, *map(chr, range(32, 127))])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split("", "isolated")
    tokenizer.decoder = Fuse()
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "TokenizersBackend", "unk_token": "<unk>", "pad_token": "<pad>"}
    more = {"padding_side": "left", "model_specific_special_tokens": PLACEHOLDERS}
    write_json(folder / "tokenizer_config.json", settings | more)
    config = transformers.PocketTTSConfig(
        flow_head_config={"hidden_size": 16, "num_hidden_layers": 1, "latent_dim": 8, "condition_dim": 16},
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        latent_dim=8,
        pad_token_id=vocabulary["<pad>"],
        initializer_range=0.3,
        **{f"{name}_id": vocabulary[token] for name, token in PLACEHOLDERS.items()},
    )
    model = transformers.PocketTTSForConditionalGeneration(config)
    model.eos_head.bias.data.fill_(-30)  # it ends where it has to
    model.generation_config = transformers.GenerationConfig(do_sample=True, temperature=0.7)
    save_model(model, folder)
    features = transformers.PocketTTSFeatureExtractor()
    features.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(SPEECH_TEMPLATE, encoding="utf-8")
    named = {"audio_tokenizer_class": "PocketTTSAudioTokenizerModel", "audio_tokenizer_name_or_path": codec}
    write_json(folder / "processor_config.json", {"processor_class": "PocketTTSProcessor", "audio_tokenizer": named})
    write_card(folder, "apache-2.0", "text-to-speech", "transformers")
    if "/" not in codec:
        build_pocket_codec(folder / codec)
    return folder
