/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekit/ek_flash.h"
#include "edgekit/ek_link.h"
#include "edgekit/ek_port.h"

#define PROFILE_RECORD_BYTES   16
#define LONGEST_SENTENCE_BYTES 48
#define ERROR_BODY_BYTES       (3 + LONGEST_SENTENCE_BYTES)

_Static_assert(EK_FRAME_OVERHEAD_BYTES + ERROR_BODY_BYTES <= EK_LINK_SHORT_PACKET_BYTES,
               "an error reply must fit behind any request");
_Static_assert(sizeof(float) == 4, "scales travel as the 32 bits of an IEEE 754 single");

/* What a request is answered with: an error code and sentence, or, where code is 0, a body. */
typedef uint16_t error_code;

/* The body of a request and where its reply's body goes. */
typedef struct exchange {
    uint8_t *body;
    uint16_t body_bytes;
    uint8_t *reply; /* room for EK_LINK_MAX_BODY_BYTES where the request is a short packet */
    uint16_t reply_bytes;
} exchange;

static void copy_bytes(uint8_t *to, const uint8_t *from, uint32_t size_bytes) {
    for (uint32_t i = 0; i < size_bytes; i++) {
        to[i] = from[i];
    }
}

static error_code model_error(ek_status status) {
    return (error_code)(EK_LINK_ERR_MODEL | (uint8_t)-status);
}

/* A sentence for each error code, one after the other; that of 0 is for EK_LINK_ERR_MODEL. */
static const EK_FLASH char sentences[] = "the engine failed\0"
                                         "unknown request type or flags\0"
                                         "wrong body length for this request\0"
                                         "index, offset, length or count out of range\0"
                                         "inputs not completely written since last run\0"
                                         "no output of a single run\0"
                                         "no tensor is held\0"
                                         "restarted: send HELLO first\0"
                                         "request number is neither last nor next\0"
                                         "a streamed input serves a single plain run";

static const EK_FLASH char *error_sentence(error_code code) {
    const EK_FLASH char *sentence = sentences;
    for (error_code left = code < EK_LINK_ERR_MODEL ? code : 0; left > 0; sentence++) {
        if (*sentence == '\0') {
            left--;
        }
    }
    return sentence;
}

/* Writes code, type of the request and sentence to `body` (ERROR_BODY_BYTES); returns the bytes used. */
static uint16_t put_error(uint8_t *body, error_code code, uint8_t request_type) {
    const EK_FLASH char *sentence = error_sentence(code);
    uint16_t size_bytes = 3;
    ek_put_u16(body, code);
    body[2] = request_type;
    while (*sentence != '\0' && size_bytes < ERROR_BODY_BYTES) {
        body[size_bytes++] = (uint8_t)*sentence++;
    }
    return size_bytes;
}

static void send_packet(const uint8_t *packet, uint16_t size_bytes) {
    ek_frame_send(packet, size_bytes, ek_port_write);
    ek_port_flush();
}

/* ---- the description of board and model: a byte string of which a window is sent at a time ---- */

typedef struct window {
    uint8_t *bytes;    /* where the window goes */
    uint32_t first;    /* its place in the string */
    uint32_t size;     /* its size */
    uint32_t position; /* bytes put so far, those outside the window included */
} window;

static void put_bytes(window *w, const void *bytes, uint32_t size_bytes) {
    const uint8_t *byte = bytes;
    for (; size_bytes > 0; size_bytes--, byte++, w->position++) {
        if (w->position - w->first < w->size) { /* before the window it wraps around */
            w->bytes[w->position - w->first] = *byte;
        }
    }
}

static void put_word(window *w, uint32_t value) {
    uint8_t bytes[4];
    ek_put_u32(bytes, value);
    put_bytes(w, bytes, sizeof bytes);
}

/* One length byte, then the text, cut at 255 bytes. */
static void put_text(window *w, const char *text) {
    uint8_t size = 0;
    while (size < UINT8_MAX && text[size] != '\0') {
        size++;
    }
    put_bytes(w, &size, 1);
    put_bytes(w, text, size);
}

