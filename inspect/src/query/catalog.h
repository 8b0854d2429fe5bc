/* catalog.h - what can be asked: the tables with their columns, and the questions that are shipped,
 * in text and JSON. */
#ifndef RHI_CATALOG_H
#define RHI_CATALOG_H

#include "session/session.h"

void rhi__show_tables(rhi_session *session);
void rhi__show_shipped(rhi_session *session);

#endif
