// SPDX-License-Identifier: MIT

// Waiting: lost wakes, wakes that are taken twice, cancellations and limits that go astray. What is
// counted, mapped and kept in trees is in Mutants+Counting.swift.

extension Mutant {
  static let waiting: [Mutant] = waits + interruptions + idleness + counting

  private static let waits: [Mutant] = [
    .init(
      "C39", 139, "the queue is looked at before the decrement",
      source: "core.md section 18, C39",
      story: """
        A holder looks for waiters, finds none, and then drops the count. A waiter that queues \
        itself in between still reads the old count and sleeps. The holder has looked already and \
        wakes nobody.
        """, scenarios: ["wait-count"], expected: ["DEADLOCK"]),
    .init(
      "C40", 140, "the condition is tested before the waiter is queued",
      source: "core.md section 18, C40",
      story: """
        The waiter tests, then queues itself, then sleeps on the answer that it had. A waker that \
        comes between the two finds an empty queue.
        """, scenarios: ["wait-variable", "wait-count", "completion", "idle-last-put"],
      expected: ["DEADLOCK"]),
    .init(
      "P40", 440, "a wake stops at the first waiter", source: "planted",
      story: """
        Two threads wait for one word, neither of them exclusive. The wake counts the first as if \
        it were, and stops. The second sleeps for ever.
        """, scenarios: ["wait-variable"], expected: ["DEADLOCK"]),
    .init(
      "P41", 441, "a woken callback stays queued", source: "planted",
      story: """
        A wake resumes a waiter that parks no thread, and leaves its entry in the queue. The next \
        wake, or the owner who takes the wait back, finds it there and goes on a second time.
        """, scenarios: ["wait-callback", "idle-callback"], expected: ["CI47", "CI46"]),
    .init(
      "P45", 445, "the release of a bit wakes another key", source: "planted",
      story: """
        Waiters for a bit are queued under the word and the bit's number. The wake looks for the \
        word alone, as if somebody waited for the whole of it, and passes them by.
        """, scenarios: ["wait-bit"], expected: ["DEADLOCK"]),
    .init(
      "P46", 446, "who was woken does not look again", source: "planted",
      story: """
        Somebody wakes the waiters of an address without having changed anything there, as any \
        other user of the same key may. The waiter takes the wake for the condition.
        """, scenarios: ["wait-variable"], expected: ["CI47"]),
    .init(
      "P49", 449, "the spinlock is not dropped for the sleep", source: "planted",
      story: """
        The waiter goes to sleep with the lock in its hand under which the waker would have to \
        make the condition true.
        """, scenarios: ["wait-spinlock"], expected: ["DEADLOCK"]),
    .init(
      "P50", 450, "the mutex is not taken again behind the sleep", source: "planted",
      story: """
        The wait comes back as if it still held the mutex that it had dropped. The caller changes \
        what the mutex protects while another thread is inside, and unlocks what it does not hold.
        """, scenarios: ["wait-mutex"], expected: ["LOCK"]),
    .init(
      "P51", 451, "the state is set and the sleeper is not woken", source: "planted",
      story: """
        A wake stores RUNNING and counts on the sleeper to notice. One that is asleep on its word \
        already does not look at it until somebody wakes the word, too.
        """, scenarios: ["wait-variable", "wait-count", "completion", "wait-cancel"],
      expected: ["DEADLOCK"]),
    .init(
      "P52", 452, "a waiter that is through stays counted", source: "planted",
      story: """
        The event word says how many waiters there are, so that a put needs to look no further \
        when it is 0. A waiter leaves its queue and not the word: from then on every put takes the \
        slow path.
        """, scenarios: ["wait-variable", "wait-timeout", "idle-last-put"], expected: ["CI46"]),
    .init(
      "P53", 453, "complete_all wakes first and stores afterwards", source: "planted",
      story: """
        The completer looks at the queue, then says that it is done. A waiter that reads the old \
        word in between queues itself behind the look.
        """, scenarios: ["completion", "wait-variable"], expected: ["DEADLOCK"]),
    .init(
      "P55", 455, "a wait that was resumed is taken back as well", source: "planted",
      story: """
        A wake and the owner's cancel race for a waiter without a thread. The one that dequeues it \
        continues it; here the owner claims it without having done so, and it goes on twice.
        """, scenarios: ["wait-callback", "idle-callback"], expected: ["CI47"]),
  ]

