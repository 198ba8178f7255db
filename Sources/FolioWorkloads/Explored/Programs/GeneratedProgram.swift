// SPDX-License-Identifier: MIT

// A generated program: a few operations per thread on a few shared folios, as bytes and as text. Any
// bytes are a program. What the operations do, and what must hold meanwhile, is said by
// CounterProgramWorld, StructureProgramWorld and MemoryProgramWorld.

package import FolioCore

/// What the threads of a generated program do.
package struct GeneratedProgram: Hashable, Sendable {
  /// An operation; its number is part of files and tokens, so numbers never change.
  package enum Code: UInt8, Sendable, CaseIterable {
    case nothing = 0
    /// On a page that the thread holds: one reference more, one less, two less.
    case get = 1
    case put = 2
    case putTwo = 3
    /// A reference to whatever is there: by folio, by page.
    case tryGet = 4
    case lookup = 5
    /// On a page that the thread holds alone: freezes, writes its payload, unfreezes.
    case freeze = 6
    /// Parts the large folio into pages.
    case split = 7
    /// Puts one reference of each folio that the operand has a bit of, in a batch.
    case batch = 8
    /// Under the folio's lock, if it is free: changes what the lock protects.
    case locked = 9
    /// Reads the payload of a page that the thread holds.
    case read = 10
    /// Hands a free page out again.
    case reuse = 11
    /// Puts references as unmapping does: by encoded pages.
    case release = 12
    // What is not made of words alone.
    /// Wakes who waits for this thread; waits for the thread of that number, if it is lower.
    case signal = 13
    case wait = 14
    /// percpu_ref: a reference if it is alive, one more, one less, the end.
    case percpuTryGet = 15
    case percpuGet = 16
    case percpuPut = 17
    case percpuKill = 18
    /// XArray: an entry at one of eight indices.
    case store = 19
    case erase = 20
    case load = 21
    /// A grace period.
    case synchronize = 22
    // Address spaces. The operand is one of four pages of the space, and a bit.
    /// Maps the page anew: of the file; bit: private, of the file where the number is even.
    case map = 23
    /// Loads from the page; bit: stores to it.
    case touch = 24
    /// Goes on in a child, or ends it and goes on in the parent.
    case fork = 25
    /// Pins the page by the fast walk, and the slow one where that does not do; bit: for stores.
    case pin = 26
    /// Gives the first or second pin back (lowest bit); bit: a device stores through it before.
    case unpin = 27
    /// Takes the page of the file out of all spaces, and its block away; bit: private copies too.
    case zap = 28
    /// Takes the right to stores; bit: gives it.
    case protect = 29
    /// Moves the page to its neighbour; bit: to the other pair.
    case remap = 30
    /// Unmaps the page; bit: the pair that it is in.
    case unmap = 31
  }

  /// One operation: five bits of code, three of operand.
  package struct Operation: Hashable, Sendable {
    package var code: Code
    /// 0...7: a page, a set of pages, an index.
    package var operand: UInt8

    package init(_ code: Code, _ operand: UInt8 = 0) {
      self.code = code
      self.operand = operand & 7
    }

    /// A code that there is not is `nothing`.
    package init(byte: UInt8) {
      self.init(Code(rawValue: byte >> 3) ?? .nothing, byte)
    }

    package var byte: UInt8 { code.rawValue << 3 | operand }
  }

  /// What programs are made of.
  package enum Family: Int, Sendable, CaseIterable {
    /// Words of folios: executions are put back by undoing words, which is fast.
    case counters
    /// Waits, a percpu_ref, an XArray, grace periods besides.
    case structures
    /// Address spaces alone.
    case memory

    /// The name that its scenario begins with.
    package var name: String { "\(self)" }

    /// What its programs are made of, beside `nothing`.
    package var codes: ClosedRange<UInt8> {
      switch self {
      case .counters: Code.get.rawValue...Code.release.rawValue
      case .structures: Code.get.rawValue...Code.synchronize.rawValue
      case .memory: Code.map.rawValue...Code.unmap.rawValue
      }
    }

    /// Rules that its programs run under.
    package var rules: [PageMap.Rules] {
      self == .memory ? PageMap.Rules.allCases : [.strict]
    }

    /// An operation from any byte: most bytes are one of memory.
    package func operation(drawn byte: UInt8) -> UInt8 {
      guard self == .memory else { return byte }
      return (codes.lowerBound + (byte >> 3) % UInt8(codes.count)) << 3 | byte & 7
    }
  }

  package static let threads = 2...4
  /// Operations of one thread, at most.
  package static let slots = 8
  /// Bytes of the largest program.
  package static let size = threads.upperBound * slots

  package var family: Family
  /// Per thread; no operation is `nothing`, none is of another family.
  package private(set) var operations: [[Operation]]

  package init(_ family: Family, _ operations: [[Operation]]) {
    precondition(Self.threads.contains(operations.count))
    self.family = family
    self.operations = operations.map { thread in
      thread.prefix(Self.slots).filter { family.codes.contains($0.code.rawValue) }
    }
  }

  /// From `slots` bytes per thread; what is missing is `nothing`.
  package init(_ family: Family, threads: Int, bytes: some Collection<UInt8>) {
    let bytes = Array(bytes.prefix(threads * Self.slots))
    self.init(
      family,
      (0..<threads).map { thread in
        (0..<Self.slots).map { slot in
          let index = thread * Self.slots + slot
          return Operation(byte: index < bytes.count ? bytes[index] : 0)
        }
      })
  }

  /// `slots` bytes per thread.
  package var bytes: [UInt8] {
    operations.flatMap { thread in
      thread.map(\.byte) + Array(repeating: 0, count: Self.slots - thread.count)
    }
  }

  /// How many operations it has.
  package var count: Int { operations.reduce(0) { $0 + $1.count } }

  /// The program without one operation.
  package func without(_ thread: Int, _ slot: Int) -> GeneratedProgram {
    var smaller = self
    smaller.operations[thread].remove(at: slot)
    return smaller
  }

  /// The program without a thread, if it can be.
  package func without(thread: Int) -> GeneratedProgram? {
    guard operations.count > Self.threads.lowerBound else { return nil }
    var smaller = self
    smaller.operations.remove(at: thread)
    return smaller
  }
}

