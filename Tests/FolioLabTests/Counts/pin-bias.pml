/* SPDX-License-Identifier: MIT */
/*
 * The scenario pin-bias: a pin of BIAS references at once against the unmap of the only entry and
 * the put of another holder. Whoever pinned sees that the page looks pinned, and not freed.
 */
#define BIAS 1024

byte entry = 1;
short count = 2;
byte frees = 0;

inline put_references(n)
{
	atomic { count = count - n; if :: count == 0 :: else -> goto done fi };
	atomic { frees++; assert(frees == 1) }
}

active proctype pinner()
{
	short seen;
	atomic { if :: entry == 0 -> goto done :: else fi };
	atomic { seen = count; if :: seen == 0 -> goto done :: else fi };
try:
	atomic {
		if
		:: count == seen -> count = count + BIAS; seen = 0
		:: else ->
			seen = count;
			if :: seen == 0 -> goto done :: else -> goto try fi
		fi
	};
	atomic { if :: entry == 0 -> goto give_back :: else fi };
	assert(count >= BIAS);
	assert(frees == 0);
	/* Is the pin all there is? */
	atomic { if :: count == BIAS :: else fi };
give_back:
	put_references(BIAS);
done:
end:	false
}

active proctype unmapper()
{
	atomic { if :: entry == 0 -> goto done :: else -> entry = 0 fi };
	put_references(1);
done:
end:	false
}

active proctype holder()
{
	put_references(1);
done:
end:	false
}

active proctype judge()
{
	timeout -> assert(count == 0 && frees == 1);
end:	false
}
