"""What a safetensors file is, told from the names and shapes of its tensors.

Names: the releases of Stable Diffusion (https://github.com/CompVis/stable-diffusion), and diffusers' converters
(https://github.com/huggingface/diffusers/blob/main/src/diffusers/loaders/single_file_utils.py).
"""

from dataclasses import dataclass
from pathlib import Path

from genai_cli.errors import InputError
from genai_cli.hub.weights_file import Header

UNET, VAE_PREFIXES = "model.diffusion_model.", ("first_stage_model.", "vae.")
FIRST_CONVOLUTION = f"{UNET}input_blocks.0.0.weight"
LATENT_CHANNELS = 4
LORA_PARTS = (
    "lora_A.",
    "lora_B.",
    "lora_down",
    "lora_up",
    "lora.down",
    "lora.up",
    "lora_te",
    "lora_unet",
    "dora_scale",
)
OTHER_ADAPTERS = {"hada_": "LoHa", "lokr_": "LoKr", "oft_": "OFT", "glora_": "GLoRA"}
MOST_IN_EMBEDDING = 4
GUIDES = {"lora_controlnet": "a Control-LoRA", "lllite_": "a ControlNet-LLLite", "adapter.body.": "a T2I-Adapter"}
"""What guides a model as a ControlNet does and is none."""
UPSCALERS = (".RDB1.", ".rdb1.", ".residual_group.")
"""In the names of ESRGAN's tensors, old and new, and in those of SwinIR and what came of it."""
# Names that tell a checkpoint of a kind that genai does not take as a single file.
OTHERS = (
    ("double_blocks.0.img_attn", "a Flux transformer without the text encoders"),
    ("joint_blocks.0.", "a Stable Diffusion 3 checkpoint"),
    ("double_stream_blocks.", "a HiDream transformer"),
    ("adaln_single.", "a PixArt transformer"),
    ("cap_embedder.0.", "a Lumina transformer"),
    ("model.layers.0.self_attn", "a language model without its configuration"),
    ("h.0.attn.c_attn", "a language model without its configuration"),
)


@dataclass(frozen=True)
class SingleFile:
    """A checkpoint in one file: which layout it needs, and what it states."""

    layout: str
    """The folder of the configurations: sd1, sd2 or sdxl."""
    words: str
    has_vae: bool
    predicts: str | None
    """The prediction type that the file states; None if it states none."""
    zero_snr: bool
    """Whether it was trained down to no signal at all."""


def is_lora(header: Header) -> bool:
    """Whether a file holds weights that are added to those of a model."""
    return header.holds(*LORA_PARTS, *OTHER_ADAPTERS)


def is_embedding(header: Header) -> bool:
    """Whether a file holds the vectors of a word."""
    if len(header.tensors) > MOST_IN_EMBEDDING or not header.tensors:
        return False
    named = set(header.tensors) & {"emb_params", "clip_l", "clip_g", "string_to_param", "*"}
    single = [(name, tensor) for name, tensor in header.tensors.items() if "." not in name and len(tensor.shape) <= 2]
    return bool(named) or len(single) == len(header.tensors) == 1


def is_vae(header: Header) -> bool:
    """Whether a file holds an autoencoder of pictures, and nothing else."""
    inside = header.has("decoder.up.", "decoder.up_blocks.", *(f"{prefix}decoder." for prefix in VAE_PREFIXES))
    return inside and not header.has(UNET)


def is_controlnet(header: Header) -> bool:
    """Whether a file holds a ControlNet, in its release's names or in those of diffusers."""
    return header.has("control_model.", "input_hint_block.", "controlnet_cond_embedding.") and not header.has(*GUIDES)


def describe_single_file(file: Path, header: Header) -> SingleFile:
    """What a checkpoint in one file is. Raises InputError for every other kind, with what takes it."""
    if not header.has(UNET):
        raise refuse(file, header)
    if header.has("conditioner.embedders.1.model."):
        layout, words = "sdxl", "Stable Diffusion XL"
    elif header.has("conditioner.embedders.0.model."):
        raise InputError(f"{file} is the refiner of Stable Diffusion XL", hint="name its base model")
    elif header.has("cond_stage_model.transformer."):
        layout, words = "sd1", "Stable Diffusion 1.x"
    elif header.has("cond_stage_model.model."):
        layout, words = "sd2", "Stable Diffusion 2.x"
    else:
        raise refuse(file, header)
    first = header.tensors.get(FIRST_CONVOLUTION)
    channels = first.shape[1] if first and len(first.shape) == 4 else LATENT_CHANNELS
    if channels != LATENT_CHANNELS:
        what = {8: "an InstructPix2Pix model", 9: "a model for filling in parts of pictures"}
        raise InputError(
            f"{file} is {what.get(channels, f'a model of {channels} channels')}, not a text-to-image model",
            hint="as a single file, genai takes text-to-image models",
        )
    has_vae = any(header.has(f"{prefix}decoder.") for prefix in VAE_PREFIXES)
    predicts = "v_prediction" if header.has("v_pred") else header.metadata.get("modelspec.prediction_type")
    names = {"epsilon": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}
    return SingleFile(layout, words, has_vae, names.get(predicts or ""), header.has("ztsnr"))


def refuse(file: Path, header: Header) -> InputError:
    """The error for a file that is not a whole checkpoint, with what takes it."""
    if is_lora(header):
        return InputError(f"{file} is a LoRA, not a model", hint=f"--lora {file} adds it to a model: -m MODEL")
    for prefix, words in GUIDES.items():
        if header.has(prefix):
            return InputError(f"{file} is {words}, which genai does not take", hint="take a ControlNet: --control")
    if is_controlnet(header):
        return InputError(
            f"{file} is a ControlNet, not a model", hint=f"--control {file}=PICTURE guides a model with it"
        )
    if is_vae(header):
        return InputError(f"{file} is a VAE, not a model", hint=f"--vae {file} gives it to a model: -m MODEL")
    if is_embedding(header):
        return InputError(f"{file} is an embedding, not a model", hint=f"--embedding {file} adds its word to a model")
    if header.holds(*UPSCALERS):
        return InputError(
            f"{file} is an upscaler in one file (ESRGAN, SwinIR or the like), which genai does not take",
            hint="genai upscale without -m takes Swin2SR of transformers",
        )
    for part, words in OTHERS:
        if header.holds(part):
            return InputError(
                f"{file} is {words}, which genai does not load from a single file",
                hint="-m OWNER/NAME names the whole model",
            )
    if header.has(UNET, "down_blocks."):
        return InputError(f"{file} is a UNet without its text encoders", hint="-m takes a whole checkpoint")
    return InputError(
        f"{file} is not a checkpoint of Stable Diffusion 1.x, 2.x or XL",
        hint="as a single file, genai takes these; a model of another kind is a folder, or owner/name from the hub",
    )
