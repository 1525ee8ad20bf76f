"""Checkpoints of models that look at pictures, in the layouts of real ones, small and with seeded random weights."""

from pathlib import Path
from typing import Any

import torch
import transformers
from checkpoint_parts import (
    SIZES,
    save_model,
    write_card,
    write_clip_tokenizer,
    write_json,
    write_wordpiece,
)

LABELS = ("cat", "remote", "tennis racket")
RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "layer_type": "basic"}
SIDE = 64  # pixels
SMALL_DETR = {
    "d_model": 32,
    **{f"{side}_layers": 2 for side in ("encoder", "decoder")},
    **{f"{side}_attention_heads": 4 for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": 32 for side in ("encoder", "decoder")},
    "num_queries": 12,
    "init_std": 0.3,
}
NAMES = {"id2label": dict(enumerate(LABELS)), "label2id": {name: number for number, name in enumerate(LABELS)}}


def finish(model: Any, folder: Path, processor: str, task: str = "object-detection", **settings: Any) -> Path:
    """Save a detector and its processor's settings, spread its scores, and write its card."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "class" in name and weight.ndim == 2:
                weight.normal_(0, 1)
    save_model(model, folder)
    size = settings.pop("size", {"shortest_edge": SIDE, "longest_edge": 2 * SIDE})
    stated = {"image_processor_type": processor, "do_resize": True, "do_normalize": True, "size": size}
    write_json(folder / "preprocessor_config.json", stated | settings)
    write_card(folder, "apache-2.0", task, "transformers")
    return folder


def resnet_config(kind: str = "ResNetConfig") -> Any:
    """A ResNet of four stages as a backbone."""
    return getattr(transformers, kind)(**RESNET, out_features=["stage2", "stage3", "stage4"])


def build_detr(folder: Path) -> Path:
    """DETR with a ResNet of transformers' own."""
    torch.manual_seed(0)
    backbone = transformers.ResNetConfig(**RESNET, out_features=["stage4"])
    config = transformers.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone,
        **SMALL_DETR, **NAMES,
    )  # fmt: skip
    return finish(transformers.DetrForObjectDetection(config), folder, "DetrImageProcessor")


def build_deformable_detr(folder: Path) -> Path:
    """Deformable DETR with features of three sizes."""
    torch.manual_seed(0)
    config = transformers.DeformableDetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=resnet_config(),
        num_feature_levels=3, encoder_n_points=2, decoder_n_points=2, disable_custom_kernels=True,
        **SMALL_DETR, **NAMES,
    )  # fmt: skip
    return finish(transformers.DeformableDetrForObjectDetection(config), folder, "DeformableDetrImageProcessor")


def build_rtdetr(folder: Path) -> Path:
    """RT-DETR, which sees every picture in one size."""
    torch.manual_seed(0)
    config = transformers.RTDetrConfig(
        backbone_config=transformers.RTDetrResNetConfig(**RESNET, out_features=["stage2", "stage3", "stage4"]),
        encoder_hidden_dim=32, encoder_in_channels=[16, 24, 32], encoder_ffn_dim=32, encoder_attention_heads=4,
        d_model=32, num_queries=12, decoder_in_channels=[32, 32, 32], decoder_ffn_dim=32, decoder_layers=2,
        decoder_attention_heads=4, num_denoising=0, eval_size=None, **NAMES,
    )  # fmt: skip
    size = {"height": SIDE, "width": SIDE}
    model = transformers.RTDetrForObjectDetection(config)
    return finish(model, folder, "RTDetrImageProcessor", size=size, do_pad=False, do_normalize=False)


def build_yolos(folder: Path) -> Path:
    """YOLOS: a vision transformer with tokens for what it finds."""
    torch.manual_seed(0)
    sizes = {"image_size": [SIDE, SIDE], "patch_size": 16, "num_detection_tokens": 12}
    config = transformers.YolosConfig(**SIZES, **sizes, use_mid_position_embeddings=False, **NAMES)
    return finish(transformers.YolosForObjectDetection(config), folder, "YolosImageProcessor")


def build_owlvit(folder: Path) -> Path:
    """OWL-ViT, which looks for words."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = write_clip_tokenizer(folder)
    write_json(folder / "processor_config.json", {"processor_class": "OwlViTProcessor"})
    ends = {"bos_token_id": vocabulary["<|startoftext|>"], "eos_token_id": vocabulary["<|endoftext|>"]}
    text = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = transformers.OwlViTConfig(
        text_config={**text, **ends, "vocab_size": len(vocabulary), "pad_token_id": 0, "max_position_embeddings": 16},
        vision_config={**text, "image_size": SIDE, "patch_size": 16},
        projection_dim=32,
    )
    model = transformers.OwlViTForObjectDetection(config)
    size = {"height": SIDE, "width": SIDE}
    kept = finish(model, folder, "OwlViTImageProcessor", "zero-shot-object-detection", size=size, do_center_crop=False)
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 16, "pad_token": "!"}
    write_json(folder / "tokenizer_config.json", settings | {"bos_token": "<|startoftext|>"})
    return kept


def build_grounding_dino(folder: Path) -> Path:
    """Grounding DINO with a Swin transformer and a BERT."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    size = write_wordpiece(folder, 64)
    write_json(folder / "processor_config.json", {"processor_class": "GroundingDinoProcessor"})
    swin = transformers.SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=4, image_size=SIDE,
        out_indices=[2, 3, 4],
    )  # fmt: skip
    text = transformers.BertConfig(**SIZES, vocab_size=size, max_position_embeddings=64)
    config = transformers.GroundingDinoConfig(
        backbone_config=swin, text_config=text, d_model=32, num_queries=12, num_feature_levels=3, encoder_layers=1,
        decoder_layers=2, encoder_ffn_dim=32, decoder_ffn_dim=32, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_n_points=2, decoder_n_points=2, max_text_len=64, disable_custom_kernels=True, init_std=0.3,
    )  # fmt: skip
    model = transformers.GroundingDinoForObjectDetection(config)
    return finish(model, folder, "GroundingDinoImageProcessor", "zero-shot-object-detection")


DETECTORS = {
    "detr": build_detr,
    "deformable_detr": build_deformable_detr,
    "rtdetr": build_rtdetr,
    "yolos": build_yolos,
    "owlvit": build_owlvit,
    "grounding_dino": build_grounding_dino,
}
