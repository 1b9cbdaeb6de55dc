/*
** options.h: what CREATE VIRTUAL TABLE and the commands can set.
**
** One table (hc_option_list) drives the parser, the messages, the commands,
** hybrid_cache_option() and the README check.
*/
#ifndef HC_OPTIONS_H
#define HC_OPTIONS_H

#include "host.h"

enum { HC_EVICTION_LRU, HC_EVICTION_S3FIFO };
enum { HC_COHERENCE_STRICT, HC_COHERENCE_RELAXED };
enum { HC_ON_ERROR_FAIL, HC_ON_ERROR_DEGRADE };
enum { HC_CLOCK_LOCAL, HC_CLOCK_CALLER };

typedef struct HcOptions {
    double ttl;               /* seconds; 0 = never expires */
    double l1_ttl;            /* seconds; 0 = as long as the entry lives */
    sqlite3_int64 l1_entries; /* 0 = no L1 */
    sqlite3_int64 l1_bytes;
    sqlite3_int64 l2_entries; /* 0 = no limit */
    sqlite3_int64 l2_bytes;   /* 0 = no limit */
    sqlite3_int64 eviction;   /* HC_EVICTION_... */
    sqlite3_int64 coherence;  /* HC_COHERENCE_... */
    double jitter;            /* 0 to 0.5 */
    double grace;             /* seconds */
    sqlite3_int64 on_error;   /* HC_ON_ERROR_... */
    sqlite3_int64 clock;      /* HC_CLOCK_... */
} HcOptions;

typedef enum HcOptionKind {
    HC_OPTION_REAL,  /* a number, fractions allowed */
    HC_OPTION_COUNT, /* a whole number */
    HC_OPTION_SIZE,  /* bytes, or a number with K, M, G (1024-based) */
    HC_OPTION_CHOICE /* one of the words in `choices` */
} HcOptionKind;

typedef struct HcOption {
    const char *name;
    HcOptionKind kind;
    size_t offset; /* of the member of HcOptions: a double for REAL, else a sqlite3_int64 */
    double low, high;
    const char *preset;
    const char *const *choices; /* NULL-terminated, CHOICE only */
    const char *accepts;        /* "what is accepted", for messages */
} HcOption;

extern const HcOption hc_option_list[];
extern const int hc_option_count;

void hc_options_preset(HcOptions *options);

/* NULL if there is none of that name (compared without case, as SQL words are). */
const HcOption *hc_option_find(const char *name);

/*
** Parses one argument of CREATE VIRTUAL TABLE, or of the text in the meta
** table: name=value. Returns SQLITE_OK, SQLITE_ERROR with *message, or
** SQLITE_NOMEM. *which is the index of the option that was set.
*/
int hc_options_parse(HcOptions *options, const char *argument, int *which, char **message);

/* Sets one option from a value of SQL (the commands). */
int hc_option_set(HcOptions *options, const HcOption *option, sqlite3_value *value, char **message);

/* The present value as SQL reads it: a number, or the word of a choice. */
void hc_option_result(const HcOptions *options, const HcOption *option, sqlite3_context *context);

/*
** All options as "ttl=300, l1_ttl=30, ...": the form that is stored. NULL when
** out of memory; free with sqlite3_free.
*/
char *hc_options_text(const HcOptions *options);
/* The reverse. Unknown names are kept out, as a newer format number is refused before. */
int hc_options_from_text(HcOptions *options, const char *text, char **message);

#endif
