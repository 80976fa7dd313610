/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCG plugin of QEMU's user-mode programs: at each system call, a line of the call's number, its first
 * argument and the instructions that the program has executed so far. Compile with -shared -fPIC; run with
 * -plugin count_at_calls.so -d plugin -D FILE.
 *
 * The few declarations it needs are those of QEMU's plugin interface, version 1 (docs/devel/tcg-plugins.rst).
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t plugin_id;
struct tb;
typedef void (*translated)(plugin_id, struct tb *);
typedef void (*called)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       uint64_t, uint64_t, uint64_t);

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, translated callback);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct tb *tb, int operation, void *sum, uint64_t value);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id id, called callback);
extern size_t qemu_plugin_tb_n_insns(const struct tb *tb);
extern void qemu_plugin_outs(const char *text);

#define ADD_U64 0

int qemu_plugin_version = 1;

static uint64_t executed;

static void on_block(plugin_id id, struct tb *tb) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &executed, qemu_plugin_tb_n_insns(tb));
}

static void on_call(plugin_id id, unsigned cpu, int64_t number, uint64_t first, uint64_t a2, uint64_t a3,
                    uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
    char line[80];
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    snprintf(line, sizeof line, "%" PRId64 " %" PRIu64 " %" PRIu64 "\n", number, first, executed);
    qemu_plugin_outs(line);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_vcpu_syscall_cb(id, on_call);
    return 0;
}
