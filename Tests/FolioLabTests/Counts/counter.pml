/* SPDX-License-Identifier: MIT */
/*
 * The scenarios counter and racy-counter: N threads add one each, by one operation or (RACY) by a
 * load and a store.
 */
#ifndef N
#define N 2
#endif

byte counter = 0;

active [N] proctype adder()
{
#ifdef RACY
	byte seen;
	seen = counter;
	atomic { counter = seen + 1; seen = 0 };
#else
	counter++;
#endif
end:	false
}

active proctype judge()
{
	timeout -> assert(counter == N);
end:	false
}
