/* SPDX-License-Identifier: MIT */
/*
 * The scenario freeze-get: a freeze of a page with one reference against a get that may be refused
 * and a holder that gets and puts twice. Between freeze and unfreeze nobody has a reference.
 */
byte count = 2, frozen = 0, frees = 0;

inline put_reference()
{
	atomic { count--; if :: count == 0 :: else -> goto done fi };
	atomic { frees++; assert(frees == 1) }
}

active proctype freezer()
{
	atomic { if :: count == 1 -> count = 0 :: else -> goto put fi };
	frozen = 1;
	frozen = 0;
	count = 1;
put:
	put_reference();
done:
end:	false
}

active proctype getter()
{
	byte seen;
	atomic { seen = count; if :: seen == 0 -> goto refused :: else fi };
try:
	atomic {
		if
		:: count == seen -> count++; seen = 0
		:: else ->
			seen = count;
			if :: seen == 0 -> goto refused :: else -> goto try fi
		fi
	};
	assert(frozen == 0);
	put_reference();
	goto done;
refused:
	/* It looks whether the page is frozen, and goes. */
	atomic { if :: frozen != 0 :: else fi };
done:
end:	false
}

active proctype holder()
{
	count++;
	/* Not the last one: another is left. */
	count--;
	put_reference();
done:
end:	false
}

active proctype judge()
{
	timeout -> assert(count == 0 && frees == 1);
end:	false
}
