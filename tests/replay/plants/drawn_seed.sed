# l2_schema.c, D7: store id and seed of a new cache are drawn at random
s/if (draw)/if (1)/
