/* SPDX-License-Identifier: MIT */
/*
 * The scenario litmus-try-get: a reference is taken, or the last put frees, never both. Both write
 * the page.
 */
byte count = 1, payload = 0;

active proctype holder()
{
	atomic { count--; if :: count == 0 :: else -> goto done fi };
	payload = 2;
done:
end:	false
}

active proctype walker()
{
	byte seen;
	atomic { seen = count; if :: seen == 0 -> goto done :: else fi };
	atomic {
		if
		:: count == seen -> count++; seen = 0
		:: else -> goto done
		fi
	};
	payload = 1;
	atomic { count--; if :: count == 0 :: else -> goto done fi };
	payload = 2;
done:
end:	false
}

active proctype judge()
{
	timeout -> assert(count == 0 && payload == 2);
end:	false
}