static void put_tensor(window *w, const ek_tensor_info *tensor) {
    union {
        float value;
        uint32_t bits;
    } scale = {tensor->scale};
    put_text(w, tensor->name);
    put_bytes(w, &tensor->rank, 1);
    for (unsigned i = 0; i < tensor->rank; i++) {
        put_word(w, tensor->dims[i]);
    }
    put_word(w, tensor->size_bytes);
    put_word(w, scale.bits);
    put_word(w, (uint32_t)tensor->zero_point);
}

static void put_description(window *w) {
    const ek_model_info *model = ek_model_get_info();
    const uint8_t head[] = {EK_CONTRACT_VERSION, (uint8_t)ek_port_tick_unit(), model->input_count,
                            model->output_count};
    put_bytes(w, head, sizeof head);
    put_word(w, ek_port_clock_hz());
    put_word(w, model->op_count);
    put_word(w, model->arena_bytes);
    put_word(w, model->input_row_bytes);
    put_bytes(w, &model->input_streamed, 1);
    put_bytes(w, model->sha256, EK_SHA256_BYTES);
    put_text(w, EK_LINK_FIRMWARE_VERSION);
    put_text(w, ek_port_board_name());
    put_text(w, model->engine);
    put_text(w, model->name);
    for (unsigned i = 0; i < model->input_count; i++) {
        put_tensor(w, &model->inputs[i]);
    }
    for (unsigned i = 0; i < model->output_count; i++) {
        put_tensor(w, &model->outputs[i]);
    }
}

static error_code answer_info(ek_link *link, exchange *x) {
    (void)link;
    window w = {x->reply + 4, ek_get_u32(x->body), EK_LINK_MAX_BODY_BYTES - 4, 0};
    put_description(&w);
    if (w.first > w.position) {
        return EK_LINK_ERR_RANGE;
    }
    const uint32_t left_bytes = w.position - w.first;
    ek_put_u32(x->reply, w.position);
    x->reply_bytes = (uint16_t)(4 + (left_bytes < w.size ? left_bytes : w.size));
    return 0;
}

/* ---- session, status, echo, reset ---- */

static void forget_results(ek_link *link) {
    link->outputs_valid = 0;
    link->held = (ek_op_rows){0, NULL, 0, 0, 0};
}

/* The inputs were used up, or are begun anew. */
static void expect_inputs(ek_link *link) {
    link->next_input = 0;
    link->next_offset = 0;
    link->row_fill_bytes = 0;
    link->rows_ticks = 0;
    link->is_generated = 0;
}

static void forget_inputs(ek_link *link) {
    expect_inputs(link);
    ek_model_forget_rows();
}

static error_code answer_hello(ek_link *link, exchange *x) {
    if (link->session_count < UINT16_MAX) {
        link->session_count++;
    }
    forget_inputs(link);
    forget_results(link);
    copy_bytes(x->reply, x->body, 4);
    x->reply[4] = EK_LINK_PROTOCOL_VERSION;
    x->reply[5] = 0;
    ek_put_u16(x->reply + 6, EK_LINK_MAX_BODY_BYTES);
    ek_put_u16(x->reply + 8, link->session_count);
    x->reply_bytes = 10;
    return 0;
}

static error_code answer_status(ek_link *link, exchange *x) {
    ek_put_u32(x->reply, (uint32_t)(int32_t)link->model_status);
    ek_put_u32(x->reply + 4, link->arena_used_bytes);
    ek_put_u32(x->reply + 8, ek_port_stack_used_bytes());
    x->reply_bytes = 12;
    return 0;
}

static error_code answer_echo(ek_link *link, exchange *x) {
    (void)link;
    x->reply = x->body; /* there is no room for another one of this length */
    x->reply_bytes = x->body_bytes;
    return 0;
}

static error_code answer_reset(ek_link *link, exchange *x) {
    (void)x;
    link->reset_due = 1;
    return 0;
}

/* ---- inputs ---- */

/* Ticks of the model, without what the link does between its parts. */
typedef struct stopwatch {
    uint64_t start; /* ticks when the model, or the operator that is timed, went on */
    uint64_t ticks; /* so far */
} stopwatch;

