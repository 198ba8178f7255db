// SPDX-License-Identifier: MIT

// The promises about speed that a release holds (gates G1-G11): limits on ratios formed
// within one run. A run reports them; only `--gates` makes a broken one a failure, because other
// load on the machine can break any of them.

/// A limit on one figure.
package struct Gate: Sendable {
  package let id: String
  package let text: String
  package let limit: Double
  let value: @Sendable ([Measurement]) -> Double?

  /// The figure against the limit; nil when the run did not measure it.
  package func verdict(_ measurements: [Measurement]) -> GateVerdict? {
    value(measurements).map { GateVerdict(id: id, text: text, limit: limit, value: $0) }
  }

  private static func ratio(
    _ id: String, _ operation: String, _ peer: String, _ limit: Double, threads: Int = 1
  ) -> Gate {
    Gate(id: id, text: "\(operation) \(threads)T / \(peer)", limit: limit) { measurements in
      measurements.first {
        $0.operation == operation && $0.threads == threads && $0.state == .warm && !$0.isScaled
      }?.ratio(toPeer: peer)
    }
  }

  /// Highest cost per page over lowest, sizes 2^10 to 2^22, each as a ratio to the cost of few pages in
  /// the same rounds.
  private static func flatness(_ operation: String) -> Gate {
    Gate(
      id: "G9", text: "\(operation) cost per page, largest / smallest over sizes", limit: 1.5
    ) { measurements in
      let costs = measurements.filter {
        $0.operation == operation && (1 << 10)...(1 << 22) ~= $0.pages
      }.map { $0.ratio(toPeer: Peer.fewPages) ?? 0 }
      guard costs.count > 1, let lowest = costs.min(), let highest = costs.max(), lowest > 0 else {
        return nil
      }
      return highest / lowest
    }
  }

  private static let metadata = Gate(
    id: "G10", text: "\(Name.metadata) bytes per page, devices of 2^16 pages and more", limit: 65
  ) { measurements in
    let figures = measurements.filter { $0.operation == Name.metadata && $0.pages >= 1 << 16 }
    return figures.allSatisfy(\.verified) ? figures.map(\.ours.median).max() : nil
  }

  /// One instruction more than the same code by hand, or fewer, is a difference.
  private static let instructions = Gate(
    id: "G11", text: "get+put and try_get, instructions off the hand-written with the one branch",
    limit: 0
  ) { measurements in
    let differences = [Name.getPutInstructions, Name.tryGetInstructions].compactMap { name in
      measurements.first { $0.operation == name }.flatMap { measurement in
        measurement.peers.first.map { abs(measurement.ours.median - $0.median) }
      }
    }
    return differences.count == 2 ? differences.max() : nil
  }

  /// All of them, in order.
  package static let all: [Gate] = [
    ratio("G1", Name.tryGetPut, Peer.cTwin, 1.05),
    ratio("G2", Name.tryGetPut, Peer.swiftARC, 0.70),
    ratio("G2", Name.tryGetPut, Peer.sharedPointer, 0.55),
    ratio("G2", Name.tryGetPut, Peer.swiftWeak, 0.20),
    ratio("G3", Name.readSection, Peer.urcu, 1.05),
    ratio("G4", Name.pageLookupRandom, Peer.dictionary, 0.35),
    ratio("G4", Name.pageLookupRandom, Peer.dictionary, 0.15, threads: 2),
    ratio("G4", Name.pageLookupRandom, Peer.unorderedMap, 0.25),
    ratio("G4", Name.pageLookupRandom, Peer.unorderedMap, 0.25, threads: 2),
    ratio("G5", Name.lastPut, Peer.noWakeTest, 1.10),
    ratio("G5", Name.unpinMapped, Peer.noEventTest, 1.10),
    ratio("G6", Name.fastPins(512), Peer.ioUring, 1.0 / 10),
    ratio("G7", Name.mapZap, Peer.writeFault, 1.0 / 50),
    ratio("G8", Name.deferredFree, Peer.urcuBarrier, 1.0 / 50),
    flatness(Name.deviceWalk), flatness(Name.sequentialPins), flatness(Name.sequentialMapZap),
    metadata, instructions,
  ]
}

/// What a gate says about a run.
package struct GateVerdict: Sendable {
  package let id: String
  package let text: String
  package let limit: Double
  package let value: Double

  package var holds: Bool { value <= limit }
}
