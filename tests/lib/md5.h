/* md5.h - the digest that sqllogictest's hashed results use. Not for security. */
#ifndef TEST_MD5_H
#define TEST_MD5_H

#include <stddef.h>

/* Write the 32 hex digits of the digest of `size` bytes, and a NUL, to `hex`. */
void md5_hex(const void *data, size_t size, char hex[33]);

#endif