static ek_status timed(ek_status (*part)(void), stopwatch *watch) {
    const uint64_t start = ek_port_ticks();
    watch->start = start;
    const ek_status status = part();
    watch->ticks += ek_port_ticks() - start;
    return status;
}

/* Writes on in the rows of a streamed input: each that is complete is handed over and used up. */
static ek_status write_rows(ek_link *link, const uint8_t *bytes, uint32_t size_bytes) {
    const uint32_t row_bytes = ek_model_get_info()->input_row_bytes;
    stopwatch watch = {0, link->rows_ticks};
    ek_status status = EK_OK;
    ek_model_set_observer(NULL, NULL); /* that of an earlier run */
    while (size_bytes > 0 && status == EK_OK) {
        uint8_t *const row = (uint8_t *)ek_model_next_row();
        const uint32_t room_bytes = row_bytes - link->row_fill_bytes;
        const uint32_t piece_bytes = size_bytes < room_bytes ? size_bytes : room_bytes;
        if (row == NULL) {
            return EK_ERR_NOT_READY;
        }
        copy_bytes(row + link->row_fill_bytes, bytes, piece_bytes);
        bytes += piece_bytes;
        size_bytes -= piece_bytes;
        link->row_fill_bytes += piece_bytes;
        if (link->row_fill_bytes == row_bytes) {
            link->row_fill_bytes = 0;
            status = timed(ek_model_row_done, &watch);
        }
    }
    link->rows_ticks = watch.ticks;
    return status;
}

static ek_status write_whole(uint8_t index, uint32_t offset, const uint8_t *bytes, uint32_t size_bytes) {
    uint8_t *const input = (uint8_t *)ek_model_input(index);
    if (input == NULL) {
        return EK_ERR_NOT_READY;
    }
    copy_bytes(input + offset, bytes, size_bytes);
    return EK_OK;
}

static error_code answer_write_input(ek_link *link, exchange *x) {
    const ek_model_info *model = ek_model_get_info();
    const uint8_t index = x->body[0];
    const uint32_t offset = ek_get_u32(x->body + 1);
    const uint16_t data_bytes = (uint16_t)(x->body_bytes - 5);
    if (index == 0 && offset == 0) {
        forget_inputs(link);
    }
    if (index >= model->input_count || index != link->next_input || offset != link->next_offset ||
        data_bytes == 0 || data_bytes > model->inputs[index].size_bytes - offset) {
        return EK_LINK_ERR_RANGE;
    }
    forget_results(link);
    const ek_status status = model->input_streamed ? write_rows(link, x->body + 5, data_bytes)
                                                   : write_whole(index, offset, x->body + 5, data_bytes);
    if (status != EK_OK) {
        forget_inputs(link);
        return model_error(status);
    }
    link->next_offset += data_bytes;
    if (link->next_offset == model->inputs[index].size_bytes) {
        link->next_input++;
        link->next_offset = 0;
    }
    return 0;
}

/* The finaliser of MurmurHash3 (Austin Appleby, public domain): every input bit stirs every output bit. */
static uint32_t stir(uint32_t x) {
    x = (x ^ (x >> 16)) * 0x85ebca6bu;
    x = (x ^ (x >> 13)) * 0xc2b2ae35u;
    return x ^ (x >> 16);
}

void ek_link_generate(uint32_t seed, uint32_t position, int8_t *bytes, uint32_t size_bytes) {
    const uint32_t start = stir(seed);
    uint32_t word = 0;
    for (uint32_t i = 0; i < size_bytes; i++, position++) {
        if (i == 0 || position % 4 == 0) {
            word = stir(start + (position / 4 + 1) * 0x9e3779b9u);
        }
        const uint8_t byte = (uint8_t)(word >> (8 * (position % 4)));
        bytes[i] = (int8_t)(byte < 128 ? byte : byte - 256);
    }
}

