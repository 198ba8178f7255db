// SPDX-License-Identifier: MIT

// Devices against the spaces that map them: migration both ways, the end of a device-dax device, peer-to-peer
// memory that comes and goes, and walks over entries that hold no map (spec: core.md section 14, CI62).

import CFolio
import FolioCore

enum DeviceRaces {
  static let scenarios = [
    kill, peers, peerRemoval, peerPin, migrate, migrateShared, migrateFile, migratePin, evict,
    strayReference, legacyPage, legacyLeaf, legacyDying,
  ]

  // MARK: device-dax, peer-to-peer

  private final class DAXWorld {
    let pages: DevicePages
    var device: DeviceDAX?
    var space: MemoryMap?

    init(_ settings: Scenario.Settings) throws {
      pages = try DevicePages(.generic, settings.rules)
      let device = try DeviceDAX(pages.map)
      let space: MemoryMap = try .small(settings.rules)
      try space.map(
        device.object, pages: 1, [.read, .write], .shared, at: .fixed(MappedFile.address(0)))
      (self.device, self.space) = (device, space)
    }

    func tearDown() {
      (space, device) = (nil, nil)
      pages.tearDown()
    }
  }

  /// P115, P116: a fault that saw the device alive has mapped its page before the removal, or not at all.
  private static let kill = Scenario(
    "dax-kill", "a fault against the end of a device-dax device: nothing is mapped behind it",
    rules: [.strict, .kernel], size: 1, sizes: 1...2, obligations: ["touched", "dead"]
  ) { settings in
    let world = try DAXWorld(settings)
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<settings.size).map { _ in
        (
          name: "toucher",
          body: { obligations.reach(FaultRaces.touch(world.space!, 0) ? 0 : 1) }
        )
      } + [
        (
          name: "driver",
          body: {
            world.device!.kill()
            require(
              unsafe folio_mapcount(world.pages.folio(0)) == 0, "CI59", "mapped behind its end")
          }
        )
      ],
      conclude: {
        world.pages.require(0, references: 1)
        require(unsafe folio_mapcount(world.pages.folio(0)) == 0, "CI4", "mapped at the end")
        require(world.space!.counters.filePages == 0, "CI52", "pages are counted")
      }, tearDown: { world.tearDown() })
  }

  /// P117: a page that goes home gives back a reference on its map; it must have had one.
  private static let peers = Scenario(
    "peer-churn", "peer-to-peer pages that come with an area and go with a removal: home once",
    rules: [.strict], obligations: ["removed by the owner", "unmapped"]
  ) { settings in
    readyWaitTable()
    var pool: PeerMemoryPool? = try PeerMemoryPool(pages: 512)
    var space: MemoryMap? = try .small(settings.rules)
    let obligations = settings.obligations
    let (references, free) = (pool!.map.mapReferenceCount, pool!.freePages)
    return ProgramWorld(
      [
        (
          name: "user",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try space!.map(
                pool!.object, pages: 1, [.read, .write], .shared,
                at: .fixed(MappedFile.address(0)))
            }
            obligations.reach(FaultRaces.touch(space!, 0) ? 1 : 0)
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try space!.unmap(MappedFile.addresses(0..<1))
            }
          }
        ), (name: "owner", body: { pool!.object.unmap() }),
      ],
      conclude: {
        require(pool!.freePages == free, "CI27", "a page is not home, or home twice")
        require(
          pool!.map.mapReferenceCount == references, "CI28", "references on the map are lost")
      },
      tearDown: {
        space = nil
        do throws(PageMapError) {
          try pool!.remove()
        } catch {
          preconditionFailure("the pool of a scenario is not idle: \(error)")
        }
        pool = nil
      })
  }

  /// A pool of one page, an address space, and the pool's end.
  private final class PeerWorld {
    private(set) var pool: PeerMemoryPool?
    private(set) var space: MemoryMap?
    private let neighbour: NeighbourMap
    let isGone: SharedWord

    init(_ settings: Scenario.Settings) throws {
      readyWaitTable()
      let pool = try PeerMemoryPool(pages: 1, strictTeardown: false)
      (self.pool, space) = (pool, try .small(settings.rules))
      neighbour = try NeighbourMap(settings.rules, of: pool.map.frames.lowerBound)
      isGone = try SharedWord("the pool is gone")
    }

    /// Whether the pool still gives memory.
    func map() -> Bool {
      do throws(MemoryError) {
        try space!.map(
          pool!.object, pages: 1, [.read, .write], .shared, at: .fixed(MappedFile.address(0)))
        return true
      } catch {
        require(error.code == .noDevice, "VMA", "a mapping is refused for another reason")
        return false
      }
    }

    /// The provider goes, the map stays.
    func stop() {
      let page = unsafe pfn_to_page(pool!.map.frames.lowerBound)
      pool!.stop()
      require(
        unsafe folio_mapcount(page_folio(page)) == 0, "CI59", "memory is mapped behind its end")
    }

    /// The map goes, too; every page has to come home first.
    func remove() {
      stop()
      unsafe memunmap_pages(pool!.map.pgmap)
      isGone.storeRelease(1)
      require(pool!.freePages == 1, "CI27", "the pool is gone, a page of it is not home")
    }

    func tearDown() {
      // A thread that was left in the middle may keep the space, and P123 what it maps.
      FaultRaces.mustSucceed { () throws(MemoryError) in try space!.unmap(0..<space!.end) }
      space = nil
      do throws(PageMapError) {
        try pool!.remove()
      } catch {
        preconditionFailure("the pool of a scenario is not idle: \(error)")
      }
      pool = nil
      neighbour.tearDown()
      isGone.free()
    }
  }

  /// P115, P123: whoever maps either finds the pool gone, or loses the page before the end returns.
  private static let peerRemoval = Scenario(
    "peer-map-stop",
    "an area of peer-to-peer memory against its pool's end: empty behind it (14.3)",
    rules: [.strict], obligations: ["mapped", "no device"]
  ) { settings in
    let world = try PeerWorld(settings)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "user", body: { obligations.reach(world.map() ? 0 : 1) }),
        (name: "owner", body: { world.stop() }),
      ],
      conclude: {
        require(world.pool!.freePages == 1, "CI27", "a page is not home, or home twice")
        require(world.space!.counters.filePages == 0, "CI52", "pages are counted")
      }, tearDown: { world.tearDown() })
  }

  /// The end of the map waits for pins.
  private static let peerPin = Scenario(
    "peer-remove", "a pin of peer-to-peer memory against its pool's end: the map waits (14.3)",
    rules: [.strict], obligations: ["pinned", "gone"]
  ) { settings in
    let world = try PeerWorld(settings)
    require(world.map(), "VMA", "a pool gives no memory")
    let found = try FoundPage()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            let isPinned = found.pinFast(world.space!, FOLL_PCI_P2PDMA) == 1
            obligations.reach(isPinned ? 0 : 1)
            guard isPinned else { return }
            require(world.isGone.loadAcquire() == 0, "CI31", "a pinned page's map is gone")
            found.unpin()
          }
        ), (name: "owner", body: { world.remove() }),
      ],
      conclude: { require(world.space!.counters.filePages == 0, "CI52", "pages are counted") },
      tearDown: {
        found.free()
        world.tearDown()
      })
  }

  // MARK: migration

  /// A device with memory of its own, and spaces that share one private page which holds 1.
  private final class World {
    let memory: PrivateMemory
    private(set) var device: PrivateMemoryDevice?

    init(_ settings: Scenario.Settings, isForked: Bool = false) throws {
      device = try PrivateMemoryDevice(.private, pages: 2, rules: settings.rules)
      memory = try PrivateMemory(settings, spaces: isForked ? 2 : 1, isForked: isForked)
    }

    /// To the device; how many pages went.
    @discardableResult
    func migrate() -> Int {
      do throws(MemoryError) {
        return try device!.migrate(MappedFile.addresses(0..<1), of: memory.space())
      } catch {
        report("CI62", "a migration is refused")
        return 0
      }
    }

    /// Whoever loads the page finds it, and has it in RAM then; behind that all is home.
    func requireHome(_ value: UInt = 1, in spaces: Int = 1) {
      for number in 0..<spaces {
        require(memory.value(number) == value, "CI51", "other contents, or a store is lost")
      }
      require(device!.freePages == 2, "CI26", "a page of the device is not home")
      memory.ram.require(inUse: 1)
      memory.requireHome()
    }

    func tearDown() {
      memory.tearDown()
      do throws(PageMapError) {
        try device!.remove()
      } catch {
        preconditionFailure("the device of a scenario is not idle: \(error)")
      }
      device = nil
    }
  }

  // An access tries again for as long as somebody else holds the page; a schedule that never runs that
  // one has no end. So these give up behind `size` faults.

  /// P118: a store that goes through a translation of before is in the copy.
  private static let migrate = Scenario(
    "migrate-store", "a store against the migration of its page to a device and back: none is lost",
    rules: [.strict, .kernel], sizes: 1...3, obligations: ["moved", "stored", "gave up"]
  ) { settings in
    let world = try World(settings)
    let isStored = try SharedWord("the store came through")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "writer",
          body: {
            let isThrough = FaultRaces.store(world.memory.space(), 0, 2, faults: settings.size)
            obligations.reach(isThrough ? 1 : 2)
            if isThrough { isStored.storeRelease(1) }
          }
        ), (name: "driver", body: { if world.migrate() == 1 { obligations.reach(0) } }),
      ],
      conclude: { world.requireHome(isStored.loadAcquire() == 1 ? 2 : 1) },
      tearDown: {
        world.tearDown()
        isStored.free()
      })
  }

  /// P119: each entry of a page that moves is a migration entry for a while, and none is left.
  private static let migrateShared = Scenario(
    "migrate-shared", "a load of a shared page against its migration: every entry comes back",
    rules: [.strict, .kernel], sizes: 1...3, obligations: ["moved", "loaded", "gave up"]
  ) { settings in
    let world = try World(settings, isForked: true)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "child",
          body: {
            let found = FaultRaces.value(world.memory.space(1), 0, faults: settings.size)
            obligations.reach(found == nil ? 2 : 1)
            require(found == nil || found == 1, "CI51", "other contents")
          }
        ),
        (name: "driver", body: { if world.migrate() == 1 { obligations.reach(0) } }),
      ],
      conclude: {
        for number in 0..<2 {
          let mm = unsafe world.memory.space(number).mm
          let place = unsafe pgtable_walk(mm, MappedFile.address(0), PGTABLE_LEVEL_PTE)
          // Who loaded through it would wait for ever.
          guard unsafe !softleaf_is_migration(ptep_get(place.entry!)) else {
            return report("CI62", "a migration entry is left")
          }
        }
        world.requireHome(in: 2)
      }, tearDown: { world.tearDown() })
  }

  /// A CPU's access and the device's own eviction bring the page back: once.
  private static let evict = Scenario(
    "migrate-evict", "a load that brings a page back against its eviction: it comes once (CI62)",
    rules: [.strict, .kernel], sizes: 1...3,
    obligations: ["by the load", "by the eviction", "gave up"]
  ) { settings in
    let world = try World(settings)
    require(world.migrate() == 1, "CI62", "a page does not move")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "reader",
          body: {
            let found = FaultRaces.value(world.memory.space(), 0, faults: settings.size)
            if found == nil { obligations.reach(2) }
            require(found == nil || found == 1, "CI51", "other contents")
          }
        ),
        (name: "driver", body: { obligations.reach(world.device!.evict() == 1 ? 1 : 0) }),
      ],
      conclude: { world.requireHome() }, tearDown: { world.tearDown() })
  }

  /// C73: whoever has a reference on a page of the device keeps it where it is.
  private static let strayReference = Scenario(
    "migrate-get", "an eviction against a reference on the page: it does not move under it (CI62)",
    rules: [.strict], obligations: ["held", "gone", "moved", "stayed"]
  ) { settings in
    let world = try World(settings)
    let first = world.device!.map.frames.lowerBound
    let isHeld = try SharedWord("somebody has a reference")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "getter",
          body: {
            rcu_read_lock()
            let folio = unsafe try_get_folio(pfn_to_page(first), 1)
            rcu_read_unlock()
            obligations.reach(unsafe folio == nil ? 1 : 0)
            guard let folio = unsafe folio else { return }
            isHeld.storeRelease(1)
            isHeld.storeRelease(0)
            unsafe folio_put(folio)
          }
        ),
        (
          name: "driver",
          body: {
            world.migrate()
            let before = isHeld.loadAcquire() == 1
            let moved = world.device!.evict() == 1
            obligations.reach(moved ? 2 : 3)
            let behind = isHeld.loadAcquire() == 1
            require(!(before && moved && behind), "CI62", "a page moved that somebody holds")
          }
        ),
      ],
      conclude: { world.requireHome() },
      tearDown: {
        world.tearDown()
        isHeld.free()
      })
  }

  /// T6: a page that is pinned stays where it is.
  private static let migratePin = Scenario(
    "migrate-pin", "a fast pin against the migration of its page: it stays, or it was gone (T6)",
    rules: [.strict, .kernel], obligations: ["pinned", "not pinned", "moved", "stayed"]
  ) { settings in
    let world = try World(settings)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            let isPinned = world.memory.found.pinFast(world.memory.space(), FOLL_WRITE) == 1
            obligations.reach(isPinned ? 0 : 1)
            guard isPinned else { return }
            world.memory.requireOwn()
            world.memory.found.unpin()
          }
        ), (name: "driver", body: { obligations.reach(world.migrate() == 1 ? 2 : 3) }),
      ],
      conclude: {
        let last = world.memory.value()
        require(last == 1 || last == 3, "CI51", "other contents")
        world.requireHome(last)
      }, tearDown: { world.tearDown() })
  }

  /// A file's page moves to another one, frozen meanwhile (row 118).
  private static let migrateFile = Scenario(
    "migrate-file",
    "folio_migrate_mapping against a lookup: the old folio, the new, or it is frozen",
    rules: [.strict], obligations: ["found the old", "found the new", "moved", "refused", "frozen"]
  ) { settings in
    let pages = try RAMPages(2)
    let mapping = unsafe try seamMemory(address_space.self)
    unsafe address_space_init(mapping, ADDRESS_SPACE_SHMEM)
    for index in 0..<2 {
      _ = pages.handOut(index)
      unsafe set_page_count(pages.page(index), 1)
    }
    let (old, new) = unsafe (pages.folio(0), pages.folio(1))
    unsafe folio_associate(old, mapping, 0)
    _ = unsafe xa_store(&mapping.pointee.i_pages, 0, old)
    // The file's, and that of whoever moves it.
    unsafe folio_ref_inc(old)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "finder",
          body: {
            // One round of filemap_get_entry(), which tries again while the folio is frozen.
            rcu_read_lock()
            defer { rcu_read_unlock() }
            guard let entry = unsafe xa_load(&mapping.pointee.i_pages, 0) else {
              return report("CI37", "a file without its folio")
            }
            let found = unsafe entry.assumingMemoryBound(to: CFolio.folio.self)
            guard unsafe folio_try_get(found) else { return obligations.reach(4) }
            obligations.reach(unsafe found == old ? 0 : 1)
            unsafe folio_put(found)
          }
        ),
        (
          name: "mover",
          body: {
            unsafe folio_lock(old)
            unsafe folio_lock(new)
            let status = unsafe folio_migrate_mapping(mapping, new, old, 0)
            unsafe folio_unlock(new)
            unsafe folio_unlock(old)
            obligations.reach(status == 0 ? 2 : 3)
            unsafe folio_put(old)
            unsafe folio_put(new)
          }
        ),
      ],
      conclude: {
        let isMoved = unsafe xa_load(&mapping.pointee.i_pages, 0) == UnsafeMutableRawPointer(new)
        pages.requireFree(isMoved ? 0 : 1)
        require(
          unsafe folio_ref_count(isMoved ? new : old) == 1, "CI1", "the file's reference is lost")
      },
      tearDown: {
        unsafe address_space_destroy(mapping)
        unsafe cfolio_free(mapping)
        pages.tearDown()
      })
  }

  // MARK: legacy entries

  /// A legacy entry holds nothing; the walk holds the map while it looks at the page.
  private static func legacyWalk(_ name: String, _ title: String, isLeaf: Bool) -> Scenario {
    Scenario(
      name, title, rules: [.legacy], obligations: ["referenced", "not referenced", "the map went"]
    ) { settings in
      readyWaitTable()
      let count = isLeaf ? 2 : 1
      let frame = UInt(1 << 30) - UInt(1 << 15)
      let map = try DriverMap(
        settings.rules, MEMORY_DEVICE_FS_DAX, frame: frame, pages: UInt(count))
      try map.map()
      let neighbour = try NeighbourMap(settings.rules, of: frame)
      let space = try AddressSpace(pages: nil)
      let place = unsafe try space.place(0, isLeaf ? PGTABLE_LEVEL_PMD : PGTABLE_LEVEL_PTE)
      let bits = _PAGE_PRESENT | _PAGE_SPECIAL | _PAGE_DEVMAP | (isLeaf ? _PAGE_PSE : 0)
      unsafe set_pte_at(place.entry!, pfn_pte(frame, bits))
      let found = try unsafe seamMemory(UnsafeMutablePointer<page>.self, count: 2)
      let obligations = settings.obligations
      return ProgramWorld(
        [
          (
            name: "walker",
            body: {
              let taken = unsafe UnsafeMutableRawPointer(found).withMemoryRebound(
                to: UnsafeMutablePointer<page>?.self, capacity: 2
              ) { unsafe gup_fast(space.mm, 0, AddressSpace.address(count), FOLL_GET, $0) }
              obligations.reach(taken > 0 ? 0 : 1)
              require(taken == 0 || taken == count, "CI41", "a part of a leaf is referenced")
              if taken > 0 { unsafe cfolio_put_user_pages(found, taken) }
            }
          ),
          (
            name: "driver",
            body: {
              // As a file system does: unmapped, found idle, and then the map may go.
              _ = unsafe ptep_get_and_clear(place.entry!)
              for index in 0..<UInt(count) {
                guard unsafe page_ref_count(pfn_to_page(frame + index)) == 1 else { return }
              }
              map.unmap()
              map.free()
              obligations.reach(2)
            }
          ),
        ],
        conclude: {
          rcu_read_lock()
          let lives = unsafe cfolio_pgmap_lookup(frame) == map.pgmap
          rcu_read_unlock()
          for index in 0..<UInt(count) where lives {
            let references = unsafe page_ref_count(pfn_to_page(frame + index))
            require(
              references == 1, "CI1", "a page of a living map has other references than its own")
          }
        },
        tearDown: {
          _ = unsafe ptep_get_and_clear(place.entry!)
          space.tearDown()
          unsafe cfolio_free(found)
          map.unmap()
          map.free()
          neighbour.tearDown()
        })
    }
  }

  /// C44: a map that is being taken down gives no references to walks, whatever entries still say.
  private static let legacyDying = Scenario(
    "legacy-walk-dying", "a walk over a legacy entry whose map was killed: refused (CI29, 12.3)",
    rules: [.legacy], obligations: ["referenced", "refused"]
  ) { settings in
    let pages = try DevicePages(.fsdax, settings.rules)
    let pgmap = unsafe pages.map.pgmap
    let space = try AddressSpace(pages: nil)
    let place = unsafe try space.place(0)
    unsafe set_pte_at(
      place.entry!, pfn_pte(pages.frame(0), _PAGE_PRESENT | _PAGE_SPECIAL | _PAGE_DEVMAP))
    let walk = try FastWalk(space)
    let isDying = try SharedWord("the map is dying")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "walker",
          body: {
            let before = isDying.loadAcquire() == 1
            let isTaken = walk.take(1, FOLL_GET) == 1
            obligations.reach(isTaken ? 0 : 1)
            let behind = isDying.loadAcquire() == 1
            require(!(before && isTaken && behind), "CI29", "a page of a dying map is referenced")
            if isTaken { walk.put() }
          }
        ),
        (
          name: "driver",
          body: {
            // As memunmap_pages() begins, and ends where a page is in use.
            unsafe percpu_ref_get(&pgmap.pointee.ref)
            unsafe percpu_ref_kill(&pgmap.pointee.ref)
            synchronize_rcu()
            isDying.storeRelease(1)
            isDying.storeRelease(0)
            unsafe percpu_ref_resurrect(&pgmap.pointee.ref)
            unsafe percpu_ref_put(&pgmap.pointee.ref)
          }
        ),
      ],
      conclude: { pages.require(0, references: 1) },
      tearDown: {
        _ = unsafe ptep_get_and_clear(place.entry!)
        walk.free()
        isDying.free()
        space.tearDown()
        pages.tearDown()
      })
  }

  private static let legacyPage = legacyWalk(
    "legacy-walk-unmap", "a walk over a legacy entry against memunmap_pages: the map lives (12.6)",
    isLeaf: false)
  private static let legacyLeaf = legacyWalk(
    "legacy-leaf-unmap", "the same over a legacy leaf: all of its pages, or none", isLeaf: true)
}