extension GeneratedProgram: CustomStringConvertible {
  /// "get 0, put 2 | lookup 3": threads one behind the other.
  package var description: String {
    operations.map { thread in
      thread.map { "\($0.code) \($0.operand)" }.joined(separator: ", ")
    }.joined(separator: " | ")
  }

  /// The name of its scenario: "counters-2a-0911", two digits per operation, as in tokens.
  package var scenarioName: String {
    func digits(_ byte: UInt8) -> String {
      (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return ([family.name] + operations.map { $0.map { digits($0.byte) }.joined() })
      .joined(separator: "-")
  }

  /// From such a name; nil: it is none.
  package init?(scenarioName: String) {
    let parts = scenarioName.split(separator: "-", omittingEmptySubsequences: false)
    guard let family = Family.allCases.first(where: { $0.name == parts[0] }),
      Self.threads.contains(parts.count - 1)
    else { return nil }
    var threads: [[Operation]] = []
    for part in parts.dropFirst() {
      let digits = part.compactMap(\.hexDigitValue)
      guard digits.count == part.count, digits.count.isMultiple(of: 2),
        digits.count <= 2 * Self.slots
      else { return nil }
      threads.append(
        stride(from: 0, to: digits.count, by: 2).map {
          Operation(byte: UInt8(digits[$0] << 4 | digits[$0 + 1]))
        })
    }
    self.init(family, threads)
    guard self.scenarioName == scenarioName else { return nil }
  }
}
