// SPDX-License-Identifier: MIT
//
// The real address spaces as the subject of programs: operations as calls of MemoryMap and of the C
// functions of folio/gup.h, and what is there as values: entries read from the page tables, words of
// folios, contents of frames.

import CFolio
package import FolioCore
import Synchronization

/// What is found at an address in the page tables.
package struct FoundEntry: Hashable, Sendable, CustomStringConvertible {
  /// 0: a page; 1, 2: a leaf.
  package var level: Int
  /// Of the page at the address.
  package var frame: UInt
  package var isWritable: Bool
  /// No access at all (PROT_NONE).
  package var isClosed: Bool
  /// Counts nothing.
  package var isSpecial: Bool

  package var description: String {
    "level \(level) frame \(frame)" + (isWritable ? " writable" : "") + (isClosed ? " closed" : "")
      + (isSpecial ? " special" : "")
  }
}

/// Runs operations on address spaces of its own, in one thread.
@safe
package final class MemoryExecutor {
  let configuration: MemoryConfiguration
  private var devices: [MemoryObject: DeviceMemory] = [:]
  private let memory: SharedMemory
  private var objects: [MemoryObject: MappedObject] = [:]
  private var spaces: [MemoryMap?]
  private var taken: [Taken] = []
  /// RAM that is free when no address space has any of it; nil: others take and give, too.
  private let freePages: Int?
  /// R of the zero page when nobody refers to it.
  private let idleZeroReferences: Int
  private let isAudited: Bool

  /// References of one call.
  private struct Taken {
    var frames: [UInt]
    var isPin: Bool
  }

  /// - Parameters:
  ///   - audited: device maps keep the ghost ledger.
  ///   - isAlone: nobody else in the process uses RAM.
  package init(
    _ configuration: MemoryConfiguration, audited: Bool = false, isAlone: Bool = false
  ) throws {
    self.configuration = configuration
    isAudited = audited
    spaces = Array(repeating: nil, count: MemoryConfiguration.spaces)
    memory = try SharedMemory(pages: configuration.pages(of: .memory))
    // Makes the zero pages, which stay.
    _ = try MemoryMap()
    idleZeroReferences = Int(unsafe folio_ref_count(page_folio(cfolio_zero_page_now()!)))
    freePages = isAlone ? SystemMemory.shared.freePages : nil
    for object in MemoryObject.mapped {
      if object == .memory {
        objects[object] = try MappedObject(.sharedMemory, contents: .mixed, memory)
        memory.associate(with: objects[object])
      } else {
        let device = try DeviceMemory(object, configuration)
        devices[object] = device
        objects[object] = try MappedObject(
          object.isFileSystemDAX ? .fsdax : .deviceDAX, device)
        if audited { try device.map.startAuditing() }
        for page in 0..<device.map.pages { setWord(ofFrame: frame(object, page), 0) }
      }
    }
  }

  // MARK: words

  package func frame(_ object: MemoryObject, _ page: Int) -> UInt {
    object == .memory ? memory.frame(page) : devices[object]!.map.frames.lowerBound + UInt(page)
  }

  package func counts(ofFrame frame: UInt) -> ModelCounts {
    let folio = unsafe page_folio(pfn_to_page(frame))
    let isLarge = unsafe folio_has_pincount(folio)
    return ModelCounts(
      references: Int(unsafe folio_ref_count(folio)),
      mappings: Int(unsafe folio_mapcount(folio)),
      pins: isLarge ? Int(unsafe atomic_read(&folio.pointee._pincount)) : 0)
  }

  /// PG_anon_exclusive.
  package func isExclusive(_ frame: UInt) -> Bool {
    unsafe folio_page_is_exclusive(pfn_to_page(frame))
  }

  package func word(ofFrame frame: UInt) -> UInt? {
    unsafe cfolio_frame_word(frame).map { unsafe shared_read($0) }
  }

  private func setWord(ofFrame frame: UInt, _ value: UInt) {
    if let word = unsafe cfolio_frame_word(frame) { unsafe shared_set(word, value) }
  }

  package var zeroFrame: UInt { unsafe page_to_pfn(cfolio_zero_page_now()!) }

  /// RAM that the address spaces have; nil: unknown.
  package var pagesInUse: Int? { freePages.map { $0 - SystemMemory.shared.freePages } }

  /// References on the zero page; nil: unknown.
  package var zeroReferences: Int? {
    guard freePages != nil else { return nil }
    return counts(ofFrame: zeroFrame).references - idleZeroReferences
  }

  package func counters(_ space: Int) -> MemoryMap.Counters { spaces[space]!.counters }
  package func areas(_ space: Int) -> [MemoryArea] { spaces[space]!.areas }

  /// What the page tables have for the page.
  package func entry(_ space: Int, _ page: Int) -> FoundEntry? {
    let mm = unsafe spaces[space]!.mm
    let levels = [PGTABLE_LEVEL_PTE, PGTABLE_LEVEL_PMD, PGTABLE_LEVEL_PUD]
    for number in [2, 1, 0] {
      let place = unsafe pgtable_walk(mm, UInt(page) * MemoryMap.pageSize, levels[number])
      guard let pointer = unsafe place.entry else { continue }
      let entry = unsafe ptep_get(pointer)
      guard number == 0 ? !pte_none(entry) : pmd_leaf(entry) else { continue }
      let offset = page % configuration.entryPages(number)
      return FoundEntry(
        level: number, frame: pte_pfn(entry) + UInt(offset), isWritable: pte_write(entry),
        isClosed: pte_protnone(entry), isSpecial: pte_special(entry) || pte_devmap(entry))
    }
    return nil
  }

  /// One more reference that no operation took: for tests of the comparison itself.
  package func leakReference(_ object: MemoryObject, _ page: Int) {
    unsafe folio_ref_add(page_folio(pfn_to_page(frame(object, page))), 1)
  }

  // MARK: operations

  package func perform(_ operation: MemoryOperation) -> MemoryOutcome {
    do throws(MemoryError) {
      return try performThrowing(operation)
    } catch {
      return MemoryRefusal(rawValue: error.code.rawValue).map { .refused($0) }
        ?? .other("refused: \(error.code.rawValue)")
    }
  }

  private func performThrowing(_ operation: MemoryOperation) throws(MemoryError) -> MemoryOutcome {
    switch operation {
    case .create(let space):
      var options = MemoryMap.Options(rules: configuration.rules.rules)
      options.tableShift = configuration.tableShift
      options.depositsTables = configuration.deposits
      options.specialLeaves = configuration.specialLeaves
      spaces[space] = try MemoryMap(options)
    case .end(let space): spaces[space] = nil
    case .fork(let space, let child): spaces[child] = try spaces[space]!.fork()
    case .map(let request): return .place(try map(request))
    case .unmap(let range): try spaces[range.space]!.unmap(bytes(range))
    case .protect(let range, let rights):
      try spaces[range.space]!.protect(bytes(range), AccessRights(rawValue: rights.rawValue))
    case .discard(let range): try spaces[range.space]!.discard(bytes(range))
    case .remap(let range, let pages, let target):
      let start = try spaces[range.space]!.remap(
        bytes(range), pages: pages, to: target.map(address))
      return .place(Int(start / MemoryMap.pageSize))
    case .load(let space, let page): return .value(try spaces[space]!.load(address(page)))
    case .store(let space, let page, let value):
      try spaces[space]!.store(value, at: address(page))
    case .zap(let object, let first, let count, let copies):
      objects[object]!.unmap(pages: first..<(first + count), includingCopies: copies)
    case .grab(let how, let range):
      return .count(how.isSlow ? try walk(how, range) : grab(how, range))
    case .tryGet(let object, let page): return .count(tryGet(object, page))
    case .release(let number): release(taken.remove(at: number))
    case .write(let number, let value):
      for frame in taken[number].frames { setWord(ofFrame: frame, value) }
    }
    return .done
  }

  private func address(_ page: Int) -> UInt { UInt(page) * MemoryMap.pageSize }
  private func bytes(_ range: MemoryRange) -> Range<UInt> {
    address(range.page)..<address(range.pages.upperBound)
  }

  private func map(_ request: MemoryRequest) throws(MemoryError) -> Int {
    let start = address(request.range.page)
    let placement: MemoryMap.Placement =
      switch request.placement {
      case .anywhere: .anywhere
      case .near: .near(start)
      case .fixed: .fixed(start)
      case .noReplace: .fixedNoReplace(start)
      }
    let area = try spaces[request.range.space]!.map(
      objects[request.object], from: request.first, pages: request.range.count,
      AccessRights(rawValue: request.rights.rawValue), request.isShared ? .shared : .private,
      at: placement)
    return Int(area.start / MemoryMap.pageSize)
  }

  /// What callers may say.
  private func flags(_ how: MemoryGrab) -> UInt32 {
    (how.isWrite ? FOLL_WRITE : 0) | (how.isLongTerm ? FOLL_LONGTERM : 0)
      | (how.isForced ? FOLL_FORCE : 0)
  }

  private func grab(_ how: MemoryGrab, _ range: MemoryRange) -> Int {
    let bytes = bytes(range)
    let flags = flags(how) | (how.isPin ? FOLL_PIN : FOLL_GET)
    var pages: [UnsafeMutablePointer<page>?] = unsafe Array(repeating: nil, count: range.count)
    let count = unsafe Int(
      gup_fast(
        spaces[range.space]!.mm, bytes.lowerBound, bytes.upperBound, flags, &pages))
    unsafe keep(pages, count, how)
    return count
  }

  private func walk(_ how: MemoryGrab, _ range: MemoryRange) throws(MemoryError) -> Int {
    let mm = unsafe spaces[range.space]!.mm
    let (start, count) = (address(range.page), UInt(range.count))
    var pages: [UnsafeMutablePointer<page>?] = unsafe Array(repeating: nil, count: range.count)
    let result =
      unsafe how.isPin
      ? pin_user_pages_unlocked(mm, start, count, &pages, flags(how))
      : get_user_pages_unlocked(mm, start, count, &pages, flags(how))
    guard result >= 0 else {
      throw MemoryError(MemoryError.Code.allCases.first { Int($0.errno) == -result } ?? .tryAgain)
    }
    unsafe keep(pages, result, how)
    return result
  }

  private func keep(_ pages: [UnsafeMutablePointer<page>?], _ count: Int, _ how: MemoryGrab) {
    let frames = (0..<count).map { unsafe page_to_pfn(pages[$0]!) }
    if count > 0 { taken.append(Taken(frames: frames, isPin: how.isPin)) }
  }

  /// Of the last one that was taken and is open.
  package var lastTaken: [UInt] { taken.last?.frames ?? [] }

  private func tryGet(_ object: MemoryObject, _ page: Int) -> Int {
    let frame = frame(object, page)
    guard unsafe try_get_folio(pfn_to_page(frame), 1) != nil else { return 0 }
    taken.append(Taken(frames: [frame], isPin: false))
    return 1
  }

  private func release(_ reference: Taken) {
    if reference.isPin {
      let pages = unsafe reference.frames.map { unsafe Optional(pfn_to_page($0)) }
      unsafe unpin_user_pages(pages, UInt(pages.count))
    } else {
      for frame in reference.frames {
        unsafe gup_put_folio(page_folio(pfn_to_page(frame)), 1, FOLL_GET)
      }
    }
  }

  // MARK: end

  /// Those that have to stay, by address: what a leak checker can find is no leak.
  private static let abandoned = Mutex<[UInt]>([])

  /// Something is wrong: what takes address spaces and maps down would stop, or wait for ever. They
  /// stay as they are.
  package func abandon() {
    let address = unsafe UInt(bitPattern: Unmanaged.passRetained(self).toOpaque())
    Self.abandoned.withLock { $0.append(address) }
  }

  /// Audits the idle maps and takes them down; says what is wrong.
  package func finish() -> [String] {
    var wrong: [String] = []
    memory.associate(with: nil)
    for object in MemoryObject.mapped {
      guard let device = devices[object] else { continue }
      wrong += device.map.audit().map { "\(object.rawValue): \($0)" }
      if isAudited { device.map.stopAuditing() }
      // A map that is still referenced would be waited for.
      guard wrong.isEmpty else { continue }
      do throws(PageMapError) {
        try device.map.unmap()
      } catch {
        wrong.append("\(object.rawValue): unmap: \(error)")
      }
    }
    return wrong
  }
}
