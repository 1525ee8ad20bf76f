"""Text from anywhere, made safe to show: nothing in it drives a terminal or breaks a line."""

import re

# C0 and C1 controls and DEL, which can drive a terminal; newline and tab do no harm in a text.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# The same for one line, with what breaks a line, or turns its direction so that it reads as something else.
LINE_BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def remove_controls(text: str) -> str:
    """Text of several lines from a stranger, without what could drive a terminal."""
    return CONTROLS.sub("", text)


def show_controls(text: str) -> str:
    """Text of several lines, each control character replaced by the sign that stands for it."""
    return CONTROLS.sub(lambda match: name_control(ord(match[0])), text)


def one_line(text: str) -> str:
    """Text from anywhere as part of one line, without what could drive a terminal."""
    return LINE_BREAKING.sub(" ", text).strip()


def shorten(text: str, most: int) -> str:
    """The text, or its beginning where it is longer."""
    return text if len(text) <= most else text[: max(0, most - 3)] + "..."


def name_control(code: int) -> str:
    """The sign for a control character."""
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"
