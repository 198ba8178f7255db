// SPDX-License-Identifier: MIT
/*
 * Actions that a device runs when its driver lets go. See folio/devres.h. The lock is never held
 * while an action runs: it may add and remove others.
 */
#include <folio/bug.h>
#include <folio/devres.h>
#include <folio/sys.h>

#include <errno.h>

struct devm_action {
	struct devm_action *next;
	devm_action_t run;
	void *data;
};

static struct lock_class device_class = LOCK_CLASS("device");

void device_initialize(struct device *dev)
{
	mutex_init(&dev->lock, &device_class);
	dev->actions = NULL;
}

int devm_add_action(struct device *dev, devm_action_t run, void *data)
{
	struct devm_action *action = cfolio_zalloc(sizeof(*action));
	if (!action)
		return -ENOMEM;
	action->run = run;
	action->data = data;
	mutex_lock(&dev->lock);
	action->next = dev->actions;
	dev->actions = action;
	mutex_unlock(&dev->lock);
	return 0;
}

int devm_add_action_or_reset(struct device *dev, devm_action_t run, void *data)
{
	int result = devm_add_action(dev, run, data);
	if (result)
		run(data);
	return result;
}

bool devm_remove_action_nowarn(struct device *dev, devm_action_t run, void *data)
{
	mutex_lock(&dev->lock);
	struct devm_action **link = &dev->actions;
	while (*link && ((*link)->run != run || (*link)->data != data))
		link = &(*link)->next;
	struct devm_action *found = *link;
	if (found)
		*link = found->next;
	mutex_unlock(&dev->lock);
	cfolio_free(found);
	return found != NULL;
}

void devm_release_action(struct device *dev, devm_action_t run, void *data)
{
	if (!FOLIO_WARN_ON(!devm_remove_action_nowarn(dev, run, data), NULL,
			   "release of an action that the device does not have"))
		run(data);
}

void devres_release_all(struct device *dev)
{
	for (;;) {
		mutex_lock(&dev->lock);
		struct devm_action *action = dev->actions;
		if (action)
			dev->actions = action->next;
		mutex_unlock(&dev->lock);
		if (!action)
			return;
		action->run(action->data);
		cfolio_free(action);
	}
}
