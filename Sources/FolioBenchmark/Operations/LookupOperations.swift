// SPDX-License-Identifier: MIT

// Finding things without a lock: read sections, the map of a frame, the XArray, per-CPU references
// on a map (core.md section 6, rows 46-59).

import BenchmarkPeers
import CFolio
import FolioCore

enum LookupOperations {
  static let all = [
    readSection, pageLookupRandom, pageLookupSequential, arrayLoad, pagemapGet, percpuGet,
    percpuKill,
  ]

  /// Frames that are looked up.
  private static let warmFrames = 100_000
  private static let idle = FolioModel(references: 1)

  private static let readSection = BenchmarkOperation(
    Name.readSection, "an RCU read section with nothing in it",
    warmOnly: "it touches only the thread's own line", peers: [Peer.urcu]
  ) { _ throws(Refusal) in
    let closed: (IterationCounts, inout Verifier) -> Void = { _, verifier in
      verifier.expect(rcu_read_lock_held(), false, "read section open")
    }
    return Trial(
      pages: 1,
      sides: [
        Side(
          "folio", granularity: 4, loop: Loop { _, _, count in Loops.readSections(count) },
          verify: closed),
        Side(
          Peer.urcu, granularity: 4,
          loop: Loop { _, _, count in
            liburcu_read_sections(count)
            return count
          }, verify: closed),
      ],
      witness: { verifier in
        rcu_read_lock()
        verifier.expect(rcu_read_lock_held(), true, "read section open")
        rcu_read_unlock()
        verifier.expect(rcu_read_lock_held(), false, "read section open")
      })
  }

  private static let pageLookupRandom = BenchmarkOperation(
    Name.pageLookupRandom, "registry, page and map of random frames, 100,000 of them, under RCU",
    peers: [Peer.dictionary, Peer.unorderedMap]
  ) { configuration throws(Refusal) in
    // Cold: as many frames as any walk has pages, so that the struct page misses the caches.
    let frames = configuration.state == .cold ? configuration.walkPages : warmFrames
    let device = try Device(.generic, pages: frames)
    let first = device.map.frames.lowerBound
    let table = SwiftPeers.Table(first: first, count: frames)
    return lookupTrial(
      device,
      ours: Loop { thread, start, count in
        Loops.lookUpRandom(first, UInt64(frames), PeerSides.seed(thread, start), count)
      },
      peers: [
        Side(
          Peer.dictionary,
          loop: Loop { thread, start, count in
            SwiftPeers.lookUpRandom(table, PeerSides.seed(thread, start), count)
          }),
        unsafe PeerSides.unorderedMap(first: first, count: frames) { map, thread, start, count in
          unsafe standard_map_random(map, true, PeerSides.seed(thread, start), count)
        },
      ])
  }

  private static let pageLookupSequential = BenchmarkOperation(
    Name.pageLookupSequential, "the same, frame after frame",
    warmOnly: "the prefetcher brings what comes next; cold is the random one",
    peers: [Peer.dictionary, Peer.unorderedMap]
  ) { _ throws(Refusal) in
    let device = try Device(.generic, pages: warmFrames)
    let first = device.map.frames.lowerBound
    let table = SwiftPeers.Table(first: first, count: warmFrames)
    return lookupTrial(
      device,
      ours: Loop { _, start, count in Loops.lookUpSequential(first, warmFrames, start, count) },
      peers: [
        Side(
          Peer.dictionary,
          loop: Loop { _, start, count in SwiftPeers.lookUpSequential(table, start, count) }),
        unsafe PeerSides.unorderedMap(first: first, count: warmFrames) { map, _, start, count in
          unsafe standard_map_sequential(map, UInt64(start), count)
        },
      ])
  }

