// SPDX-License-Identifier: MIT

// What goes with the size of a device: the cost per page of walking it and the memory that
// describes a page. And what does not go with anything: instructions per operation.

import BenchmarkPeers
import CFolio
import FolioCore
import Foundation

enum ScaleOperations {
  static let all = [deviceWalk, metadata, getPutInstructions, tryGetInstructions]

  private static let idle = FolioModel(references: 1)

  private static let deviceWalk = BenchmarkOperation(
    Name.deviceWalk, "get and put of every page in turn; per page", threads: [1],
    warmOnly: "its sizes go from warm to cold", isScaled: true, peers: [Peer.fewPages]
  ) { configuration throws(Refusal) in
    let device = try Device(.generic, pages: configuration.scaledPages)
    let sizes = [
      ("folio", device.count), (Peer.fewPages, min(device.count, Configuration.fewPages)),
    ]
    return Trial(
      pages: device.count, sides: sizes.map { walk(device, pages: $1, $0) },
      close: { device.close(idle, &$0) })
  }

  private static func walk(_ device: Device, pages: Int, _ name: String) -> Side {
    let mask = pages - 1
    let check = WalkCheck(device, mask: mask, isSequential: true, idle)
    return Side(
      name,
      loop: Loop { _, first, count in unsafe Loops.walkInOrder(device.base, mask, first, count) },
      verify: { check.verify($0, &$1) })
  }

  private static let metadata = BenchmarkOperation(
    measured: Name.metadata,
    "resident struct pages and heap of a map, registry included; per page", isScaled: true
  ) { configuration, verifier throws(Refusal) in
    let pages = configuration.scaledPages
    rcu_barrier()
    let heap = Int(harness_heap_bytes())
    let device = try Device(.generic, pages: pages)
    let grown = Int(harness_heap_bytes()) - heap
    let resident = unsafe residentBytes(device.base, pages * MemoryLayout<page>.stride, &verifier)
    for frame in [device.map.frames.lowerBound, device.map.frames.upperBound - 1] {
      let found = unsafe cfolio_pgmap_lookup(frame) == device.map.pgmap
      verifier.expect(found, true, "frame \(frame) found in its map")
    }
    device.close(idle, &verifier)
    return StaticValue(
      unit: "bytes/page", value: Double(resident + max(grown, 0)) / Double(pages))
  }

  /// Bytes backed by memory. That the system tells is a check: 0 for an answer would pass any gate.
  static func residentBytes(
    _ start: UnsafeRawPointer, _ bytes: Int, _ verifier: inout Verifier
  ) -> Int {
    let resident = unsafe harness_resident_bytes(start, bytes)
    verifier.expect(resident > 0, true, "mincore() tells what is resident (it says \(resident))")
    return max(resident, 0)
  }

  private static let getPutInstructions = instructionOperation(
    Name.getPutInstructions, "folio_bench_probe_get_put", "folio_bench_probe_plain_get_put")
  private static let tryGetInstructions = instructionOperation(
    Name.tryGetInstructions, "folio_bench_probe_try_get", "folio_bench_probe_plain_try_get")

  /// Both halves of a probe must do the same before their instructions are worth counting.
  private static func runProbes(_ verifier: inout Verifier) throws(Refusal) {
    let device = try Device(.generic, pages: 1)
    let folio = unsafe device.folio(0)
    unsafe folio_bench_probe_get_put(folio)
    device.verify([0], idle, &verifier)
    unsafe folio_bench_probe_plain_get_put(device.base)
    device.verify([0], idle, &verifier)
    verifier.expect(unsafe folio_bench_probe_try_get(folio), true, "probe try_get")
    verifier.expect(unsafe folio_bench_probe_plain_try_get(device.base), true, "plain try_get")
    device.verify([0], FolioModel(references: 3), &verifier)
    unsafe folio_put_refs(folio, 2)
    device.close(idle, &verifier)
  }

  private static func instructionOperation(_ name: String, _ ours: String, _ plain: String)
    -> BenchmarkOperation
  {
    BenchmarkOperation(
      measured: name, "machine instructions, slow path's calls included",
      peers: [Peer.handWritten]
    ) { _, verifier throws(Refusal) in
      try runProbes(&verifier)
      let counts = try Disassembly.instructionCounts(of: [ours, plain])
      for symbol in [ours, plain] {
        verifier.expect((counts[symbol] ?? 0) > 0, true, "\(symbol) has instructions")
      }
      return StaticValue(
        unit: "instructions", value: Double(counts[ours] ?? 0),
        peer: (Peer.handWritten, Double(counts[plain] ?? 0)))
    }
  }
}

/// Counting instructions in this very program.
enum Disassembly {
  /// Instructions of each function, by objdump.
  ///
  /// - Throws: when objdump is missing or finds no such function.
  static func instructionCounts(of symbols: [String]) throws(Refusal) -> [String: Int] {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let programs = folders.map { "\($0)/objdump" }
    guard let objdump = programs.first(where: FileManager.default.isExecutableFile) else {
      throw Refusal("objdump is not in PATH")
    }
    var counts: [String: Int] = [:]
    for symbol in symbols {
      let listing = try run(
        objdump,
        ["--disassemble=\(symbol)", "--no-show-raw-insn", "--section=.text", "/proc/self/exe"])
      counts[symbol] = count(in: listing, symbol)
    }
    guard symbols.allSatisfy({ counts[$0] ?? 0 > 0 }) else {
      throw Refusal("objdump does not find the probes; is the program stripped?")
    }
    return counts
  }

  /// Lines of the function's listing that hold an instruction; padding between functions is none.
  static func count(in listing: String, _ symbol: String) -> Int {
    var isInside = false
    var count = 0
    for line in listing.split(separator: "\n") {
      if line.hasSuffix("<\(symbol)>:") {
        isInside = true
      } else if line.hasSuffix(">:") {
        isInside = false
      } else if isInside, line.contains(":\t") {
        let instruction = line.split(separator: "\t").dropFirst().joined(separator: " ")
        let isPadding = ["nop", "xchg   %ax,%ax", "cs nop", "data16"].contains {
          instruction.hasPrefix($0)
        }
        count += isPadding ? 0 : 1
      }
    }
    return count
  }

  private static func run(_ program: String, _ arguments: [String]) throws(Refusal) -> String {
    // /proc/self would be objdump itself.
    let executable = "/proc/\(ProcessInfo.processInfo.processIdentifier)/exe"
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments.map { $0 == "/proc/self/exe" ? executable : $0 }
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    do {
      try process.run()
    } catch {
      throw Refusal("objdump: \(error.localizedDescription)")
    }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Refusal("objdump failed with status \(process.terminationStatus)")
    }
    return String(decoding: data, as: UTF8.self)
  }
}
