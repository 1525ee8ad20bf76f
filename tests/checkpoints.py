"""Checkpoints in the layouts of transformers' models, small and with seeded random weights.

Beside what a model needs, a folder holds decoys: the files that a real repository also has and nobody should ask for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from checkpoint_parts import (
    SIZES,
    byte_level_tokenizer,
    byte_pairs,
    save_model,
    t5_config,
    update_json,
    write_card,
    write_decoys,
    write_gpt2_tokenizer,
    write_json,
    write_t5_tokenizer,
    write_wordpiece,
)
from safetensors.torch import load_file, save_file

CODES = 64  # in a codebook of MusicGen's codec
# Bark's tokens: so many for meaning, then those of the text; its codec has smaller codebooks.
BARK_SEMANTIC, BARK_TEXT, BARK_CODES = 50, 58, 32
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] | trim }}"
    "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

# Text


def gpt2_config(vocabulary: Mapping[str, int], context: int) -> Any:
    """The configuration of a small GPT-2."""
    end = vocabulary["<|endoftext|>"]
    ends = {"bos_token_id": end, "eos_token_id": end}
    return transformers.GPT2Config(
        vocab_size=len(vocabulary), n_positions=context, n_embd=32, n_layer=2, n_head=4, initializer_range=0.3, **ends
    )


def save_gpt2(folder: Path, context: int, **options: Any) -> None:
    """GPT-2 with its tokenizer and card, and no decoys."""
    torch.manual_seed(0)
    vocabulary = write_gpt2_tokenizer(folder, context)
    model = transformers.GPT2LMHeadModel(gpt2_config(vocabulary, context))
    never_end(model)
    save_model(model, folder, **options)
    write_card(folder, "mit", "text-generation", "transformers")


def never_end(model: Any) -> None:
    """Have a random GPT-2 never choose its last token: now and then a text would have that one alone, and be empty.

    What comes out of a LayerNorm has a mean of zero. So a bias that is equal everywhere moves the score of the last
    token alone, once all others have a weight whose mean is zero, too.
    """
    with torch.no_grad():
        weight = model.transformer.wte.weight
        weight -= weight.mean(dim=1, keepdim=True)
        weight[model.config.eos_token_id] = -1.0
        model.transformer.ln_f.bias.fill_(1.0)


def build_gpt2(folder: Path, context: int = 64) -> Path:
    """GPT-2 with a short context, and the real one's decoys."""
    save_gpt2(folder, context)
    weights = folder / "model.safetensors"
    # The real file names the weights without the language model's prefix.
    plain = {name.removeprefix("transformer."): value for name, value in load_file(weights).items()}
    save_file(plain, weights, metadata={"format": "pt"})
    write_decoys(folder, "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "rust_model.ot", "64.tflite")
    write_decoys(folder, "onnx/decoder_model.onnx", "onnx/config.json", ".gitattributes")
    return folder


def build_gpt2_sharded(folder: Path, context: int = 64) -> Path:
    """GPT-2 with its weights in several safetensors files and an index."""
    save_gpt2(folder, context, max_shard_size="40KB")
    write_decoys(folder, "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin")
    write_json(folder / "pytorch_model.bin.index.json", {"metadata": {}, "weight_map": {}})
    return folder


class Canary:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        # Built-ins only, so that any process can run it.
        return exec, (f"open({str(self.path)!r}, 'w').write('unpickled')",)


def build_pickle_only(folder: Path, canary: Path) -> Path:
    """GPT-2 with pickled weights only; reading them writes the canary file."""
    save_gpt2(folder, context=64)
    (folder / "model.safetensors").unlink()
    torch.save({"wte.weight": Canary(canary)}, folder / "pytorch_model.bin")
    return folder


def build_llama_chat(folder: Path, context: int = 256) -> Path:
    """A Llama-type model with a chat template, stored in bfloat16, sampling by its own generation_config.json."""
    torch.manual_seed(0)
    special = ["<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]
    vocabulary, merges = byte_pairs(special)
    ends = {"bos_token_id": vocabulary["<s>"], "eos_token_id": vocabulary["</s>"]}
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        num_key_value_heads=2,
        max_position_embeddings=context,
        **SIZES,
        **ends,
    )
    model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    model.generation_config = transformers.GenerationConfig(do_sample=True, temperature=0.6, top_p=0.9, **ends)
    save_model(model, folder)
    byte_level_tokenizer(vocabulary, merges, special).save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": context}
    write_json(folder / "tokenizer_config.json", settings | {"bos_token": "<s>", "eos_token": "</s>"})
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    write_card(folder, "apache-2.0", "text-generation", "transformers")
    write_decoys(folder, "original/consolidated.00.pth", "original/params.json", "model.gguf")
    return folder


# Labels


def build_distilbert(folder: Path, window: int = 64) -> Path:
    """DistilBERT with the labels of SST-2 and a short window, and the real one's decoys."""
    torch.manual_seed(0)
    config = transformers.DistilBertConfig(
        vocab_size=write_wordpiece(folder, window),
        max_position_embeddings=window,
        dim=32,
        hidden_dim=64,
        n_layers=2,
        n_heads=4,
        initializer_range=0.3,
        id2label={0: "NEGATIVE", 1: "POSITIVE"},
        label2id={"NEGATIVE": 0, "POSITIVE": 1},
    )
    save_model(transformers.DistilBertForSequenceClassification(config), folder)
    write_card(folder, "apache-2.0", "text-classification", "transformers")
    write_decoys(folder, "pytorch_model.bin", "rust_model.ot", "tf_model.h5", "map.jpeg", ".gitattributes")
    write_decoys(folder, "onnx/model.onnx", "onnx/config.json", "onnx/vocab.txt")
    return folder


def bert_config(vocabulary: int, window: int, **changes: Any) -> Any:
    """The configuration of a small BERT."""
    return transformers.BertConfig(vocab_size=vocabulary, max_position_embeddings=window, **SIZES, **changes)


def build_three_labels(folder: Path, window: int = 64) -> Path:
    """BERT with three labels."""
    torch.manual_seed(0)
    names = ["negative", "neutral", "positive"]
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    config = bert_config(write_wordpiece(folder, window), window, **labels)
    save_model(transformers.BertForSequenceClassification(config), folder)
    write_card(folder, "mit", "text-classification", "transformers")
    return folder


def build_masked_lm(folder: Path) -> Path:
    """BERT for masked language modelling: a model that no command takes."""
    torch.manual_seed(0)
    save_model(transformers.BertForMaskedLM(bert_config(write_wordpiece(folder, 64), 64)), folder)
    write_card(folder, "apache-2.0", "fill-mask", "transformers")
    return folder


# Sound


def musicgen_config(vocabulary: int) -> Any:
    """MusicGen's configuration; the codec's strides make 32000 / (8 * 5 * 4 * 4) = 50 frames a second."""
    codec = transformers.EncodecConfig(
        sampling_rate=32000,
        upsampling_ratios=[8, 5, 4, 4],
        target_bandwidths=[2.2],
        codebook_size=CODES,
        codebook_dim=8,
        hidden_size=8,
        num_filters=2,
        num_lstm_layers=1,
        norm_type="weight_norm",
        use_causal_conv=False,
    )
    decoder = transformers.MusicgenDecoderConfig(
        vocab_size=CODES,
        hidden_size=16,
        ffn_dim=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=2048,
        num_codebooks=4,
        pad_token_id=CODES,
        bos_token_id=CODES,
        initializer_factor=0.3,
    )
    return transformers.MusicgenConfig(text_encoder=t5_config(vocabulary), audio_encoder=codec, decoder=decoder)


def make_audible(codec: Any) -> None:
    """Let the codes shape the sound: a codec as it is initialised makes silence and a constant of them."""
    for layer in codec.quantizer.layers:
        torch.nn.init.normal_(layer.codebook.embed)
    with torch.no_grad():
        for name, weights in codec.decoder.named_parameters():
            if name.endswith("bias"):
                weights.zero_()
            elif name.endswith("original0"):  # the weight norm's lengths
                weights.mul_(1.7)


def build_musicgen(folder: Path) -> Path:
    """MusicGen: four codebooks of 50 frames a second, at most 30 seconds, 32000 samples a second; and decoys."""
    torch.manual_seed(0)
    model = transformers.MusicgenForConditionalGeneration(musicgen_config(write_t5_tokenizer(folder, length=512)))
    make_audible(model.audio_encoder)
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=CODES,
        decoder_start_token_id=CODES,
        pad_token_id=CODES,
        do_sample=True,
        guidance_scale=3.0,
        max_length=1500,
    )
    save_model(model, folder)
    features = transformers.EncodecFeatureExtractor(feature_size=1, sampling_rate=32000, padding_side="left")
    features.save_pretrained(folder)
    update_json(folder / "preprocessor_config.json", processor_class="MusicgenProcessor")
    update_json(folder / "tokenizer_config.json", processor_class="MusicgenProcessor")
    write_card(folder, "cc-by-nc-4.0", "text-to-audio", "transformers")
    write_decoys(folder, "state_dict.bin", "compression_state_dict.bin", "pytorch_model.bin", "spiece.model")
    return folder


