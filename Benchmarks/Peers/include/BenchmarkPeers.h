/* SPDX-License-Identifier: MIT */
/*
 * What Folio is measured against, and what the measuring itself needs from the system. Every loop
 * here is timed by FolioBenchmark beside Folio's own; none of it is part of the library.
 */
#ifndef BENCHMARK_PEERS_H
#define BENCHMARK_PEERS_H

#include <peers/harness.h>
#include <peers/atomics.h>
#include <peers/twins.h>
#include <peers/device.h>
#include <peers/kernel.h>
#include <peers/liburcu.h>
#include <peers/standard.h>
#include <peers/waits.h>
#include <peers/probes.h>

#endif
