"""Checkpoints in the layouts that the hub has them in, small and with seeded random weights.

Beside what a model needs, a folder holds decoys: the files that a real repository also has and nobody should ask for.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

# What the libraries say while checkpoints are built is not what a test looks for in the command's output.
transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
diffusers.utils.logging.set_verbosity_error()

CORPUS = """
a photo of an astronaut riding a horse on mars in the style of an oil painting, a red circle on a blue background
it was a dark and stormy night and the rain fell in torrents, except at occasional intervals, when it was checked
this movie is disgustingly good! what a dull and boring film, I liked the music, the plot was bad, we loved the actors
electric rock solo with drums and a calm piano melody, 80s pop track with bassy drums and synth
""".strip()
WORDS = sorted({word.strip(",!.") for word in CORPUS.lower().split()})

CLIP_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "max_position_embeddings": 77,
    "projection_dim": 32,
    "initializer_range": 0.5,
}
# Four levels, as in the real one: a latent stands for 8x8 pixels.
VAE = {
    "block_out_channels": (4, 4, 8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "sample_size": 64,
}
UNET = {
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}
# What Stable Diffusion states for its safety checker's eyes, but for the size.
CLIP_PICTURES = {
    "feature_extractor_type": "CLIPFeatureExtractor",
    "size": 30,
    "crop_size": 30,
    "resample": 3,
    "do_resize": True,
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
FLUX = {
    "patch_size": 1,
    "in_channels": 16,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "pooled_projection_dim": 32,
    "axes_dims_rope": (4, 4, 8),
}
# The settings of Stable Diffusion's schedulers.
DIFFUSION = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
}
CODES = 64  # in a codebook of MusicGen's codec
# Bark's tokens: so many for meaning, then those of the text; its codec has smaller codebooks.
BARK_SEMANTIC, BARK_TEXT, BARK_CODES = 50, 58, 32
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] | trim }}"
    "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


# Files


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def update_json(path: Path, **changes: Any) -> None:
    """Change some values of a JSON file."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | changes)


def write_decoys(folder: Path, *names: str) -> None:
    """Files that fail to load as anything, each with a content of its own."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"decoy: nobody should read {name}\n".encode() * 40)


def write_card(folder: Path, license_id: str, task: str, library: str) -> None:
    """A model card with front matter and the sections that real ones have."""
    (folder / "README.md").write_text(
        f"---\nlicense: {license_id}\npipeline_tag: {task}\nlibrary_name: {library}\ntags:\n- test\n---\n\n"
        "# A small model with random weights\n\n"
        "## Intended use\n\nTests of programs that run models of this layout.\n\n"
        "## Limitations\n\nIts weights are random: what it makes means nothing.\n",
        encoding="utf-8",
    )


def save_model(model: Any, folder: Path, **options: Any) -> None:
    """Save a transformers model as safetensors."""
    model.eval().save_pretrained(folder, **options)


# Tokenizers


def byte_pairs(special: Iterable[str], suffix: str = "", vocabulary: int = 400) -> tuple[dict[str, int], list[str]]:
    """The vocabulary and merges of a byte-level BPE; `suffix` marks the end of a word, as CLIP has it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(**({"end_of_word_suffix": suffix} if suffix else {})))
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
        if suffix
        else pre_tokenizers.ByteLevel(add_prefix_space=False)
    )
    settings = {"vocab_size": vocabulary, "initial_alphabet": alphabet, "show_progress": False}
    trainer = trainers.BpeTrainer(**settings, **({"end_of_word_suffix": suffix} if suffix else {}))
    tokenizer.train_from_iterator(CORPUS.splitlines(), trainer)
    merges = [" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    letters = [*alphabet, *(letter + suffix for letter in alphabet if suffix)]
    tokens = [*letters, *(merge.replace(" ", "") for merge in merges), *special]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}, merges


def write_byte_pairs(folder: Path, vocabulary: Mapping[str, int], merges: Iterable[str]) -> None:
    """The two files of a byte-level BPE."""
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")


def write_clip_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> dict[str, int]:
    """A CLIP tokenizer as Stable Diffusion has it, without tokenizer.json. Returns its vocabulary."""
    vocabulary, merges = byte_pairs(["<|startoftext|>", "<|endoftext|>"], suffix="</w>", vocabulary=700)
    write_byte_pairs(folder, vocabulary, merges)
    end = "<|endoftext|>"
    special = {"bos_token": "<|startoftext|>", "eos_token": end, "unk_token": end, "pad_token": pad}
    write_json(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    write_json(folder / "tokenizer_config.json", settings | special | {"add_prefix_space": False})
    return vocabulary


def write_gpt2_tokenizer(folder: Path, context: int) -> dict[str, int]:
    """GPT-2's tokenizer: vocab.json, merges.txt and tokenizer.json. Returns its vocabulary."""
    vocabulary, merges = byte_pairs(["<|endoftext|>"])
    write_byte_pairs(folder, vocabulary, merges)
    byte_level_tokenizer(vocabulary, merges, ["<|endoftext|>"]).save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"model_max_length": context})
    return vocabulary


