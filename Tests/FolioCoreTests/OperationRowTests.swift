// SPDX-License-Identifier: MIT

// The list of Tests/OperationRows.txt against the sources of the tests: no row is missing, no name is
// made up, and what a row offers is called in the tests that it names.

import Foundation
import Testing

/// The body of each test function of the bundles, by "suite/function".
private struct TestSources {
  private(set) var bodies: [String: String] = [:]

  init(_ folders: [URL]) throws {
    for folder in folders {
      for file in try FileManager.default.contentsOfDirectory(
        at: folder, includingPropertiesForKeys: nil) where file.pathExtension == "swift"
      {
        read(try String(contentsOf: file, encoding: .utf8))
      }
    }
  }

  /// Suites begin a line, their functions are indented by two and end with a brace indented by two:
  /// the format that `make lint` demands.
  private mutating func read(_ text: String) {
    var suite: String?
    var isTest = false
    var name: String?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if let match = line.firstMatch(of: /^(?:struct|final class|extension) (\w+)/) {
        suite = String(match.1)
      }
      if line.hasPrefix("  @Test") { isTest = true }
      if isTest, let suite, let match = line.firstMatch(of: /^  func (\w+)\(/) {
        name = "\(suite)/\(match.1)"
        isTest = false
      }
      if let name { bodies[name, default: ""] += line + "\n" }
      if line == "  }" { name = nil }
    }
  }
}

/// One line of the list.
private struct Row {
  let number: Int
  let operations: [String]
  let tests: [String]

  init?(_ line: Substring) {
    let parts = line.split(separator: "|", omittingEmptySubsequences: false)
      .map { $0.split(separator: " ").map(String.init) }
    guard parts.count == 3, parts[0].count == 1, let number = Int(parts[0][0]) else { return nil }
    self.number = number
    operations = parts[1]
    tests = parts[2]
  }
}

@Suite("Every row of the operation table has its tests")
struct OperationRowTests {
  private static let tests = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent()

  private func rows() throws -> [Row] {
    let list = Self.tests.appending(path: "OperationRows.txt")
    let lines = try String(contentsOf: list, encoding: .utf8).split(separator: "\n")
      .filter { !$0.hasPrefix("#") }
    let rows = lines.compactMap(Row.init)
    #expect(rows.count == lines.count, "a line is not a row")
    return rows
  }

  @Test("rows 1-69, 108-110 and 120 are listed, each once, with operations and tests")
  func complete() throws {
    let rows = try rows()
    #expect(rows.map(\.number) == Array(1...69) + Array(108...110) + [120])
    for row in rows {
      #expect(!row.operations.isEmpty && !row.tests.isEmpty, "row \(row.number)")
    }
  }

  @Test("the named tests exist and call the row's operations")
  func called() throws {
    let sources = try TestSources(
      ["CFolioTests", "FolioCoreTests"].map { Self.tests.appending(path: $0) })
    #expect(sources.bodies.count > 100)
    for row in try rows() {
      for test in row.tests {
        #expect(sources.bodies[test] != nil, "row \(row.number): no \(test)")
      }
      let bodies = row.tests.compactMap { sources.bodies[$0] }.joined()
      for operation in row.operations {
        let call = try Regex("\\b\(operation)\\(").wordBoundaryKind(.simple)
        let isCalled = bodies.contains(call)
        #expect(isCalled, "row \(row.number): \(operation) is not called")
      }
    }
  }
}
