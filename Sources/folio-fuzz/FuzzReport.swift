// SPDX-License-Identifier: MIT

// What a run was, for programs: JSON as every tool of the package writes it.

import ArgumentParser
import FolioCore
import FolioFuzz
import FolioLab
import FolioTools
import FolioWorkloads
import Foundation

/// What one session did.
struct FuzzResult: Codable {
  var program: String
  var size: Int
  var rules: String
  var memoryModel: String
  var mutant: String?
  var executions: Int
  var seconds: Double
  /// Racing pairs that were executed.
  var pairs: Int
  /// Inputs that reached something new.
  var inputs: Int
  var violation: Violation?

  struct Violation: Codable {
    var invariant, message: String
    /// nil: it could not be shrunk.
    var token: String?
    var preemptions: Int?
  }

  enum CodingKeys: String, CodingKey {
    case program, size, rules, mutant, executions, seconds, pairs, inputs, violation
    case memoryModel = "memory_model"
  }

  init(_ session: FuzzSession, _ status: FuzzStatus, inputs: Int) {
    let setup = session.setup
    program = setup.programName
    size = setup.size
    rules = setup.rules.rawValue
    memoryModel = setup.model.rawValue
    mutant = session.mutant?.id
    executions = status.executions
    seconds = status.seconds
    pairs = status.pairs
    self.inputs = inputs
  }

  var line: String {
    let rate = seconds > 0 ? Double(executions) / seconds / 1e6 : 0
    return "\(program) size \(size) \(rules) \(memoryModel): \(executions.grouped) executions, "
      + "\(rate.digits(3)) M/s, \(pairs) racing pairs, \(inputs) inputs kept, "
      + "\(seconds.digits(1)) s"
  }
}

extension ToolReport {
  private static var tool: String { "folio-fuzz" }

  /// What folio-fuzz found.
  init(_ results: [Result]) { self.init(tool: Self.tool, results: results) }

  /// - Throws: `noInput`, `dataError`.
  init(contentsOf path: String) throws(ToolError) {
    try self.init(contentsOf: path, tool: Self.tool)
  }
}
