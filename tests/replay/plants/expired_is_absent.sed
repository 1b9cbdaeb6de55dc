# cache.c, D4: writes pass over what the local clock says has expired
s/== HC_CLOCK_CALLER ? HC_BEFORE_ALL/== -1 ? HC_BEFORE_ALL/
