// SPDX-License-Identifier: MIT

// Translations, their flush, the gather, and the locks of maps and areas on native threads (spec: core.md
// 10.1, 10.5, rows 81 and 87; CI50, CI51).

import CFolio
import FolioCore
import Glibc
import Synchronization
import TestSupport
import Testing

@Suite("Translations")
struct TranslationTests {
  @Test(
    "a load marks the entry accessed, a store dirty; neither goes where the entry does not let it")
  func bits() throws {
    let space = try TestSpace(try PageMap(.fsdax, pages: 512))
    let mm = unsafe space.mm
    var translation = translation()
    #expect(unsafe !mmu_begin(mm, 0, false, &translation), "no table")
    try space.set(3, at: 5, 0)
    let entry = unsafe try space.entry(5)
    let address = TestSpace.address(5) + 123
    #expect(unsafe mmu_begin(mm, address, false, &translation))
    #expect(translation.pfn == space.frame(3))
    unsafe mmu_end(mm, &translation)
    #expect(unsafe pte_young(ptep_get(entry)) && !pte_dirty(ptep_get(entry)))
    #expect(unsafe !mmu_begin(mm, address, true, &translation), "read-only")
    unsafe ptep_set_access_flags(entry, _PAGE_RW)
    #expect(unsafe mmu_begin(mm, address, true, &translation))
    unsafe mmu_end(mm, &translation)
    #expect(unsafe pte_dirty(ptep_get(entry)))
    unsafe ptep_clear_bits(entry, _PAGE_PRESENT)
    unsafe ptep_set_access_flags(entry, _PAGE_PROTNONE)
    #expect(unsafe !mmu_begin(mm, address, false, &translation), "PROT_NONE")
    try space.clear(5)
  }

