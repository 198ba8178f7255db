// SPDX-License-Identifier: MIT

// The list of Tests/OperationRows.txt against the sources of the tests: no row is missing, no name is
// made up, and what a row offers is called in the tests that it names.

import Foundation
import Testing

/// What each test function of the bundles calls, by "suite/function".
private struct TestSources {
  /// Names in front of an opening bracket, in the test and in the helpers that it calls.
  private(set) var calls: [String: Set<String>] = [:]

  init(_ folders: [URL]) throws {
    var files: [File] = []
    for folder in folders {
      let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
      for name in names where name.hasSuffix(".swift") {
        let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
        files.append(File(folder.lastPathComponent, text))
      }
    }
    var helpers: [String: [(file: Int, function: Function)]] = [:]
    for (number, file) in files.enumerated() where file.holdsNoTests {
      for function in file.functions {
        helpers[function.name, default: []].append((number, function))
      }
    }
    for number in files.indices {
      for test in files[number].functions where test.isTest {
        guard let suite = test.type else { continue }
        calls["\(suite)/\(test.name)"] = Self.reached(from: test, in: number, files, helpers)
      }
    }
  }

  private struct Call: Hashable {
    let file: Int
    let name: String
  }

  /// What the test calls. A helper is of the file that calls it; or of one without tests in its folder or
  /// in TestSupport, and of no type that this file never names.
  private static func reached(
    from test: Function, in file: Int, _ files: [File],
    _ helpers: [String: [(file: Int, function: Function)]]
  ) -> Set<String> {
    var found: Set<Call> = []
    var unread = test.calls.map { Call(file: file, name: $0) }
    while let call = unread.popLast() {
      guard found.insert(call).inserted else { continue }
      let caller = files[call.file]
      let own = caller.functions.filter { !$0.isTest && $0.name == call.name }
      for function in own {
        unread += function.calls.map { Call(file: call.file, name: $0) }
      }
      guard own.isEmpty else { continue }
      for (number, function) in helpers[call.name] ?? [] {
        let helper = files[number]
        guard [caller.folder, "TestSupport"].contains(helper.folder) else { continue }
        if let type = function.type, helper.types.contains(type), !caller.words.contains(type) {
          continue
        }
        unread += function.calls.map { Call(file: number, name: $0) }
      }
    }
    return Set(found.map(\.name))
  }

  private struct Function {
    /// The type that it is of.
    let type: String?
    let name: String
    let isTest: Bool
    /// Names in front of an opening bracket.
    var calls: Set<String> = []
  }

  private struct File {
    let folder: String
    private(set) var functions: [Function] = []
    /// Types that begin here; others are extended.
    private(set) var types: Set<String> = []
    /// All names, but for those of comments.
    private(set) var words: Set<String> = []

    var holdsNoTests: Bool { !functions.contains(where: \.isTest) }

    /// Types begin a line, functions are indented by two, in a type of a suite by four, elsewhere not, and
    /// end with a brace that is indented as they are: the format that `make lint` demands.
    init(_ folder: String, _ text: String) {
      self.folder = folder
      var type: String?
      var isTest = false
      var indentation: Substring?
      for line in text.split(separator: "\n") {
        if !line.hasPrefix(" "), !line.hasPrefix("//"),
          let match = unsafe line.firstMatch(of: Self.type)
        {
          type = String(match.2)
          if match.1 != "extension" { types.insert(String(match.2)) }
        }
        if line.hasPrefix("  @Test") { isTest = true }
        // Inside of one it is a part of it.
        if indentation == nil, let match = unsafe line.firstMatch(of: Self.function) {
          let place = match.1 ?? ""
          indentation = place
          functions.append(
            Function(type: place.isEmpty ? nil : type, name: String(match.2), isTest: isTest))
          isTest = false
        }
        read(line, inFunction: indentation != nil)
        guard let place = indentation else { continue }
        let isOneLine = line.hasPrefix(place + "func") && line.hasSuffix("}")
        if line == place + "}" || isOneLine { indentation = nil }
      }
    }

    private nonisolated(unsafe) static let type =
      /(?:package |public )?(struct|final class|extension) (\w+)/
    private nonisolated(unsafe) static let function = /^(    |  )?(?:[a-z]+ )*func (\w+)/

    /// Notes names, up to a comment.
    private mutating func read(_ line: Substring, inFunction: Bool) {
      var name: [UInt8] = []
      func take(_ next: UInt8, _ file: inout File) {
        guard !name.isEmpty else { return }
        let word = String(decoding: name, as: UTF8.self)
        name = []
        file.words.insert(word)
        if inFunction, next == UInt8(ascii: "(") {
          file.functions[file.functions.count - 1].calls.insert(word)
        }
      }
      var previous = UInt8(ascii: "\n")
      for byte in line.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
          name.append(byte)
        case UInt8(ascii: "/") where previous == byte: return
        default: take(byte, &self)
        }
        previous = byte
      }
      take(UInt8(ascii: "\n"), &self)
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
