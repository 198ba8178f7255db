// SPDX-License-Identifier: MIT

// What each order mutant must come to under each memory model, and the argument for it. Written before
// the engine ran any of them; a row that turns out wrong is a bug of the engine, of the mutant, or of
// the argument, and is to be settled before it is changed.

/// A weakened order and what it must come to.
package struct OrderRow: Sendable {
  package let mutant: String
  /// Where one of its scenarios fails.
  package let caught: Set<Mutant.MemoryModel>
  package let argument: String

  package static let all: [OrderRow] = [
    OrderRow(
      mutant: "O01", caught: [.c11],
      argument: "a locked subtraction is a full fence on x86-64 whatever its order; on arm64 "
        + "neither the write before one put nor the read behind the other is held"),
    OrderRow(
      mutant: "O02", caught: [.c11],
      argument: "TSO: as O01; C11: nothing orders the free path's read behind the put that it saw"),
    OrderRow(
      mutant: "O03", caught: [.c11],
      argument: "TSO: as O01; C11: the write may come behind the decrement that the last put saw"),
    OrderRow(
      mutant: "O04", caught: [.c11],
      argument: "TSO keeps stores in order, so R comes last; C11: a relaxed store of R carries "
        + "nothing"),
    OrderRow(
      mutant: "O05", caught: [.c11],
      argument: "TSO: a locked compare-exchange is FULL; C11: the release of R is read without "
        + "acquiring it"),
    OrderRow(
      mutant: "O06", caught: [.c11],
      argument: "TSO: locked; C11: the put releases and the freeze does not acquire"),
    OrderRow(
      mutant: "O07", caught: [.c11],
      argument: "TSO keeps stores in order; C11: a relaxed store carries nothing"),
    OrderRow(
      mutant: "O08", caught: [.c11],
      argument: "TSO keeps loads in order; C11 without dependencies: the load does not acquire "
        + "(arm64 would keep the address dependency, the lab's model has none)"),
    OrderRow(
      mutant: "O09", caught: [.c11],
      argument:
        "TSO keeps stores in order; C11: the last store of the pointer carries nothing, and "
        + "the one before it no longer counts"),
    OrderRow(
      mutant: "O10", caught: [.c11],
      argument: "TSO: the unlock is a locked and; C11: it releases nothing"),
    OrderRow(
      mutant: "O11", caught: [.c11],
      argument: "TSO: the lock is a locked or; C11: it does not acquire"),
    OrderRow(
      mutant: "O12", caught: [.c11],
      argument: "TSO: the unlock is a locked exchange; C11: it releases nothing"),
    OrderRow(
      mutant: "O13", caught: [.c11],
      argument: "TSO keeps stores in order; C11: the store carries nothing, and the fence comes "
        + "behind it"),
    OrderRow(
      mutant: "O14", caught: [.c11],
      argument:
        "TSO keeps loads in order; C11: the load does not acquire, and the early exit takes "
        + "no lock that would"),
    OrderRow(
      mutant: "O15", caught: [.tso, .c11],
      argument: "store buffering: the load of the queue passes the store of the condition"),
    OrderRow(
      mutant: "O16", caught: [.c11],
      argument: "TSO: the queue's unlock behind the enqueue is a locked exchange and drains the "
        + "buffer; C11: a release is no fence"),
    OrderRow(
      mutant: "O17", caught: [.tso, .c11],
      argument: "store buffering: the lock is given back behind the load of the queue, too late"),
    OrderRow(
      mutant: "O18", caught: [.c11],
      argument: "TSO: a locked decrement is a full fence; C11: the load of the queue may be old"),
    OrderRow(
      mutant: "O19", caught: [.c11],
      argument: "TSO keeps L before U; C11: the relaxed store of U may be seen without that of L, "
        + "then the scan reads the old L, the R that the full put left, and the new U twice"),
    OrderRow(
      mutant: "O20", caught: [.c11],
      argument: "TSO: both are locked; C11: relaxed read-modify-writes of two words carry nothing "
        + "for each other"),
    OrderRow(
      mutant: "O21", caught: [.c11],
      argument: "TSO: whoever sees the store of L sees what the lock brought before it; C11: the "
        + "store replaces the mapper's release of L by one that carries nothing, so R may be read "
        + "as it was before the mapper's references"),
    OrderRow(
      mutant: "O22", caught: [.c11],
      argument: "TSO: a locked addition is a full fence; C11: the raise carries nothing, so the "
        + "walker that sees it may still read the words of the page's shape as they were"),
    OrderRow(
      mutant: "O23", caught: [.c11],
      argument: "TSO keeps stores in order, so R comes last; C11: as O04, the store of R carries "
        + "nothing"),
  ]
}
