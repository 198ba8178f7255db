// SPDX-License-Identifier: MIT

// Inputs in files, run one after the other: a corpus as a test, or an alarm again.

public import FolioLab
public import FolioWorkloads
import Foundation

/// Inputs in files.
public struct FuzzCorpus {
  public enum Failure: Error {
    case file(String)
    case lab(LabError)
  }

  /// An input that failed.
  public struct Failed {
    public var path: String
    public var finding: FolioLab.Finding
    /// What replays it without the file.
    public var token: String
  }

  public let inputs: [(path: String, bytes: [UInt8])]

  /// - Parameter paths: files, and folders whose files are taken, in order of their names.
  public init(_ paths: [String]) throws(Failure) {
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

  /// What the input is for.
  public static func setup(of bytes: [UInt8]) -> FuzzSetup {
    unsafe bytes.withUnsafeBufferPointer { unsafe FuzzSetup(input: $0) }
  }

  /// Runs all with the mutant on, those of one setup after each other; those that failed.
  public func run(
    mutant: Mutant? = nil, progress: (FuzzSetup, Int) -> Void = { _, _ in }
  ) throws(Failure) -> [Failed] {
    let groups = Dictionary(grouping: inputs) { Self.setup(of: $0.bytes) }
      .sorted { $0.key.name < $1.key.name }
    guard Mutant.switch(mutant) else { throw .lab(.notBuiltIn) }
    defer { _ = Mutant.switch(nil) }
    var failed: [Failed] = []
    for (setup, inputs) in groups {
      progress(setup, inputs.count)
      do throws(LabError) {
        // Each begins with what a new world knows, as it would alone.
        for input in inputs {
          if let found = try Self.run(input, setup, mutant) { failed.append(found) }
        }
      } catch {
        throw .lab(error)
      }
    }
    return failed
  }

  private static func run(
    _ input: (path: String, bytes: [UInt8]), _ setup: FuzzSetup, _ mutant: Mutant?
  ) throws(LabError) -> Failed? {
    var world: FuzzWorld? = try FuzzWorld(setup)
    guard let finding = world!.finding(input.bytes) else { return nil }
    world = nil
    let alarm = try FuzzAlarm(
      setup: setup, input: input.bytes, first: finding, mutant: mutant)
    return Failed(path: input.path, finding: finding, token: alarm.witness.token)
  }
}
