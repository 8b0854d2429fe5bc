/* picture.h - draws a picture into files. */
#ifndef RHI_RENDER_PICTURE_H
#define RHI_RENDER_PICTURE_H

#include "questions/picture.h"

#include <stdio.h>

/* Where to: in Graphviz's language, and as `dot` draws it. NULL: not wanted. */
typedef struct rhi_picture_files {
    const char *dot, *svg;
} rhi_picture_files;
rhi_error *rhi__draw(rhi_work *work, const rhi_picture *picture, const rhi_picture_files *files);

/* The same into a stream: in dot's language, or `is_drawn` by Graphviz. */
rhi_error *rhi__draw_into(rhi_work *work, const rhi_picture *picture, bool is_drawn, FILE *file);

#endif
