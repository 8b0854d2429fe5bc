/* json_type.h - of which members a JSON answer consists. Each list of members stands beside what
 * writes them; commands/schema.c makes JSON Schemas of it.
 *
 * Invariant: whoever writes a member tells it here. Tests hold each answer against its schema,
 * which allows no member besides. */
#ifndef RHI_JSON_TYPE_H
#define RHI_JSON_TYPE_H

/* What a value is: several bits for several possibilities. */
enum rhi_json_is {
    RHI_JSON_TEXT = 1 << 0,  /* also names of objects */
    RHI_JSON_COUNT = 1 << 1, /* an integer, 0 or more */
    RHI_JSON_INTEGER = 1 << 2,
    RHI_JSON_NUMBER = 1 << 3,
    RHI_JSON_BOOLEAN = 1 << 4,
    RHI_JSON_ADDRESS = 1 << 5, /* "0x7f…"; no other text */
    RHI_JSON_NULL = 1 << 6,
    RHI_JSON_LIST = 1 << 7, /* all bits but RHI_JSON_NULL are then of its items */
    RHI_JSON_ROWS =
        1 << 8, /* such a list, which may be cut: then NAME_total is how many there are */
    RHI_JSON_OPTIONAL = 1 << 9 /* it may be missing */
};

/* Words that several members have: rhi__place_word, rhi__death_word, rhi__cause_word. */
#define RHI_STATUS_WORDS "live|freed|unused|internal|unmanaged|unmapped"
#define RHI_DEATH_WORDS "release|collect|destroy|unknown"
#define RHI_CAUSE_WORDS "cycle|lost_reference|lost_block|dependent"

typedef struct rhi_json_member {
    const char *name; /* NULL ends a list of members; "*": any other name */
    unsigned is;
    const char *doc;                       /* plain English, with the unit */
    const char *words;                     /* of a text: the only ones, "live|freed" */
    const struct rhi_json_type *of[2];     /* objects of this type, or of that */
    const struct rhi_json_member *members; /* or an object of these */
} rhi_json_member;

typedef struct rhi_json_type {
    const char *name; /* in schemas and in the manual */
    const char *doc;
    const struct rhi_json_type *base[2]; /* it has the members of these, too */
    const rhi_json_member *members;
} rhi_json_type;

#endif
