/*
** shimvfs.h - a VFS named "shim" that passes everything to the default one.
**
** It exists to be none of SQLite's own: code that takes shortcuts only on
** VFSes it knows must do without them here, and be right all the same.
*/
#ifndef SHIMVFS_H
#define SHIMVFS_H

/* Register "shim", not as the default; harmless when repeated. */
int shimvfs_register(void);

#endif
