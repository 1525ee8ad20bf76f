"""The models of the hub that have a short name. The first of each kind is the task's own.

Parameters, sizes and licences are what the hub's pages stated when this was written, in 2026; the hub may change them.
The weights themselves were not run here: measured figures are of random weights of the same shapes (docs/speed.md).
Of pictures, parameters and sizes are of all parts, with the safety checker of those that have one.
"""

from genai_cli.hub.catalog import KnownModel

OPENRAIL, NC = "creativeml-openrail-m", "cc-by-nc-4.0"
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
SST2 = "distilbert/distilbert-base-uncased-finetuned-sst-2-english"
SENTIMENTS = "lxyuan/distilbert-base-multilingual-cased-sentiments-student"
STARS = "nlptown/bert-base-multilingual-uncased-sentiment"

PICTURES = (
    KnownModel("sd15", SD15, "all-round pictures, 512x512", 1370, 2740, OPENRAIL, memory=6569),
    KnownModel("bk-sdm-tiny", "nota-ai/bk-sdm-tiny", "plain pictures from a small model, 512x512", 834, 1668, OPENRAIL),
    KnownModel("dreamshaper", "Lykon/dreamshaper-8", "painted pictures, portraits, 512x512", 1370, 2740, OPENRAIL),
    KnownModel("lcm", "SimianLuo/LCM_Dreamshaper_v7", "painted pictures in 4 steps, 768x768", 1370, 5481, "mit"),
    KnownModel("ssd-1b", "segmind/SSD-1B", "large pictures, 1024x1024; half of sdxl", 2233, 4467, "apache-2.0"),
    KnownModel("sdxl", SDXL, "large detailed pictures, 1024x1024", 3469, 6938, "openrail++"),
    KnownModel(
        "sdxl-turbo",
        "stabilityai/sdxl-turbo",
        "pictures in 1 to 4 steps, 512x512",
        3469,
        6938,
        "sai-nc-community",
        options="--steps 2 --guidance 0",
    ),
)

TEXTS = (
    KnownModel("gpt2", "openai-community/gpt2", "continues English text", 124, 548, "mit", memory=948),
    KnownModel("gpt2-xl", "openai-community/gpt2-xl", "continues English text, better", 1558, 6432, "mit"),
    KnownModel("smollm2-base", "HuggingFaceTB/SmolLM2-135M", "continues English text", 135, 269, "apache-2.0"),
    KnownModel("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B-Instruct", "chat, many languages", 494, 988, "apache-2.0"),
    KnownModel("smollm2", "HuggingFaceTB/SmolLM2-1.7B-Instruct", "chat, English", 1711, 3423, "apache-2.0"),
    KnownModel("qwen-coder", "Qwen/Qwen2.5-Coder-1.5B-Instruct", "chat about code", 1544, 3087, "apache-2.0"),
    KnownModel("phi-4-mini", "microsoft/Phi-4-mini-instruct", "chat, reasoning and maths", 3836, 7672, "mit"),
    KnownModel("qwen3-4b", "Qwen/Qwen3-4B-Instruct-2507", "chat, many languages, long texts", 4022, 8045, "apache-2.0"),
    KnownModel("qwen2.5-7b", "Qwen/Qwen2.5-7B-Instruct", "chat, many languages", 7616, 15231, "apache-2.0"),
)

LABELS = (
    KnownModel("sst2", SST2, "positive or negative, English", 67, 268, "apache-2.0", memory=598),
    KnownModel("sentiments", SENTIMENTS, "positive, neutral, negative; 12 languages", 135, 541, "apache-2.0"),
    KnownModel("stars", STARS, "1 to 5 stars; 6 languages", 167, 669, "mit"),
    KnownModel("emotions", "SamLowe/roberta-base-go_emotions", "28 emotions, English", 125, 499, "mit"),
    KnownModel("toxic", "unitary/toxic-bert", "insults and threats, English", 109, 438, "apache-2.0"),
    KnownModel("languages", "papluca/xlm-roberta-base-language-detection", "which of 20 languages", 278, 1112, "mit"),
)

SOUNDS = (
    KnownModel("musicgen", "facebook/musicgen-small", "short music", 591, 2360, NC, memory=2736),
    KnownModel("musicgen-stereo", "facebook/musicgen-stereo-small", "short music, stereo", 608, 1220, NC),
    KnownModel("musicgen-medium", "facebook/musicgen-stereo-medium", "short music, stereo, better", 2030, 4070, NC),
    KnownModel("mms-tts", "facebook/mms-tts-eng", "reads English text aloud", 36, 145, NC),
)

VOICES = (
    KnownModel("phonon", "gradium/phonon-31m-en", "speaks English, quick on a CPU", 41, 165, "apache-2.0"),
    KnownModel("speecht5", "microsoft/speecht5_tts", "speaks English in the voice of a vector", 157, 640, "mit"),
)
