/* output.h - every word of output goes through here: text for people, or one streamed JSON
 * document. Text is written in UTF-8 and becomes ASCII where the user's locale has nothing more.
 * Functions that take a json_t own it afterwards; NULL (memory short) becomes null. */
#ifndef RHI_OUTPUT_H
#define RHI_OUTPUT_H

#include "render/json_type.h"
#include "session/session.h"

/* Text on the output stream (nothing in JSON mode: the caller asks session->json first). What
 * conversions there are, and what becomes of texts that come from outside: text.h. */
__attribute__((format(printf, 2, 3))) void rhi__print(rhi_session *session, const char *format,
                                                      ...);
/* The engine's own text, of several lines. */
void rhi__print_lines(rhi_session *session, const char *text);
void rhi__flush(rhi_session *session);
/* Text in the colour of what it stands for, where colours are shown; else the text itself. The
 * result is good for the next seven calls. */
enum rhi_style {
    RHI_STYLE_ID,
    RHI_STYLE_GARBAGE,
    RHI_STYLE_HELD,
    RHI_STYLE_IMMORTAL,
    RHI_STYLE_STALE,
    RHI_STYLE_ASKED
};
const char *rhi__styled(rhi_session *session, enum rhi_style style, const char *text);
/* Progress and notices: straight to the error stream. */
__attribute__((format(printf, 2, 3))) void rhi__notice(rhi_session *session, const char *format,
                                                       ...);

/* What every answer has, whatever else is in it; an error; what --help answers. */
extern const rhi_json_type rhi__common_type, rhi__error_type, rhi__help_type;

/* {"command": …, then keys, then rhi__json_end writes "complete" and closes it. Array items are
 * written as they come. */
void rhi__json_begin(rhi_session *session);
void rhi__json_key(rhi_session *session, const char *key, json_t *value);
void rhi__json_array(rhi_session *session, const char *key);
void rhi__json_item(rhi_session *session, json_t *value);
void rhi__json_array_end(rhi_session *session);
void rhi__json_end(rhi_session *session);
void rhi__json_close(rhi_session *session); /* for a document that wrote "complete" itself */
/* An error as a document of its own. */
void rhi__json_error(rhi_session *session, const char *message);
/* In text: the line that says why the answer is not complete, if it is not. */
void rhi__print_incomplete(rhi_session *session);

json_t *rhi__json_address(uint64_t address); /* "0x…" */
json_t *rhi__json_u64(uint64_t value);       /* beyond 2^63 - 1: cut */
json_t *rhi__json_exact(uint64_t value);     /* beyond 2^63 - 1: its digits, as a text */
json_t *rhi__json_text(const char *text);
json_t *rhi__json_bytes(const char *bytes, size_t size); /* NUL bytes included */

#endif
