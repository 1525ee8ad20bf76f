"""Pictures as other tools write them, with one request in the words of each."""

import json
import struct
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

PROMPT, NEGATIVE = "a fluffy cat, 猫", "fog, (rain:1.2)"
REQUEST = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "num_inference_steps": 3,
    "guidance_scale": 5.5,
    "width": 64,
    "height": 32,
    "seed": 123456789012,
    "scheduler": "dpm++2m-karras",
}
LAST = (
    'Steps: 3, Sampler: DPM++ 2M Karras, CFG scale: 5.5, Seed: 123456789012, Size: 64x32, Model: "a: b", Version: v1.9'
)
A1111 = f"{PROMPT}\nNegative prompt: {NEGATIVE}\n{LAST}"


def save_png(texts: dict[str, str | bytes], name: str = "x.png") -> str:
    """A PNG with tEXt chunks; bytes are taken as they stand, as by tools that write UTF-8 there."""
    info = PngInfo()
    for key, text in texts.items():
        info.add(b"tEXt", key.encode() + b"\0" + text) if isinstance(text, bytes) else info.add_text(key, text)
    Image.new("RGB", (64, 32)).save(name, pnginfo=info)
    return name


def exif(entries: dict[int, tuple[int, bytes]], order: str = ">", nested: bool = True) -> bytes:
    """EXIF with those values in the directory for photographs, or in the first one (TIFF 6.0, section 2)."""
    mark = {">": b"MM\0*", "<": b"II*\0"}[order]
    begin = mark + struct.pack(f"{order}I", 8)
    if nested:
        begin += struct.pack(f"{order}HHHIII", 1, 0x8769, 4, 1, 26, 0)
    at = len(begin) + 2 + 12 * len(entries) + 4
    rows, values = b"", b""
    for tag, (kind, value) in sorted(entries.items()):
        rows += struct.pack(f"{order}HHII", tag, kind, len(value), at + len(values))
        values += value + bytes(len(value) % 2)
    return b"Exif\0\0" + begin + struct.pack(f"{order}H", len(entries)) + rows + bytes(4) + values


def comment(text: str, code: str, order: str, nested: bool = True) -> bytes:
    marks = {"utf-16-be": b"UNICODE\0", "utf-16-le": b"UNICODE\0", "utf-16": b"UNICODE\0", "utf-8": b"ASCII\0\0\0"}
    mark = b"" if code == "none" else marks[code]
    return exif({0x9286: (7, mark + text.encode("utf-8" if code == "none" else code))}, order, nested)


def xmp(body: str) -> bytes:
    names = 'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    about = f'<rdf:Description {names} xmlns:m="http://ns.mflux.ai/1.0/">{body}</rdf:Description>'
    rdf = f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{about}</rdf:RDF>'
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta>'.encode()


# NODES and EDITOR: what ComfyUI 0.3 saves for its default workflow (nodes.py, SaveImage)

