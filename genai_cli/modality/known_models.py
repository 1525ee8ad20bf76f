"""The models of the hub that have a short name. The first of each kind is the task's own.

Parameters, sizes and licences are what the hub's pages stated when this was written, in 2026; the hub may change them.
The weights themselves were not run here: measured figures are of random weights of the same shapes (docs/speed.md).
Of pictures, parameters and sizes are of all parts, with the safety checker of those that have one.
"""

from genai_cli.hub.catalog import KnownModel

BSD = "bsd-3-clause"
OPENRAIL, NC = "creativeml-openrail-m", "cc-by-nc-4.0"
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
SST2 = "distilbert/distilbert-base-uncased-finetuned-sst-2-english"
SENTIMENTS = "lxyuan/distilbert-base-multilingual-cased-sentiments-student"
DINO = "IDEA-Research/grounding-dino-tiny"
STARS = "nlptown/bert-base-multilingual-uncased-sentiment"
ZERO_SHOT = "MoritzLaurer/deberta-v3-base-zeroshot-v2.0"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MPNET = "sentence-transformers/all-mpnet-base-v2"
QWEN3 = "Qwen/Qwen3-Embedding-0.6B"
CLIP = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
SIGLIP = "google/siglip-base-patch16-224"

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

ENLARGERS = (
    KnownModel("swin2sr", "caidas/swin2SR-classical-sr-x2-64", "larger pictures, 2 times", 12, 49, "apache-2.0"),
    KnownModel("swin2sr-x4", "caidas/swin2SR-classical-sr-x4-64", "larger pictures, 4 times", 12, 49, "apache-2.0"),
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
    KnownModel("zero-shot", ZERO_SHOT, "any labels: --labels; English", 184, 371, "mit"),
    KnownModel("vit", "google/vit-base-patch16-224", "pictures by 1000 labels", 87, 346, "apache-2.0"),
    KnownModel("languages", "papluca/xlm-roberta-base-language-detection", "which of 20 languages", 278, 1112, "mit"),
)

VECTORS = (
    KnownModel("minilm", MINILM, "English sentences, 384 numbers", 23, 91, "apache-2.0", memory=490),
    KnownModel("bge-small", "BAAI/bge-small-en-v1.5", "English sentences, search, 384 numbers", 33, 133, "mit"),
    KnownModel("mpnet", MPNET, "English sentences, better, 768 numbers", 109, 438, "apache-2.0"),
    KnownModel("e5", "intfloat/multilingual-e5-small", "94 languages, 384 numbers", 118, 471, "mit"),
    KnownModel("qwen3-embedding", QWEN3, "100 languages, long texts, 1024 numbers", 596, 1192, "apache-2.0"),
    KnownModel("clip", CLIP, "texts and pictures in one space, 512 numbers", 151, 605, "mit"),
    KnownModel("siglip", SIGLIP, "texts and pictures in one space, 768 numbers", 203, 813, "apache-2.0"),
)

SOUNDS = (
    KnownModel("musicgen", "facebook/musicgen-small", "short music", 591, 2360, NC, memory=2736),
    KnownModel("musicgen-stereo", "facebook/musicgen-stereo-small", "short music, stereo", 608, 1220, NC),
    KnownModel("musicgen-medium", "facebook/musicgen-stereo-medium", "short music, stereo, better", 2030, 4070, NC),
    KnownModel("mms-tts", "facebook/mms-tts-eng", "reads English text aloud", 36, 145, NC),
)

SPEECH = (
    KnownModel("whisper", "openai/whisper-small", "speech in 99 languages", 242, 967, "apache-2.0"),
    KnownModel("whisper-turbo", "openai/whisper-large-v3-turbo", "speech in 99 languages, best", 809, 1618, "mit"),
    KnownModel("whisper-tiny", "openai/whisper-tiny", "speech in 99 languages, quick", 38, 151, "apache-2.0"),
    KnownModel("moonshine", "UsefulSensors/moonshine-base", "English speech, short sounds", 61, 246, "mit"),
    KnownModel("wav2vec2", "facebook/wav2vec2-base-960h", "English speech, in capitals", 94, 378, "apache-2.0"),
)

DESCRIBERS = (
    KnownModel("blip", "Salesforce/blip-image-captioning-base", "a sentence about a picture", 247, 990, BSD),
    KnownModel("blip-vqa", "Salesforce/blip-vqa-base", "short answers about a picture", 385, 1540, BSD),
    KnownModel(
        "vit-gpt2", "nlpconnect/vit-gpt2-image-captioning", "a sentence about a picture", 239, 982, "apache-2.0"
    ),
    KnownModel("llava", "llava-hf/llava-1.5-7b-hf", "long answers about pictures", 7063, 14130, "llama2"),
)

DETECTORS = (
    KnownModel("rtdetr", "PekingU/rtdetr_r18vd", "80 kinds of everyday things (COCO)", 20, 81, "apache-2.0"),
    KnownModel("rtdetr-large", "PekingU/rtdetr_r50vd", "80 kinds of everyday things, better", 43, 172, "apache-2.0"),
    KnownModel("yolos", "hustvl/yolos-tiny", "80 kinds of everyday things; smallest", 6, 26, "apache-2.0"),
    KnownModel("owlvit", "google/owlvit-base-patch32", "whatever --labels names", 153, 613, "apache-2.0"),
    KnownModel(
        "grounding-dino", "IDEA-Research/grounding-dino-tiny", "whatever --labels names", 172, 690, "apache-2.0"
    ),
)

VOICES = (
    KnownModel("phonon", "gradium/phonon-31m-en", "speaks English, quick on a CPU", 41, 165, "apache-2.0"),
    KnownModel("speecht5", "microsoft/speecht5_tts", "speaks English in the voice of a vector", 157, 640, "mit"),
)
