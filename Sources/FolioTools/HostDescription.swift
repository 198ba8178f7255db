// SPDX-License-Identifier: MIT

// The machine that a tool runs on, as it describes itself.

import Foundation
internal import Glibc

/// The machine that a run was made on: the "host" of every report of this tool.
package struct HostDescription: Codable, Equatable, Sendable {
  package var system: String
  package var release: String
  package var machine: String
  package var processor: String
  package var cpus: Int
  package var memoryBytes: Int
  /// Load average over one minute when the run began.
  package var load: Double

  package init(
    system: String, release: String, machine: String, processor: String, cpus: Int,
    memoryBytes: Int, load: Double
  ) {
    self.system = system
    self.release = release
    self.machine = machine
    self.processor = processor
    self.cpus = cpus
    self.memoryBytes = memoryBytes
    self.load = load
  }

  /// One JSON object on one line, for reports that are put together from text.
  package var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    } catch {
      preconditionFailure("words and finite numbers are always JSON: \(error)")
    }
  }
}

extension HostDescription {
  /// The machine this runs on.
  package static var current: HostDescription {
    var name = utsname()
    _ = unsafe uname(&name)
    func text<Field>(_ field: Field) -> String {
      unsafe withUnsafeBytes(of: field) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
    }
    return HostDescription(
      system: text(name.sysname), release: text(name.release), machine: text(name.machine),
      processor: processorName ?? text(name.machine),
      cpus: ProcessInfo.processInfo.activeProcessorCount,
      memoryBytes: Int(ProcessInfo.processInfo.physicalMemory), load: loadAverage)
  }

  /// Of a file that not every system has; none of one that cannot be read.
  private static func lines(of path: String) -> [Substring] {
    guard let data = FileManager.default.contents(atPath: path) else { return [] }
    return String(decoding: data, as: UTF8.self).split(separator: "\n")
  }

  private static var processorName: String? {
    let line = lines(of: "/proc/cpuinfo").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
  }

  /// Runnable threads, averaged over the last minute.
  package static var loadAverage: Double {
    var load = 0.0
    return unsafe getloadavg(&load, 1) == 1 ? load : 0
  }

  /// Bytes that can be used without swapping, or nil when the system does not say.
  package static var availableMemory: Int? {
    let line = lines(of: "/proc/meminfo").first { $0.hasPrefix("MemAvailable:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }
}