def byte_level_tokenizer(vocabulary: dict[str, int], merges: Iterable[str], special: list[str]) -> Tokenizer:
    """A byte-level BPE tokenizer, as the tokenizers library has it."""
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens(special)
    return tokenizer


def write_wordpiece(folder: Path, length: int) -> int:
    """The tokenizer of the BERT family as vocab.txt. Returns the size of its vocabulary."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'\"-:;()"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), *WORDS]
    tokens = list(dict.fromkeys(tokens))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": length})
    return len(tokens)


def write_t5_tokenizer(folder: Path, length: int) -> int:
    """T5's unigram tokenizer as tokenizer.json. Returns the size of its vocabulary."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'\"-:;()"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -4.0) for word in WORDS if len(word) > 1] + [(letter, -8.0) for letter in letters]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "T5Tokenizer", "model_max_length": length, "extra_ids": 0}
    write_json(folder / "tokenizer_config.json", settings | special)
    return len(pieces)


# Pictures


def clip_text_config(vocabulary: Mapping[str, int], **changes: Any) -> Any:
    """The configuration of a small CLIP text encoder."""
    ends = {"bos_token_id": vocabulary["<|startoftext|>"], "eos_token_id": vocabulary["<|endoftext|>"]}
    return transformers.CLIPTextConfig(
        vocab_size=len(vocabulary), pad_token_id=vocabulary["<|endoftext|>"], **ends, **CLIP_TEXT | changes
    )


def safety_checker(flags_everything: bool) -> Any:
    """Stable Diffusion's safety checker, with thresholds that no picture passes, or every one."""
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "image_size": 30,
        "patch_size": 15,
    }
    config = transformers.CLIPConfig(text_config=CLIP_TEXT, vision_config=vision, projection_dim=8)
    checker = diffusers.pipelines.stable_diffusion.StableDiffusionSafetyChecker(config)
    # A picture is flagged where its cosine similarity with a concept is above the concept's weight.
    for weights in (checker.concept_embeds_weights, checker.special_care_embeds_weights):
        torch.nn.init.constant_(weights, -2.0 if flags_everything else 2.0)
    for concepts in (checker.concept_embeds, checker.special_care_embeds):
        torch.nn.init.normal_(concepts)
    return checker


def save_component(model: Any, folder: Path) -> None:
    """Save a pipeline's model as plain files in float32 and as the fp16 variant."""
    save_model(model, folder)
    save_model(model.half(), folder, variant="fp16")
    config = folder / "config.json"
    if "dtype" in json.loads(config.read_text(encoding="utf-8")):
        update_json(config, dtype="float32")


def save_vae(folder: Path, **changes: Any) -> None:
    """Save a small autoencoder whose pictures have some contrast."""
    vae = diffusers.AutoencoderKL(**VAE | changes)
    with torch.no_grad():
        vae.decoder.conv_out.weight.mul_(4)
    save_component(vae, folder)


def write_index(folder: Path, pipeline: str, components: Mapping[str, tuple[str, str]], **settings: Any) -> None:
    """model_index.json: the pipeline's class, and the library and class of each of its components."""
    head = {"_class_name": pipeline, "_diffusers_version": diffusers.__version__}
    write_json(folder / "model_index.json", head | {name: list(of) for name, of in components.items()} | settings)