  private static let interruptions: [Mutant] = [
    .init(
      "P42", 442, "a waiter whose time is up looks while it is queued",
      source: "planted; Folio had it until the scenario wait-exclusive found it",
      story: """
        An exclusive waiter runs out of time and looks at its condition for the last time: false. \
        Then the condition comes true, and the one wake that there is chooses this waiter, which \
        is still queued. It leaves with its old answer, and the patient waiter behind it sleeps on.
        """, scenarios: ["wait-exclusive"], expected: ["DEADLOCK"]),
    .init(
      "P43", 443, "a pending cancellation is not seen when the waiter queues itself",
      source: "planted",
      story: """
        The sleeper comes back at once because its token has fired, finds its condition false, \
        queues itself again without a look at the token, and so on for ever.
        """, scenarios: ["wait-cancel", "wait-killable"], expected: ["LIVELOCK"]),
    .init(
      "P44", 444, "the token is not looked at between state and sleep", source: "planted",
      story: """
        The waiter finds the token quiet. It fires; nobody sleeps yet, so nobody is woken. The \
        waiter stores its sleeping state over that and sleeps: only one more look at the token \
        could have stopped it.
        """, scenarios: ["wait-cancel", "wait-killable"], expected: ["DEADLOCK"]),
    .init(
      "P47", 447, "any signal ends a killable wait", source: "planted",
      story: """
        A killable wait may end by a fatal signal only, because its caller cannot undo what it \
        does. Here an ordinary one ends it.
        """, scenarios: ["wait-killable"], expected: ["CI48"]),
  ]

  private static let idleness: [Mutant] = [
    .init(
      "C38", 138, "the last put wakes the refcount's address, the waiter has the page's",
      source: "core.md section 18, C38",
      story: """
        Before v6.15 the key of an idle wait was the address of the refcount, since then it is the \
        page. A free path that still wakes the old key makes the page idle, and its waiter sleeps \
        on.
        """, scenarios: ["idle-last-put"], expected: ["DEADLOCK"]),
    .init(
      "C41", 141, "a strict map waits for R == 0 while the scan asks for R == M",
      source: "core.md section 18, C41",
      story: """
        The last pin of a mapped page goes. The busy scan would be content: every reference left \
        is a mapping's. The waiter wants none at all, and who would remove the mapping is the \
        waiter itself.
        """, scenarios: ["idle-unpin"], expected: ["DEADLOCK"]),
    .init(
      "P56", 456, "a callback wait begins without a look behind the enqueue", source: "planted",
      story: """
        The page becomes idle just before the waiter is queued. The put found nobody, the waiter \
        does not look: it is never resumed.
        """, scenarios: ["idle-begin"], expected: ["CI47", "CI46"]),
    .init(
      "P57", 457, "cancelling continues whom a wake continued", source: "planted",
      story: """
        The last put dequeues and resumes a waiter without a thread. The canceller, which came \
        second and dequeued nothing, resumes it once more.
        """, scenarios: ["idle-callback"], expected: ["CI47"]),
    .init(
      "P58", 458, "a put that leaves references looks for nobody", source: "planted",
      story: """
        Only a put to 0 wakes. Under strict rules a page whose last pin goes is done although \
        mappings hold it: its waiter hears nothing.
        """, scenarios: ["idle-unpin"], expected: ["DEADLOCK"]),
    .init(
      "P59", 459, "a new mapping wakes nobody", source: "planted",
      story: """
        An insertion takes its reference first and counts its mapping second. A waiter that looks \
        in between takes the reference for a pin. When the mapping is counted the two agree again, \
        and nobody tells the waiter.
        """, scenarios: ["idle-insertion"], expected: ["DEADLOCK"]),
  ]
}
