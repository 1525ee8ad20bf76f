"""The `parameters` of a PNG, in the form of AUTOMATIC1111's web UI, which image tools read and find models by.

https://github.com/AUTOMATIC1111/stable-diffusion-webui/blob/master/modules/infotext_utils.py
"""

import json
from pathlib import PurePath

from genai_cli.content.record import ModelRecord, Record
from genai_cli.types import JsonObject

SHA256_LENGTH = 64  # hexadecimal digits; the revision of a model on the hub has fewer
SHORT_HASH = 10
WORD_HASH = 12
CONTROL_HASH = 8
PLAIN_NAMES = ("diffusion_pytorch_model", "model")  # of weights in a folder that has a name
# The names under which image tools know the schedulers.
SAMPLER_NAMES = {
    "pndm": "PNDM",
    "ddim": "DDIM",
    "euler": "Euler",
    "euler-a": "Euler a",
    "heun": "Heun",
    "dpm++2m": "DPM++ 2M",
    "dpm++2m-karras": "DPM++ 2M Karras",
    "dpm++sde": "DPM++ SDE",
    "unipc": "UniPC",
    "lcm": "LCM",
    "ddim-trailing": "DDIM Trailing",
    "euler-trailing": "Euler Trailing",
}


def parameters_text(record: Record) -> str:
    """The form that image tools read: prompt, negative prompt, then `Steps: .., Sampler: .., ...` on the last line."""
    parameters = record["parameters"]
    sampler, size = parameters.get("scheduler"), (parameters.get("width"), parameters.get("height"))
    values = {  # what is not known, as of a picture that a server made, is left out
        "Steps": parameters.get("num_inference_steps"),
        "Sampler": sampler and SAMPLER_NAMES.get(sampler, sampler),
        "CFG scale": parameters.get("guidance_scale"),
        "Seed": parameters.get("seed"),
        "Size": None if None in size else f"{size[0]}x{size[1]}",
        "Denoising strength": parameters.get("strength"),
        **name_model(record["model"]),
        **name_adapters(record),
        **name_controls(record),
        "Clip skip": parameters.get("clip_skip"),
    }
    negative = f"\nNegative prompt: {parameters['negative_prompt']}" if parameters.get("negative_prompt") else ""
    last = ", ".join(f"{name}: {quoted(value)}" for name, value in values.items() if value is not None)
    return f"{record['prompt']}{tag_loras(record)}{negative}\n{last}"


def name_model(model: ModelRecord) -> dict[str, str | None]:
    """A model as image tools name it: of a single file its name, and the beginning of its SHA-256."""
    revision = model["revision"] or ""
    if len(revision) != SHA256_LENGTH:
        return {"Model": model["id"]}
    return {"Model": PurePath(model["id"]).stem, "Model hash": revision[:SHORT_HASH]}


def name_adapters(record: Record) -> dict[str, str | None]:
    """The files that changed the model, as image tools name them, with the hashes by which they find them."""
    adapters = record.get("adapters", {})
    loras = ", ".join(f"{name_file(stated)}: {stated.get('autov3')}" for stated in adapters.get("lora", ()))
    words = ", ".join(f"{name_file(one)}: {one['sha256'][:WORD_HASH]}" for one in adapters.get("embedding", ()))
    vae = next(iter(adapters.get("vae", ())), None)
    return {
        "VAE": name_file(vae) if vae else None,
        "VAE hash": vae["sha256"][:SHORT_HASH] if vae else None,
        "Lora hashes": loras or None,
        "TI hashes": words or None,
    }


def name_controls(record: Record) -> dict[str, str]:
    """The ControlNets, in the form of the extension sd-webui-controlnet."""
    scales = record["parameters"].get("control_scale") or ()
    stated = record.get("adapters", {}).get("control", ())
    return {
        f"ControlNet {place}": f"Module: {one.get('kind') or 'none'}, "
        f"Model: {name_file(one)} [{one['sha256'][:CONTROL_HASH]}], Weight: {scale:g}"
        for place, (one, scale) in enumerate(zip(stated, scales, strict=False))
    }


def tag_loras(record: Record) -> str:
    """The LoRAs that are not in the prompt, in the form of one: `<lora:name:0.8>`."""
    loras = record.get("adapters", {}).get("lora", ())
    names = [(name_file(stated), stated.get("weight", 1.0)) for stated in loras]
    return "".join(f" <lora:{name}:{weight:g}>" for name, weight in names if f"<lora:{name}:" not in record["prompt"])


def name_file(stated: JsonObject) -> str:
    """The name of an adapter's file without its suffix; of one from the hub or a folder the name of that."""
    path = PurePath(str(stated["name"]))
    is_plain = path.name.partition(".")[0] in PLAIN_NAMES and path.parent.name
    return path.parent.name if is_plain else path.name.removesuffix(".safetensors").rpartition(":")[2]


def quoted(value: object) -> str:
    """A value of the last line, quoted where it would break the line."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',:\n"') else text
