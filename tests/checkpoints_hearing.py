"""Recognisers in the layouts of transformers: a Whisper that says what its script says, and small ones with chance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from checkpoint_parts import save_model, write_card, write_json

SCRIPT = ("<|0.00|>", " Good morning,", " my friends.", "<|1.00|>", "<|1.20|>", " How are you?", "<|2.00|>")
CHUNK = 10  # seconds of a window
LANGUAGES = ("en", "de")
WIDTH = 128
MARKS = ("<|endoftext|>", "<|startoftranscript|>")
TASKS = ("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>")


def list_tokens(script: Sequence[str], languages: Sequence[str]) -> list[str]:
    """The vocabulary: words, marks, languages, and time stamps of 20 ms at the end."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = [as_bytes(word) for word in dict.fromkeys(script) if not word.startswith("<|")]
    times = [f"<|{step * 0.02:.2f}|>" for step in range(CHUNK * 50 + 1)]
    return [*letters, *words, *MARKS, *(f"<|{code}|>" for code in languages), *TASKS, *times]


def as_bytes(text: str) -> str:
    """A text as a byte-level tokenizer writes it."""
    pieces = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    return str(pieces[0][0])


def build_whisper(
    folder: Path, script: Sequence[str] = SCRIPT, languages: Sequence[str] = LANGUAGES, silent: bool = False
) -> Path:
    """A Whisper that says its script in each window, whatever it hears; if `silent`, it is sure that nobody speaks.

    The positions of the decoder hold what it says: all layers give nothing.
    """
    tokens = list_tokens(script, languages)
    ids = {token: number for number, token in enumerate(tokens)}
    end, start = ids[MARKS[0]], ids[MARKS[1]]
    config = transformers.WhisperConfig(
        vocab_size=len(tokens),
        d_model=WIDTH,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=CHUNK * 50,
        max_target_positions=64,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    torch.manual_seed(0)
    model = transformers.WhisperForConditionalGeneration(config)
    prompt = [f"<|{languages[-1]}|>", "<|transcribe|>"] if languages else []
    written = [token if token.startswith("<|") else as_bytes(token) for token in script]
    said = [*prompt, *written, MARKS[0]]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "layer_norm" not in name:
                weight.zero_()
        rows = torch.randint(0, 2, (len(tokens), WIDTH)).float() * 2 - 1
        model.model.decoder.embed_tokens.weight.copy_(rows)
        for place, token in enumerate(said):
            model.model.decoder.embed_positions.weight[place] = 20 * rows[ids[token]]
        for place in range(len(said), 64):
            model.model.decoder.embed_positions.weight[place] = 20 * rows[end]
        if silent:
            model.model.decoder.embed_positions.weight[0] = 20 * rows[ids["<|nospeech|>"]]
            model.model.decoder.embed_positions.weight[len(prompt) :] = 20 * torch.randn(64 - len(prompt), WIDTH)
            model.model.decoder.layer_norm.weight.fill_(0.08)
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
        max_length=64,
        is_multilingual=bool(languages),
        no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"],
        max_initial_timestamp_index=50,
        return_timestamps=False,
    )
    if languages:
        model.generation_config.lang_to_id = {f"<|{code}|>": ids[f"<|{code}|>"] for code in languages}
        model.generation_config.task_to_id = {name: ids[f"<|{name}|>"] for name in ("transcribe", "translate")}
    save_model(model, folder)
    transformers.WhisperFeatureExtractor(chunk_length=CHUNK).save_pretrained(folder)
    write_tokenizer(folder, ids, [token for token in tokens if token.startswith("<|")])
    write_card(folder, "mit", "automatic-speech-recognition", "transformers")
    return folder


def write_tokenizer(folder: Path, ids: dict[str, int], special: Sequence[str]) -> None:
    """The tokenizer of the script: words are tokens as they are."""
    plain = {token: number for token, number in ids.items() if token not in special}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(plain, []))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special))
    tokenizer.save(str(folder / "tokenizer.json"))
    mark = MARKS[0]
    stated: dict[str, Any] = {"tokenizer_class": "WhisperTokenizer", "model_max_length": 64}
    write_json(
        folder / "tokenizer_config.json",
        stated | dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), mark),
    )


def build_wav2vec2(folder: Path) -> Path:
    """A small Wav2Vec2 for CTC, with chance weights: it hears letters where there is sound."""
    torch.manual_seed(3)
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOINSHRDLUMWCFGYPBVK'XJQZ"]
    config = transformers.Wav2Vec2Config(
        vocab_size=len(letters),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16, 16),
        conv_kernel=(20, 8),
        conv_stride=(20, 16),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        initializer_range=0.5,
        pad_token_id=0,
    )
    save_model(transformers.Wav2Vec2ForCTC(config), folder)
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    write_json(folder / "vocab.json", {letter: number for number, letter in enumerate(letters)})
    transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    write_card(folder, "apache-2.0", "automatic-speech-recognition", "transformers")
    return folder


def build_parakeet(folder: Path) -> Path:
    """A small Parakeet for CTC, with chance weights and words for tokens."""
    torch.manual_seed(2)
    words = ["<unk>", "<pad>", *(f"\u2581{word}" for word in ("one", "two", "three", "four", "five", "six", "seven"))]
    encoder = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "subsampling_conv_channels": 8,
        "scale_input": False,
    }
    config = transformers.ParakeetCTCConfig(vocab_size=len(words), pad_token_id=1, encoder_config=encoder)
    model = transformers.ParakeetForCTC(config)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Linear):
            module.reset_parameters()
    save_model(model, folder)
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    tokenizer.decoder = tokenizers.decoders.Metaspace()
    told = transformers.ParakeetTokenizer(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>")
    extractor = transformers.ParakeetFeatureExtractor()
    transformers.ParakeetProcessor(extractor, told, blank_token="<pad>", decoder_type="ctc").save_pretrained(folder)
    write_card(folder, "cc-by-4.0", "automatic-speech-recognition", "transformers")
    return folder


def build_moonshine(folder: Path) -> Path:
    """A small Moonshine with chance weights."""
    from checkpoint_parts import write_gpt2_tokenizer

    torch.manual_seed(1)
    vocabulary = write_gpt2_tokenizer(folder, 64)
    end = vocabulary["<|endoftext|>"]
    config = transformers.MoonshineConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=32,
        encoder_num_hidden_layers=1,
        decoder_num_hidden_layers=1,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        initializer_range=0.4,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=end,
        pad_token_id=end,
    )
    save_model(transformers.MoonshineForConditionalGeneration(config), folder)
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True, do_normalize=False).save_pretrained(folder)
    write_card(folder, "mit", "automatic-speech-recognition", "transformers")
    return folder
