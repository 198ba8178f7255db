/* SPDX-License-Identifier: MIT */
/*
 * What a device owns and gives back by itself when its driver lets go: a list of actions, run last
 * first (spec: core.md section 16, rows 51 and 52, the devm_ forms). The forms for device maps are
 * in folio/pagemap.h. Mirrors the kernel's devres.c.
 */
#ifndef FOLIO_DEVRES_H
#define FOLIO_DEVRES_H

#include <folio/lock.h>

FOLIO_ASSUME_NONNULL_BEGIN

typedef void (*devm_action_t)(void *_Nullable data);
struct devm_action;

/** As far as Folio knows a device: its resources. Any thread may add and remove; see release. */
struct device {
	struct mutex lock;
	struct devm_action *_Nullable actions; /**< latest first; under lock */
} FOLIO_NONCOPYABLE;

/** No actions. */
void device_initialize(struct device *dev);
/** The driver lets go: runs every action, the latest first, each once. Context: may block. */
void devres_release_all(struct device *dev);

/** Adds an action. 0 or -ENOMEM. */
int devm_add_action(struct device *dev, devm_action_t action, void *_Nullable data) __must_check;
/** The same; runs the action at once when there is no memory to remember it. 0 or -ENOMEM. */
int devm_add_action_or_reset(struct device *dev, devm_action_t action, void *_Nullable data)
	__must_check;
/** Takes the latest such action out without running it. False when there is none. */
bool devm_remove_action_nowarn(struct device *dev, devm_action_t action, void *_Nullable data);
/** Takes the latest such action out and runs it; warns when there is none. */
void devm_release_action(struct device *dev, devm_action_t action, void *_Nullable data);

FOLIO_ASSUME_NONNULL_END

#endif
