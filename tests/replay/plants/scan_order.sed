# l2.c, D9: a scan comes in whatever order the planner likes
s/switch (shape & HC_SCAN_ORDER ? HC_SCAN_KEY : shape & HC_SCAN_BY)/if (shape \& HC_SCAN_ORDER) switch (HC_SCAN_KEY)/
