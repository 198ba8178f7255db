// SPDX-License-Identifier: MIT

// Finds planted bugs and writes a C and a Swift reproducer of each, as `folio-lab replay TOKEN
// --reproducer` does: Sources/c-MUTANT/main.c, Sources/swift-MUTANT/main.swift. Prints mutant and
// invariant.

import FolioLab
import FolioWorkloads
import Foundation

func write(_ text: String, to folder: String, _ name: String) throws {
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
}

func stop(_ text: String) -> Never {
  print(text)
  exit(77)
}

// The first two are programs as a fuzzer makes them, the third needs values of C11's memory model.
let planted: [(mutant: String, scenario: String, model: MemoryModel)] = [
  ("C01", "counters-39-662f", .sc), ("C12", "memory-d0-e0", .sc), ("O07", "xarray-grow", .c11),
]
for (id, name, model) in planted {
  guard let scenario = Scenario.named(name), let mutant = Mutant.named(id), Mutant.switch(mutant)
  else { stop("\(name) or \(id) is not here") }
  let world = try LabWorld(scenario)
  guard let found = world.explore(.pos, model: model, seconds: 60).finding else {
    stop("\(id) was not found in \(name)")
  }
  let finding = world.shrink(found)
  let witness = Witness(
    scenario: scenario, settings: world.settings, threads: world.threads, model: model,
    finding: finding, token: world.token(of: finding.trace, mutant: id).description,
    mutant: mutant)
  try write(witness.cReproducer(), to: "Sources/c-\(id)", "main.c")
  try write(witness.swiftReproducer(), to: "Sources/swift-\(id)", "main.swift")
  print(id, finding.invariant)
}
