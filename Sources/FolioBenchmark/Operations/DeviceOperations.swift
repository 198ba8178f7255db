// SPDX-License-Identifier: MIT

// What is done to pages of a device: the last put, unpinning a mapped page, large folios made and
// dissolved, mappings counted, shares, whole maps (core.md sections 5-8).

import BenchmarkPeers
import CFolio
import FolioCore

enum DeviceOperations {
  static let all = [
    lastPut, unpinMapped, prepSplit, rmapSmall, rmapLarge, rmapEntire, share, remap,
  ]

  private static let pmdOrder = Int(PMD_ORDER)
  private static let pmdPages = 1 << Int(PMD_ORDER)

  private static let lastPut = BenchmarkOperation(
    Name.lastPut, "0 -> 1 by the owner, then the FS_DAX put that ends it; nobody waits",
    threads: [1], peers: [Peer.noWakeTest, Peer.cTwin, Peer.cAtomics]
  ) { configuration throws(Refusal) in
    let device = try Device(.fsdax, pages: configuration.walkPages)
    let folio = unsafe device.folio(0)
    let idle = FolioModel(references: 0)
    let own = unsafe device.walkSides(
      idle, configuration,
      [
        PageLoop("folio") { unsafe Loops.lastPut($0, $1, $3, $4) },
        PageLoop(Peer.noWakeTest) { unsafe Int(device_arm_put_no_wake_test($0, $1, $3, $4)) },
        PageLoop(Peer.cTwin) { unsafe Int(twin_arm_put($0, $1, $3, $4)) },
      ])
    let atomics = unsafe PeerSides.cAtomics(count: device.count, idle: 0) {
      unsafe Int(c11_arm_put($0, $1, $2, $3))
    }
    return Trial(
      pages: device.count, sides: own + [atomics],
      witness: { verifier in
        unsafe folio_ref_inc(folio)
        device.verify([0], FolioModel(references: 1), &verifier)
        unsafe folio_put(folio)
        device.verify([0], idle, &verifier)
      },
      close: { device.close(idle, &$0) })
  }

  private static let unpinMapped = BenchmarkOperation(
    Name.unpinMapped, "a pin taken and dropped while a mapping holds the page (strict rules)",
    threads: [1], peers: [Peer.noEventTest, Peer.cTwin]
  ) { configuration throws(Refusal) in
    let device = try Device(.fsdax, pages: configuration.walkPages, .init(rules: .strict))
    for index in 0..<device.count {
      unsafe folio_ref_inc(device.folio(index))
      unsafe folio_add_file_rmap_pte(device.folio(index), device.base + index, 1)
    }
    var mapped = FolioModel(references: 1)
    mapped.map(page: 0, by: 1)
    let model = mapped
    let own = unsafe device.walkSides(
      model, configuration,
      [
        PageLoop("folio") { unsafe Loops.getPut($0, $1, $3, $4) },
        PageLoop(Peer.noEventTest) { unsafe Int(device_unpin_no_event_test($0, $1, $3, $4)) },
        PageLoop(Peer.cTwin) { unsafe Int(twin_get_put($0, $1, $3, $4)) },
      ])
    return Trial(
      pages: device.count, sides: own,
      witness: { device.verify([0], model, &$0) },
      close: { verifier in
        for index in 0..<device.count {
          unsafe folio_remove_rmap_pte(device.folio(index), device.base + index, 1)
          unsafe folio_put(device.folio(index))
        }
        device.close(FolioModel(references: 0), &verifier)
      })
  }

