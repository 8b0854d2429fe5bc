/* show.h - the rows of a statement: as a table for people, in JSON, as comma-separated values. */
#ifndef RHI_SHOW_H
#define RHI_SHOW_H

#include "render/json_type.h"
#include "query/statement.h"

extern const rhi_json_type rhi__gcquery_type;

enum rhi_show_form { RHI_SHOW_TABLE, RHI_SHOW_JSON, RHI_SHOW_CSV };

/* Reads rows up to the limit and shows them. *status is set where half of an answer is with the
 * user already: that it is no whole one is told there. */
rhi_error *rhi__show(rhi_query *query, rhi_statement *statement, enum rhi_show_form form,
                     uint64_t limit, int *status);

#endif
