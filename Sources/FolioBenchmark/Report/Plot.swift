// SPDX-License-Identifier: MIT

// Charts by gnuplot, each as SVG and PNG: what every operation costs against its peers, how the cost
// per page goes with the size of the device, what a second thread does. The data travels inside the
// script, nothing is left behind but the charts.

import FolioTools
import Foundation
internal import Glibc

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

          """, drawing: file)
      }
    }
  }

  private static func quoted(_ text: String) -> String {
    text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
  }

  /// Runs gnuplot on the script, which is in a file of its own for that time: a gnuplot that does
  /// not read it is an error like any other, and no signal.
  ///
  /// - Throws: `cannotRun` unless it ends well and the drawing is there.
  private func run(_ script: String, drawing file: URL) throws(ToolError) {
    let name = file.lastPathComponent
    let source = FileManager.default.temporaryDirectory
      .appendingPathComponent("folio-bench-\(UUID().uuidString).gp")
    defer { Self.remove(source) }
    Self.remove(file)
    let process = Process()
    let errors = Pipe()
    process.executableURL = gnuplot
    process.arguments = [source.path]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = errors
    do {
      try Data(script.utf8).write(to: source)
      try process.run()
    } catch {
      throw ToolError(.cannotRun, "gnuplot: \(error.localizedDescription)")
    }
    let complaint = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let text = String(decoding: complaint, as: UTF8.self)
    guard process.terminationStatus == 0 else {
      throw ToolError(.cannotRun, "gnuplot could not draw \(name): \(text)")
    }
    let size = Self.size(of: file)
    guard size > 0 else {
      throw ToolError(.cannotRun, "gnuplot said nothing wrong and drew no \(name) \(text)")
    }
  }

  /// Bytes of a file; 0 when there is none.
  static func size(of file: URL) -> Int {
    var information = stat()
    return unsafe stat(file.path, &information) == 0 ? Int(information.st_size) : 0
  }

  /// What is not there needs no removing.
  private static func remove(_ file: URL) {
    _ = unsafe unlink(file.path)
  }
}
