/* holders.h - rows of referrers, in text and JSON. */
#ifndef RHI_HOLDERS_H
#define RHI_HOLDERS_H

#include "heap/objects.h"
#include "render/json_type.h"
#include "session/session.h"

extern const rhi_json_type rhi__holder_type, rhi__block_type;

/* A block of malloc, by its number in malloc_graph.h: {"address", "size"}. */
json_t *rhi__block_json(rhi_session *session, uint32_t number);

/* A referrer row. */
struct rhi_holder;
/* What it is: "local 'head' (node *) in run() frame 0 thread 12", "node#3.next". */
enum {
    RHI_HOLDER_TEXT_SIZE =
        RHI_ID_SIZE + 2 * RHI_NAME_SIZE + RHI_VARIABLE_SIZE + 2 * RHI_OWNER_SIZE + 96
};
void rhi__holder_text(rhi_reader *reader, const struct rhi_holder *holder,
                      char text[RHI_HOLDER_TEXT_SIZE]);
/* "field", "root", "global", … */
const char *rhi__holder_word(const struct rhi_holder *holder);
/* "strong", "weak", "borrowed", "conservative": of a slot that is a guess. */
const char *rhi__field_strength(const rhi_field *field);
/* The same of any holder. */
const char *rhi__strength_word(const struct rhi_holder *holder);
/* The object that a field row is in, and its id; false: it is in none. */
bool rhi__holder_from(rhi_reader *reader, const struct rhi_holder *holder, rhi_object *object,
                      char *id, size_t size);
/* How far behind the object's address it points; below 0: in front of it, into its slot. */
int64_t rhi__holder_offset(const struct rhi_holder *holder);
json_t *rhi__holder_json(rhi_reader *reader, const struct rhi_holder *holder);
/* " (in a malloc block that nothing reaches)", or "". */
const char *rhi__reach_text(const struct rhi_holder *holder);
void rhi__holder_print(rhi_session *session, rhi_reader *reader, const struct rhi_holder *holder,
                       const char *indent);

#endif
