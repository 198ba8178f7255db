// SPDX-License-Identifier: MIT

// Taking and giving back references: the folio primitives (core.md sections 3 and 4, rows 1-30).

import BenchmarkPeers
import CFolio
import FolioCore

enum ReferenceOperations {
  static let all = [tryGetPut, getPut, cloneDrop, getPage, batchPut, freeze, tryGetFolio]

  /// Pages of GENERIC type: idle at one reference.
  private static let idle = FolioModel(references: 1)

  /// Takes a reference and gives it back, looking after each step.
  private static func stepThrough(
    _ device: Device, _ verifier: inout Verifier, take: (UnsafeMutablePointer<folio>) -> Bool
  ) {
    var model = idle
    let folio = unsafe device.folio(0)
    verifier.expect(unsafe take(folio), true, "reference taken")
    model.get()
    device.verify([0], model, &verifier)
    unsafe folio_put(folio)
    model.put()
    device.verify([0], model, &verifier)
  }

  private static let tryGetPut = BenchmarkOperation(
    Name.tryGetPut, "a reference if the folio has any, and its put",
    peers: [
      Peer.cTwin, Peer.cAtomics, Peer.swiftARC, Peer.sharedPointer, Peer.swiftWeak,
      Peer.swiftAtomic,
    ]
  ) { configuration throws(Refusal) in
    let device = try Device(.generic, pages: configuration.walkPages)
    return unsafe trial(
      device, configuration,
      ours: { unsafe Loops.tryGetPut($0, $1, $3, $4) },
      twin: { unsafe Int(twin_try_get_put($0, $1, $3, $4)) },
      cold: [
        PeerSides.cAtomics(count: device.count) { unsafe Int(c11_try_get_put($0, $1, $2, $3)) }
      ],
      warm: [
        PeerSides.swiftARC(), PeerSides.sharedPointer(), PeerSides.swiftWeak(),
        PeerSides.swiftAtomic { SwiftPeers.atomicTryGetPut($0, $1) },
      ]
    ) { verifier in
      unsafe stepThrough(device, &verifier) { unsafe folio_try_get($0) }
    }
  }

  private static let getPut = BenchmarkOperation(
    Name.getPut, "one more reference for a holder, and its put",
    peers: [Peer.cTwin, Peer.cAtomics, Peer.swiftARC, Peer.sharedPointer, Peer.swiftAtomic]
  ) { configuration throws(Refusal) in
    let device = try Device(.generic, pages: configuration.walkPages)
    return unsafe trial(
      device, configuration,
      ours: { unsafe Loops.getPut($0, $1, $3, $4) },
      twin: { unsafe Int(twin_get_put($0, $1, $3, $4)) },
      cold: [PeerSides.cAtomics(count: device.count) { unsafe Int(c11_get_put($0, $1, $2, $3)) }],
      warm: [
        PeerSides.swiftARC(), PeerSides.sharedPointer(),
        PeerSides.swiftAtomic { SwiftPeers.atomicGetPut($0, $1) },
      ]
    ) { verifier in
      unsafe stepThrough(device, &verifier) {
        unsafe folio_get($0)
        return true
      }
    }
  }

  /// A trial on a device of idle pages.
  ///
  /// - Parameters:
  ///   - cold: peers that walk as well, for warm and cold.
  ///   - warm: peers with one word of their own, for warm only.
  private static func trial(
    _ device: Device, _ configuration: Configuration, model: FolioModel = idle,
    granularity: Int = 1, ours: @escaping PageLoop.Body,
    twin: @escaping PageLoop.Body, walkers: [PageLoop] = [], cold: [Side] = [], warm: [Side] = [],
    witness: ((inout Verifier) -> Void)? = nil
  ) -> Trial {
    let own = unsafe device.walkSides(
      model, configuration, granularity: granularity,
      [PageLoop("folio", ours), PageLoop(Peer.cTwin, twin)] + walkers)
    return Trial(
      pages: device.count,
      sides: own + cold + (configuration.state == .warm ? warm : []),
      witness: witness ?? { device.verify([0], model, &$0) },
      close: { device.close(model, &$0) })
  }

