/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What GCC's C++ compiler and the C library newlib ask of an image without an operating system. Only
 * images with C++ in them are linked with it, through sections.ld beside it and --wrap=main.
 *
 * There is no heap: nothing here gives newlib memory, so a program that calls malloc does not link.
 */
#include <stddef.h>

#include "ek_startup.h"

/* Given by the linker script. */
extern void (*const ek_init_array_start[])(void);
extern void (*const ek_init_array_end[])(void);

int __wrap_main(void);
int __real_main(void);
_Noreturn void abort(void);
_Noreturn void __assert_func(const char *file, int line, const char *function, const char *condition);
_Noreturn void __cxa_pure_virtual(void);
int __aeabi_atexit(void *object, void (*destroy)(void *), void *dso_handle);
int __cxa_atexit(void (*destroy)(void *), void *object, void *dso_handle);
void _ZdlPv(void *object);
void _ZdlPvj(void *object, size_t size_bytes);

void *__dso_handle; /* names the image that a destructor belongs to: there is one */

static _Noreturn void stop(const char *reason) {
    ek_startup_report report;
    ek_startup_report_begin(&report);
    ek_startup_report_text(&report, reason);
    ek_startup_report_send(&report);
}

/* Takes the place of main: runs the constructors of static objects first. */
int __wrap_main(void) {
    for (void (*const *constructor)(void) = ek_init_array_start; constructor < ek_init_array_end;
         ++constructor) {
        (*constructor)();
    }
    return __real_main();
}

_Noreturn void abort(void) {
    stop(" abort() was called");
}

_Noreturn void __assert_func(const char *file, int line, const char *function, const char *condition) {
    (void)file;
    (void)line;
    (void)function;
    ek_startup_report report;
    ek_startup_report_begin(&report);
    ek_startup_report_text(&report, " failed assertion: ");
    ek_startup_report_text(&report, condition);
    ek_startup_report_send(&report);
}

_Noreturn void __cxa_pure_virtual(void) {
    stop(" a pure virtual function was called");
}

/* Static objects are never destroyed, because the program never ends. */
int __aeabi_atexit(void *object, void (*destroy)(void *), void *dso_handle) {
    (void)object;
    (void)destroy;
    (void)dso_handle;
    return 0;
}

int __cxa_atexit(void (*destroy)(void *), void *object, void *dso_handle) {
    return __aeabi_atexit(object, destroy, dso_handle);
}

/* operator delete, which virtual destructors refer to. Nothing comes from a heap that it could go back to. */
void _ZdlPv(void *object) {
    (void)object;
}

void _ZdlPvj(void *object, size_t size_bytes) {
    (void)object;
    (void)size_bytes;
}
