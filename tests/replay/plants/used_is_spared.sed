# cache_limits.c, D5: eviction spares what this connection has read
s/if (cache->options\.clock == HC_CLOCK_CALLER)/if (0)/