  @Test("a translation of a leaf leads to the page that the address is in")
  func leaf() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 9))
    let space = try TestSpace(map)
    try space.setLeaf(0, at: 512, PGTABLE_LEVEL_PMD)
    var translation = translation()
    #expect(unsafe mmu_begin(space.mm, TestSpace.address(512 + 77), true, &translation))
    #expect(translation.pfn == space.frame(77))
    unsafe mmu_end(space.mm, &translation)
    try space.clearLeaf(512, PGTABLE_LEVEL_PMD)
  }

  @Test("frames hold a word each, zero at first")
  func frameWords() throws {
    // The last frames: maps of other tests, whose stores stay behind, begin with the first.
    let frame = UInt(1 << FOLIO_PFN_BITS) - 2
    let word = unsafe try #require(cfolio_frame_word(frame))
    #expect(unsafe shared_read(word) == 0)
    unsafe shared_set_release(word, 42)
    #expect(unsafe shared_read_acquire(cfolio_frame_word(frame)!) == 42)
    #expect(unsafe shared_read(cfolio_frame_word(frame + 1)!) == 0)
    unsafe shared_set_release(word, 0)
  }

  @Test("a gather drops references and mapping counts when it says so, in order")
  func gather() throws {
    let space = try TestSpace(try PageMap(.fsdax, pages: 512))
    for index in 0..<3 { try space.set(index, at: index) }
    for index in 0..<3 { _ = unsafe try ptep_get_and_clear(space.entry(index)) }
    var tlb = unsafe mmu_gather()
    unsafe tlb_gather_mmu(&tlb, space.mm)
    unsafe folio_remove_rmap_pte(space.folio(0), space.page(0), 1)
    #expect(unsafe !tlb_remove_folio_pages(&tlb, space.page(0), 1, false))
    #expect(unsafe !tlb_remove_folio_pages(&tlb, space.page(1), 1, true))
    #expect(unsafe folio_mapcount(space.folio(1)) == 1 && space.references(0) == 1)
    unsafe tlb_flush_mmu_tlbonly(&tlb)
    unsafe tlb_flush_rmaps(&tlb)
    #expect(unsafe folio_mapcount(space.folio(1)) == 0 && space.references(1) == 1)
    unsafe folio_remove_rmap_pte(space.folio(2), space.page(2), 1)
    unsafe tlb_remove_page(&tlb, space.page(2))
    unsafe tlb_finish_mmu(&tlb)
    #expect(space.map.firstBusyFrame == nil)
    #expect(unsafe atomic_read(&space.mm.pointee.tlb_flush_pending) == 0)
  }

  @Test("runs of a large folio are one word and its count; a full batch says so")
  func batches() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 9))
    let space = try TestSpace(map)
    unsafe folio_ref_add(space.folio(0), 400)
    var tlb = unsafe mmu_gather()
    unsafe tlb_gather_mmu(&tlb, space.mm)
    var isFull = false
    for _ in 0..<40 where !isFull {
      isFull = unsafe tlb_remove_folio_pages(&tlb, space.page(0), 10, false)
    }
    #expect(isFull && space.references(0) == 400)
    let queued = Int32(MMU_GATHER_BUNDLE) / 2 * 10
    unsafe tlb_flush_mmu(&tlb)
    #expect(space.references(0) == 400 - queued)
    unsafe folio_put_refs(space.folio(0), 400 - queued)
    unsafe tlb_finish_mmu(&tlb)
  }

  @Test("delayed mapping counts that nobody dropped stop the process")
  func delayed() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let space = try TestSpace(try PageMap(.fsdax, pages: 512))
      try space.set(0, at: 0)
      var tlb = unsafe mmu_gather()
      unsafe tlb_gather_mmu(&tlb, space.mm)
      _ = unsafe tlb_remove_folio_pages(&tlb, space.page(0), 1, true)
      unsafe tlb_finish_mmu(&tlb)
    }
  }

  @Test("the end of a gather beside another flushes for both, and alone for nobody")
  func nested() throws {
    let space = try TestSpace(try PageMap(.fsdax, pages: 512))
    nonisolated(unsafe) let mm = unsafe space.mm
    try space.set(0, at: 0)
    for isNested in [true, false] {
      var first = unsafe mmu_gather()
      if isNested { unsafe tlb_gather_mmu(&first, mm) }
      var translation = translation()
      #expect(unsafe mmu_begin(mm, 0, false, &translation))
      let isOver = Flag()
      let other = NativeThread {
        // It found nothing to clear: what it looked for the first one may have cleared.
        var second = unsafe mmu_gather()
        unsafe tlb_gather_mmu(&second, mm)
        unsafe tlb_finish_mmu(&second)
        isOver.raise()
      }
      if isNested {
        #expect(eventually { unsafe atomic_read(&mm.pointee.tlb_flush_pending) == 2 })
        let early = poll(milliseconds: 30) { isOver.isRaised }
        #expect(!early)
      } else {
        #expect(eventually { isOver.isRaised })
      }
      unsafe mmu_end(mm, &translation)
      other.join()
      if isNested { unsafe tlb_finish_mmu(&first) }
      #expect(unsafe atomic_read(&mm.pointee.tlb_flush_pending) == 0)
    }
    try space.clear(0)
  }

  @Test("no store lands in a page behind the flush that took it away")
  func flush() throws {
    let space = try TestSpace(try PageMap(.fsdax, pages: 512))
    nonisolated(unsafe) let mm = unsafe space.mm
    try space.set(0, at: 0)
    nonisolated(unsafe) let word = unsafe try #require(cfolio_frame_word(space.frame(0)))
    let isOver = Counter()
    let writers = (0..<2).map { _ in
      NativeThread {
        var translation = translation()
        while isOver.value == 0 {
          guard unsafe mmu_begin(mm, 0, true, &translation) else { continue }
          unsafe shared_set_release(word, 1)
          unsafe mmu_end(mm, &translation)
        }
      }
    }
    var lateStores = 0
    for _ in 0..<2000 {
      let old = unsafe try ptep_get_and_clear(space.entry(0))
      unsafe flush_tlb_mm(mm)
      // Nobody but this thread has the page now.
      unsafe shared_set_release(word, 2)
      for _ in 0..<20 where unsafe shared_read_acquire(word) != 2 { lateStores += 1 }
      unsafe try set_pte_at(space.entry(0), old)
    }
    isOver.add()
    for writer in writers { writer.join() }
    #expect(lateStores == 0)
    unsafe shared_set_release(word, 0)
    try space.clear(0)
  }
}

@Suite("Locks of address spaces")
struct MapLockTests {
  /// What a lock protects.
  private final class Unprotected: @unchecked Sendable {
    var value = 0
  }

  @Test("a semaphore: writers lose nothing, readers see no half of a change")
  func semaphore() throws {
    nonisolated(unsafe) let sem = UnsafeMutablePointer<rw_semaphore>.allocate(capacity: 1)
    unsafe init_rwsem(sem, nil)
    let (first, second) = (Unprotected(), Unprotected())
    let torn = Counter()
    let threads = (0..<4).map { number in
      NativeThread {
        for round in 0..<5000 {
          if (round + number) % 3 == 0 {
            unsafe down_write(sem)
            first.value += 1
            second.value += 1
            if round % 2 == 0 {
              unsafe downgrade_write(sem)
              if first.value != second.value { torn.add() }
              unsafe up_read(sem)
            } else {
              unsafe up_write(sem)
            }
          } else if round % 7 == 0 {
            if unsafe down_read_trylock(sem) { unsafe up_read(sem) }
          } else {
            unsafe down_read(sem)
            if first.value != second.value { torn.add() }
            unsafe up_read(sem)
          }
        }
      }
    }
    for thread in threads { thread.join() }
    let writes = (0..<4).reduce(0) { sum, number in
      sum + (0..<5000).count { ($0 + number) % 3 == 0 }
    }
    #expect(first.value == writes && second.value == writes && torn.value == 0)
    #expect(unsafe !rwsem_is_locked(sem))
    #expect(unsafe down_write_trylock(sem) && !down_read_trylock(sem) && !down_write_trylock(sem))
    #expect(unsafe rwsem_is_locked(sem) && rwsem_is_write_locked(sem))
    unsafe downgrade_write(sem)
    #expect(unsafe rwsem_is_locked(sem) && !rwsem_is_write_locked(sem))
    unsafe up_read(sem)
    unsafe sem.deallocate()
  }