static error_code generate_inputs(ek_link *link, uint32_t seed) {
    const ek_model_info *model = ek_model_get_info();
    uint32_t position = 0;
    forget_results(link);
    forget_inputs(link);
    if (model->input_streamed && ek_model_next_row() == NULL) {
        return model_error(EK_ERR_NOT_READY);
    }
    /* The rows of a streamed input are made while the model runs, so that an observer sees everything. */
    link->is_generated = 1;
    link->seed = seed;
    for (uint8_t index = 0; index < model->input_count && !model->input_streamed; index++) {
        int8_t *input = ek_model_input(index);
        if (input == NULL) {
            return model_error(EK_ERR_NOT_READY);
        }
        ek_link_generate(seed, position, input, model->inputs[index].size_bytes);
        position += model->inputs[index].size_bytes;
    }
    link->next_input = model->input_count;
    return 0;
}

static error_code answer_generate_input(ek_link *link, exchange *x) {
    return generate_inputs(link, ek_get_u32(x->body));
}

/* ---- runs and outputs ---- */

/* Hands over all rows of a streamed input, those of `seed`. */
static ek_status feed_generated(uint32_t seed, stopwatch *watch) {
    const uint32_t row_bytes = ek_model_get_info()->input_row_bytes;
    uint32_t position = 0;
    int8_t *row = ek_model_next_row();
    ek_status status = EK_OK;
    while (row != NULL && status == EK_OK) {
        ek_link_generate(seed, position, row, row_bytes);
        position += row_bytes;
        status = timed(ek_model_row_done, watch);
        /* Where the observer stopped, no other call may follow: it would end what is held. */
        row = status == EK_OK ? ek_model_next_row() : NULL;
    }
    return status;
}

/* Runs the model once on inputs that are then used up. */
static ek_status run_once(ek_link *link, ek_op_observer observer, void *context, stopwatch *watch) {
    const int makes_rows = link->is_generated & ek_model_get_info()->input_streamed;
    ek_status status = EK_OK;
    watch->ticks += link->rows_ticks;
    forget_results(link);
    expect_inputs(link);
    ek_model_set_observer(observer, context);
    if (makes_rows) {
        status = feed_generated(link->seed, watch);
    }
    if (status == EK_OK) {
        status = timed(ek_model_invoke, watch);
    }
    link->outputs_valid = status == EK_OK;
    if (status != EK_OK && status != EK_ERR_STOPPED) {
        ek_model_forget_rows();
    }
    return status;
}

static int inputs_written(const ek_link *link) {
    return link->next_input == ek_model_get_info()->input_count;
}

/* Whether rows of the input were used up when they were written: nobody can look at what was made of them. */
static int is_half_run(const ek_link *link) {
    return ek_model_get_info()->input_streamed && !link->is_generated;
}

static error_code answer_invoke(ek_link *link, exchange *x) {
    const uint32_t count = ek_get_u32(x->body);
    stopwatch watch = {0, 0};
    if (!inputs_written(link)) {
        return EK_LINK_ERR_NO_INPUT;
    }
    if (count == 0) {
        return EK_LINK_ERR_RANGE;
    }
    if (count > 1 && ek_model_get_info()->input_streamed) {
        return EK_LINK_ERR_STREAMED;
    }
    for (uint32_t i = 0; i < count; i++) {
        const ek_status status = run_once(link, NULL, NULL, &watch);
        if (status != EK_OK) {
            return model_error(status);
        }
    }
    link->outputs_valid = count == 1; /* later runs worked on whatever the first left in the inputs */
    ek_put_u64(x->reply, watch.ticks);
    x->reply_bytes = 8;
    return 0;
}

/* Replies with `length` bytes at `offset` of a tensor. */
static error_code answer_piece(exchange *x, const int8_t *tensor, uint32_t size_bytes, uint32_t offset,
                               uint16_t length) {
    if (offset > size_bytes || length > size_bytes - offset || length > EK_LINK_MAX_BODY_BYTES) {
        return EK_LINK_ERR_RANGE;
    }
    copy_bytes(x->reply, (const uint8_t *)tensor + offset, length);
    x->reply_bytes = length;
    return 0;
}

