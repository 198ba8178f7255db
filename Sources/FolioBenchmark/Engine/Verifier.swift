// SPDX-License-Identifier: MIT

// Comparing counters with what the rules say they must be. The model is plain Swift values; the
// counters are read through the library's own accessors, once, when no thread runs.

public import CFolio

/// Counts comparisons and keeps the first that failed.
public struct Verifier: Sendable {
  /// Comparisons made.
  public private(set) var checks = 0
  /// Comparisons that failed.
  public private(set) var failureCount = 0
  /// The first failures, in words.
  public private(set) var failures: [String] = []

  /// Failures that are kept in words.
  public static let kept = 16

  public init() {}

  /// Compares one counter with the model's value.
  public mutating func expect<Value: Equatable>(
    _ actual: Value, _ expected: Value, _ what: @autoclosure () -> String
  ) {
    checks += 1
    if actual == expected { return }
    failureCount += 1
    if failures.count < Self.kept {
      failures.append("\(what()) is \(actual), the model says \(expected)")
    }
  }

  public mutating func merge(_ other: Verifier) {
    checks += other.checks
    failureCount += other.failureCount
    failures = Array((failures + other.failures).prefix(Self.kept))
  }
}

/// The counters of one folio as the spec's tables move them (core.md sections 3, 7 and 8).
public struct FolioModel: Equatable, Sendable {
  /// R.
  public var references: Int
  /// log2 of the pages.
  public var order = 0
  /// Mappings of single pages, by page of the folio; absent: none.
  public var pageMappings: [Int: Int] = [:]
  /// Mappings of the whole folio (EM).
  public var entireMappings = 0
  /// PC, large folios only.
  public var pins = 0
  /// S.
  public var share = 0

  public init(references: Int, order: Int = 0) {
    self.references = references
    self.order = order
  }

  /// M.
  public var mappings: Int { pageMappings.values.reduce(entireMappings, +) }

  public mutating func get(_ count: Int = 1) { references += count }
  public mutating func put(_ count: Int = 1) { references -= count }
  public mutating func map(page: Int) { pageMappings[page, default: 0] += 1 }
  public mutating func unmap(page: Int) { pageMappings[page, default: 0] -= 1 }

  /// Compares every counter of the folio, and of its tails, with the model.
  public func verify(
    _ head: UnsafeMutablePointer<page>, _ what: @autoclosure () -> String,
    _ verifier: inout Verifier
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
      return
    }
    verifier.expect(Int(unsafe folio_entire_mapcount(folio)), entireMappings, "\(what()): EM")
    verifier.expect(Int(unsafe atomic_read(&folio.pointee._pincount)), pins, "\(what()): PC")
    unsafe verifyTails(head, what(), &verifier)
  }

  private func verifyTails(
    _ head: UnsafeMutablePointer<page>, _ what: @autoclosure () -> String,
    _ verifier: inout Verifier
  ) {
    for index in 0..<(1 << order) {
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
