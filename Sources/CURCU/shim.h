/* SPDX-License-Identifier: MIT */
/* liburcu is reached only through folio/rcu.h; this module carries the linker flags. */
