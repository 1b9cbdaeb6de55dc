# Adds up what `gcov --branch-counts --branch-probabilities --stdout` prints, by file of ext/: coverage.sh calls it.
# A header is compiled into several objects: its lines and branches count once, reached in any of them.

/^ *[-#=0-9*]+: *[0-9]+:/ {
    text = $0
    count = text
    sub(/:.*/, "", count)
    gsub(/[ *]/, "", count)
    sub(/^[^:]*:/, "", text)
    line = text + 0
    sub(/^ *[0-9]+:/, "", text)
    if (line == 0) {
        if (text ~ /^Source:/) {
            file = substr(text, 8)
            sub(/^\.\//, "", file)
            wanted = file ~ /^ext\//
        }
        next
    }
    branch = 0
    if (!wanted || count == "-") next
    at = file SUBSEP line
    if (!(at in lines)) {
        lines[at] = 0
        words[at] = text
        if (!(file in files)) files[file] = ++number
        if (line > last[file]) last[file] = line
    }
    if (count !~ /[#=]/) lines[at] = 1
    next
}
wanted && /^branch / {
    if (!((at, branch) in taken)) {
        taken[at, branch] = 0
        branches[at]++
    }
    if ($3 == "taken" && $4 > 0) taken[at, branch] = 1
    branch++
}

function percent(part, whole) { return whole ? sprintf("%.2f", int(10000 * part / whole) / 100) : "-" }
function row(name, l, hit, b, gone) {
    printf "%-24s %6d %6d %8s %9d %6d %8s\n", name, l, hit, percent(hit, l), b, gone, percent(gone, b)
}

END {
    printf "%-24s %6s %6s %8s %9s %6s %8s\n", "file", "lines", "hit", "%", "branches", "taken", "%"
    for (file in files) name[files[file]] = file
    for (i = 1; i <= number; i++) {
        file = name[i]
        l = hit = b = gone = 0
        for (line = 1; line <= last[file]; line++) {
            at = file SUBSEP line
            if (!(at in lines)) continue
            l++
            hit += lines[at]
            if (!lines[at]) missing[++misses] = file ":" line ":" words[at]
            went = 0
            for (j = 0; j < branches[at]; j++) went += taken[at, j]
            b += branches[at]
            gone += went
            if (went < branches[at]) {
                which = ""
                for (j = 0; j < branches[at]; j++) if (!taken[at, j]) which = which " " j
                partial[++partials] = file ":" line ": " which " of " branches[at] ": " words[at]
            }
        }
        row(file, l, hit, b, gone)
        all_l += l; all_hit += hit; all_b += b; all_gone += gone
    }
    row("all", all_l, all_hit, all_b, all_gone)
    print "\nLines not reached: " misses + 0
    for (i = 1; i <= misses; i++) print missing[i]
    print "\nLines with branches not taken (their numbers, of how many): " partials + 0
    for (i = 1; i <= partials; i++) print partial[i]
}
