/* SPDX-License-Identifier: MIT */
/*
 * The protocol of the scenario gup-pin as a Promela model: N pinners and one unmapper race for a
 * page with one reference, its mapping's. One transition per operation on a shared word, as in the
 * lab; what a process does with the value it got belongs to the same transition. Values that a
 * process does not need any more are 0.
 */
#ifndef N
#define N 2
#endif

byte entry = 1; /* the page table: the page is mapped */
byte count = 1; /* references */
byte freed = 0;

/* folio_put(): whoever takes the last reference frees the page. */
inline put_reference()
{
	atomic { count--; if :: count == 0 :: else -> goto done fi };
	atomic { assert(freed == 0); freed = 1 }
}

active [N] proctype pinner()
{
	byte seen;
	atomic { if :: entry == 0 -> goto done :: else fi };

	/* folio_try_get(): adds one unless there are none; goes on with what it found. */
	atomic { seen = count; if :: seen == 0 -> goto done :: else fi };
try:
#ifdef LOST_UPDATE
	/* As a load and a store: what others did in between is overwritten. */
	atomic { count = seen + 1; seen = 0 };
#else
	atomic {
		if
		:: count == seen -> count++; seen = 0
		:: else ->
			seen = count;
			if :: seen == 0 -> goto done :: else -> goto try fi
		fi
	};
#endif
	/* Still mapped? Otherwise the reference goes back. */
	atomic { if :: entry == 0 -> goto give_back :: else fi };
	assert(freed == 0);
give_back:
	put_reference();
done:
end:	false
}

active proctype unmapper()
{
	atomic { if :: entry == 0 -> goto done :: else -> entry = 0 fi };
	put_reference();
done:
	/* Nobody can do anything any more. */
	timeout -> assert(count == 0 && freed == 1);
end:	false
}
