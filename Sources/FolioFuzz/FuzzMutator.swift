// SPDX-License-Identifier: MIT

// How inputs are changed: what fuzzers do to bytes says little about schedules. Moves are one decision
// flipped, a race reversed, decisions drawn anew, an operation of the program changed or swapped
// with another thread's; now and then the engine's own mutations.

import CFuzz
import CLab
import FolioWorkloads

/// Changes inputs in place.
@safe
struct FuzzMutator {
  let setup: FuzzSetup
  private let header: [UInt8]
  private let offset: Int
  private var state: UInt64 = 0

  init(_ setup: FuzzSetup) {
    self.setup = setup
    header = setup.header
    offset = setup.decisionsOffset
  }

  /// An input being changed.
  @safe
  private struct Bytes {
    let start: UnsafeMutablePointer<UInt8>
    var count: Int
    let limit: Int

    subscript(index: Int) -> UInt8 {
      get { unsafe start[index] }
      nonmutating set { unsafe start[index] = newValue }
    }

    /// Zeros behind the end, up to `count`.
    mutating func grow(to count: Int) {
      let count = Swift.min(count, limit)
      guard count > self.count else { return }
      unsafe (start + self.count).update(repeating: 0, count: count - self.count)
      self.count = count
    }
  }

  /// - Parameter ran: the input as it is now was run just before: the last trace is its own.
  /// - Returns: the new size.
  mutating func mutate(
    _ data: UnsafeMutablePointer<UInt8>, _ size: Int, limit: Int, seed: UInt32, ran: Bool
  ) -> Int {
    guard limit > offset else { return size }
    state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1
    var bytes = unsafe Bytes(start: data, count: size, limit: limit)
    bytes.grow(to: offset)
    for index in header.indices { bytes[index] = header[index] }
    // Several moves now and then: one alone may do nothing that can be seen.
    var moves = 1 + (below(4) == 0 ? below(4) : 0)
    var ran = ran
    repeat {
      move(&bytes, ran)
      ran = false
      moves -= 1
    } while moves > 0
    return bytes.count
  }

  private mutating func move(_ bytes: inout Bytes, _ ran: Bool) {
    if offset > header.count, below(3) == 0 {
      changeProgram(&bytes)
      return
    }
    switch below(16) {
    case 0..<5: if !ran || !reverseRace(&bytes) { flip(&bytes) }
    case 5..<9: flip(&bytes)
    case 9..<12: draw(&bytes)
    case 12: insertOrErase(&bytes)
    case 13: swap(&bytes)
    case 14: bytes.count = offset + below(bytes.count - offset + 1)
    default: mutateAsEngine(&bytes)
    }
  }

  // MARK: decisions

  /// Where decisions of the input count: not far behind what an execution uses.
  private mutating func place(_ bytes: inout Bytes) -> Int? {
    let used = max(bytes.count - offset, Int(lab_decisions()), 8)
    let position = offset + below(used)
    guard position < bytes.limit else { return nil }
    bytes.grow(to: position + 1)
    return position
  }

  private mutating func flip(_ bytes: inout Bytes) {
    guard let position = place(&bytes) else { return }
    // 0 goes on with the same thread, so it is what a decision mostly is.
    bytes[position] =
      bytes[position] == 0 ? UInt8(1 + below(3)) : below(2) == 0 ? 0 : UInt8(below(4))
  }

  /// A stretch of decisions anew, with a density of switches of its own.
  private mutating func draw(_ bytes: inout Bytes) {
    guard let position = place(&bytes) else { return }
    let density = 1 + below(8)
    let end = min(bytes.limit, position + 1 + below(32))
    bytes.grow(to: end)
    for index in position..<end {
      bytes[index] = below(8) < density ? UInt8(below(4)) : 0
    }
  }

  private mutating func insertOrErase(_ bytes: inout Bytes) {
    guard bytes.count > offset, let position = place(&bytes) else { return }
    let count = 1 + below(4)
    let end = bytes.count
    if below(2) == 0 {
      guard position + count <= end else { return }
      unsafe (bytes.start + position).update(
        from: bytes.start + position + count, count: end - position - count)
      bytes.count = end - count
    } else {
      bytes.grow(to: end + count)
      let moved = bytes.count - count - position
      guard moved > 0 else { return }
      unsafe (bytes.start + position + count).update(from: bytes.start + position, count: moved)
      unsafe (bytes.start + position).update(repeating: 0, count: count)
    }
  }

