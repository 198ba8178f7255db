/* SPDX-License-Identifier: MIT */
/* The schedule explorer's engine: everything that happens once per operation. */
#ifndef CLAB_H
#define CLAB_H

#include <lab/lab.h>
#include <lab/replay.h>

#endif
