// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioLab
import FolioTools

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge", abstract: "Makes one certificate of the parts of a sharded search.")

  @Argument(help: "Files that `explore --shard i/n --json FILE` wrote.") var files: [String]
  @Option(help: "Write the certificate to this file; - is standard output.") var json: String?

  func run() throws {
    let parts = try files.flatMap {
      try ToolReport<Certificate>(contentsOf: $0, tool: "folio-lab").results
    }
    let whole: Certificate
    do throws(MergeError) {
      whole = try Certificate.merge(parts)
    } catch {
      throw ToolError(.dataError, error.description)
    }
    try ToolReport([whole]).write(to: json)
    if json != "-" {
      print(
        "\(whole.verdict) \(whole.scenario) size \(whole.size): \(whole.classes.grouped) classes, "
          + "\(whole.executions.grouped) executions in \(parts.count) parts")
    }
    if whole.invariant != nil { throw ExitCode(ToolStatus.failed.rawValue) }
  }
}
