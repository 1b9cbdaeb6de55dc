#!/bin/sh
# The suite `limits`: see limits.c. SOAK=1: a gigabyte for one key and one value, 10^6 tags, 5,000 caches, and so on.
exec "${BUILD:-build}/limits/limits"
