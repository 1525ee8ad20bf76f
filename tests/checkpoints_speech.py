"""Checkpoints in the layouts of models that speak, small and with seeded random weights."""

from pathlib import Path
from typing import Any

import torch
import transformers
from checkpoint_parts import (
    byte_level_tokenizer,
    byte_pairs,
    save_model,
    update_json,
    write_card,
    write_decoys,
    write_json,
)
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing

LETTERS = ["<pad>", *" abcdefghijklmnopqrstuvwxyz'.,!?", "<unk>"]
CSM_CODES = 16  # of a codebook; 0 is the end
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


def build_dac(folder: Path) -> Path:
    """The codec of Dia: frames of nine parts, 512 samples each at 44.1 kHz."""
    torch.manual_seed(1)
    config = transformers.DacConfig(encoder_hidden_size=2, decoder_hidden_size=32, sampling_rate=44100)
    save_model(transformers.DacModel(config), folder)
    write_card(folder, "mit", "audio-to-audio", "transformers")
    return folder


def build_dia(folder: Path, codec: str = "codec", end: float = 1.3) -> Path:
    """Dia, whose text is bytes; `codec` is as in Pocket TTS, and `end` how likely it is to come to an end."""
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 16, "head_dim": 8}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    cross = {"cross_num_attention_heads": 2, "cross_num_key_value_heads": 2, "cross_head_dim": 8}
    config = transformers.DiaConfig(
        encoder_config=sizes | heads, decoder_config=sizes | heads | cross | {"cross_hidden_size": 16}
    )
    model = transformers.DiaForConditionalGeneration(config)
    for part in (model.model.encoder, model.model.decoder):
        for weight in part.parameters():
            weight.data *= 10 if weight.ndim > 1 else 1
    model.logits_dense.weight.data[config.decoder_config.eos_token_id] *= end
    settings = {"do_sample": True, "guidance_scale": 3.0, "temperature": 1.8, "top_p": 0.9, "top_k": 45}
    tokens = {"pad_token_id": 1025, "bos_token_id": 1026, "eos_token_id": 1024, "decoder_start_token_id": 1026}
    model.generation_config = transformers.GenerationConfig(max_length=3072, **settings, **tokens)
    save_model(model, folder)
    transformers.DiaTokenizer().save_pretrained(folder)
    transformers.DiaFeatureExtractor(sampling_rate=44100).save_pretrained(folder)
    update_json(folder / "preprocessor_config.json", processor_class="DiaProcessor")
    named = {"audio_tokenizer_class": "DacModel", "audio_tokenizer_name_or_path": codec}
    write_json(folder / "audio_tokenizer_config.json", named)
    write_card(folder, "apache-2.0", "text-to-speech", "transformers")
    if "/" not in codec:
        build_dac(folder / codec)
    return folder


def build_csm(folder: Path, sounds: int = CSM_CODES) -> Path:
    """CSM with Mimi inside, frames of two parts at 24 kHz, and beside it the weights of another program.

    `sounds` is how many codes Mimi knows.
    """
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = byte_pairs(["<|begin_of_text|>", "<|end_of_text|>", "<|AUDIO|>", "<|audio_eos|>"])
    begin, end, sound, last = (vocabulary[token] for token in list(vocabulary)[-4:])
    tokenizer = byte_level_tokenizer(vocabulary, merges, list(vocabulary)[-4:])
    tokenizer.post_processor = TemplateProcessing(
        single="<|begin_of_text|> $A <|end_of_text|>",
        special_tokens=[("<|begin_of_text|>", begin), ("<|end_of_text|>", end)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>", "pad_token": "<|end_of_text|>"}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"} | names)
    sizes = {"num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 16, "initializer_range": 0.5}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    codes = {"num_codebooks": 2, "vocab_size": CSM_CODES}
    codec = {"num_filters": 4, "upsample_groups": 16, "codebook_dim": 8, "vector_quantization_hidden_dimension": 8}
    config = transformers.CsmConfig(
        **sizes,
        **heads,
        **codes,
        text_vocab_size=len(vocabulary),
        depth_decoder_config=sizes | heads | codes | {"backbone_hidden_size": 16},
        codec_config=sizes | heads | codec | {"model_type": "mimi", "num_quantizers": 2, "codebook_size": sounds},
        codebook_pad_token_id=CSM_CODES - 1,
        bos_token_id=begin,
        pad_token_id=sound,
        audio_token_id=sound,
        audio_eos_token_id=last,
    )
    model = transformers.CsmForConditionalGeneration(config)
    model.lm_head.weight.data *= 0.4  # so that any code is likely, and so is the end
    model.lm_head.weight.data[0] = 0
    model.embed_text_tokens.weight.data[end] = 0  # so that the words before it tell more
    for name, values in model.codec_model.named_buffers():
        if name.endswith("embed_sum"):
            values.normal_()  # a new codebook is all zeros
    model.generation_config = transformers.GenerationConfig(do_sample=True, temperature=0.9, max_new_tokens=125)
    model.depth_decoder.generation_config = transformers.GenerationConfig(do_sample=True, temperature=0.9)
    save_model(model, folder)
    stated, shard = "transformers.safetensors.index.json", "transformers-00001-of-00001.safetensors"
    (folder / "model.safetensors").rename(folder / shard)
    write_json(folder / stated, {"metadata": {}, "weight_map": dict.fromkeys(load_file(folder / shard), shard)})
    update_json(folder / "config.json", transformers_weights=stated)
    write_card(folder, "apache-2.0", "text-to-speech", "transformers")
    write_decoys(folder, "model.safetensors", "ckpt.pt")
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
