# cache_limits.c, D3: writes purge what the local clock says has expired
s/cache->options\.clock == HC_CLOCK_LOCAL \&\&/1 \&\&/
