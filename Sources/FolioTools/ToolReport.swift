// SPDX-License-Identifier: MIT

// The JSON that other programs read (design: "Contracts that other tools rely on"): one object per run
// of a tool, with one entry per result.

package import Foundation

/// A whole run.
package struct ToolReport<Result: Codable> {
  package static var currentSchema: Int { 1 }

  package var schema: Int
  package var tool: String
  package var version: String
  package var host: HostDescription
  package var results: [Result]

  package init(
    tool: String, version: String = Tool.version, host: HostDescription = .current,
    results: [Result]
  ) {
    schema = Self.currentSchema
    self.tool = tool
    self.version = version
    self.host = host
    self.results = results
  }

  /// JSON with sorted keys and a newline at the end.
  ///
  /// - Throws: `inputOutput`.
  package func encoded() throws(ToolError) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      return try encoder.encode(self) + Data("\n".utf8)
    } catch {
      throw ToolError(.inputOutput, "the results are no JSON: \(error)")
    }
  }

  /// - Parameter path: nil: nowhere; "-": standard output.
  /// - Throws: `cannotCreate`, `inputOutput`.
  package func write(to path: String?) throws(ToolError) {
    guard let path else { return }
    let data = try encoded()
    if path == "-" {
      try StandardStream.write(
        data, to: FileHandle.standardOutput.fileDescriptor, name: "standard output")
    } else {
      try ReportFile(path).write(data)
    }
  }

  /// Reads what `encoded()` made.
  ///
  /// - Throws: `dataError` when it is no report of this tool, or of another schema.
  package init(decoding data: Data, name: String, tool: String) throws(ToolError) {
    do {
      self = try JSONDecoder().decode(Self.self, from: data)
    } catch {
      throw ToolError(.dataError, "\(name): not a \(tool) report: \(Self.explain(error))")
    }
    guard self.tool == tool else {
      throw ToolError(.dataError, "\(name): a report of \(self.tool), not of \(tool)")
    }
    guard schema == Self.currentSchema else {
      throw ToolError(
        .dataError, "\(name): schema \(schema), this tool reads \(Self.currentSchema)")
    }
  }

  /// - Throws: `noInput`, `dataError`.
  package init(contentsOf path: String, tool: String) throws(ToolError) {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw ToolError(.noInput, "\(path): \(error.localizedDescription)")
    }
    try self.init(decoding: data, name: path, tool: tool)
  }

  private static func explain(_ error: any Error) -> String {
    func place(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
      return path.isEmpty ? context.debugDescription : "at \(path.joined(separator: "."))"
    }
    switch error as? DecodingError {
    case .keyNotFound(let key, let context):
      let inside = context.codingPath.isEmpty ? "" : " \(place(context))"
      return "\"\(key.stringValue)\" is missing\(inside)"
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .dataCorrupted(let context):
      return place(context)
    default:
      return "\(error)"
    }
  }
}

extension ToolReport: Codable {}
extension ToolReport: Sendable where Result: Sendable {}
extension ToolReport: Equatable where Result: Equatable {}
