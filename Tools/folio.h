/* SPDX-License-Identifier: MIT */
/*
 * What `make install` gives C programs: everything of Folio in one header. Contracts are in the
 * headers that it includes; link with `pkg-config --cflags --libs folio`.
 */
#ifndef FOLIO_H
#define FOLIO_H

#ifdef __cplusplus
#error "Folio's headers are C11 (_Atomic members): call them from a C file"
#endif
#if defined(FOLIO_LAB)
#error "the installed libfolio is built without the Lab trait; FOLIO_LAB needs one built with it"
#endif

#include <folio/CFolio.h>

#endif