  private static let prepSplit = BenchmarkOperation(
    Name.prepSplit, "512 pages made one folio and dissolved again; per folio", threads: [1],
    peers: [Peer.cTwin, Peer.plainStores]
  ) { configuration throws(Refusal) in
    // The plain peer writes to the second half: what it skips must not be seen by the first.
    let folios = max(configuration.walkPages / pmdPages, 1)
    let device = try Device(.fsdax, pages: 2 * folios * pmdPages)
    let idle = FolioModel(references: 0)
    let head = unsafe device.base
    let plain = unsafe head + folios * pmdPages
    func side(_ name: String, _ number: Int, _ run: @escaping PageLoop.Body) -> Side {
      let offset = number * (folios / 2)
      let walk = WalkCheck(device, mask: folios - 1, offset: offset, scale: pmdOrder, idle)
      return Side(
        name,
        loop: Loop { thread, first, count in
          unsafe run(head, folios - 1, thread, first + offset, count)
        },
        verify: { progress, verifier in
          walk.verify(progress, &verifier)
          for index in 0..<pmdPages {
            let map = unsafe page_pgmap(head + index) == device.map.pgmap
            verifier.expect(map, true, "page \(index) belongs to its map")
          }
        })
    }
    let order = UInt32(PMD_ORDER)
    return Trial(
      pages: folios * pmdPages,
      sides: [
        unsafe side("folio", 0) { unsafe Loops.prepSplit($0, order, $1, $3, $4) },
        unsafe side(Peer.cTwin, 1) { unsafe Int(twin_prep_split($0, order, $1, $3, $4)) },
        Side(
          Peer.plainStores,
          loop: Loop { _, first, count in
            unsafe Int(device_plain_prep_split(plain, order, folios - 1, first, count))
          }),
      ],
      witness: { verifier in
        unsafe prep_compound_page(head, order)
        device.verify([0], FolioModel(references: 0, order: pmdOrder), &verifier)
        unsafe folio_split_to_order_0(folioOf(head))
        device.verify(0..<pmdPages, idle, &verifier)
      },
      close: { device.close(idle, &$0) })
  }

  private static let rmapSmall = BenchmarkOperation(
    Name.rmapSmall, "a page mapped by a PTE and unmapped", peers: [Peer.cTwin, Peer.cAtomics]
  ) { configuration throws(Refusal) in
    let device = try Device(.generic, pages: configuration.walkPages)
    let atomics = unsafe PeerSides.cAtomics(count: device.count, idle: -1) {
      unsafe Int(c11_map_unmap($0, $1, $2, $3))
    }
    return pteTrial(
      device, configuration, order: 0, page: 0, mask: device.count - 1, others: [atomics])
  }

  private static let rmapLarge = BenchmarkOperation(
    Name.rmapLarge, "a page of a 2 MiB folio mapped by a PTE and unmapped, one mm per thread",
    peers: [Peer.cTwin]
  ) { configuration throws(Refusal) in
    // Warm: page 3 of one folio. Cold: any page of many.
    let isCold = configuration.state == .cold
    let device = try Device(
      .generic, pages: isCold ? configuration.walkPages : pmdPages,
      .init(compoundOrder: pmdOrder))
    return pteTrial(
      device, configuration, order: pmdOrder, page: isCold ? 0 : 3,
      mask: isCold ? device.count - 1 : 0,
      others: [])
  }

  private static func pteTrial(
    _ device: Device, _ configuration: Configuration, order: Int, page: Int, mask: Int,
    others: [Side]
  ) -> Trial {
    let idle = FolioModel(references: 1, order: order)
    let folio = unsafe device.folio(0)
    let target = unsafe device.base + page
    let own = unsafe device.walkSides(
      idle, configuration, place: page, mask: mask,
      [
        PageLoop("folio") { pages, mask, thread, first, count in
          unsafe Loops.rmapPTE(pages, mask, first, count, mm_id_t(thread + 1))
        },
        PageLoop(Peer.cTwin) { pages, mask, thread, first, count in
          unsafe Int(twin_rmap_pte(pages, mask, first, count, mm_id_t(thread + 1)))
        },
      ])
    return Trial(
      pages: device.count, sides: own + others,
      witness: { verifier in
        var model = idle
        // Two mms: the second one makes the folio shared, and its going makes it exclusive again.
        for mm in 1...mm_id_t(2) {
          unsafe folio_add_file_rmap_pte(folio, target, mm)
          model.map(page: page, by: mm)
          device.verify([0], model, &verifier)
        }
        for mm in 1...mm_id_t(2) {
          unsafe folio_remove_rmap_pte(folio, target, mm)
          model.unmap(page: page, by: mm)
          device.verify([0], model, &verifier)
        }
      },
      close: { device.close(idle, &$0) })
  }

