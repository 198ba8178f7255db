// SPDX-License-Identifier: MIT

// A percpu_ref whose release can be seen: litmus shape T11 and the regression C67.

package import CFolio

/// A percpu_ref in raw memory and, behind it, two words that its release callback finds by address.
/// No Swift struct: borrowing one field of such is an access to all of it.
@unsafe
package struct KilledCount {
  package let ref: UnsafeMutablePointer<percpu_ref>

  /// Bytes of one.
  package static var size: Int {
    unsafe MemoryLayout<percpu_ref>.stride + 2 * MemoryLayout<Int>.stride
  }

  package init(at memory: UnsafeMutableRawPointer) {
    unsafe ref = memory.assumingMemoryBound(to: percpu_ref.self)
  }

  private var words: UnsafeMutablePointer<Int> {
    unsafe UnsafeMutableRawPointer(ref + 1).assumingMemoryBound(to: Int.self)
  }

  /// 1 until released. Plain memory.
  package var alive: Int { unsafe words[0] }
  /// Runs of the release callback. Plain memory.
  package var releases: Int { unsafe words[1] }

  /// Percpu mode, count 1, alive.
  package func start() {
    unsafe UnsafeMutableRawPointer(ref).initializeMemory(
      as: UInt8.self, repeating: 0, count: Self.size)
    unsafe words[0] = 1
    let status = unsafe percpu_ref_init(ref) { ref in
      let words = unsafe KilledCount(at: UnsafeMutableRawPointer(ref)).words
      unsafe words[0] = 0
      unsafe words[1] += 1
    }
    precondition(status == 0, "no memory for a percpu_ref")
  }
}
