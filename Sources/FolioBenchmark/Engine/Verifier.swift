// SPDX-License-Identifier: MIT

// Comparing counters with what the rules say they must be. The model is plain Swift values; the
// counters are read through the library's own accessors, once, when no thread runs.

package import CFolio

/// Counts comparisons and keeps the first that failed.
package struct Verifier: Sendable {
  /// Comparisons made.
  package private(set) var checks = 0
  /// Comparisons that failed.
  package private(set) var failureCount = 0
  /// The first failures, in words.
  package private(set) var failures: [String] = []

  /// Failures that are kept in words.
  package static let kept = 16

  package init() {}

  /// Compares one counter with the model's value.
  package mutating func expect<Value: Equatable>(
    _ actual: Value, _ expected: Value, _ what: @autoclosure () -> String
  ) {
    checks += 1
    if actual == expected { return }
    failureCount += 1
    if failures.count < Self.kept {
      failures.append("\(what()) is \(actual), the model says \(expected)")
    }
  }

  package mutating func merge(_ other: Verifier) {
    checks += other.checks
    failureCount += other.failureCount
    failures = Array((failures + other.failures).prefix(Self.kept))
  }
}

/// The counters of one folio as the spec's tables move them (core.md sections 3, 7 and 8), in a map
/// XX
package struct FolioModel: Equatable, Sendable {
  /// R.
  package var references: Int
  /// log2 of the pages.
  package var order = 0
  /// Mappings of single pages, by page of the folio; absent: none.
  package var pageMappings: [Int: Int] = [:]
  /// Mappings of the whole folio (EM).
  package var entireMappings = 0
  /// Mappings by the mm that owns them, large folios only; absent: none.
  package var mappers: [mm_id_t: Int] = [:]
  /// PC, large folios only.
  package var pins = 0
  /// S.
  package var share = 0

  package init(references: Int, order: Int = 0) {
    self.references = references
    self.order = order
  }

  /// M.
  package var mappings: Int { pageMappings.values.reduce(entireMappings, +) }

  /// NM: pages mapped one by one, and a mark that the whole is mapped.
  var pagesMapped: Int {
    pageMappings.values.count { $0 > 0 } + (entireMappings > 0 ? Int(ENTIRELY_MAPPED) : 0)
  }

  package mutating func get(_ count: Int = 1) { references += count }
  package mutating func put(_ count: Int = 1) { references -= count }

  package mutating func map(page: Int, by mm: mm_id_t) {
    pageMappings[page, default: 0] += 1
    mappers[mm, default: 0] += 1
  }

  package mutating func unmap(page: Int, by mm: mm_id_t) {
    pageMappings[page, default: 0] -= 1
    leave(mm)
  }

  package mutating func mapEntirely(by mm: mm_id_t) {
    entireMappings += 1
    mappers[mm, default: 0] += 1
  }

  package mutating func unmapEntirely(by mm: mm_id_t) {
    entireMappings -= 1
    leave(mm)
  }

  private mutating func leave(_ mm: mm_id_t) {
    let left = mappers[mm, default: 0] - 1
    mappers[mm] = left == 0 ? nil : left
  }

  /// Compares every counter of the folio, and of its tails, with the model.
  ///
  /// - Parameter tails: which pages of the folio to look at one by one; nil: all.
  package func verify(
    _ head: UnsafeMutablePointer<page>, _ what: @autoclosure () -> String,
    tails: Range<Int>? = nil, _ verifier: inout Verifier
  ) {
    let folio = unsafe page_folio(head)
    let isHead = unsafe UnsafeRawPointer(folio) == UnsafeRawPointer(head)
    verifier.expect(isHead, true, "\(what()): page is a head")
    guard isHead else { return }
    verifier.expect(Int(unsafe folio_ref_count(folio)), references, "\(what()): R")
    verifier.expect(Int(unsafe folio_mapcount(folio)), mappings, "\(what()): M")
    verifier.expect(Int(unsafe folio_order(folio)), order, "\(what()): order")
    guard order > 0 else {
      verifier.expect(Int(unsafe folio_share(folio)), share, "\(what()): share")
      let frame = unsafe page_to_pfn(head)
      verifier.expect(
        cfolio_frees_in_progress(frame, frame + 1), false, "\(what()): free path under way")
      return
    }
    verifier.expect(Int(unsafe folio_nr_pages(folio)), 1 << order, "\(what()): pages")
    verifier.expect(Int(unsafe folio_entire_mapcount(folio)), entireMappings, "\(what()): EM")
    verifier.expect(Int(unsafe atomic_read(&folio.pointee._pincount)), pins, "\(what()): PC")
    verifier.expect(
      Int(unsafe atomic_read(&folio.pointee._nr_pages_mapped)), pagesMapped, "\(what()): NM")
    unsafe verifySlots(folio, what(), &verifier)
    unsafe verifyTails(head, tails ?? 0..<(1 << order), what(), &verifier)
  }

  /// Both slots, and whether the folio counts as mapped by more than one mm.
  private func verifySlots(
    _ folio: UnsafeMutablePointer<folio>, _ what: @autoclosure () -> String,
    _ verifier: inout Verifier
  ) {
    let slots = unsafe folio_mm_slots(folio)
    var found: [mm_id_t: Int] = [:]
    for (id, count) in [(slots.id0, slots.count0), (slots.id1, slots.count1)] {
      if id == 0 {
        verifier.expect(Int(count) + 1, 0, "\(what()): mappings of an empty mm slot")
      } else {
        found[id, default: 0] += Int(count) + 1
      }
    }
    if mappers.count <= 2 {
      verifier.expect(found, mappers, "\(what()): mappings by mm")
    } else {
      for (id, count) in found {
        verifier.expect(count, mappers[id] ?? 0, "\(what()): mappings by mm \(id)")
      }
    }
    verifier.expect(slots.shared, mappers.count > 1, "\(what()): SHARED")
    verifier.expect(slots.locked, false, "\(what()): mm slots locked")
  }

  /// Compares the counters of single pages of a large folio.
  func verifyTails(
    _ head: UnsafeMutablePointer<page>, _ indices: Range<Int>,
    _ what: @autoclosure () -> String, _ verifier: inout Verifier
  ) {
    for index in indices {
      let tail = unsafe head + index
      let mapped = Int(unsafe atomic_read(&tail.pointee._mapcount)) + 1
      verifier.expect(mapped, pageMappings[index] ?? 0, "\(what()): PM[\(index)]")
      guard index > 0 else { continue }
      verifier.expect(Int(unsafe page_ref_count(tail)), 0, "\(what()): R of tail \(index)")
      let belongs = unsafe compound_head(tail) == head
      verifier.expect(belongs, true, "\(what()): tail \(index) belongs to the head")
    }
  }
}