static error_code answer_read_output(ek_link *link, exchange *x) {
    const ek_model_info *model = ek_model_get_info();
    const uint8_t index = x->body[0];
    if (!link->outputs_valid) {
        return EK_LINK_ERR_NO_OUTPUT;
    }
    if (index >= model->output_count) {
        return EK_LINK_ERR_RANGE;
    }
    return answer_piece(x, ek_model_output(index), model->outputs[index].size_bytes, ek_get_u32(x->body + 1),
                        ek_get_u16(x->body + 5));
}

static error_code answer_invoke_generated(ek_link *link, exchange *x) {
    const ek_model_info *model = ek_model_get_info();
    stopwatch watch = {0, 0};
    const error_code code = generate_inputs(link, ek_get_u32(x->body));
    if (code != 0) {
        return code;
    }
    const ek_status status = run_once(link, NULL, NULL, &watch);
    if (status != EK_OK) {
        return model_error(status);
    }
    uint32_t crc = 0;
    uint32_t room_bytes = EK_LINK_MAX_BODY_BYTES - 12;
    int all_fit = 1;
    for (uint8_t index = 0; index < model->output_count; index++) {
        const uint8_t *output = (const uint8_t *)ek_model_output(index);
        const uint32_t size_bytes = model->outputs[index].size_bytes;
        crc = ek_crc32(crc, output, (size_t)size_bytes);
        all_fit = all_fit && size_bytes <= room_bytes;
        if (all_fit) {
            copy_bytes(x->reply + EK_LINK_MAX_BODY_BYTES - room_bytes, output, size_bytes);
            room_bytes -= size_bytes;
        }
    }
    ek_put_u64(x->reply, watch.ticks);
    ek_put_u32(x->reply + 8, crc);
    x->reply_bytes = (uint16_t)(all_fit ? EK_LINK_MAX_BODY_BYTES - room_bytes : 12);
    return 0;
}

/* ---- operators ---- */

typedef struct profile {
    uint8_t *records;
    uint32_t first_op;
    uint32_t op_count;
    stopwatch watch; /* started with the operator that runs now */
} profile;

/* Adds the rows to their operator's record: operators may take turns. */
static int profile_op(void *context, const ek_op_rows *rows) {
    profile *p = context;
    const uint64_t ticks = ek_port_ticks() - p->watch.start;
    if (rows->op_index >= p->first_op && rows->op_index - p->first_op < p->op_count) {
        uint8_t *record = p->records + (rows->op_index - p->first_op) * PROFILE_RECORD_BYTES;
        const uint32_t size_bytes = rows->data != NULL ? rows->size_bytes : 0;
        ek_put_u32(record, ek_crc32(ek_get_u32(record), (const uint8_t *)rows->data, (size_t)size_bytes));
        ek_put_u32(record + 4, ek_get_u32(record + 4) + size_bytes);
        ek_put_u64(record + 8, ek_get_u64(record + 8) + ticks);
    }
    p->watch.start = ek_port_ticks();
    return 0;
}

static error_code answer_profile(ek_link *link, exchange *x) {
    const uint32_t op_count = ek_model_get_info()->op_count;
    profile p = {x->reply, ek_get_u16(x->body), ek_get_u16(x->body + 2), {0, 0}};
    if (!inputs_written(link)) {
        return EK_LINK_ERR_NO_INPUT;
    }
    if (p.op_count == 0 || p.first_op >= op_count || p.op_count > op_count - p.first_op ||
        p.op_count > EK_LINK_MAX_BODY_BYTES / PROFILE_RECORD_BYTES) {
        return EK_LINK_ERR_RANGE;
    }
    if (is_half_run(link)) {
        return EK_LINK_ERR_STREAMED;
    }
    x->reply_bytes = (uint16_t)(p.op_count * PROFILE_RECORD_BYTES);
    for (uint16_t i = 0; i < x->reply_bytes; i++) {
        x->reply[i] = 0;
    }
    const ek_status status = run_once(link, profile_op, &p, &p.watch);
    ek_model_set_observer(NULL, NULL);
    return status == EK_OK ? 0 : model_error(status);
}

static int hold_rows(void *context, const ek_op_rows *rows) {
    ek_link *link = context;
    if (rows->op_index != link->held_op || rows->data == NULL ||
        link->wanted_offset - rows->offset_bytes >= rows->size_bytes) {
        return 0;
    }
    link->held = *rows;
    return 1;
}

