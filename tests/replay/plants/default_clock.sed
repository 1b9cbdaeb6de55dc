# update.c, D1 and D2: a deadline that the caller left out comes from the local clock
s/== HC_CLOCK_CALLER/== -1/