NODES = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 123456789012,
            "steps": 3,
            "cfg": 5.5,
            "sampler_name": "dpmpp_2m",
            "scheduler": "karras",
            "denoise": 1,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {
        "class_type": "CheckpointLoaderSimple",
        "inputs": {"ckpt_name": "sd.safetensors"},
        "is_changed": [float("nan")],
    },
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 32, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": PROMPT, "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": NEGATIVE, "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["8", 0]}},
}
EDITOR = {
    "nodes": [
        {
            "id": 3,
            "type": "KSampler",
            "inputs": [
                {"name": "model", "link": 1},
                {"name": "positive", "link": 2},
                {"name": "negative", "link": 3},
                {"name": "latent_image", "link": 4},
            ],
            "widgets_values": [123456789012, "randomize", 3, 5.5, "dpmpp_2m", "karras", 1],
        },
        {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["sd.safetensors"]},
        {"id": 5, "type": "EmptyLatentImage", "widgets_values": [64, 32, 1]},
        {"id": 6, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "link": 5}], "widgets_values": [PROMPT]},
        {"id": 7, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "link": 6}], "widgets_values": [NEGATIVE]},
        {"id": 8, "type": "VAEDecode", "inputs": [{"name": "samples", "link": 7}]},
        {"id": 9, "type": "SaveImage", "inputs": [{"name": "images", "link": 8}], "widgets_values": ["x"]},
    ],
    "links": [
        [1, 4, 0, 3, 0, "MODEL"],
        [2, 6, 0, 3, 1, "CONDITIONING"],
        [3, 7, 0, 3, 2, "CONDITIONING"],
        [4, 5, 0, 3, 3, "LATENT"],
        [5, 4, 1, 6, 0, "CLIP"],
        [6, 4, 1, 7, 0, "CLIP"],
        [7, 3, 0, 8, 0, "LATENT"],
        [8, 8, 0, 9, 0, "IMAGE"],
    ],
}
# FLUX in ComfyUI: samplers of several nodes, a node for the seed, no negative prompt.
FLUX = {
    "1": {
        "class_type": "SamplerCustomAdvanced",
        "inputs": {
            "noise": ["2", 0],
            "guider": ["3", 0],
            "sampler": ["4", 0],
            "sigmas": ["5", 0],
            "latent_image": ["6", 0],
        },
    },
    "2": {"class_type": "RandomNoise", "inputs": {"noise_seed": ["10", 0]}},
    "3": {"class_type": "BasicGuider", "inputs": {"model": ["7", 0], "conditioning": ["8", 0]}},
    "4": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
    "5": {
        "class_type": "BasicScheduler",
        "inputs": {"scheduler": "simple", "steps": 3, "denoise": 1, "model": ["7", 0]},
    },
    "6": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 64, "height": 32}},
    "7": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux"}},
    "8": {"class_type": "FluxGuidance", "inputs": {"guidance": 5.5, "conditioning": ["9", 0]}},
    "9": {"class_type": "CLIPTextEncode", "inputs": {"text": ["11", 0]}},
    "10": {"class_type": "PrimitiveInt", "inputs": {"value": 123456789012}},
    "11": {"class_type": "StringNode", "inputs": {"string": PROMPT}},
    "12": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
}
SHORT = {"cfg_scale": 5.5, "steps": 3, "seed": 123456789012, "width": 64, "height": 32}
INVOKE = {
    "positive_prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "scheduler": "dpmpp_2m_k",
    **SHORT,
    "model": {"name": "sd", "hash": "x"},
}
OLD_INVOKE = {
    "model_weights": "sd",
    "image": {"prompt": [{"prompt": f"{PROMPT} [{NEGATIVE}]", "weight": 1}], "sampler": "k_dpmpp_2m", **SHORT},
}
DREAM = f'"{PROMPT} [{NEGATIVE}]" -s 3 -S 123456789012 -W 64 -H 32 -C5.5 -A k_dpmpp_2m'
NOVEL = {
    "prompt": PROMPT,
    "uc": NEGATIVE,
    "steps": 3,
    "scale": 5.5,
    "seed": 123456789012,
    "width": 64,
    "height": 32,
    "sampler": "k_dpmpp_2m",
    "noise_schedule": "karras",
}
# Fooocus, modules/meta_parser.py: sizes and seeds are texts.
FOOOCUS = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "full_prompt": [PROMPT, "cinematic"],
    "steps": 3,
    "resolution": "(64, 32)",
    "guidance_scale": 5.5,
    "seed": "123456789012",
    "sampler": "dpmpp_2m",
    "scheduler": "karras",
    "base_model": "juggernaut",
    "version": "Fooocus v2.5",
}
SWARM = {
    "sui_image_params": {
        "prompt": PROMPT,
        "negativeprompt": NEGATIVE,
        "model": "sd",
        "seed": 123456789012,
        "steps": 3,
        "cfgscale": 5.5,
        "width": 64,
        "height": 32,
        "sampler": "dpmpp_2m",
        "scheduler": "karras",
    }
}
# mflux, generated_image.py: JSON in UserComment without a prefix.
MFLUX = {
    "mflux_version": "0.9",
    "model": "flux",
    "seed": 123456789012,
    "steps": 3,
    "guidance": 5.5,
    "height": 32,
    "width": 64,
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
}
THINGS = {
    "c": PROMPT,
    "uc": NEGATIVE,
    "model": "sd.ckpt",
    "sampler": "DPM++ 2M Karras",
    "scale": 5.5,
    "seed": 123456789012,
    "size": "64x32",
    "steps": 3,
}
EASY = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "seed": "123456789012",
    "num_inference_steps": "3",
    "guidance_scale": "5.5",
    "width": "64",
    "height": "32",
    "sampler_name": "dpmpp_2m",
    "use_stable_diffusion_model": "sd",
}
PNGS: dict[str, tuple[dict[str, str | bytes], str, dict[str, Any]]] = {
    "ComfyUI": ({"prompt": json.dumps(NODES), "workflow": json.dumps(EDITOR)}, "ComfyUI", {}),
    "ComfyUI, editor alone": ({"workflow": json.dumps(EDITOR)}, "ComfyUI", {}),
    "ComfyUI, FLUX": ({"prompt": json.dumps(FLUX)}, "ComfyUI", {"negative_prompt": None, "scheduler": "euler"}),
    "InvokeAI": ({"invokeai_metadata": json.dumps(INVOKE)}, "InvokeAI", {}),
    "InvokeAI 2": ({"sd-metadata": json.dumps(OLD_INVOKE), "Dream": DREAM}, "InvokeAI", {"scheduler": "dpm++2m"}),
    "InvokeAI 1": ({"Dream": DREAM.encode()}, "InvokeAI", {"scheduler": "dpm++2m"}),
    "NovelAI": ({"Software": "NovelAI", "Description": PROMPT, "Comment": json.dumps(NOVEL)}, "NovelAI", {}),
    "Fooocus": ({"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"}, "Fooocus", {}),
    "Fooocus, A1111": ({"parameters": A1111, "fooocus_scheme": "a1111"}, "Fooocus", {}),
    "SwarmUI": ({"parameters": json.dumps(SWARM)}, "SwarmUI", {}),
    "Easy Diffusion": (EASY, "Easy Diffusion", {"scheduler": "dpm++2m"}),
}