static error_code answer_run_to_op(ek_link *link, exchange *x) {
    stopwatch watch = {0, 0};
    link->held_op = ek_get_u16(x->body);
    link->wanted_offset = ek_get_u32(x->body + 2);
    if (!inputs_written(link)) {
        return EK_LINK_ERR_NO_INPUT;
    }
    if (link->held_op >= ek_model_get_info()->op_count) {
        return EK_LINK_ERR_RANGE;
    }
    if (is_half_run(link)) {
        return EK_LINK_ERR_STREAMED;
    }
    /* The observer stays set: removing it would be a call that ends what is held, and every run sets its
     * own. */
    const ek_status status = run_once(link, hold_rows, link, &watch);
    if (status != EK_OK && status != EK_ERR_STOPPED) {
        forget_results(link);
        return model_error(status);
    }
    ek_put_u32(x->reply, link->held.total_bytes);
    ek_put_u32(x->reply + 4, link->held.offset_bytes);
    ek_put_u32(x->reply + 8, link->held.size_bytes);
    x->reply_bytes = 12;
    return 0;
}

static error_code answer_read_held(ek_link *link, exchange *x) {
    if (link->held.data == NULL) {
        return EK_LINK_ERR_NO_HELD;
    }
    return answer_piece(x, link->held.data, link->held.size_bytes, ek_get_u32(x->body),
                        ek_get_u16(x->body + 4));
}

/* ---- the command loop ---- */

typedef struct command {
    uint8_t type;
    uint8_t body_bytes; /* exact size of the body, or of what precedes its data */
    uint8_t has_data;   /* the body may be longer */
    error_code (*answer)(ek_link *link, exchange *x);
} command;

static const EK_FLASH command commands[] = {
    {EK_LINK_HELLO, 5, 1, answer_hello}, /* later versions may say more; the answer tells them ours */
    {EK_LINK_INFO, 4, 0, answer_info},
    {EK_LINK_STATUS, 0, 0, answer_status},
    {EK_LINK_ECHO, 0, 1, answer_echo},
    {EK_LINK_RESET, 0, 0, answer_reset},
    {EK_LINK_WRITE_INPUT, 5, 1, answer_write_input},
    {EK_LINK_GENERATE_INPUT, 4, 0, answer_generate_input},
    {EK_LINK_INVOKE, 4, 0, answer_invoke},
    {EK_LINK_READ_OUTPUT, 7, 0, answer_read_output},
    {EK_LINK_INVOKE_GENERATED, 4, 0, answer_invoke_generated},
    {EK_LINK_PROFILE, 4, 0, answer_profile},
    {EK_LINK_RUN_TO_OP, 6, 0, answer_run_to_op},
    {EK_LINK_READ_HELD, 6, 0, answer_read_held},
};

static error_code answer(ek_link *link, exchange *x) {
    const uint8_t type = link->packets[0];
    const uint8_t flags = link->packets[1];
    for (unsigned i = 0; flags == 0 && i < sizeof commands / sizeof commands[0]; i++) {
        const EK_FLASH command *c = &commands[i];
        if (c->type == type) {
            const int fits = c->has_data ? x->body_bytes >= c->body_bytes : x->body_bytes == c->body_bytes;
            return fits ? c->answer(link, x) : (error_code)EK_LINK_ERR_LENGTH;
        }
    }
    return EK_LINK_ERR_REQUEST;
}

/* Answers a request that is not run and must not displace the kept reply. */
static void refuse(const ek_link *link, error_code code) {
    uint8_t packet[EK_FRAME_OVERHEAD_BYTES + ERROR_BODY_BYTES];
    const uint16_t body_bytes = put_error(packet + EK_FRAME_HEADER_BYTES, code, link->packets[0]);
    send_packet(packet,
                ek_frame_seal(packet, EK_LINK_ERROR_REPLY, ek_get_u16(link->packets + 2), body_bytes));
}

/*
 * The reply is kept behind its request: a repetition of that request, being as long, leaves it as it is. Only
 * requests with data are longer than a short packet, and their replies are no longer than that.
 */
