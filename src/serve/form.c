/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Forms, by libmicrohttpd's post processor. */
#include "serve/form.h"

#include <stdlib.h>
#include <string.h>

#define BUFFER 4096

struct ls_form {
    struct MHD_PostProcessor *processor;
    struct ls_request *req;
    uint64_t max_file_bytes;
    const char *wrong; /* what is wrong, the first that was seen; or NULL */
};

static enum MHD_Result refuse(struct ls_form *form, const char *wrong)
{
    if (!form->wrong)
        form->wrong = wrong;
    return MHD_NO;
}

static enum MHD_Result take_file(struct ls_form *form, const char *name, const char *file, const char *data,
                                 uint64_t offset, size_t len)
{
    struct ls_request *req = form->req;
    if (strcmp(name, "file") != 0)
        return refuse(form, "the form's file must be called 'file'");
    if (offset == 0) {
        if (req->form_file)
            return refuse(form, "the form has two files");
        req->form_file = strdup(file);
        if (!req->form_file)
            return refuse(form, "no memory is left");
    }
    ls_request_add_body(req, data, len, form->max_file_bytes);
    return MHD_YES;
}

static enum MHD_Result take_text(struct ls_form *form, const char *name, const char *data, uint64_t offset, size_t len)
{
    struct ls_request *req = form->req;
    if (offset == 0) {
        for (size_t i = 0; i < req->n_form; i++)
            if (strcmp(req->form[i].name, name) == 0)
                return refuse(form, "a field of the form is given twice");
        if (req->n_form == LS_REQUEST_FORM_MAX)
            return refuse(form, "the form has too many fields");
        req->form[req->n_form].name = strdup(name);
        req->form[req->n_form].value = calloc(1, LS_REQUEST_FIELD_MAX + 1);
        if (!req->form[req->n_form].name || !req->form[req->n_form++].value)
            return refuse(form, "no memory is left");
    }
    if (req->n_form == 0 || offset + len > LS_REQUEST_FIELD_MAX || memchr(data, '\0', len))
        return refuse(form, "a field of the form is too long, or holds a NUL");
    memcpy(req->form[req->n_form - 1].value + offset, data, len);
    return MHD_YES;
}

static enum MHD_Result take(void *ctx, enum MHD_ValueKind kind, const char *name, const char *file, const char *type,
                            const char *encoding, const char *data, uint64_t offset, size_t len)
{
    struct ls_form *form = ctx;
    (void)kind;
    (void)type;
    (void)encoding;
    if (!name)
        return refuse(form, "a part of the form has no name");
    return file ? take_file(form, name, file, data, offset, len) : take_text(form, name, data, offset, len);
}

struct ls_form *ls_form_new(struct MHD_Connection *mhd, struct ls_request *req, uint64_t max_file_bytes)
{
    struct ls_form *form = calloc(1, sizeof *form);
    if (!form)
        return NULL;
    form->req = req;
    form->max_file_bytes = max_file_bytes;
    form->processor = MHD_create_post_processor(mhd, BUFFER, take, form);
    if (!form->processor) {
        free(form);
        return NULL;
    }
    return form;
}

void ls_form_add(struct ls_form *form, const char *data, size_t len)
{
    if (!form->wrong && MHD_post_process(form->processor, data, len) != MHD_YES)
        refuse(form, "the body is no form");
}

const char *ls_form_end(struct ls_form *form)
{
    if (!form)
        return NULL;
    const char *wrong = form->wrong;
    if (MHD_destroy_post_processor(form->processor) != MHD_YES && !wrong)
        wrong = "the form does not end";
    free(form);
    return wrong;
}
