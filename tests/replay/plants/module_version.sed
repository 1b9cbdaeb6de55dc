# module.c, R10: a module says that it is of a version that SQLite has not
s/iVersion = [0-9]/iVersion = 700/