  /// Two decisions change places.
  private mutating func swap(_ bytes: inout Bytes) {
    guard bytes.count > offset + 1, let first = place(&bytes) else { return }
    let second = offset + below(bytes.count - offset)
    (bytes[first], bytes[second]) = (bytes[second], bytes[first])
  }

  /// Of two steps of the last execution that conflict, the later one's thread goes on where the
  /// earlier one took place.
  private mutating func reverseRace(_ bytes: inout Bytes) -> Bool {
    var count: UInt32 = 0
    let events = unsafe lab_trace(&count)
    guard count > 1 else { return false }
    let later = 1 + below(Int(count) - 1)
    let b = unsafe events[later]
    guard unsafe b.address != nil else { return false }
    var earlier = later - 1
    while earlier >= 0 {
      let a = unsafe events[earlier]
      let conflicts =
        unsafe a.address == b.address && a.thread != b.thread
        && (a.kind != UInt8(LAB_LOAD.rawValue) || b.kind != UInt8(LAB_LOAD.rawValue))
      if conflicts { break }
      earlier -= 1
    }
    guard earlier >= 0 else { return false }
    let enabled = unsafe events[earlier].enabled
    let thread = unsafe b.thread
    guard enabled >> UInt16(thread) & 1 == 1 else { return false }
    // Which decision that step was, and which number the thread has there.
    var decision = 0
    for index in 0..<earlier {
      let event = unsafe events[index]
      decision += unsafe (event.enabled.nonzeroBitCount > 1 ? 1 : 0) + (event.choices > 1 ? 1 : 0)
    }
    let number = unsafe Self.number(
      of: thread, enabled, last: earlier > 0 ? events[earlier - 1].thread : nil)
    let position = offset + decision
    guard position < bytes.limit else { return false }
    bytes.grow(to: position + 1)
    bytes[position] = UInt8(number)
    // What follows was meant for the other order; sometimes all of it goes.
    if below(2) == 0 { bytes.count = position + 1 }
    return true
  }

  /// As lab_run_bytes() numbers lanes: the last one first, the others in order.
  private static func number(of thread: UInt8, _ enabled: UInt16, last: UInt8?) -> Int {
    let below = enabled & (1 << UInt16(thread) - 1)
    guard let last, enabled >> UInt16(last) & 1 == 1 else { return below.nonzeroBitCount }
    if last == thread { return 0 }
    return (below & ~(1 << UInt16(last))).nonzeroBitCount + 1
  }

  // MARK: programs

  /// An operation drawn, left out, copied, or swapped with one of another thread.
  private mutating func changeProgram(_ bytes: inout Bytes) {
    let slots = offset - header.count
    let first = header.count + below(slots)
    let second = header.count + below(slots)
    switch below(8) {
    case 0..<4: bytes[first] = drawn(UInt8(truncatingIfNeeded: next() >> 32))
    case 4: bytes[first] = 0
    case 5: bytes[first] = bytes[first] & ~7 | UInt8(below(8))
    case 6: bytes[first] = bytes[second]
    default: (bytes[first], bytes[second]) = (bytes[second], bytes[first])
    }
  }

  private func drawn(_ byte: UInt8) -> UInt8 {
    guard case .generated(let family) = setup.program else { return byte }
    return family.operation(drawn: byte)
  }

  private mutating func mutateAsEngine(_ bytes: inout Bytes) {
    let room = bytes.limit - header.count
    let size = unsafe fuzz_mutate(
      bytes.start + header.count, bytes.count - header.count, room)
    if size > 0 {
      bytes.count = header.count + size
      bytes.grow(to: offset)
    }
  }

  // MARK: chance

  private mutating func next() -> UInt64 {
    // splitmix64
    state &+= 0x9e37_79b9_7f4a_7c15
    var x = state
    x = (x ^ (x >> 30)) &* 0xbf58_476d_1ce4_e5b9
    x = (x ^ (x >> 27)) &* 0x94d0_49bb_1331_11eb
    return x ^ (x >> 31)
  }

  private mutating func below(_ limit: Int) -> Int {
    Int(((next() >> 32) &* UInt64(limit)) >> 32)
  }
}