  private static let rmapEntire = BenchmarkOperation(
    Name.rmapEntire, "a 2 MiB folio mapped by a PMD and unmapped, one mm per thread",
    warmOnly: "all the counters it moves in 2^20 pages, two lines per folio, stay in the cache",
    peers: [Peer.cTwin]
  ) { _ throws(Refusal) in
    let device = try Device(.generic, pages: pmdPages, .init(compoundOrder: pmdOrder))
    let idle = FolioModel(references: 1, order: pmdOrder)
    let folio = unsafe device.folio(0)
    let check: (IterationCounts, inout Verifier) -> Void = { device.verify([0], idle, &$1) }
    return Trial(
      pages: pmdPages,
      sides: [
        Side(
          "folio",
          loop: Loop { thread, _, count in
            unsafe Loops.rmapPMD(folio, mm_id_t(thread + 1), count)
          }, verify: check),
        Side(
          Peer.cTwin,
          loop: Loop { thread, _, count in
            unsafe Int(twin_rmap_pmd(folio, mm_id_t(thread + 1), count))
          }, verify: check),
      ],
      witness: { verifier in
        var model = idle
        for mm in 1...mm_id_t(2) {
          unsafe folio_add_file_rmap_pmd(folio, mm)
          model.mapEntirely(by: mm)
          device.verify([0], model, &verifier)
        }
        for mm in 1...mm_id_t(2) {
          unsafe folio_remove_rmap_pmd(folio, mm)
          model.unmapEntirely(by: mm)
          device.verify([0], model, &verifier)
        }
      },
      close: { device.close(idle, &$0) })
  }

  private static let share = BenchmarkOperation(
    Name.share, "the share word of an FS_DAX page up and down, under its owner's lock",
    threads: [1], peers: [Peer.cTwin, Peer.cAtomics]
  ) { configuration throws(Refusal) in
    let device = try Device(.fsdax, pages: configuration.walkPages)
    let folio = unsafe device.folio(0)
    let idle = FolioModel(references: 0)
    let own = unsafe device.walkSides(
      idle, configuration,
      [
        PageLoop("folio") { unsafe Loops.shareUpDown($0, $1, $3, $4) },
        PageLoop(Peer.cTwin) { unsafe Int(twin_share_up_down($0, $1, $3, $4)) },
      ])
    let atomics = unsafe PeerSides.cAtomics(count: device.count) {
      unsafe Int(c11_plain_up_down($0, $1, $2, $3))
    }
    return Trial(
      pages: device.count, sides: own + [atomics],
      witness: { verifier in
        var model = idle
        unsafe folio_set_share(folio, folio_share(folio) + 1)
        model.share = 1
        device.verify([0], model, &verifier)
        unsafe folio_set_share(folio, folio_share(folio) - 1)
        device.verify([0], idle, &verifier)
      },
      close: { device.close(idle, &$0) })
  }

  /// Pages of the maps that are made and taken down.
  private static let remapPages = 4096

  private static let remap = BenchmarkOperation(
    Name.remap, "an FS_DAX map of 4096 pages made and taken down; per page", threads: [1],
    warmOnly: "the struct pages are new memory every time, cold by nature",
    peers: [Peer.plainMap]
  ) { _ throws(Refusal) in
    let ours = Loop { _, _, count in
      var mapped = 0
      for _ in 0..<count / remapPages {
        do throws(PageMapError) {
          let map = try PageMap(.fsdax, pages: remapPages)
          try map.unmap()
          mapped += remapPages
        } catch {
          return mapped
        }
      }
      return mapped
    }
    return Trial(
      pages: remapPages,
      sides: [
        Side("folio", granularity: remapPages, loop: ours),
        Side(
          Peer.plainMap, granularity: remapPages,
          loop: Loop { _, _, count in
            let failures = device_plain_map_unmap(remapPages, count / remapPages)
            return count - Int(failures) * remapPages
          }),
      ],
      witness: { verifier in
        let device: Device
        do throws(Refusal) {
          device = try Device(.fsdax, pages: remapPages)
        } catch {
          verifier.expect("\(error)", "a map", "memremap_pages")
          return
        }
        let last = device.map.frames.upperBound - 1
        verifier.expect(
          unsafe cfolio_pgmap_lookup(last) == device.map.pgmap, true, "last frame registered")
        device.close(FolioModel(references: 0), &verifier)
        verifier.expect(unsafe cfolio_pgmap_lookup(last) == nil, true, "last frame erased")
      })
  }
}
