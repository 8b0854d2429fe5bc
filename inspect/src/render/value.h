/* value.h - what an object holds, short. */
#ifndef RHI_VALUE_H
#define RHI_VALUE_H

#include "heap/reader.h"

/* What an object holds, in a few words behind a space (" \"hello\"", " {key: 14}");
 * "" if it holds nothing that can be read. It is one line of about 60 columns. */
enum { RHI_VALUE_SIZE = 256 };
void rhi__value(rhi_reader *reader, const rhi_object *object, char text[RHI_VALUE_SIZE]);
/* The same where that is one text, of which no more characters are wanted, or a number, or what the
 * format's code says; else "". */
void rhi__plain_value(rhi_reader *reader, const rhi_object *object, uint64_t characters,
                      char text[RHI_VALUE_SIZE]);
/* Without this field, which is shown beside it. */
void rhi__value_but(rhi_reader *reader, const rhi_object *object, const rhi_field *but,
                    char text[RHI_VALUE_SIZE]);
/* A number with a fraction, in the fewest digits that mean the same number of this width. */
void rhi__real_text(double value, unsigned width, char *text, size_t size);

#endif
