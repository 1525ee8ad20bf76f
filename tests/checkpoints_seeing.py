"""Checkpoints of models that look at pictures, in the layouts of real ones, small and with seeded random weights."""

from pathlib import Path
from typing import Any

import torch
import transformers
from checkpoint_parts import (
    SIZES,
    byte_level_tokenizer,
    byte_pairs,
    save_model,
    write_card,
    write_clip_tokenizer,
    write_gpt2_tokenizer,
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

# Models that write about pictures

VISION = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
VISION |= {"image_size": SIDE, "patch_size": 16}
SQUARE = {"height": SIDE, "width": SIDE}
CAPTIONS = "image-to-text"
CHAT = (
    "{% for message in messages %}{{ message['role'] | upper }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def write_blip_tokenizer(folder: Path) -> dict[str, int]:
    """BLIP's: BERT's words, and [DEC], with which every caption begins."""
    size = write_wordpiece(folder, 512)
    with (folder / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("[DEC]\n")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    write_json(folder / "tokenizer_config.json", settings | {"additional_special_tokens": ["[DEC]"]})
    return {"vocab_size": size + 1, "bos_token_id": size, "pad_token_id": 0, "sep_token_id": 3, "eos_token_id": 3}


def build_blip(folder: Path, class_name: str = "BlipForConditionalGeneration") -> Path:
    """BLIP of captions, or by its class the one that answers."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    words = write_blip_tokenizer(folder)
    text = {**SIZES, **words, "encoder_hidden_size": 32, "projection_dim": 32, "max_position_embeddings": 48}
    config = transformers.BlipConfig(text_config=text, vision_config=VISION, projection_dim=32)
    model = getattr(transformers, class_name)(config)
    write_json(folder / "processor_config.json", {"processor_class": "BlipProcessor"})
    return finish(model, folder, "BlipImageProcessor", CAPTIONS, size=SQUARE)


def build_blip_vqa(folder: Path) -> Path:
    """BLIP that answers questions."""
    return build_blip(folder, "BlipForQuestionAnswering")


def build_vit_gpt2(folder: Path) -> Path:
    """A ViT whose output a GPT-2 reads, without a processor of its own."""
    torch.manual_seed(0)
    vocabulary = write_gpt2_tokenizer(folder, 64)
    end = vocabulary["<|endoftext|>"]
    decoder = transformers.GPT2Config(
        vocab_size=len(vocabulary), n_positions=64, n_embd=32, n_layer=1, n_head=4, initializer_range=0.3,
        add_cross_attention=True, is_decoder=True, bos_token_id=end, eos_token_id=end,
    )  # fmt: skip
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.ViTConfig(**VISION), decoder
    )
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = end, end, end
    model = transformers.VisionEncoderDecoderModel(config)
    model.generation_config.decoder_start_token_id = end
    model.generation_config.num_beams, model.generation_config.max_length = 4, 16
    return finish(model, folder, "ViTImageProcessor", CAPTIONS, size=SQUARE)


def write_chat_tokenizer(folder: Path, special: list[str], **settings: Any) -> dict[str, int]:
    """A byte-level tokenizer as tokenizer.json, whose special tokens stand for pictures too. Returns its vocabulary."""
    vocabulary, merges = byte_pairs(["<s>", "</s>", "<pad>", *special])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = byte_level_tokenizer(vocabulary, merges, ["<s>", "</s>", "<pad>", *special])
    tokenizer.save(str(folder / "tokenizer.json"))
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "model_max_length": 512}
    stated = {"tokenizer_class": "PreTrainedTokenizerFast"} | tokens | settings
    write_json(folder / "tokenizer_config.json", stated)
    (folder / "chat_template.jinja").write_text(CHAT, encoding="utf-8")
    return vocabulary


def text_config(vocabulary: dict[str, int], kind: str = "LlamaConfig", **more: Any) -> Any:
    """A small decoder over a vocabulary."""
    ends = {"bos_token_id": vocabulary["<s>"], "eos_token_id": vocabulary["</s>"], "pad_token_id": vocabulary["<pad>"]}
    sizes = {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": 256}
    return getattr(transformers, kind)(**sizes, **ends, vocab_size=len(vocabulary), **more)


def build_llava(folder: Path) -> Path:
    """LLaVA: CLIP's pictures in a Llama."""
    torch.manual_seed(0)
    vocabulary = write_chat_tokenizer(folder, ["<image>"])
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**VISION, projection_dim=32),
        text_config=text_config(vocabulary), image_token_index=vocabulary["<image>"],
        vision_feature_layer=-1, vision_feature_select_strategy="default",
    )  # fmt: skip
    stated = {"processor_class": "LlavaProcessor", "patch_size": 16, "image_token": "<image>"}
    stated |= {"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    write_json(folder / "processor_config.json", stated)
    model = transformers.LlavaForConditionalGeneration(config)
    sizes = {"size": {"shortest_edge": SIDE}, "crop_size": SQUARE}
    return finish(model, folder, "CLIPImageProcessor", "image-text-to-text", **sizes)


def build_idefics3(folder: Path) -> Path:
    """Idefics3, which sees a picture in tiles."""
    torch.manual_seed(0)
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    special = ["<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>", *tiles]
    vocabulary = write_chat_tokenizer(folder, special)
    config = transformers.Idefics3Config(
        vision_config=VISION | {"hidden_size": 32}, text_config=text_config(vocabulary), scale_factor=2,
        image_token_id=vocabulary["<image>"], pad_token_id=vocabulary["<pad>"],
    )  # fmt: skip
    write_json(folder / "processor_config.json", {"processor_class": "Idefics3Processor", "image_seq_len": 4})
    model = transformers.Idefics3ForConditionalGeneration(config)
    sizes = {"size": {"longest_edge": 2 * SIDE}, "max_image_size": {"longest_edge": SIDE}, "do_image_splitting": True}
    return finish(model, folder, "Idefics3ImageProcessor", "image-text-to-text", **sizes)


def build_gemma3(folder: Path) -> Path:
    """Gemma 3, which reads a picture's tokens in both directions."""
    torch.manual_seed(0)
    marks = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<image_soft_token>"}
    vocabulary = write_chat_tokenizer(folder, list(marks.values()), extra_special_tokens=marks)
    (folder / "chat_template.jinja").write_text(CHAT.replace("<image>", "<boi>"), encoding="utf-8")
    config = transformers.Gemma3Config(
        vision_config=VISION, text_config=text_config(vocabulary, "Gemma3TextConfig", head_dim=8, sliding_window=64),
        mm_tokens_per_image=4, boi_token_index=vocabulary["<boi>"], eoi_token_index=vocabulary["<eoi>"],
        image_token_index=vocabulary["<image_soft_token>"],
    )  # fmt: skip
    write_json(folder / "processor_config.json", {"processor_class": "Gemma3Processor", "image_seq_length": 4})
    model = transformers.Gemma3ForConditionalGeneration(config)
    return finish(model, folder, "Gemma3ImageProcessor", "image-text-to-text", size=SQUARE)


CAPTIONERS = {"blip": build_blip, "vit_gpt2": build_vit_gpt2}
ANSWERERS = {"blip_vqa": build_blip_vqa, "llava": build_llava, "idefics3": build_idefics3, "gemma3": build_gemma3}
