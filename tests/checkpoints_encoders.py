"""Checkpoints that make vectors, small and with seeded random weights, in the layouts of real ones."""

from pathlib import Path
from typing import Any

import torch
import transformers
from checkpoint_parts import SIZES, write_card, write_clip_tokenizer, write_json, write_t5_tokenizer, write_wordpiece
from checkpoints import bert_config
from checkpoints_classifiers import SEQ2SEQ, build_classifier
from safetensors.torch import save_file

SIDE = 32  # pixels of the pictures that the towers read
TOWER = SIZES | {"projection_dim": 24}
VISION = SIZES | {"image_size": SIDE, "patch_size": 8}
# Models of inference whose pairs stand in other forms than BERT's.
CLASSES: dict[str, dict[str, Any]] = {
    "Roberta": SIZES | {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "max_position_embeddings": 66},
    "Bart": SEQ2SEQ | {"pad_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 64},
}
FLAGS = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")


def save_plain(model: Any, folder: Path) -> None:
    """The weights and the configuration of a model."""
    model.eval().save_pretrained(folder)


def build_sentence_encoder(
    folder: Path,
    pooling: tuple[str, ...] = ("mean_tokens",),
    length: int = 24,
    normalize: bool = True,
    dense: int | None = None,
    prompts: dict[str, str] | None = None,
    include_prompt: bool = True,
    lacks_pooler: bool = True,
) -> Path:
    """BERT in the layout of sentence-transformers; its pooler has no weights, as in many real ones."""
    torch.manual_seed(0)
    config = bert_config(write_wordpiece(folder, 64), 64)
    save_plain(transformers.BertModel(config, add_pooling_layer=not lacks_pooler), folder)
    kinds = ["Transformer", "Pooling", *(["Dense"] if dense else []), *(["Normalize"] if normalize else [])]
    modules = [
        {
            "idx": number,
            "name": str(number),
            "path": "" if kind == "Transformer" else f"{number}_{kind}",
            "type": f"sentence_transformers.models.{kind}",
        }
        for number, kind in enumerate(kinds)
    ]
    write_json(folder / "modules.json", modules)
    modes = {f"pooling_mode_{flag}": flag in pooling for flag in FLAGS}
    write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": config.hidden_size, **modes, "include_prompt": include_prompt},
    )
    if dense:
        width = config.hidden_size * len(pooling)
        activation = "torch.nn.modules.activation.Tanh"
        write_json(
            folder / "2_Dense" / "config.json",
            {"in_features": width, "out_features": dense, "bias": True, "activation_function": activation},
        )
        tensors = {"linear.weight": torch.randn(dense, width), "linear.bias": torch.randn(dense)}
        save_file(tensors, folder / "2_Dense" / "model.safetensors")
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    settings = {"prompts": prompts or {}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    write_json(folder / "config_sentence_transformers.json", settings)
    # The real repository of all-MiniLM-L6-v2 has a list in a file of such a name.
    write_json(folder / "data_config.json", [{"name": "stackexchange", "lines": 5}])
    write_card(folder, "apache-2.0", "sentence-similarity", "sentence-transformers")
    return folder


def write_picture_processor(folder: Path, kind: str) -> None:
    """What turns a picture into pixels of the towers' size."""
    shared = {"do_normalize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 3}
    size: dict[str, Any] = {"size": {"height": SIDE, "width": SIDE}}
    if kind == "CLIP":
        size = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}, "do_center_crop": True}
    write_json(folder / "preprocessor_config.json", {"image_processor_type": f"{kind}ImageProcessor"} | shared | size)


def build_inference(
    folder: Path, kind: str = "Bert", names: tuple[str, ...] = ("entailment", "neutral", "contradiction")
) -> Path:
    """A model of natural language inference."""
    torch.manual_seed(0)
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    if kind == "Bert":
        config = bert_config(write_wordpiece(folder, 64), 64, **labels)
        save_plain(transformers.BertForSequenceClassification(config), folder)
    else:
        build_classifier(folder, kind, **CLASSES[kind], **labels)
    write_card(folder, "mit", "zero-shot-classification", "transformers")
    return folder


def build_vit(folder: Path) -> Path:
    """A classifier of pictures with three labels."""
    torch.manual_seed(0)
    names = ["cat", "dog", "house"]
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    save_plain(transformers.ViTForImageClassification(transformers.ViTConfig(**VISION, **labels)), folder)
    write_picture_processor(folder, "ViT")
    write_card(folder, "apache-2.0", "image-classification", "transformers")
    return folder


def build_clip(folder: Path) -> Path:
    """CLIP, 32x32 pixels."""
    torch.manual_seed(0)
    vocabulary = write_clip_tokenizer(folder)
    end = vocabulary["<|endoftext|>"]
    text = TOWER | {"vocab_size": len(vocabulary), "max_position_embeddings": 77, "eos_token_id": end}
    text |= {"bos_token_id": vocabulary["<|startoftext|>"], "pad_token_id": end}
    config = transformers.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    save_plain(transformers.CLIPModel(config), folder)
    write_picture_processor(folder, "CLIP")
    write_card(folder, "mit", "zero-shot-image-classification", "transformers")
    return folder


def build_siglip(folder: Path) -> Path:
    """SigLIP, 32x32 pixels, whose texts are padded to 16 tokens."""
    torch.manual_seed(0)
    vocabulary = write_t5_tokenizer(folder, 16)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 16}
    write_json(
        folder / "tokenizer_config.json",
        settings | {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>", "do_lower_case": True},
    )
    text = SIZES | {"vocab_size": vocabulary, "max_position_embeddings": 16, "projection_size": 32}
    text |= {"eos_token_id": 1, "bos_token_id": 1, "pad_token_id": 1}
    config = transformers.SiglipConfig(text_config=text, vision_config=VISION)
    model = transformers.SiglipModel(config)
    torch.nn.init.normal_(model.logit_bias)
    save_plain(model, folder)
    write_picture_processor(folder, "Siglip")
    write_card(folder, "apache-2.0", "zero-shot-image-classification", "transformers")
    return folder
