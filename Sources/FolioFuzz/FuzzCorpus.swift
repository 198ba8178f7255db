// SPDX-License-Identifier: MIT

// Inputs in files, run one after the other: a corpus as a test, or an alarm again.

package import FolioLab
package import FolioWorkloads
import Foundation

/// Inputs in files.
package struct FuzzCorpus {
  package enum Failure: Error {
    case file(String)
    case lab(LabError)
  }

  /// An input that failed.
  package struct Failed {
    package var path: String
    package var finding: FolioLab.Finding
    /// What replays it without the file.
    package var token: String
  }

  package private(set) var inputs: [(path: String, bytes: [UInt8])]

  /// - Parameter paths: files, and folders whose files are taken, in order of their names.
  package init(_ paths: [String]) throws(Failure) {
    var inputs: [(path: String, bytes: [UInt8])] = []
    func add(_ path: String) throws(Failure) {
      guard let data = FileManager.default.contents(atPath: path) else {
        throw .file("\(path): cannot be read")
      }
      inputs.append((path, Array(data)))
    }
    for path in paths {
      var isFolder: ObjCBool = false
      guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw .file("\(path): there is no such file")
      }
      guard isFolder.boolValue else {
        try add(path)
        continue
      }
      let names: [String]
      do {
        names = try FileManager.default.contentsOfDirectory(atPath: path)
      } catch {
        throw .file("\(path): \(error.localizedDescription)")
      }
      for name in names.sorted() where !name.hasPrefix(".") { try add("\(path)/\(name)") }
    }
    self.inputs = inputs
  }

  /// Takes all inputs for this setup, whatever their headers say.
  package mutating func assume(_ setup: FuzzSetup) {
    inputs = inputs.map { ($0.path, setup.header + $0.bytes.dropFirst(FuzzSetup.headerSize)) }
  }

  /// What the input is for.
  package static func setup(of bytes: [UInt8]) -> FuzzSetup {
    unsafe bytes.withUnsafeBufferPointer { unsafe FuzzSetup(input: $0) }
  }

  /// The inputs of each setup, in order of their names.
  package var bySetup: [(key: FuzzSetup, value: [(path: String, bytes: [UInt8])])] {
    Dictionary(grouping: inputs) { Self.setup(of: $0.bytes) }.sorted { $0.key.name < $1.key.name }
  }

  /// Runs all with the mutant on, those of one setup after each other; those that failed.
  package func run(
    mutant: Mutant? = nil, progress: (FuzzSetup, Int) -> Void = { _, _ in }
  ) throws(Failure) -> [Failed] {
    guard Mutant.switch(mutant) else { throw .lab(.notBuiltIn) }
    defer { _ = Mutant.switch(nil) }
    var failed: [Failed] = []
    for (setup, inputs) in bySetup {
      progress(setup, inputs.count)
      do throws(LabError) {
        for (index, finding) in try Self.findings(inputs.map(\.bytes), setup) {
          let alarm = try FuzzAlarm(
            setup: setup, input: inputs[index].bytes, first: finding, mutant: mutant)
          failed.append(
            Failed(path: inputs[index].path, finding: finding, token: alarm.witness.token))
        }
      } catch {
        throw .lab(error)
      }
    }
    return failed
  }

  /// Which of the inputs, all for this setup, fail in one world.
  private static func findings(
    _ inputs: [[UInt8]], _ setup: FuzzSetup
  ) throws(LabError) -> [(index: Int, finding: FolioLab.Finding)] {
    let world = try FuzzWorld(setup)
    var findings: [(index: Int, finding: FolioLab.Finding)] = []
    for (index, input) in inputs.enumerated() {
      if let finding = world.finding(input) { findings.append((index, finding)) }
    }
    return findings
  }
}
