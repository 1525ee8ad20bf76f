#!/bin/sh
# Generates one result of each kind with the built-in models. It shows each command and says where the files are.
# BIN is the folder of the genai command. OUT is the folder for the files.
set -eu

here=$(dirname "$0")

show() {
    printf '\n$ genai'
    for word in "$@"; do
        case $word in *" "*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    "$BIN/genai" "$@"
}

rm -rf "$OUT"
mkdir -p "$OUT"

show image "a large red circle on a blue background" -m tiny --seed 1 -o "$OUT/"
show image --prompts "$here/prompts.txt" -m tiny --seed 1 -o "$OUT/"
circle="$OUT/a-large-red-circle-on-a-blue-background-1.png"
show edit "$circle" "a large yellow star on a blue background" -m tiny --seed 1 -o "$OUT/"
diamond="$OUT/a-small-blue-diamond-on-the-right-on-a-yellow-background-1.png"
heart="a small red heart on the right on a yellow background"
show edit "$diamond" "$heart" --mask "$here/right-half.png" -m tiny --seed 1 -o "$OUT/"
show text "It was a dark and stormy" -m tiny --seed 5 --max-new-tokens 80 -o "$OUT/stormy.txt"
show classify --prompts "$here/opinions.txt" -m tiny
"$BIN/genai" classify --prompts "$here/opinions.txt" -m tiny --json >"$OUT/labels.jsonl"
show describe "$circle" "$diamond" -m tiny
show detect "$circle" -m tiny
show embed "A dog runs in the park" "A cat sits on the mat" "The market fell on Monday" -m tiny -o "$OUT/vectors.npy"
show embed "a kitten on a rug" --near --in "$OUT/vectors.npy" --top 2
show audio "electric rock solo" -m tiny --duration 5 --seed 1 -o "$OUT/"
show speak "Turn the blue light on." -m tiny --seed 1 -o "$OUT/"
show transcribe "$OUT/turn-the-blue-light-on-1.wav" -m tiny -o -
show gallery "$OUT" --sheet "$OUT/contact-sheet.png"
# On the page, what was said of a picture, and in a sound, stands beside it.
"$BIN/genai" describe "$circle" "$diamond" -m tiny --json >"$OUT/described.jsonl"
"$BIN/genai" detect "$circle" -m tiny --json >"$OUT/found.jsonl"
"$BIN/genai" transcribe "$OUT/turn-the-blue-light-on-1.wav" -m tiny -o - --json >"$OUT/heard.jsonl"
show gallery "$OUT"

printf '\nThe files, and a contact sheet of them all, are in %s/:\n' "$OUT"
ls "$OUT"
printf '\nAll of it as one page: %s/gallery.html\n' "$OUT"
