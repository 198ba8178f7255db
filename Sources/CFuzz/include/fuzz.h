/* SPDX-License-Identifier: MIT */
/*
 * The doors to the fuzzing engines, none of which has to be there: libFuzzer's run-time library and
 * AFL++'s are linked by Tools/fuzz.sh only. And what libFuzzer finds by the name of its section.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/** One per racing pair, by a hash of its names; libFuzzer takes each for a feature. */
#define FUZZ_COUNTERS 1024u
unsigned char *fuzz_counters_start(void);

/** What an engine calls with each input; 0, or -1: not to be kept. */
typedef int (*fuzz_target)(const uint8_t *data, size_t size);

/** libFuzzer is linked. */
bool fuzz_has_libfuzzer(void);
/** Gives the process to libFuzzer, which ends it. -1: it is not linked. */
int fuzz_libfuzzer(int argc, char *_Nonnull *_Nonnull argv, fuzz_target target);
/** libFuzzer's own mutations, in a custom mutator; the new size. 0: it is not linked. */
size_t fuzz_mutate(uint8_t *data, size_t size, size_t limit);

/** AFL++ is linked. */
bool fuzz_has_afl(void);
/**
 * Runs inputs of AFL++ in persistent mode, at most so many in one process. Racing pairs go into its
 * map beside its own counters. False: it is not linked.
 */
bool fuzz_afl(unsigned int inputs, fuzz_target target);

#pragma clang assume_nonnull end

#endif
