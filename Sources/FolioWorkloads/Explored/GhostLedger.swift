// SPDX-License-Identifier: MIT

// The ghost ledger of a scenario: how many references of each page its threads hold, by what their calls
// have answered. It is no part of what is explored, and costs no step. After each step R of each page
// must be what the ledger says; while calls are in progress, which may or may not have done their part
// yet, it must lie between the two. So a reference that is lost or doubled is found at the step that
// does it. The library's own ledger (folio/ledger.h) is made of shared words, for audits at rest.

import CFolio

/// What the threads of a scenario hold. In the lab only; on native threads it does nothing.
@safe
final class GhostLedger: @unchecked Sendable {
  // @unchecked: the lab's threads are fibers of one thread.
  @safe
  private struct Entry {
    var page: UnsafeMutablePointer<page>
    var initial: Int32
  }

  private let count: Int
  private let entries: UnsafeMutablePointer<Entry>
  /// R is at least and at most this, per page.
  private let bounds: UnsafeMutablePointer<Int32>
  private let isOn: Bool
  /// Bit per page.
  private let watched: UInt64

  /// - Parameter pages: pages with their references before the first execution; nil: not looked at.
  init(_ pages: [(page: UnsafeMutablePointer<page>, references: Int32?)]) {
    count = unsafe pages.count
    let watched = unsafe pages.indices.filter { unsafe pages[$0].references != nil }
    self.watched = watched.reduce(0) { $0 | 1 << UInt64($1) }
    #if LAB
      isOn = seam_schedules()
    #else
      isOn = false
    #endif
    unsafe entries = .allocate(capacity: pages.count)
    unsafe bounds = .allocate(capacity: 2 * pages.count)
    for index in unsafe pages.indices {
      let entry = unsafe Entry(page: pages[index].page, initial: pages[index].references ?? 0)
      unsafe (entries + index).initialize(to: entry)
    }
    prepare()
  }

  /// The first pages of an array.
  convenience init(_ pages: some ScenarioPages, _ references: [Int32?]) {
    unsafe self.init(references.enumerated().map { unsafe (pages.page($0), $1) })
  }

  /// Before each execution.
  func prepare() {
    for index in 0..<count {
      unsafe bounds[2 * index] = entries[index].initial
      unsafe bounds[2 * index + 1] = entries[index].initial
    }
  }

  private func allow(_ index: Int, _ low: Int32, _ high: Int32) {
    #if LAB
      // A call: an access of Swift's would be one that threads race for.
      unsafe cfolio_seam_note(bounds + 2 * index, low)
      unsafe cfolio_seam_note(bounds + 2 * index + 1, high)
    #endif
  }

  /// A call that takes R of the page to somewhere between `low` below and `high` above what it was, and
  /// in the end changes it by what `net` makes of the answer.
  @inline(__always)
  func change<Answer>(
    _ index: Int, by range: ClosedRange<Int32>, _ body: () -> Answer, net: (Answer) -> Int32
  ) -> Answer {
    guard isOn else { return body() }
    allow(index, range.lowerBound, range.upperBound)
    let answer = body()
    let done = net(answer)
    allow(index, done - range.lowerBound, done - range.upperBound)
    return answer
  }

  /// Gives references back, all at once or one after the other.
  @inline(__always)
  func drop(_ index: Int, _ references: Int32 = 1, _ body: () -> Void) {
    change(index, by: -references...0, body) { -references }
  }

  /// Takes references, which cannot fail.
  @inline(__always)
  func take(_ index: Int, _ references: Int32 = 1, _ body: () -> Void) {
    change(index, by: 0...references, body) { references }
  }

  /// Takes references, if `body` says so.
  @inline(__always)
  func tryTake(_ index: Int, _ references: Int32 = 1, _ body: () -> Bool) -> Bool {
    change(index, by: 0...references, body) { $0 ? references : 0 }
  }

  /// Takes R to 0 if it is so much and `body` says so.
  @inline(__always)
  func freeze(_ index: Int, _ references: Int32, _ body: () -> Bool) -> Bool {
    change(index, by: -references...0, body) { $0 ? -references : 0 }
  }

  /// `try_get_folio` of a page that is small or in the folio that begins with page 0: it may take
  /// references on the wrong one for a moment.
  ///
  /// - Returns: where the folio begins that it took references of; nil: it took none.
  func tryTakeFolio(of page: Int, in pages: DevicePages, _ references: Int32) -> Int? {
    change(0, by: 0...references) {
      change(page, by: 0...references) {
        guard let folio = unsafe try_get_folio(pages.page(page), references) else { return nil }
        return unsafe folio == pages.folio(0) ? 0 : page
      } net: {
        $0 == page ? references : 0
      }
    } net: {
      $0 == 0 ? references : 0
    }
  }

  /// After each step, and at the end: R is what the ledger says.
  func check() {
    guard isOn else { return }
    var rest = watched
    while rest != 0 {
      let index = rest.trailingZeroBitCount
      rest &= rest - 1
      let references = unsafe page_ref_count(entries[index].page)
      let (low, high) = unsafe (bounds[2 * index], bounds[2 * index + 1])
      if references < low || references > high { complain(index, references, low, high) }
    }
  }

  @inline(never)
  private func complain(_ index: Int, _ references: Int32, _ low: Int32, _ high: Int32) {
    let held = low == high ? "\(low)" : "\(low) to \(high)"
    unsafe cfolio_violation_text(
      "LEDGER", UInt(index), "R of page \(index) is \(references), its holders have \(held)")
  }

  func free() {
    unsafe entries.deallocate()
    unsafe bounds.deallocate()
  }
}
