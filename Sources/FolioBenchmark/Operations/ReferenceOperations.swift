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
    Name.tryGetPut, "a reference if the folio has any, and its put", states: [.warm, .cold],
    peers: [
      Peer.cTwin, Peer.cAtomics, Peer.swiftARC, Peer.sharedPointer, Peer.swiftWeak,
      Peer.swiftAtomic,
    ]
  ) { configuration throws(Refusal) in
    let device = try Device(.generic, pages: configuration.walkPages)
    let mask = device.count - 1
    var sides = unsafe walkSides(
      device, ours: { unsafe Loops.tryGetPut($0, mask, $1, $2) },
      twin: { unsafe twin_try_get_put($0, mask, $1, $2) })
    unsafe sides.append(
      PeerSides.cAtomics(count: device.count) {
        unsafe c11_try_get_put($0, $1, $2, $3)
      })
    if configuration.state == .warm {
      sides += [
        PeerSides.swiftARC(), PeerSides.sharedPointer(), PeerSides.swiftWeak(),
        PeerSides.swiftAtomic { SwiftPeers.atomicTryGetPut($0, $1) },
      ]
    }
    return Trial(
      pages: device.count, sides: sides,
      witness: { verifier in
        unsafe stepThrough(device, &verifier) { unsafe folio_try_get($0) }
      },
      close: { device.close(idle, &$0) })
  }

  private static let getPut = BenchmarkOperation(
    Name.getPut, "one more reference for a holder, and its put", states: [.warm, .cold],
    peers: [Peer.cTwin, Peer.cAtomics, Peer.swiftARC, Peer.sharedPointer, Peer.swiftAtomic]
  ) { configuration throws(Refusal) in
    let device = try Device(.generic, pages: configuration.walkPages)
    let mask = device.count - 1
    var sides = unsafe walkSides(
      device, ours: { unsafe Loops.getPut($0, mask, $1, $2) },
      twin: {
        unsafe twin_get_put($0, mask, $1, $2)
        return $2
      })
    unsafe sides.append(
      PeerSides.cAtomics(count: device.count) {
        unsafe c11_get_put($0, $1, $2, $3)
        return $3
      })
    if configuration.state == .warm {
      sides += [
        PeerSides.swiftARC(), PeerSides.sharedPointer(),
        PeerSides.swiftAtomic { SwiftPeers.atomicGetPut($0, $1) },
      ]
    }
    return Trial(
      pages: device.count, sides: sides,
      witness: { verifier in
        unsafe stepThrough(device, &verifier) {
          unsafe folio_get($0)
          return true
        }
      },
      close: { device.close(idle, &$0) })
  }

  /// Folio's walk and its C twin, both on the device's pages, half a device apart: neither finds in
  /// the cache what the other one has just brought there.
  private static func walkSides(
    _ device: Device,
    ours: @escaping (UnsafeMutablePointer<page>, _ start: Int, _ count: Int) -> Int,
    twin: @escaping (UnsafeMutablePointer<page>, _ start: Int, _ count: Int) -> Int
  ) -> [Side] {
    unsafe [("folio", 0, ours), (Peer.cTwin, device.count / 2, twin)].map { name, offset, body in
      let check = WalkCheck(device, mask: device.count - 1, offset: offset, idle)
      return Side(
        name,
        loop: Loop { _, first, count in unsafe body(device.base, first + offset, count) },
        verify: { check.verify($0, &$1) })
    }
  }

  private static let cloneDrop = BenchmarkOperation(
    Name.cloneDrop, "the same by Swift's owning handle",
    peers: [Peer.cTwin, Peer.swiftARC, Peer.sharedPointer]
  ) { _ throws(Refusal) in
    let device = try Device(.generic, pages: 1)
    let ours = Loop { _, _, count in
      unsafe folio_get(device.folio(0))
      let reference = unsafe FolioReference(adopting: device.folio(0))
      return Loops.cloneDrop(reference, count)
    }
    let twin = Loop { _, first, count in
      unsafe twin_get_put(device.base, 0, first, count)
      return count
    }
    return onePage(
      device, [("folio", ours), (Peer.cTwin, twin)],
      others: [PeerSides.swiftARC(), PeerSides.sharedPointer()])
  }

  /// A trial on page 0 of a device of idle pages; `ownSides` work on it.
  private static func onePage(
    _ device: Device, _ ownSides: [(String, Loop)], granularity: Int = 1, touched: Int = 1,
    model: FolioModel = idle, others: [Side] = []
  ) -> Trial {
    let sides = ownSides.map { name, loop in
      Side(
        name, granularity: granularity, loop: loop,
        verify: { device.verify(0..<touched, model, &$1) })
    }
    return Trial(
      pages: touched << model.order, sides: sides + others,
      witness: { device.verify(0..<touched, model, &$0) },
      close: { device.close(model, &$0) })
  }

  private static let getPage = BenchmarkOperation(
    Name.getPage, "the page forms, out of line", peers: [Peer.cTwin, Peer.cAtomics]
  ) { _ throws(Refusal) in
    let device = try Device(.generic, pages: 1)
    let ours = Loop { _, _, count in unsafe Loops.getPage(device.base, count) }
    let twin = Loop { _, _, count in
      unsafe twin_get_page_put_page(device.base, count)
      return count
    }
    let atomics = unsafe PeerSides.cAtomics {
      unsafe c11_get_put($0, $1, $2, $3)
      return $3
    }
    return onePage(device, [("folio", ours), (Peer.cTwin, twin)], others: [atomics])
  }

  private static let batchPut = BenchmarkOperation(
    Name.batchPut, "gets, and puts in batches of 31; per folio",
    peers: [Peer.cTwin, Peer.singlePuts]
  ) { _ throws(Refusal) in
    let size = Int(PAGEVEC_SIZE)
    let device = try Device(.generic, pages: size)
    let ours = Loop { _, _, count in unsafe Loops.batchPut(device.base, count) }
    let twin = Loop { _, _, count in
      unsafe twin_batch_put(device.base, count)
      return count
    }
    let single = Loop { _, _, count in
      unsafe twin_single_put(device.base, count)
      return count
    }
    return onePage(
      device, [("folio", ours), (Peer.cTwin, twin), (Peer.singlePuts, single)],
      granularity: size, touched: size)
  }

  private static let freeze = BenchmarkOperation(
    Name.freeze, "R 1 -> 0 for the one who expects 1, and back", threads: [1],
    peers: [Peer.cTwin, Peer.cAtomics]
  ) { _ throws(Refusal) in
    let device = try Device(.generic, pages: 1)
    let ours = Loop { _, _, count in unsafe Loops.freezeUnfreeze(device.folio(0), count) }
    let twin = Loop { _, _, count in unsafe twin_freeze_unfreeze(device.folio(0), 1, count) }
    let atomics = unsafe PeerSides.cAtomics { counters, _, _, count in
      unsafe c11_freeze_unfreeze(counters, count)
    }
    return onePage(device, [("folio", ours), (Peer.cTwin, twin)], others: [atomics])
  }

  private static let tryGetFolio = BenchmarkOperation(
    Name.tryGetFolio, "the folio of a tail page, with the second look, and its put",
    peers: [Peer.cTwin, Peer.swiftWeak]
  ) { _ throws(Refusal) in
    let device = try Device(
      .generic, pages: 1 << PMD_ORDER, .init(compoundOrder: Int(PMD_ORDER)))
    let ours = Loop { _, _, count in unsafe Loops.tryGetFolioPut(device.base + 5, count) }
    let twin = Loop { _, _, count in unsafe twin_try_get_folio_put(device.base + 5, count) }
    return onePage(
      device, [("folio", ours), (Peer.cTwin, twin)],
      model: FolioModel(references: 1, order: Int(PMD_ORDER)), others: [PeerSides.swiftWeak()])
  }
}