  /// Lookups change nothing, and find nothing beyond the map.
  private static func lookupTrial(_ device: Device, ours: Loop, peers: [Side]) -> Trial {
    // A lookup writes to no page: the first ones after each batch, all of them at the end.
    let check: (inout Verifier) -> Void = { verifier in
      device.verify(0..<min(device.count, warmFrames), idle, &verifier)
    }
    return Trial(
      pages: device.count,
      sides: [Side("folio", loop: ours, verify: { check(&$1) })] + peers,
      witness: { verifier in
        rcu_read_lock()
        for frame in device.map.frames {
          let found = unsafe cfolio_pgmap_lookup_rcu(frame) == device.map.pgmap
          verifier.expect(found, true, "frame \(frame) found in its map")
        }
        let beyond =
          unsafe cfolio_pgmap_lookup_rcu(device.map.frames.upperBound) == device.map.pgmap
        rcu_read_unlock()
        verifier.expect(beyond, false, "frame behind the map found in it")
      },
      close: { device.close(idle, &$0) })
  }

  /// Entries of one XArray node.
  private static let nodeSlots: UInt = 64

  /// An XArray with a value entry at each multiple of the stride.
  @safe private final class Array {
    let pointer: UnsafeMutablePointer<xarray>
    let count: Int
    let stride: UInt

    init(count: Int, stride: UInt) throws(Refusal) {
      guard let memory = unsafe cfolio_zalloc(MemoryLayout<xarray>.size) else {
        throw Refusal("no memory")
      }
      unsafe pointer = memory.bindMemory(to: xarray.self, capacity: 1)
      self.count = count
      self.stride = stride
      unsafe xa_init(pointer)
      for index in (0..<UInt(count)).lazy.map({ [stride] in $0 * stride }) {
        let stored = unsafe xa_store(pointer, index, xa_mk_value(index))
        guard unsafe xa_err(stored) == 0 else { throw Refusal("no memory for \(count) entries") }
      }
    }

    deinit {
      unsafe xa_destroy(pointer)
      rcu_barrier()
      unsafe cfolio_free(pointer)
    }

    func verify(_ verifier: inout Verifier) {
      for index in (0..<UInt(count)).lazy.map({ [stride] in $0 * stride }) {
        let entry = unsafe xa_load(pointer, index)
        verifier.expect(unsafe xa_to_value(entry), index, "entry \(index)")
      }
    }
  }

  private static let arrayLoad = BenchmarkOperation(
    Name.arrayLoad, "random entries of an XArray of 100,000",
    peers: [Peer.dictionary, Peer.unorderedMap]
  ) { configuration throws(Refusal) in
    // Cold: every entry in a node of its own, as in a sparse file, and nodes for twice the cache.
    let isCold = configuration.state == .cold
    let stride: UInt = isCold ? nodeSlots : 1
    let frames = isCold ? configuration.walkPages / 8 : warmFrames
    let array = try Array(count: frames, stride: stride)
    let table = SwiftPeers.Table(first: 0, count: frames, stride: stride)
    return Trial(
      pages: frames,
      sides: [
        Side(
          "folio",
          loop: Loop { thread, start, count in
            unsafe Loops.arrayLoad(
              array.pointer, UInt64(frames), stride: stride, PeerSides.seed(thread, start), count)
          }, verify: { array.verify(&$1) }),
        Side(
          Peer.dictionary,
          loop: Loop { thread, start, count in
            SwiftPeers.findRandom(table, PeerSides.seed(thread, start), count)
          }),
        unsafe PeerSides.unorderedMap(first: 0, count: frames, stride: stride) {
          map, thread, start, count in
          unsafe standard_map_random(map, false, PeerSides.seed(thread, start), count)
        },
      ],
      close: { verifier in
        let fault = unsafe cfolio_xa_verify(array.pointer).map { unsafe String(cString: $0) }
        verifier.expect(fault, nil, "XArray")
      })
  }

