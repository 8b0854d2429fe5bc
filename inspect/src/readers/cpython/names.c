/* names.c - writes the names of slots, once they are printed (see views.h).
 *
 * A slot carries a number or an address as its label; what is there is read again. */
#include "readers/cpython/views.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEY_SIZE = 96, MEMBERS_MAX = 1 << 10, BASES_MAX = 64 };

static void call_item(void *context, uint64_t element, char *name, size_t size)
{
    (void)context;
    snprintf(name, size, "[%" PRIu64 "]", element);
}

static void call_value(void *context, uint64_t element, char *name, size_t size)
{
    char key[KEY_SIZE];
    rhi__py_repr(context, element, key, sizeof key);
    snprintf(name, size, "[%s]", key);
}

static void call_key(void *context, uint64_t element, char *name, size_t size)
{
    char key[KEY_SIZE];
    rhi__py_repr(context, element, key, sizeof key);
    snprintf(name, size, "key %s", key);
}

static void call_shared_key(void *context, uint64_t element, char *name, size_t size)
{
    char key[KEY_SIZE];
    rhi__py_repr(context, element, key, sizeof key);
    snprintf(name, size, "shared key %s", key);
}

static void call_order(void *context, uint64_t element, char *name, size_t size)
{
    char key[KEY_SIZE];
    rhi__py_repr(context, element, key, sizeof key);
    snprintf(name, size, "order %s", key);
}

static void call_element(void *context, uint64_t element, char *name, size_t size)
{
    char key[KEY_SIZE];
    rhi__py_repr(context, element, key, sizeof key);
    snprintf(name, size, "{%s}", key);
}

static void call_attribute(void *context, uint64_t element, char *name, size_t size)
{
    if (!rhi__py_text(context, element, name, size))
        snprintf(name, size, "attribute named by 0x%" PRIx64, element);
}

static void call_state(void *context, uint64_t element, char *name, size_t size)
{
    (void)context;
    snprintf(name, size, "state+%" PRIu64, element);
}

static void call_link(void *context, uint64_t element, char *name, size_t size)
{
    (void)context;
    snprintf(name, size, "link %" PRIu64, element);
}

static void call_cached(void *context, uint64_t element, char *name, size_t size)
{
    static const char *const names[] = {"co_code", "co_varnames", "co_cellvars", "co_freevars"};
    (void)context;
    snprintf(name, size, "%s", element < 4 ? names[element] : "cached");
}

static void call_handler(void *context, uint64_t element, char *name, size_t size)
{
    static const char *const names[] = {"StartElementHandler",
                                        "EndElementHandler",
                                        "ProcessingInstructionHandler",
                                        "CharacterDataHandler",
                                        "UnparsedEntityDeclHandler",
                                        "NotationDeclHandler",
                                        "StartNamespaceDeclHandler",
                                        "EndNamespaceDeclHandler",
                                        "CommentHandler",
                                        "StartCdataSectionHandler",
                                        "EndCdataSectionHandler",
                                        "DefaultHandler",
                                        "DefaultHandlerExpand",
                                        "NotStandaloneHandler",
                                        "ExternalEntityRefHandler",
                                        "StartDoctypeDeclHandler",
                                        "EndDoctypeDeclHandler",
                                        "EntityDeclHandler",
                                        "XmlDeclHandler",
                                        "ElementDeclHandler",
                                        "AttlistDeclHandler",
                                        "SkippedEntityHandler"};
    (void)context;
    snprintf(name, size, "%s", element < sizeof names / sizeof *names ? names[element] : "handler");
}

static void call_parent(void *context, uint64_t element, char *name, size_t size)
{
    (void)context;
    snprintf(name, size, "parent %" PRIu64, element);
}

static void call_attrib(void *context, uint64_t element, char *name, size_t size)
{
    (void)context;
    (void)element;
    snprintf(name, size, "attrib"); /* by its form alone it would have a number */
}

static void call_local(void *context, uint64_t element, char *name, size_t size)
{
    rhi__py_local_name(context, element, name, size);
}

/* ---- members of classes --------------------------------------------------------------------- */

/* Looks through a type's tp_members for the slot; false: it is not there. */
static bool find_member(py_runtime *py, const py_type *type, uint64_t offset, char *name,
                        size_t size)
{
    uint8_t member[PY_MEMBER_BYTES];
    char text[RHI_NAME_SIZE];
    uint64_t at;
    if (!rhi__py_u64(py, type->address + PY_TP_MEMBERS, &at))
        return false;
    for (unsigned i = 0; at && i < MEMBERS_MAX; i++, at += PY_MEMBER_BYTES) {
        if (rhi__py_read(py, at, member, sizeof member) != sizeof member ||
            rhi__load64(member) == 0)
            return false;
        uint32_t kind = rhi__load32(member + 8);
        if (rhi__load64(member + 16) == offset &&
            (kind == PY_MEMBER_OBJECT || kind == PY_MEMBER_OBJECT_EX))
            return rhi__module_name(py->files, py->memory, rhi__load64(member), text) &&
                   snprintf(name, size, "%s", text) > 0;
    }
    return false;
}

static void call_member(void *context, uint64_t element, char *name, size_t size)
{
    py_runtime *py = context;
    uint64_t number = element >> 32, offset = (uint32_t)element;
    const py_type *type = number < py->types.count ? &py->types.items[number] : NULL;
    for (unsigned i = 0; type && i < BASES_MAX; i++) {
        if (find_member(py, type, offset, name, size))
            return;
        type = type->base ? rhi__py_known_type(py, type->base) : NULL;
    }
    snprintf(name, size, "+%" PRIu64, offset);
}

