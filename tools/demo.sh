#!/bin/sh
# Generates one thing of each kind with the built-in models, and says what it runs and where the files are.
set -eu

show() {
    printf '\n$ genai'
    for word in "$@"; do
        case $word in *" "*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    "$BIN/genai" "$@"
}

has() { "$BIN/genai" models list | grep -q "^tiny ($1)"; }

mkdir -p "$OUT"
rm -f "$OUT"/*.png "$OUT"/*.txt "$OUT"/*.txt.json "$OUT"/*.wav

show image "a large red circle on a blue background" -m tiny --seed 1 -o "$OUT/"
show image "a small yellow star on the left, purple background" -m tiny --seed 2 -o "$OUT/"
show text "It was a dark and stormy" -m tiny --seed 1 --max-new-tokens 80 -o "$OUT/stormy.txt"
show classify "This movie is disgustingly good !" "What a waste of time" "not bad at all" -m tiny
if has audio; then
    show audio "a slow high flute" -m tiny --duration 5 --seed 1 -o "$OUT/"
fi

printf '\nThe files are in %s/:\n' "$OUT"
ls "$OUT"