  private static let pagemapGet = BenchmarkOperation(
    Name.pagemapGet, "the map of a frame with a reference on it, and its put",
    warmOnly: "a few registry nodes and one count per CPU serve every frame of a map",
    peers: [Peer.cTwin, Peer.sharedMap]
  ) { _ throws(Refusal) in
    let device = try Device(.generic, pages: 512)
    let frame = device.map.frames.lowerBound + 100
    let before = device.map.mapReferenceCount
    let check: (IterationCounts, inout Verifier) -> Void = { _, verifier in
      verifier.expect(device.map.mapReferenceCount, before, "references on the map")
    }
    return Trial(
      pages: 1,
      sides: [
        Side(
          "folio", loop: Loop { _, _, count in Loops.pagemapGetPut(frame, count) }, verify: check),
        Side(
          Peer.cTwin,
          loop: Loop { _, _, count in Int(twin_pgmap_get_put(frame, count)) }, verify: check),
        unsafe PeerSides.unorderedMap(Peer.sharedMap, first: frame, count: 1) { map, _, _, count in
          unsafe standard_map_acquire(map, UInt64(frame), count)
        },
      ],
      witness: { verifier in
        let map = unsafe get_dev_pagemap(frame)
        verifier.expect(device.map.mapReferenceCount, before + 1, "references on the map")
        unsafe put_dev_pagemap(map)
        verifier.expect(device.map.mapReferenceCount, before, "references on the map")
      },
      close: { device.close(idle, &$0) })
  }

  /// A percpu_ref of its own, released into nothing.
  @safe private final class PercpuReference {
    let pointer: UnsafeMutablePointer<percpu_ref>

    init() throws(Refusal) {
      guard let memory = unsafe cfolio_zalloc(MemoryLayout<percpu_ref>.size) else {
        throw Refusal("no memory")
      }
      unsafe pointer = memory.bindMemory(to: percpu_ref.self, capacity: 1)
      guard unsafe percpu_ref_init(pointer, { _ in }) == 0 else { throw Refusal("no memory") }
    }

    deinit {
      rcu_barrier()
      unsafe percpu_ref_exit(pointer)
      unsafe cfolio_free(pointer)
    }

    func verify(_ verifier: inout Verifier) {
      verifier.expect(unsafe percpu_ref_value(pointer), 1, "percpu_ref")
      verifier.expect(unsafe percpu_ref_is_percpu(pointer), true, "percpu mode")
    }
  }

  private static let percpuGet = BenchmarkOperation(
    Name.percpuGet, "a per-CPU reference, and its put",
    warmOnly: "one count per CPU, whatever it is a reference on",
    peers: [Peer.cTwin, Peer.cAtomics, Peer.swiftAtomic, Peer.sharedPointer]
  ) { _ throws(Refusal) in
    let reference = try PercpuReference()
    let check: (IterationCounts, inout Verifier) -> Void = { reference.verify(&$1) }
    return Trial(
      pages: 1,
      sides: [
        Side(
          "folio",
          loop: Loop { _, _, count in unsafe Loops.percpuGetPut(reference.pointer, count) },
          verify: check),
        Side(
          Peer.cTwin,
          loop: Loop { _, _, count in
            unsafe Int(twin_percpu_get_put(reference.pointer, count))
          }, verify: check),
        unsafe PeerSides.cAtomics {
          unsafe Int(c11_get_put($0, $1, $2, $3))
        },
        PeerSides.swiftAtomic { SwiftPeers.atomicGetPut($0, $1) },
        PeerSides.sharedPointer(),
      ])
  }

  private static let percpuKill = BenchmarkOperation(
    Name.percpuKill, "kill, switch to one atomic count, reach 0, live again", threads: [1],
    warmOnly: "it is made of grace periods, beside which a cache miss is nothing",
    peers: [Peer.urcu]
  ) { _ throws(Refusal) in
    let reference = try PercpuReference()
    let ours = Loop { _, _, count in
      var zeroes = 0
      for _ in 0..<count {
        unsafe percpu_ref_kill(reference.pointer)
        rcu_barrier()
        zeroes += unsafe percpu_ref_is_zero(reference.pointer) ? 1 : 0
        unsafe percpu_ref_reinit(reference.pointer)
      }
      return zeroes
    }
    return Trial(
      pages: 1,
      sides: [
        Side("folio", loop: ours, verify: { reference.verify(&$1) }),
        Side(
          Peer.urcu,
          loop: Loop { _, _, count in
            liburcu_grace_periods(count)
            return count
          }),
      ])
  }
}
