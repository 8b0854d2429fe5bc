/* catalog.h - what can be asked: the tables with their columns, and the questions that are shipped,
 * in text and JSON. */
#ifndef RHI_CATALOG_H
#define RHI_CATALOG_H

#include "render/json_type.h"
#include "session/session.h"

extern const rhi_json_type rhi__gcquery_tables_type, rhi__gcquery_list_type;

void rhi__show_tables(rhi_session *session);
void rhi__show_shipped(rhi_session *session);

#endif