/* ---- the fields ----------------------------------------------------------------------------- */

void rhi__py_labels_make(py_runtime *py, py_views *views)
{
    static const struct label {
        enum py_label label;
        uint8_t kind, form;
        const char *name;
        void (*call)(void *context, uint64_t element, char *name, size_t size);
    } labels[] = {
        {PY_LABEL_ITEM, RHI_KIND_STRONG, RHI_FORM_VECTOR, "[]", call_item},
        {PY_LABEL_INNER_ITEM, RHI_KIND_STRONG, RHI_FORM_ARRAY, "[]", call_item},
        {PY_LABEL_VALUE, RHI_KIND_STRONG, RHI_FORM_VECTOR, "value", call_value},
        {PY_LABEL_KEY, RHI_KIND_STRONG, RHI_FORM_VECTOR, "key", call_key},
        {PY_LABEL_SHARED_KEY, RHI_KIND_STRONG, RHI_FORM_VECTOR, "shared key", call_shared_key},
        {PY_LABEL_ORDER, RHI_KIND_STRONG, RHI_FORM_VECTOR, "order", call_order},
        {PY_LABEL_INTERNED, RHI_KIND_BORROWED, RHI_FORM_VECTOR, "interned", call_key},
        {PY_LABEL_ELEMENT, RHI_KIND_STRONG, RHI_FORM_VECTOR, "{}", call_element},
        {PY_LABEL_INNER_ELEMENT, RHI_KIND_STRONG, RHI_FORM_ARRAY, "{}", call_element},
        {PY_LABEL_ATTRIBUTE, RHI_KIND_STRONG, RHI_FORM_VECTOR, "attribute", call_attribute},
        {PY_LABEL_INNER_ATTRIBUTE, RHI_KIND_STRONG, RHI_FORM_ARRAY, "attribute", call_attribute},
        {PY_LABEL_DICT, RHI_KIND_STRONG, RHI_FORM_ONE, "__dict__", NULL},
        {PY_LABEL_DICT_UNSURE, RHI_KIND_STRONG, RHI_FORM_ONE, "__dict__", NULL},
        {PY_LABEL_CLASS, RHI_KIND_STRONG, RHI_FORM_ONE, "__class__", NULL},
        {PY_LABEL_TARGET, RHI_KIND_BORROWED, RHI_FORM_ONE, "target", NULL},
        {PY_LABEL_MEMBER, RHI_KIND_STRONG, RHI_FORM_ARRAY, "member", call_member},
        {PY_LABEL_WORD, RHI_KIND_STRONG, RHI_FORM_ARRAY, "word", call_member},
        {PY_LABEL_HIDDEN_WORD, RHI_KIND_STRONG, RHI_FORM_ARRAY, "word", call_member},
        {PY_LABEL_CLEARED, RHI_KIND_STRONG, RHI_FORM_ARRAY, "word", call_member},
        {PY_LABEL_STATE, RHI_KIND_STRONG, RHI_FORM_VECTOR, "state", call_state},
        {PY_LABEL_LOCAL, RHI_KIND_STRONG, RHI_FORM_ARRAY, "local", call_local},
        {PY_LABEL_FRAME_CODE, RHI_KIND_STRONG, RHI_FORM_ONE, "f_code", NULL},
        {PY_LABEL_FRAME_FUNCTION, RHI_KIND_STRONG, RHI_FORM_ONE, "f_func", NULL},
        {PY_LABEL_FRAME_LOCALS, RHI_KIND_STRONG, RHI_FORM_ONE, "f_locals", NULL},
        {PY_LABEL_FRAME_OBJECT, RHI_KIND_STRONG, RHI_FORM_ONE, "gi_frame", NULL},
        {PY_LABEL_ORIGIN, RHI_KIND_STRONG, RHI_FORM_ONE, "cr_origin", NULL},
        {PY_LABEL_LINK, RHI_KIND_STRONG, RHI_FORM_VECTOR, "link", call_link},
        {PY_LABEL_INNER_LINK, RHI_KIND_STRONG, RHI_FORM_ARRAY, "link", call_link},
        {PY_LABEL_ATTRIB, RHI_KIND_STRONG, RHI_FORM_VECTOR, "attrib", call_attrib},
        {PY_LABEL_HANDLER, RHI_KIND_STRONG, RHI_FORM_VECTOR, "handler", call_handler},
        {PY_LABEL_PARENT, RHI_KIND_STRONG, RHI_FORM_VECTOR, "parent", call_parent},
        {PY_LABEL_CACHED, RHI_KIND_STRONG, RHI_FORM_VECTOR, "cached", call_cached},
    };
    for (unsigned i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        rhi_field *field = &views->labels[labels[i].label];
        *field = (rhi_field){
            .kind = labels[i].kind,
            .form = labels[i].form,
            .is_guess = labels[i].label == PY_LABEL_WORD ||
                        labels[i].label == PY_LABEL_HIDDEN_WORD ||
                        labels[i].label == PY_LABEL_CLEARED || labels[i].label == PY_LABEL_STATE,
            .is_unseen =
                labels[i].label == PY_LABEL_HIDDEN_WORD || labels[i].label == PY_LABEL_ORIGIN,
            .is_unsure = labels[i].label == PY_LABEL_DICT_UNSURE ||
                         labels[i].label == PY_LABEL_CLEARED || labels[i].label == PY_LABEL_STATE,
            .call = labels[i].call,
            .context = py};
        snprintf(field->name, sizeof field->name, "%s", labels[i].name);
    }
}
