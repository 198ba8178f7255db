// SPDX-License-Identifier: MIT

// Every operation that `run` measures and `list` lists, in the order of the table.

/// The operations.
package enum Catalog {
  package static let operations: [BenchmarkOperation] =
    ReferenceOperations.all + LookupOperations.all + DeviceOperations.all + PinOperations.all
    + MapOperations.all + WaitOperations.all + ScaleOperations.all

  /// One line per operation: name, threads, what it is, peers, gates.
  package static func listing(_ operations: [BenchmarkOperation] = operations) -> String {
    operations.map { operation in
      let threads = operation.threads.map { $0.sorted().map(String.init).joined(separator: ",") }
      let states =
        operation.warmOnly.map { "warm (not cold: \($0))" }
        ?? operation.states.map(\.rawValue).joined(separator: ", ")
      let scale = operation.isScaled ? ", over device sizes" : ""
      let peers = operation.peers.isEmpty ? "none" : operation.peers.joined(separator: ", ")
      return """
        \(operation.name)
            \(operation.summary)
            threads: \(threads ?? "any"); \(states)\(scale)
            peers: \(peers)
        """
    }.joined(separator: "\n") + "\n"
  }
}
