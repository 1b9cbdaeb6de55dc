# cache.c, D5: eviction spares what this connection has read
s/hc_uses_want(&cache->uses, cache->options\.clock == HC_CLOCK_LOCAL &&/hc_uses_want(\&cache->uses, 1 \&\&/
