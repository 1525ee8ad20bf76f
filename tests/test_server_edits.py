"""Edits of pictures over HTTP: forms with files, asked by OpenAI's own client and by hand."""

import base64
import io
from pathlib import Path

import numpy as np
from conftest import Genai, Serve
from PIL import Image
from readers import pixels


def test_a_form_with_a_mask_gives_what_the_command_gives(
    serve: Serve,
    genai: Genai,
    tmp_path: Path,
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    Image.fromarray(noise).save(genai.cwd / "photo.png")
    Image.fromarray(mask).save(genai.cwd / "mask.png")
    transparent = Image.fromarray(noise)
    transparent.putalpha(Image.fromarray(255 - mask))  # as OpenAI's API has it
    transparent.save(tmp_path / "transparent.png")
    server = serve("-m", "tiny")
    with (genai.cwd / "photo.png").open("rb") as photo, (tmp_path / "transparent.png").open("rb") as cut_out:
        answer = server.client().images.edit(
            model="tiny", image=photo, mask=cut_out, prompt="a red square", n=2, extra_body={"seed": 1}
        )
    assert len(answer.data) == 2
    made = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))))
    assert (made[mask == 0] == noise[mask == 0]).all()
    done = genai("edit", "photo.png", "a red square", "--mask", "mask.png", "-m", "tiny", "--seed", "1", "-o", "a.png")
    assert done.code == 0, done.stderr
    assert (made == pixels(genai.cwd / "a.png")).all()
    for body, headers, words in [
        ({"model": "tiny", "prompt": "x", "image": "/etc/passwd"}, {}, "must be files of a form"),
        (b"--x\r\n", {"content-type": "multipart/form-data"}, "not a whole form"),
        (form(b"not a picture"), {"content-type": "multipart/form-data; boundary=x"}, "not a picture of a known type"),
        (form(b"a", b"b"), {"content-type": "multipart/form-data; boundary=x"}, "more than once"),
    ]:
        status, _, data = server.ask("POST", "/v1/images/edits", body, headers)
        assert (status, words in data.decode()) == (400, True), data


def form(*files: bytes) -> bytes:
    """A form with these files as the picture."""
    body = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na red square\r\n'
    for file in files:
        body += b'--x\r\nContent-Disposition: form-data; name="image[]"; filename="a.png"\r\n\r\n' + file + b"\r\n"
    return body + b"--x--\r\n"
