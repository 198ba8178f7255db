/* SPDX-License-Identifier: MIT */
/*
 * The life of a device map for C programs: written in Swift (FolioCore/Device), exported under the
 * kernel's names. A program that uses these links libfolio, not only the C core.
 */
#ifndef FOLIO_PAGEMAP_H
#define FOLIO_PAGEMAP_H

#include <folio/devres.h>
#include <folio/memremap.h>

FOLIO_ASSUME_NONNULL_BEGIN

/**
 * Makes the map's ranges known and their pages ready. Returns 0 or -errno (core.md 6.3): -EINVAL,
 * -ENOMEM, -ENXIO; nothing is left half done. The kernel returns an address here; a Folio map has
 * struct pages and no memory of its own. node is ignored. Context: may block; one caller per map.
 */
int memremap_pages(struct dev_pagemap *pgmap, int node);

/**
 * Takes the map down: blocks, uninterruptibly, until every reference on it is gone. The pgmap is
 * the caller's again afterwards. With strict_teardown a page in use stops the process (CI32).
 */
void memunmap_pages(struct dev_pagemap *pgmap);

/**
 * memremap_pages() for a device: the map goes down when the device lets go of its resources. 0 or
 * -errno, -ENOMEM also when the device cannot remember it; then the map is down again.
 */
int devm_memremap_pages(struct device *dev, struct dev_pagemap *pgmap);
/** memunmap_pages() now instead of then. Warns, and does nothing, when the device has no such map.
 */
void devm_memunmap_pages(struct device *dev, struct dev_pagemap *pgmap);

/** First frame of a free range of that many frames, aligned to the order; FOLIO_NO_PFN: none. */
unsigned long cfolio_choose_frames(unsigned long frames, unsigned int order);

FOLIO_ASSUME_NONNULL_END

#endif