  private static let cloneDrop = BenchmarkOperation(
    Name.cloneDrop, "the same by Swift's owning handle",
    peers: [Peer.cTwin, Peer.swiftARC, Peer.sharedPointer]
  ) { configuration throws(Refusal) in
    let device = try Device(.generic, pages: configuration.walkPages)
    return unsafe trial(
      device, configuration,
      ours: { unsafe Loops.cloneDrop($0, $1, $3, $4) },
      twin: { unsafe Int(twin_get_put($0, $1, $3, $4)) },
      warm: [PeerSides.swiftARC(), PeerSides.sharedPointer()])
  }

  private static let getPage = BenchmarkOperation(
    Name.getPage, "the page forms, out of line", peers: [Peer.cTwin, Peer.cAtomics]
  ) { configuration throws(Refusal) in
    let device = try Device(.generic, pages: configuration.walkPages)
    return unsafe trial(
      device, configuration,
      ours: { unsafe Loops.getPage($0, $1, $3, $4) },
      twin: { unsafe Int(twin_get_page_put_page($0, $1, $3, $4)) },
      cold: [PeerSides.cAtomics(count: device.count) { unsafe Int(c11_get_put($0, $1, $2, $3)) }])
  }

  private static let batchPut = BenchmarkOperation(
    Name.batchPut, "gets, and puts in batches of 31; per folio",
    peers: [Peer.cTwin, Peer.singlePuts]
  ) { configuration throws(Refusal) in
    // Warm: 32 pages, so that a batch has no page twice.
    let isCold = configuration.state == .cold
    let device = try Device(.generic, pages: isCold ? configuration.walkPages : 32)
    return unsafe trial(
      device, configuration, granularity: Int(PAGEVEC_SIZE),
      ours: { unsafe Loops.batchPut($0, $1, $3, $4) },
      twin: { unsafe Int(twin_batch_put($0, $1, $3, $4)) },
      walkers: [PageLoop(Peer.singlePuts) { unsafe Int(twin_single_put($0, $1, $3, $4)) }])
  }

  private static let freeze = BenchmarkOperation(
    Name.freeze, "R 1 -> 0 for the one who expects 1, and back", threads: [1],
    peers: [Peer.cTwin, Peer.cAtomics]
  ) { configuration throws(Refusal) in
    let device = try Device(.generic, pages: configuration.walkPages)
    return unsafe trial(
      device, configuration,
      ours: { unsafe Loops.freezeUnfreeze($0, $1, $3, $4) },
      twin: { unsafe Int(twin_freeze_unfreeze($0, $1, $3, $4)) },
      cold: [
        PeerSides.cAtomics(count: device.count) {
          unsafe Int(c11_freeze_unfreeze($0, $1, $2, $3))
        }
      ])
  }

  private static let tryGetFolio = BenchmarkOperation(
    Name.tryGetFolio, "the folio of a tail page, with the second look, and its put",
    peers: [Peer.cTwin, Peer.swiftWeak]
  ) { configuration throws(Refusal) in
    // Warm: page 5 of one 2 MiB folio. Cold: any page of many.
    let order = Int(PMD_ORDER)
    let isCold = configuration.state == .cold
    let device = try Device(
      .generic, pages: isCold ? configuration.walkPages : 1 << order,
      .init(compoundOrder: order))
    let model = FolioModel(references: 1, order: order)
    let (place, mask) = isCold ? (0, device.count - 1) : (5, 0)
    let sides = unsafe device.walkSides(
      model, configuration, place: place, mask: mask,
      [
        PageLoop("folio") { unsafe Loops.tryGetFolioPut($0, $1, $3, $4) },
        PageLoop(Peer.cTwin) { unsafe Int(twin_try_get_folio_put($0, $1, $3, $4)) },
      ])
    return Trial(
      pages: device.count, sides: sides + (isCold ? [] : [PeerSides.swiftWeak()]),
      witness: { device.verify([0], model, &$0) },
      close: { device.close(model, &$0) })
  }
}
