/* SPDX-License-Identifier: MIT */
/* The scenario lock-order: two mutexes, taken in different orders. */
bit first = 0, second = 0;

inline take(lock)
{
	atomic { lock == 0 -> lock = 1 }
}

active proctype a()
{
	take(first);
	take(second);
	second = 0;
	first = 0;
end:	false
}

active proctype b()
{
	take(second);
	take(first);
	first = 0;
	second = 0;
end:	false
}