def build_vits(folder: Path) -> Path:
    """A VITS model as MMS has it: speech at 16000 samples a second, as long as the text asks for."""
    torch.manual_seed(0)
    letters = ["<pad>", *" abcdefghijklmnopqrstuvwxyz'-", "<unk>"]
    config = transformers.VitsConfig(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        ffn_dim=32,
        flow_size=16,
        spectrogram_bins=9,
        upsample_initial_channel=32,
        upsample_rates=[8, 8, 4],
        upsample_kernel_sizes=[16, 16, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        prior_encoder_num_flows=1,
        prior_encoder_num_wavenet_layers=1,
        posterior_encoder_num_wavenet_layers=1,
        duration_predictor_num_flows=1,
        duration_predictor_filter_channels=16,
        depth_separable_num_layers=1,
        initializer_range=0.3,
        sampling_rate=16000,
    )
    model = transformers.VitsModel(config)
    model.decoder.conv_post.weight.data *= 0.01  # random weights would sit at full scale
    save_model(model, folder)
    write_json(folder / "vocab.json", {letter: number for number, letter in enumerate(letters)})
    settings = {"tokenizer_class": "VitsTokenizer", "language": "eng", "phonemize": False, "is_uroman": False}
    special = {"pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(folder / "tokenizer_config.json", settings | special | {"add_blank": True, "normalize": True})
    write_json(folder / "special_tokens_map.json", special)
    write_card(folder, "cc-by-nc-4.0", "text-to-speech", "transformers")
    write_decoys(folder, "pytorch_model.bin", "G_100000.pth")
    return folder


def bark_part(kind: str, tokens: int, length: int = 256, **changes: Any) -> dict[str, Any]:
    """The configuration of one of Bark's three transformers."""
    size = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "block_size": length, "initializer_range": 0.3}
    config = getattr(transformers, f"Bark{kind}Config")
    return config(input_vocab_size=tokens, output_vocab_size=tokens, bias=False, **size | changes).to_dict()


def bark_config(text_tokens: int) -> Any:
    """Bark's configuration: text becomes semantic tokens, these two codebooks of sound, and these eight."""
    codec = transformers.EncodecConfig(
        sampling_rate=24000,
        upsampling_ratios=[8, 5, 4, 2],
        target_bandwidths=[6.0],
        codebook_size=BARK_CODES,
        codebook_dim=8,
        hidden_size=8,
        num_filters=2,
        num_lstm_layers=1,
    )
    sound_tokens = BARK_SEMANTIC + 2 * BARK_CODES + 2
    return transformers.BarkConfig(
        semantic_config=bark_part("Semantic", BARK_TEXT + text_tokens + 2),
        coarse_acoustics_config=bark_part("Coarse", sound_tokens),
        fine_acoustics_config=bark_part("Fine", BARK_CODES + 1, length=64, n_codes_total=8, n_codes_given=1),
        codec_config=codec.to_dict(),
    )


def bark_generation(text_tokens: int) -> dict[str, Any]:
    """Bark's generation_config.json, whose numbers tell its kinds of token apart."""
    sound_end = BARK_SEMANTIC + 2 * BARK_CODES
    semantic = {
        "semantic_vocab_size": BARK_SEMANTIC,
        "semantic_pad_token": BARK_SEMANTIC,
        "eos_token_id": BARK_SEMANTIC,
        "text_encoding_offset": BARK_TEXT,
        "text_pad_token": BARK_TEXT + text_tokens,
        "semantic_infer_token": BARK_TEXT + text_tokens + 1,
        "max_input_semantic_length": 32,
        "max_new_tokens": 32,
        "do_sample": True,
    }
    coarse = {
        "coarse_semantic_pad_token": sound_end,
        "coarse_infer_token": sound_end + 1,
        "max_coarse_input_length": 32,
        "max_coarse_history": 60,
        "sliding_window_len": 20,
        "do_sample": True,
    }
    fine = {"max_fine_history_length": 16, "max_fine_input_length": 64}
    parts = {"semantic_config": semantic, "coarse_acoustics_config": coarse, "fine_acoustics_config": fine}
    return {"model_type": "bark", "sample_rate": 24000, "codebook_size": BARK_CODES} | parts


def build_bark(folder: Path) -> Path:
    """Bark: three transformers and a codec, 24000 samples a second, as a converted revision has it."""
    torch.manual_seed(0)
    text_tokens = write_wordpiece(folder, 64)
    update_json(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer")
    model = transformers.BarkModel(bark_config(text_tokens))
    make_audible(model.codec_model)
    save_model(model, folder)
    # By hand: the library's own class for it cannot be saved.
    write_json(folder / "generation_config.json", bark_generation(text_tokens))
    write_card(folder, "mit", "text-to-speech", "transformers")
    write_decoys(folder, "pytorch_model.bin", "text.pt", "coarse.pt", "speaker_embeddings/v2/en_speaker_0.npy")
    return folder
