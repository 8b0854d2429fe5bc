/* drawing.h - what a picture looks like, in the language of Graphviz's dot. */
#ifndef RHI_DRAWING_H
#define RHI_DRAWING_H

#include "questions/picture.h"

#include <stdio.h>

rhi_error *rhi__write_drawing(FILE *file, const rhi_picture *picture);

#endif