  @Test("SRCU: what a reader finds is not freed under it, and grace periods end")
  func srcu() throws {
    nonisolated(unsafe) let srcu = unsafe try #require(
      cfolio_zalloc(MemoryLayout<srcu_struct>.size)
    ).bindMemory(to: srcu_struct.self, capacity: 1)
    #expect(unsafe init_srcu_struct(srcu) == 0)
    let current = Atomic<Int>(0)
    let cells = (0..<64).map { _ in Counter() }
    let (isOver, found) = (Counter(), Counter())
    let readers = (0..<2).map { _ in
      NativeThread {
        while isOver.value == 0 {
          let section = unsafe srcu_read_lock(srcu)
          let cell = cells[current.load(ordering: .acquiring)]
          for _ in 0..<50 where cell.value != 0 { found.add() }
          unsafe srcu_read_unlock(srcu, section)
        }
      }
    }
    for round in 1...500 {
      let old = current.exchange(round % 64, ordering: .acquiringAndReleasing)
      unsafe synchronize_srcu(srcu)
      // A reader that finds this one now would have to have been missed.
      cells[old].add()
      // Published again after the others.
      if round >= 63 { cells[(round + 1) % 64].add(-1) }
    }
    isOver.add()
    for reader in readers { reader.join() }
    #expect(found.value == 0)
    unsafe cleanup_srcu_struct(srcu)
    unsafe cfolio_free(srcu)
  }

  @Test("an area is found by any address in it, by none outside, and not once it is gone")
  func areas() throws {
    var options = mm_options()
    options.table_shift = 9
    let mm = unsafe try #require(mm_alloc(&options, 1))
    func index(_ areas: [UnsafeMutablePointer<vm_area_struct>]) throws
      -> UnsafeMutablePointer<vma_index>
    {
      let index = unsafe try #require(vma_index_alloc(UInt(areas.count)))
      unsafe index.pointee.count = UInt(areas.count)
      for number in unsafe areas.indices {
        unsafe vma_index_set(index, UInt(number), areas[number])
      }
      return unsafe index
    }
    func area(_ range: Range<UInt>) throws -> UnsafeMutablePointer<vm_area_struct> {
      let vma = unsafe try #require(vm_area_alloc(mm))
      unsafe vma.pointee.vm_start = range.lowerBound << UInt(PAGE_SHIFT)
      unsafe vma.pointee.vm_end = range.upperBound << UInt(PAGE_SHIFT)
      return unsafe vma
    }
    let areas = unsafe try [area(2..<4), area(4..<5), area(9..<20)]
    unsafe vma_index_replace(mm, try index(areas))
    func found(_ page: UInt) -> Int? {
      let vma = unsafe lock_vma_under_rcu(mm, page << UInt(PAGE_SHIFT) + 5)
      guard let vma = unsafe vma else { return nil }
      unsafe vma_end_read(vma)
      return unsafe areas.firstIndex { unsafe $0 == vma }
    }
    #expect(
      (0..<21).map(found) == [nil, nil, 0, 0, 1] + Array(repeating: nil, count: 4)
        + Array(repeating: 2, count: 11) + [nil])
    #expect(unsafe find_vma(mm, 5 << UInt(PAGE_SHIFT)) == areas[2])
    unsafe down_write(&mm.pointee.mmap_lock)
    unsafe vma_start_write(areas[1])
    #expect(found(4) == nil && found(3) == 0)
    let rest = unsafe [areas[0], areas[2]]
    unsafe vma_index_replace(mm, try index(rest))
    unsafe up_write(&mm.pointee.mmap_lock)
    #expect(found(4) == nil && found(3) == 0 && found(19) == 2)
    unsafe rest.forEach { vma in unsafe vma_start_write(vma) }
    unsafe vma_index_replace(mm, nil)
    unsafe mm_free(mm)
  }
}
