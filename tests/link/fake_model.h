/* SPDX-License-Identifier: Apache-2.0 */
/* A tiny model and port for the tests of the link: what they do is mirrored in fake_device.py. */
#ifndef EDGEKIT_TESTS_FAKE_MODEL_H
#define EDGEKIT_TESTS_FAKE_MODEL_H

#include <stdint.h>

/* 1: each operator's output is shown in two parts. */
extern int fake_in_halves;

/* 1: the input is streamed. */
extern int fake_streamed;

/* What ek_model_init and ek_model_invoke return; EK_OK unless a test wants otherwise. */
extern int fake_init_status;
extern int fake_invoke_status;

/* Runs started so far: how the tests see that no request is run twice. */
extern uint32_t fake_invocations;

/* The counter behind ek_port_ticks. */
extern uint64_t fake_ticks;

#endif /* EDGEKIT_TESTS_FAKE_MODEL_H */