static uint16_t place_behind(uint16_t packet_bytes) {
    return packet_bytes > EK_LINK_SHORT_PACKET_BYTES ? packet_bytes : EK_LINK_SHORT_PACKET_BYTES;
}

/* Runs the request in link->packets, keeps its reply and sends it. */
static void run_request(ek_link *link, uint16_t packet_bytes, uint16_t number, uint32_t crc) {
    const uint8_t request_type = link->packets[0];
    exchange x = {link->packets + EK_FRAME_HEADER_BYTES, ek_get_u16(link->packets + 4),
                  link->packets + place_behind(packet_bytes) + EK_FRAME_HEADER_BYTES, 0};
    uint8_t type = request_type | EK_LINK_REPLY;
    const error_code code = answer(link, &x);
    if (code != 0 && request_type == EK_LINK_HELLO) {
        refuse(link, code);
        return;
    }
    if (code != 0) {
        x.reply_bytes = put_error(x.reply, code, request_type);
        type = EK_LINK_ERROR_REPLY;
    }
    uint8_t *const reply = x.reply - EK_FRAME_HEADER_BYTES;
    link->number = number;
    link->request_crc = crc;
    link->reply_at = (uint16_t)(reply - link->packets);
    link->reply_bytes = ek_frame_seal(reply, type, number, x.reply_bytes);
    send_packet(reply, link->reply_bytes);
    if (link->reset_due) {
        link->reset_due = 0;
        ek_port_reset();
    }
}

/* Whether a request of that type and number displaces the kept reply, being run. */
static int is_due(const ek_link *link) {
    const uint16_t number = ek_get_u16(link->packets + 2);
    return link->packets[0] == EK_LINK_HELLO ||
           (link->reply_bytes != 0 && number == (uint16_t)(link->number + 1));
}

static void take_request(ek_link *link, uint16_t packet_bytes) {
    const uint16_t number = ek_get_u16(link->packets + 2);
    const uint32_t crc = ek_get_u32(link->packets + packet_bytes - EK_FRAME_CRC_BYTES);
    const uint8_t *const reply = link->packets + link->reply_at;
    const int in_session = link->reply_bytes != 0;
    const int is_last = in_session && packet_bytes <= link->decoder.room_bytes && number == link->number &&
                        crc == link->request_crc;
    if (is_last && link->reply_at != 0 && ek_crc32(0, reply, link->reply_bytes) == EK_CRC32_RESIDUE) {
        send_packet(reply, link->reply_bytes);
    } else if (is_due(link) || (is_last && link->reply_at == 0)) {
        run_request(link, packet_bytes, number, crc);
    } else {
        refuse(link, in_session ? EK_LINK_ERR_SEQUENCE : EK_LINK_ERR_NO_SESSION);
    }
}

void ek_link_init(ek_link *link, ek_status model_status) {
    uint8_t *bytes = (uint8_t *)link;
    for (size_t i = 0; i < sizeof *link; i++) {
        bytes[i] = 0;
    }
    ek_frame_decoder_init(&link->decoder, link->packets, EK_LINK_PACKET_BYTES);
    link->model_status = model_status;
    link->arena_used_bytes = model_status == EK_OK ? (uint32_t)ek_model_arena_used_bytes() : 0;
}

void ek_link_receive(ek_link *link, uint8_t byte) {
    /* The kept reply gives way to a request that will displace it, and to no other, let alone noise. */
    const int header_is_there = link->decoder.size_bytes >= EK_FRAME_HEADER_BYTES;
    const int makes_way = link->reply_at == 0 || (header_is_there && is_due(link));
    link->decoder.room_bytes = makes_way ? EK_LINK_PACKET_BYTES : link->reply_at;
    const uint16_t packet_bytes = ek_frame_receive(&link->decoder, byte);
    if (packet_bytes != 0) {
        take_request(link, packet_bytes);
    }
}

void ek_link_run(ek_link *link, ek_status model_status) {
    ek_link_init(link, model_status);
    for (int byte = ek_port_read_byte(); byte >= 0; byte = ek_port_read_byte()) {
        ek_link_receive(link, (uint8_t)byte);
    }
}
