// SPDX-License-Identifier: MIT

// Charts by gnuplot, each as SVG and PNG: what every operation costs against its peers, how the cost
// per page goes with the size of the device, what a second thread does. The data travels inside the
// script, nothing is left behind but the charts.

import Foundation

/// Draws the charts of a run into a directory.
struct Plot {
  private let directory: URL
  private let gnuplot: URL

  /// Looks for gnuplot and makes the directory.
  ///
  /// - Throws: `cannotRun` without gnuplot, `cannotCreate` when the directory cannot be written.
  init(into path: String) throws(ToolError) {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    guard
      let program = folders.map({ "\($0)/gnuplot" }).first(where: {
        FileManager.default.isExecutableFile(atPath: $0)
      })
    else {
      throw ToolError(.cannotRun, "--plot needs gnuplot, which is not in PATH (make setup gets it)")
    }
    gnuplot = URL(fileURLWithPath: program)
    directory = URL(fileURLWithPath: path, isDirectory: true)
    do {
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    } catch {
      throw ToolError(.cannotCreate, "cannot make \(path): \(error.localizedDescription)")
    }
    guard FileManager.default.isWritableFile(atPath: directory.path) else {
      throw ToolError(.cannotCreate, "cannot write to \(path)")
    }
  }

  /// A chart: its file name, its size in pixels and the script that draws it.
  struct Chart {
    let name: String
    let width: Int
    let height: Int
    let script: String
  }

  /// Draws every chart that the measurements have data for.
  func draw(_ measurements: [Measurement]) throws(ToolError) {
    let charts = [
      PlotScript.cost(measurements), PlotScript.scaling(measurements),
      PlotScript.contention(measurements),
    ]
    for chart in charts.compactMap({ $0 }) {
      for (terminal, suffix) in [("svg", "svg"), ("pngcairo", "png")] {
        let file = directory.appendingPathComponent("\(chart.name).\(suffix)")
        try run(
          """
          set encoding utf8
          set terminal \(terminal) size \(chart.width),\(chart.height) font "DejaVu Sans,11" \
          background "#ffffff" \(suffix == "svg" ? "dynamic" : "")
          set output "\(Self.quoted(file.path))"
          \(chart.script)
          unset output

          """, drawing: file.lastPathComponent)
      }
    }
  }

  private static func quoted(_ text: String) -> String {
    text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
  }

  private func run(_ script: String, drawing name: String) throws(ToolError) {
    let process = Process()
    let input = Pipe()
    let errors = Pipe()
    process.executableURL = gnuplot
    process.standardInput = input
    process.standardError = errors
    do {
      try process.run()
      try input.fileHandleForWriting.write(contentsOf: Data(script.utf8))
      try input.fileHandleForWriting.close()
    } catch {
      throw ToolError(.cannotRun, "gnuplot: \(error.localizedDescription)")
    }
    let complaint = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw ToolError(
        .cannotRun, "gnuplot could not draw \(name): \(String(decoding: complaint, as: UTF8.self))")
    }
  }
}
