// SPDX-License-Identifier: MIT

// The list of Tests/OperationRows.txt against the sources of the tests: no row is missing, no name is
// made up, and what a row offers is called in the tests that it names.

import Foundation
import Testing

/// What each test function of the bundles calls, by "suite/function".
private struct TestSources {
  /// Names in front of an opening bracket, in the test and in the helpers that it calls.
  private(set) var calls: [String: Set<String>] = [:]
  /// What functions of files that hold no tests call, by name.
  private var shared: [String: Set<String>] = [:]

  init(_ folders: [URL]) throws {
    var files: [[Function]] = []
    for folder in folders {
      let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
      for name in names where name.hasSuffix(".swift") {
        files.append(
          Self.functions(try String(contentsOf: folder.appending(path: name), encoding: .utf8)))
      }
    }
    for functions in files where !functions.contains(where: \.isTest) {
      for function in functions { shared[function.name, default: []].formUnion(function.calls) }
    }
    for functions in files { add(functions) }
  }

  private struct Function {
    let suite: String?
    let name: String
    let isTest: Bool
    var calls: Set<String> = []

    /// Notes the names in front of an opening bracket.
    mutating func read(_ line: Substring) {
      var name: [UInt8] = []
      for byte in line.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
          name.append(byte)
        default:
          if byte == UInt8(ascii: "("), !name.isEmpty {
            calls.insert(String(decoding: name, as: UTF8.self))
          }
          name = []
        }
      }
    }
  }

  private nonisolated(unsafe) static let type =
    /(?:package |public )?(?:struct|final class|extension) (\w+)/
  private nonisolated(unsafe) static let function = /^(    |  )?(?:[a-z]+ )*func (\w+)/

  /// Suites begin a line, functions are indented by two, in a type of a suite by four, elsewhere not, and
  /// end with a brace that is indented as they are: the format that `make lint` demands.
  private static func functions(_ text: String) -> [Function] {
    var functions: [Function] = []
    var suite: String?
    var isTest = false
    var indentation: Substring?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.utf8.first != UInt8(ascii: " "), let match = unsafe line.firstMatch(of: Self.type) {
        suite = String(match.1)
      }
      if line.hasPrefix("  @Test") { isTest = true }
      // Inside of one it is a part of it.
      if indentation == nil, let match = unsafe line.firstMatch(of: Self.function) {
        indentation = match.1 ?? ""
        functions.append(Function(suite: suite, name: String(match.2), isTest: isTest))
        isTest = false
      }
      guard let place = indentation else { continue }
      functions[functions.count - 1].read(line)
      let isOneLine = line.hasPrefix(place + "func") && line.hasSuffix("}")
      if line == place + "}" || isOneLine { indentation = nil }
    }
    return functions
  }

  /// The tests of a file. A helper is of the file, or of one that holds no tests.
  private mutating func add(_ functions: [Function]) {
    var helpers = shared
    for function in functions where !function.isTest {
      helpers[function.name, default: []].formUnion(function.calls)
    }
    for test in functions where test.isTest {
      guard let suite = test.suite else { continue }
      var found: Set<String> = []
      var unread = test.calls
      while let name = unread.popFirst() {
        guard found.insert(name).inserted, let more = helpers[name] else { continue }
        unread.formUnion(more)
      }
      calls["\(suite)/\(test.name)"] = found
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

  @Test("rows 1-110 and 114-120 are listed, each once, with operations and tests")
  func complete() throws {
    let rows = try rows()
    // What is missing are the operations of the DAX layer.
    #expect(rows.map(\.number) == Array(1...110) + Array(114...120))
    for row in rows {
      #expect(!row.operations.isEmpty && !row.tests.isEmpty, "row \(row.number)")
    }
  }

  @Test("the named tests exist and call the row's operations")
  func called() throws {
    let sources = try TestSources(
      ["CFolioTests", "FolioCoreTests", "Regressions", "TestSupport"].map {
        Self.tests.appending(path: $0)
      })
    #expect(sources.calls.count > 300)
    for row in try rows() {
      for test in row.tests {
        #expect(sources.calls[test] != nil, "row \(row.number): no \(test)")
      }
      let calls = row.tests.reduce(into: Set()) { $0.formUnion(sources.calls[$1] ?? []) }
      for operation in row.operations {
        #expect(calls.contains(operation), "row \(row.number): \(operation) is not called")
      }
    }
  }
}