def build_stable_diffusion(folder: Path, flags_everything: bool = False) -> Path:
    """Stable Diffusion 1.5, pictures of 64x64: plain and fp16 files, the safety checker, and the real one's decoys."""
    torch.manual_seed(0)
    vocabulary = write_clip_tokenizer(folder / "tokenizer")
    save_component(transformers.CLIPTextModel(clip_text_config(vocabulary)), folder / "text_encoder")
    unet = diffusers.UNet2DConditionModel(**UNET, cross_attention_dim=32, attention_head_dim=8)
    save_component(unet, folder / "unet")
    save_vae(folder / "vae")
    save_component(safety_checker(flags_everything), folder / "safety_checker")
    write_json(folder / "feature_extractor" / "preprocessor_config.json", CLIP_PICTURES)
    scheduler = diffusers.PNDMScheduler(**DIFFUSION, skip_prk_steps=True, set_alpha_to_one=False)
    scheduler.save_pretrained(folder / "scheduler")
    components = {
        "feature_extractor": ("transformers", "CLIPImageProcessor"),
        "safety_checker": ("stable_diffusion", "StableDiffusionSafetyChecker"),
        "scheduler": ("diffusers", "PNDMScheduler"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "unet": ("diffusers", "UNet2DConditionModel"),
        "vae": ("diffusers", "AutoencoderKL"),
    }
    write_index(folder, "StableDiffusionPipeline", components)
    write_card(folder, "creativeml-openrail-m", "text-to-image", "diffusers")
    write_stable_diffusion_decoys(folder)
    return folder


def write_stable_diffusion_decoys(folder: Path) -> None:
    """What else the repository of Stable Diffusion 1.5 holds."""
    write_decoys(folder, "v1-5-pruned.ckpt", "v1-5-pruned.safetensors", "v1-5-pruned-emaonly.ckpt")
    write_decoys(folder, "v1-5-pruned-emaonly.safetensors", "v1-inference.yaml", ".gitattributes")
    for mark in ("", ".fp16"):
        for name in ("safety_checker/pytorch_model", "text_encoder/pytorch_model"):
            write_decoys(folder, f"{name}{mark}.bin")
        for name in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model"):
            write_decoys(folder, f"{name}{mark}.bin")
    for suffix in ("bin", "safetensors"):
        write_decoys(folder, f"unet/diffusion_pytorch_model.non_ema.{suffix}")


def build_sdxl(folder: Path) -> Path:
    """Stable Diffusion XL with its two text encoders, pictures of 64x64: plain and fp16 files, and decoys."""
    torch.manual_seed(0)
    vocabulary = write_clip_tokenizer(folder / "tokenizer")
    write_clip_tokenizer(folder / "tokenizer_2", pad="!")
    config = clip_text_config(vocabulary)
    save_component(transformers.CLIPTextModel(config), folder / "text_encoder")
    save_component(transformers.CLIPTextModelWithProjection(config), folder / "text_encoder_2")
    unet = diffusers.UNet2DConditionModel(
        **UNET,
        cross_attention_dim=64,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=6 * 8 + 32,
    )
    save_component(unet, folder / "unet")
    save_vae(folder / "vae", scaling_factor=0.13025)
    diffusers.EulerDiscreteScheduler(**DIFFUSION, timestep_spacing="leading").save_pretrained(folder / "scheduler")
    components = {
        "scheduler": ("diffusers", "EulerDiscreteScheduler"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "tokenizer_2": ("transformers", "CLIPTokenizer"),
        "unet": ("diffusers", "UNet2DConditionModel"),
        "vae": ("diffusers", "AutoencoderKL"),
    }
    write_index(folder, "StableDiffusionXLPipeline", components, force_zeros_for_empty_prompt=True)
    write_card(folder, "openrail++", "text-to-image", "diffusers")
    write_decoys(folder, "sd_xl_base_1.0.safetensors", "sd_xl_base_1.0_0.9vae.safetensors", "unet/openvino_model.bin")
    write_decoys(folder, "vae_1_0/diffusion_pytorch_model.safetensors", "text_encoder/model.onnx")
    return folder


def build_flow_pipeline(folder: Path) -> Path:
    """Flux: a transformer with a flow match scheduler, plain files only. It makes 1024x1024 where no size is given."""
    torch.manual_seed(0)
    vocabulary = write_clip_tokenizer(folder / "tokenizer")
    pieces = write_t5_tokenizer(folder / "tokenizer_2", length=512)
    save_model(transformers.CLIPTextModel(clip_text_config(vocabulary)), folder / "text_encoder")
    save_model(transformers.T5EncoderModel(t5_config(pieces)), folder / "text_encoder_2")
    save_model(diffusers.FluxTransformer2DModel(**FLUX), folder / "transformer")
    vae = diffusers.AutoencoderKL(**VAE, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1)
    save_model(vae, folder / "vae")
    diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0).save_pretrained(folder / "scheduler")
    components = {
        "scheduler": ("diffusers", "FlowMatchEulerDiscreteScheduler"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "text_encoder_2": ("transformers", "T5EncoderModel"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "tokenizer_2": ("transformers", "T5TokenizerFast"),
        "transformer": ("diffusers", "FluxTransformer2DModel"),
        "vae": ("diffusers", "AutoencoderKL"),
    }
    write_index(folder, "FluxPipeline", components)
    write_card(folder, "apache-2.0", "text-to-image", "diffusers")
    write_decoys(folder, "flux1-schnell.safetensors", "ae.safetensors")
    return folder


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
    save_model(transformers.GPT2LMHeadModel(gpt2_config(vocabulary, context)), folder, **options)
    write_card(folder, "mit", "text-generation", "transformers")


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
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=0.3,
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
    return transformers.BertConfig(
        vocab_size=vocabulary,
        max_position_embeddings=window,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        initializer_range=0.3,
        **changes,
    )


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


def t5_config(vocabulary: int) -> Any:
    """The configuration of a small T5 encoder."""
    return transformers.T5Config(
        vocab_size=vocabulary, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, tie_word_embeddings=False
    )


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
