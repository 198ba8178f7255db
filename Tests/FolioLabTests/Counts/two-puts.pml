/* SPDX-License-Identifier: MIT */
/* The scenario two-puts: N holders put; who takes the last reference frees, and nobody else. */
#ifndef N
#define N 2
#endif

byte count = N, frees = 0;

active [N] proctype putter()
{
	atomic { count--; if :: count == 0 :: else -> goto done fi };
	atomic { frees++; assert(frees == 1) };
done:
end:	false
}

active proctype judge()
{
	timeout -> assert(count == 0 && frees == 1);
end:	false
}
