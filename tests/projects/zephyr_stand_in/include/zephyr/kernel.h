/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAND_IN_ZEPHYR_KERNEL_H
#define STAND_IN_ZEPHYR_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define ARG_UNUSED(x) (void)(x)

struct k_sem {
    unsigned count, limit;
};
struct k_thread {
    int unused;
};
typedef struct k_thread *k_tid_t;
typedef struct {
    int64_t ticks;
} k_timeout_t;

#define K_FOREVER                                      ((k_timeout_t){-1})
#define K_SEM_DEFINE(name, initial_count, count_limit) struct k_sem name = {initial_count, count_limit}

int k_sem_take(struct k_sem *sem, k_timeout_t timeout);
void k_sem_give(struct k_sem *sem);
int32_t k_msleep(int32_t ms);
k_tid_t k_current_get(void);
int k_thread_stack_space_get(const struct k_thread *thread, size_t *unused_ptr);
unsigned sys_clock_hw_cycles_per_sec(void);

#endif
