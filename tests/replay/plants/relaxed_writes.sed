# cache.c, D7: under coherence=relaxed an UPDATE goes by a value of L1 that is over
s/== HC_COHERENCE_STRICT || cache->transaction\.open;/== HC_COHERENCE_STRICT;/
