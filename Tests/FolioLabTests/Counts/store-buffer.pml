/* SPDX-License-Identifier: MIT */
/* The scenario store-buffer: each of two threads stores, then looks at what the other stored. */
byte x = 0, y = 0, a = 2, b = 2;

active proctype first()
{
	x = 1;
	a = y;
end:	false
}

active proctype second()
{
	y = 1;
	b = x;
end:	false
}

active proctype judge()
{
	timeout -> assert(a == 1 || b == 1);
end:	false
}
