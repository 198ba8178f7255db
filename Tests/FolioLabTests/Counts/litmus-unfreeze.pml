/* SPDX-License-Identifier: MIT */
/*
 * The scenario litmus-unfreeze: the owner of a frozen page writes and unfreezes it; who gets a
 * reference reads what was written.
 */
byte count = 0, payload = 0;

active proctype owner()
{
	payload = 1;
	count = 1;
end:	false
}

active proctype walker()
{
	byte seen;
	atomic { seen = count; if :: seen == 0 -> goto done :: else fi };
	atomic { assert(count == seen); count++; seen = 0 };
	assert(payload == 1);
	count--;
done:
end:	false
}
