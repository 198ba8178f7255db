// SPDX-License-Identifier: MIT
// See peers/standard.h.
#include <peers/atomics.h>
#include <peers/standard.h>

#include <memory>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

namespace
{

struct object {
	long words[4];
};

// What a frame number leads to: 64 bytes that name their owner, like a struct page.
struct descriptor {
	uint64_t flags;
	uint64_t owner;
	uint64_t words[6];
};

const uint64_t owner_word = 0x1000;

// Keeps the compiler from proving that a copy is not needed.
template <typename T> inline void observe(T &value)
{
	asm volatile("" : : "g"(&value) : "memory");
}

} // namespace

struct standard_pointer {
	std::shared_ptr<object> pointer;
};

struct standard_pointer *standard_pointer_create(void)
{
	return new (std::nothrow) standard_pointer{std::make_shared<object>()};
}

void standard_pointer_destroy(struct standard_pointer *pointer)
{
	delete pointer;
}

long standard_pointer_owners(const struct standard_pointer *pointer)
{
	return pointer->pointer.use_count();
}

void standard_pointer_copy(const struct standard_pointer *pointer, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		std::shared_ptr<object> copy = pointer->pointer;
		observe(copy);
	}
}

struct standard_map {
	std::unordered_map<uint64_t, const descriptor *> entries;
	std::shared_ptr<object> owner = std::make_shared<object>();
	std::vector<descriptor> descriptors;
	std::shared_mutex lock;
	uint64_t first = 0;
	uint64_t count = 0;
	uint64_t stride = 1;
};

struct standard_map *standard_map_create(uint64_t first, uint64_t count, uint64_t stride)
{
	try {
		auto map = std::make_unique<standard_map>();
		map->first = first;
		map->count = count;
		map->stride = stride;
		map->descriptors.resize(count, descriptor{0, owner_word, {}});
		map->entries.reserve(count);
		for (uint64_t i = 0; i < count; i++)
			map->entries.emplace(first + i * stride, &map->descriptors[i]);
		return map.release();
	} catch (const std::bad_alloc &) {
		return nullptr;
	}
}

void standard_map_destroy(struct standard_map *map)
{
	delete map;
}

static bool lookup(struct standard_map *map, bool follow, uint64_t key)
{
	std::shared_lock<std::shared_mutex> guard(map->lock);
	auto entry = map->entries.find(key);
	return entry != map->entries.end() && (!follow || entry->second->owner == owner_word);
}

size_t standard_map_random(struct standard_map *map, bool follow, uint64_t seed, size_t n)
{
	size_t hits = 0;
	for (size_t i = 0; i < n; i++)
		hits += lookup(map, follow,
			       map->first + scale_key(next_key(&seed), map->count) * map->stride);
	return hits;
}

size_t standard_map_sequential(struct standard_map *map, uint64_t start, size_t n)
{
	size_t hits = 0;
	uint64_t index = start % map->count;
	for (size_t i = 0; i < n; i++) {
		hits += lookup(map, true, map->first + index * map->stride);
		if (++index == map->count)
			index = 0;
	}
	return hits;
}

size_t standard_map_acquire(struct standard_map *map, uint64_t key, size_t n)
{
	size_t hits = 0;
	for (size_t i = 0; i < n; i++) {
		std::shared_ptr<object> owner;
		{
			std::shared_lock<std::shared_mutex> guard(map->lock);
			if (map->entries.find(key) != map->entries.end())
				owner = map->owner;
		}
		hits += owner != nullptr;
		observe(owner);
	}
	return hits;
}
