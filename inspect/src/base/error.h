/* error.h - errors as values.
 * A function that can fail returns NULL for success or an rhi_error that the caller frees; results
 * come through the last parameters and are untouched on failure. One line of text, for users. */
#ifndef RHI_ERROR_H
#define RHI_ERROR_H

typedef struct rhi_error {
    char message[2048]; /* the columns of all tables of gcquery have room */
} rhi_error;

__attribute__((format(printf, 1, 2))) rhi_error *rhi__error(const char *format, ...);
/* The error of memory being short: static, so that making it cannot fail. */
rhi_error *rhi__error_memory(void);
/* The error of an interrupt by the user: "cancelled". */
rhi_error *rhi__error_cancelled(void);
void rhi__error_free(rhi_error *error);

#define RHI_TRY(expression)                                                                        \
    do {                                                                                           \
        rhi_error *try_error = (expression);                                                       \
        if (try_error)                                                                             \
            return try_error;                                                                      \
    } while (0)

#endif
