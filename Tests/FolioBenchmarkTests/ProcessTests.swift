// SPDX-License-Identifier: MIT

// The real folio-bench as a process: what it prints, what it exits with, what it does to files.

import Foundation
import TestSupport
import Testing

@testable import FolioBenchmark
@testable import FolioTools

/// Serialised: each process pins threads to CPUs and times them.
@Suite(.serialized) struct ProcessTests {
  struct Outcome {
    var status: Int32
    var output: String
    var messages: String
  }

  /// The tool lies beside the tests.
  private static func tool() throws -> URL {
    let bundle = try #require(
      CommandLine.arguments.first { $0.hasSuffix(".xctest") }, "no test bundle in the arguments")
    let tool = URL(fileURLWithPath: bundle).deletingLastPathComponent()
      .appendingPathComponent("folio-bench")
    try #require(FileManager.default.isExecutableFile(atPath: tool.path), "\(tool.path)")
    return tool
  }

  /// Runs the tool; standard output and error go through files, which never fill up.
  ///
  /// - Parameters:
  ///   - output: instead of a file.
  ///   - path: folders to look for programs in; nil: as they are.
  private func run(
    _ arguments: [String], output: String? = nil, path: String? = nil
  ) throws -> Outcome {
    try withTemporaryFolder { folder in
      let (out, err) = (folder.appendingPathComponent("out"), folder.appendingPathComponent("err"))
      for file in [out, err] { try Data().write(to: file) }
      let process = Process()
      process.executableURL = try Self.tool()
      process.arguments = arguments
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = try FileHandle(
        forWritingTo: output.map { URL(fileURLWithPath: $0) } ?? out)
      process.standardError = try FileHandle(forWritingTo: err)
      if let path {
        process.environment = ProcessInfo.processInfo.environment.merging(["PATH": path]) { $1 }
      }
      try process.run()
      process.waitUntilExit()
      #expect(process.terminationReason == .exit, "ended by a signal")
      return Outcome(
        status: process.terminationStatus, output: try String(contentsOf: out, encoding: .utf8),
        messages: try String(contentsOf: err, encoding: .utf8))
    }
  }

  /// One operation, one thread, short.
  private static func arguments(_ name: String) -> [String] {
    ["run", "--quick", "--threads", "1", "--filter", "^\(name)$", "--seed", "1"]
  }

  @Test("a sound operation exits with 0, and its last line counts the checks")
  func sound() throws {
    let outcome = try run(Self.arguments(Name.share.escaped))
    #expect(outcome.status == 0)
    let last = try #require(outcome.output.split(separator: "\n").last)
    #expect(last.hasPrefix("1 operations x ") && last.hasSuffix(" checks, all as the model says"))
  }

  @Test(
    "a broken operation exits with 1, names the counter and how to replay it",
    arguments: [Name.share, Name.rmapLarge, Name.sharedPins(4), Name.unmapMapping(1)])
  func broken(_ name: String) throws {
    let outcome = try run(Self.arguments(name.escaped) + ["--break", name])
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("FAILED \(name)"))
    #expect(outcome.output.contains("page 0: R is"))
    #expect(outcome.messages.contains("replay: folio-bench run --filter"))
    let last = try #require(outcome.output.split(separator: "\n").last)
    #expect(last.hasSuffix(" FAILED"))
  }

  @Test("breaking what is not run is a usage error")
  func brokenElsewhere() throws {
    #expect(try run(Self.arguments(Name.share.escaped) + ["--break", Name.getPut]).status == 64)
  }

  @Test("nothing to run is a usage error that says why")
  func nothingToRun() throws {
    let outcome = try run(["run", "--quick", "--threads", "4096", "--filter", "share"])
    #expect(outcome.status == 64)
    #expect(outcome.output == "")
    #expect(outcome.messages.contains("nothing to run with 4096 threads"))
    #expect(outcome.messages.contains("4096 threads: only "))
    #expect(outcome.messages.contains("\(Name.share): only with threads 1"))
  }

  @Test("the version is the newest of the changelog")
  func version() throws {
    let changelog = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../CHANGELOG.md")
    let text = try String(contentsOf: changelog, encoding: .utf8)
    let newest = try #require(text.firstMatch(of: /\n## (\d+\.\d+\.\d+)/)?.1)
    #expect(try run(["--version"]).output == "folio-bench \(newest)\n")
  }

  @Test("a full device is an error of its own, not a crash")
  func fullDevice() throws {
    let list = try run(["list"], output: "/dev/full")
    #expect(list.status == 74)
    #expect(list.messages.contains("cannot write standard output: No space left on device"))
    try withTemporaryFolder { folder in
      let path = folder.appendingPathComponent("r.json").path
      let outcome = try run(
        Self.arguments(Name.share.escaped) + ["--json", path], output: "/dev/full")
      #expect(outcome.status == 74)
      // The table could not be printed; the report was written all the same.
      let data = try Data(contentsOf: URL(fileURLWithPath: path))
      let results = try BenchmarkReport(decoding: data, name: path).results
      #expect(Set(results.map(\.name)) == [Name.share] && results.allSatisfy(\.verified))
    }
  }

  @Test("a report goes through a link and a descriptor; what cannot be written ends the run early")
  func jsonFile() throws {
    try withTemporaryFolder { folder in
      let (link, file) = (folder.appendingPathComponent("l"), folder.appendingPathComponent("f"))
      try Data().write(to: file)
      try FileManager.default.createSymbolicLink(at: link, withDestinationURL: file)
      #expect(try run(Self.arguments(Name.share.escaped) + ["--json", link.path]).status == 0)
      let report = try BenchmarkReport(decoding: Data(contentsOf: file), name: "f")
      #expect(report.version == Tool.version)
      let attributes = try FileManager.default.attributesOfItem(atPath: link.path)
      #expect(attributes[.type] as? FileAttributeType == .typeSymbolicLink)
    }
    for path in ["/dev/fd/987", "/nonexistent/x.json"] {
      let outcome = try run(Self.arguments(Name.share.escaped) + ["--json", path])
      #expect(outcome.status == 73)
      #expect(outcome.output == "", "measured before \(path) was tried")
    }
  }

  /// A program of that name that does what the script says.
  private func makeGnuplot(in folder: URL, _ script: String) throws {
    let program = folder.appendingPathComponent("gnuplot")
    try Data("#!/bin/sh\n\(script)\n".utf8).write(to: program)
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o755], ofItemAtPath: program.path)
  }

  @Test(
    "a gnuplot that fails, or draws nothing, is an error after the table is printed",
    arguments: [("echo no terminal >&2; exit 3", "no terminal"), ("exit 0", "drew no")])
  func badGnuplot(_ script: String, _ complaint: String) throws {
    try withTemporaryFolder { folder in
      try makeGnuplot(in: folder, script)
      let outcome = try run(
        Self.arguments(Name.share.escaped) + ["--plot", folder.appendingPathComponent("p").path],
        path: "\(folder.path):/usr/bin:/bin")
      #expect(outcome.status == 77)
      #expect(outcome.messages.contains(complaint))
      #expect(outcome.output.contains("checks, all as the model says"))
    }
  }

  @Test("without gnuplot a run that is to plot does not begin")
  func noGnuplot() throws {
    try withTemporaryFolder { folder in
      let outcome = try run(
        Self.arguments(Name.share.escaped) + ["--plot", folder.path], path: folder.path)
      #expect(outcome.status == 77)
      #expect(outcome.output == "")
      #expect(outcome.messages.contains("gnuplot, which is not in PATH"))
    }
  }

  @Test("stress and run describe the host in the same words")
  func host() throws {
    try withTemporaryFolder { folder in
      let (first, second) = (
        folder.appendingPathComponent("run"), folder.appendingPathComponent("stress")
      )
      _ = try run(Self.arguments(Name.share.escaped) + ["--json", first.path])
      _ = try run([
        "stress", "--scenario", "storm", "--threads", "1", "--seconds", "0.1", "--json",
        second.path,
      ])
      let hosts = try [first, second].map { file in
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        let host = (object as? [String: Any])?["host"] as? [String: Any]
        return try #require(host).filter { $0.key != "load" }.mapValues { "\($0)" }
      }
      #expect(hosts[0] == hosts[1])
      #expect(hosts[0].keys.contains("processor"))
    }
  }
}

extension String {
  /// As a regular expression that matches just this.
  fileprivate var escaped: String { NSRegularExpression.escapedPattern(for: self) }
}
