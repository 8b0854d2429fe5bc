/* interpreter.c - what an interpreter owns, and which of its memory owns nothing (see roots.h,
 * python.h). What is not listed here stays what it is: words of module data, or of a block. */
#include "readers/cpython/roots.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES_MAX = 1 << 20, WINDOW_BYTES = 16 << 10 };

/* ---- owned words ---------------------------------------------------------------------------- */

/* Words that own what they hold; `count` of them (0: one). Offsets by version, 0: it has none. */
/* clang-format off */
static const struct {
    const char *name;
    uint32_t at[PY_VERSIONS], count;
} owned[] = {
    {"sys.modules",                  { 856,  856,  888,    944,   7656}, 0},
    {"modules by index",             { 864,  864,  896,    952,   7664}, 0},
    {"sys.__dict__",                 { 872,  872,  904,    352,   7640}, 0},
    {"builtins.__dict__",            { 880,  880,  912,    360,   7648}, 0},
    {"importlib._bootstrap",         { 888,  888,  920,    960,   7672}, 0},
    {"__import__",                   {1392, 1360, 1416,    968,   7696}, 0},
    {"codecs: search path",          { 912,  912,  936,   1248,   7960}, 0},
    {"codecs: cache of the search",  { 920,  920,  944,   1256,   7968}, 0},
    {"codecs: error handlers",       { 928,  928,  952,   1264,   7976}, 0},
    {"dict of the interpreter",      {1376, 1344, 1400,   1720,   8448}, 0},
    {"copy of sys.__dict__",         {   0,    0,    0,   1728,   8456}, 0},
    {"copy of builtins.__dict__",    {1384, 1352, 1408,   1736,   8464}, 0},
    {"os.register_at_fork: before",  {3456, 3424, 3480,   3872,  10632}, 0},
    {"os.register_at_fork: parent",  {3464, 3432, 3488,   3880,  10640}, 0},
    {"os.register_at_fork: child",   {3472, 3440, 3496,   3888,  10648}, 0},
    {"atexit: the module",           {3488,    0,    0,      0,      0}, 0},
    {"warnings.filters",             {3504, 3456, 3504,   3896,  10656}, 0},
    {"warnings: once",               {3512, 3464, 3512,   3904,  10664}, 0},
    {"warnings: default action",     {3520, 3472, 3520,   3912,  10672}, 0},
    {"sys.addaudithook",             {3536, 3504, 3552, 267208,  10808}, 0},
    {"NotShareableError",            {   0,    0,    0,      0,  10624}, 0},
    {"errno's exceptions",           {   0, 13312, 7128, 273400, 82640}, 0},
    {"ExceptionGroup",               {   0,    0, 7152, 273424,  82664}, 0},
    {"small integer",                {3552, 3512,    0,      0,      0}, 262},
    {"bytes of one character",       {   0, 5608,    0,      0,      0}, 257},
    {"string of one character",      {   0, 7664,    0,      0,      0}, 257},
    {"interpreter's trampoline",     {   0,    0,    0, 381736,      0}, 0},
    {"sys.monitoring: callbacks",    {   0,    0,    0, 381784, 193176}, 136},
    {"sys.monitoring: names",        {   0,    0,    0, 382872, 194264}, 8},
    {"interned strings",             {   0,    0,    0, 382936, 194328}, 0},
    {"'.0'",                         {   0,    0,    0, 382944, 194336}, 0},
    {"copyreg",                      {   0,    0,    0, 382952, 194344}, 0},
};
/* clang-format on */
