// SPDX-License-Identifier: MIT

// What a CPU does with an address: a translation, or a fault and another try (folio/tlb.h).

import CFolio

enum Access {
  /// Runs `body` with the frame that the address leads to and with its word, under a translation. It
  /// must not block or take a lock.
  static func perform(
    _ space: Space, _ address: UInt, isWrite: Bool,
    _ body: (_ frame: UInt, UnsafeMutablePointer<shared_t>) -> Void
  ) throws(MemoryError) {
    while unsafe try !translate(space, address, isWrite: isWrite, body) {
      try fault(space, address, isWrite: isWrite)
    }
  }

  /// The same with at most so many faults: how many there were; nil: `body` did not run.
  static func perform(
    _ space: Space, _ address: UInt, isWrite: Bool, faults: Int,
    _ body: (_ frame: UInt, UnsafeMutablePointer<shared_t>) -> Void
  ) throws(MemoryError) -> Int? {
    for count in 0..<faults {
      if unsafe try translate(space, address, isWrite: isWrite, body) { return count }
      try fault(space, address, isWrite: isWrite)
    }
    return unsafe try translate(space, address, isWrite: isWrite, body) ? faults : nil
  }

  /// Whether there is a translation that allows it.
  @inline(__always)
  private static func translate(
    _ space: Space, _ address: UInt, isWrite: Bool,
    _ body: (_ frame: UInt, UnsafeMutablePointer<shared_t>) -> Void
  ) throws(MemoryError) -> Bool {
    var translation = translation()
    guard unsafe mmu_begin(space.pointer, address, isWrite, &translation) else { return false }
    defer { unsafe mmu_end(space.pointer, &translation) }
    guard let word = unsafe cfolio_frame_word(translation.pfn) else {
      throw MemoryError(.outOfMemory, address: address)
    }
    unsafe body(translation.pfn, word)
    return true
  }

  private static func fault(_ space: Space, _ address: UInt, isWrite: Bool) throws(MemoryError) {
    let flags = FAULT_FLAG_USER | FAULT_FLAG_ALLOW_RETRY | (isWrite ? FAULT_FLAG_WRITE : 0)
    let result = Faults.resolve(space, address, flags: flags)
    guard !result.isError else { throw MemoryError(fault: result, address) }
  }
}

extension MemoryError {
  /// What an access or a pin makes of a fault's error.
  init(fault result: FaultResult, _ address: UInt) {
    let poisoned = FaultResult(rawValue: VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE)
    let code: Code =
      result.contains(.outOfMemory)
      ? .outOfMemory : result.isDisjoint(with: poisoned) ? .fault : .poisoned
    self.init(code, address: address)
  }
}
