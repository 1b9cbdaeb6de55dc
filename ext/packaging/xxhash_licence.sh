#!/bin/sh
# The licence of xxHash, as the header that was compiled in has it: xxhash_licence.sh XXHASH_H
# Whoever ships the library ships this text beside it.
set -eu
awk '/^ \* xxHash/ { on = 1 } /^ \*\// { exit } on { sub(/^ \* ?/, ""); print }' "$1"
