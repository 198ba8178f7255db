// SPDX-License-Identifier: MIT

// What areas map, for Swift: an object that answers faults. C programs fill in vm_operations_struct and
// address_space themselves (folio/mmap.h, folio/fs.h). Mirrors struct file and struct address_space.

public import CFolio

/// One fault, for the object that answers it; valid until it returns.
///
/// Each `insert` maps something at the fault's address and returns what the handler is to return.
/// The caller owns a reference on what it inserts, or another right to it (spec: core.md 9.6).
@safe
public struct PageFault: ~Escapable {
  let context: FaultContext

  @_lifetime(immortal)
  init(_ context: FaultContext) { self.context = context }

  /// Rounded down to the page; bytes.
  public var address: UInt { context.address }
  /// Page of the object.
  public var page: Int { Int(clamping: unsafe context.pointer.pointee.pgoff) }
  public var isWrite: Bool { context.isWrite }
  /// The area's.
  public var sharing: Sharing { context.area.isShared ? .shared : .private }
  /// The area's.
  public var range: Range<UInt> { context.area.range }
  /// A store to a page that is mapped for reading (`pageMakeWritable`): its frame.
  public var mappedFrame: UInt? { context.page?.frame }
  /// The private copy that a store needs: its frame, to be filled; then `finish()` maps it. A handler
  /// whose object can be mapped privately asks for it first.
  public var copyFrame: UInt? { context.copy?.frame }

  /// Maps a counted page; for a store with the right to it, also where it is mapped already
  /// (`vmf_insert_page_mkwrite`).
  public func insertPage(_ frame: UInt) -> FaultResult {
    PageInsertion.insertForFault(
      Page(frame: frame), at: address, context.area, write: isWrite)
  }

  /// Maps a frame by an entry that counts nothing (`vmf_insert_mixed`, for stores its `_mkwrite`).
  public func insertMixed(_ frame: UInt) -> FaultResult {
    FrameInsertion.insertMixed(frame, at: address, context.area, makeWritable: isWrite)
  }

  /// Maps a frame without a page (`vmf_insert_pfn`).
  public func insertFrame(_ frame: UInt) -> FaultResult {
    FrameInsertion.insertFrame(
      frame, at: address, context.area, protection: context.area.protection)
  }

  /// Maps a folio by one leaf of 2^order pages (`vmf_insert_folio_pmd`, `_pud`).
  ///
  /// - Parameters:
  ///   - frame: of the folio's first page.
  ///   - order: the one that the handler was asked for.
  public func insertFolio(_ frame: UInt, order: Int) -> FaultResult {
    guard let level = level(order) else { return .busError }
    return LeafInsertion.insertFolio(
      Page(frame: frame).folio, at: address, level, context.area, write: isWrite)
  }

  /// Maps frames by one leaf that counts nothing (`vmf_insert_pfn_pmd`, `_pud`).
  public func insertFrames(_ frame: UInt, order: Int) -> FaultResult {
    guard let level = level(order) else { return .busError }
    return LeafInsertion.insertFrames(frame, at: address, level, context.area, write: isWrite)
  }

  /// Hands a page over, with a reference that its entry takes; the handler returns an empty result, or
  /// `locked` alone. With any other the reference is given back. Context: `fault(_:)`, once (stops
  /// otherwise); the page is one of the folio (stops otherwise).
  public func hand(over reference: consuming FolioReference, page: Int = 0) {
    let folio = unsafe Folio(unsafe reference.leak())
    require(context.page == nil, "VMA", context.page, "a page is handed over in the place of one")
    require(
      page >= 0 && page < 1 << Int(folio.order), "VMA", Page(frame: folio.frame),
      "a page is handed over that is not of its folio")
    context.page = unsafe Page(unsafe folio_page(folio.pointer, UInt(page)))
  }

  /// Gives back what was handed over by who then says that nothing was.
  fileprivate func takeBack(behind result: FaultResult) {
    guard result.endsFault, let page = context.page
    else { return }
    if result.contains(.locked) { page.folio.unlock() }
    page.folio.put()
    context.page = nil
  }

  /// Fills the private copy from a frame and maps it (what file-system DAX does for a store to a private
  /// mapping). Context: there is a `copyFrame`.
  public func insertCopy(of frame: UInt) -> FaultResult {
    guard let copy = context.copy else { return .busError }
    AnonymousPage(page: copy).fill(from: frame)
    return finish()
  }

  /// Maps the private copy that the handler has filled (`finish_fault`), once. Context: there is a
  /// `copyFrame`; a bus error without.
  public func finish() -> FaultResult {
    guard context.copy != nil else { return .busError }
    let result = Faults.finish(context)
    return result.isEmpty ? .copied : result
  }

  /// Whether entries of the address space map that many pages, 2^order, at some level.
  public func hasEntries(order: Int) -> Bool { order == 0 || level(order) != nil }

  private func level(_ order: Int) -> Level? {
    let space = context.space
    return [Level.pmd, .pud].first { Int(space.order($0)) == order }
  }

  /// Notes which page of the object the folio of the frame begins with, unless it has a note
  /// (`dax_set_mapping`). Not locked: faults that race write the same.
  func associate(_ frame: UInt, withPage page: Int) {
    let folio = Page(frame: frame).folio
    guard let mapping = context.area.mapping, unsafe folio_mapping_word(folio.pointer) == 0 else {
      return
    }
    unsafe folio_associate(folio.pointer, mapping.pointer, UInt(page))
  }
}

/// An area that is being made, for the object that it maps; nobody else can find it.
@safe
public struct NewArea: ~Escapable {
  private let area: Area

  @_lifetime(immortal)
  init(_ area: Area) { self.area = area }

  public var shape: MemoryArea { MemoryArea(area) }

  /// Maps a counted page there (`vm_insert_page`); the caller owns a reference on it. nil: done.
  public func insertPage(_ frame: UInt, at address: UInt) -> MemoryError.Code? {
    let status = PageInsertion.insertPage(Page(frame: frame), at: address, area)
    return status == 0 ? nil : MemoryError(status: status).code
  }
}

/// Who owns mapped memory, and answers faults on it (`vm_operations_struct`).
///
/// Called by any thread, several at once, with mmap_lock or the area's lock held: must not change
/// areas of the address space.
public protocol FaultHandler: AnyObject, Sendable {
  /// What it answers besides `fault(_:)`: the rest is never called. Fixed.
  var answers: FaultHandlerAnswers { get }
  /// Puts an entry there, or hands over a page.
  func fault(_ fault: borrowing PageFault) -> FaultResult
  /// The same by a leaf of 2^order pages; `fallback`: pages, please.
  func hugeFault(_ fault: borrowing PageFault, order: Int) -> FaultResult
  /// A store to a page that is mapped for reading.
  func pageMakeWritable(_ fault: borrowing PageFault) -> FaultResult
  /// The same for memory without pages to hold, and for file-system DAX.
  func frameMakeWritable(_ fault: borrowing PageFault) -> FaultResult
  /// Whether an area of the object may be cut there. Bytes from the area's start, its first page.
  func mayCut(_ area: MemoryArea, at address: UInt) -> Bool
  /// The last word on a new area (the file's `mmap`): nil, or why there is none. May insert pages.
  func map(_ area: borrowing NewArea) -> MemoryError.Code?
  /// Pages that chosen areas begin at a multiple of, as the object's pages do; a power of two. Fixed.
  var alignment: Int { get }
}

/// What a handler answers besides faults of pages. Where it does not, the core goes another way: an area
/// whose handler has no `pageStores` becomes writable without being asked.
public struct FaultHandlerAnswers: OptionSet, Hashable, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }
  /// `hugeFault(_:order:)`: leaves are asked for before pages are.
  public static let hugeFaults = FaultHandlerAnswers(rawValue: 1)
  /// `pageMakeWritable(_:)`: shared areas map pages for reading until a store.
  public static let pageStores = FaultHandlerAnswers(rawValue: 2)
  /// `frameMakeWritable(_:)`: the same for frames without pages, and for file-system DAX.
  public static let frameStores = FaultHandlerAnswers(rawValue: 4)
  /// `mayCut(_:at:)`: areas are not cut without its leave.
  public static let cuts = FaultHandlerAnswers(rawValue: 8)
  /// `map(_:)`: new areas need its leave.
  public static let maps = FaultHandlerAnswers(rawValue: 16)
}

extension FaultHandler {
  public var answers: FaultHandlerAnswers { [] }
  public func hugeFault(_ fault: borrowing PageFault, order: Int) -> FaultResult { .fallback }
  public func pageMakeWritable(_ fault: borrowing PageFault) -> FaultResult { [] }
  public func frameMakeWritable(_ fault: borrowing PageFault) -> FaultResult { [] }
  public func mayCut(_ area: MemoryArea, at address: UInt) -> Bool { true }
  public func map(_ area: borrowing NewArea) -> MemoryError.Code? { nil }
  public var alignment: Int { 1 }
}

/// A file, or a device, that areas of any address spaces map (`struct address_space`).
@safe
public final class MappedObject: Sendable {
  /// What kind of memory it is (spec: core.md 12.3).
  public enum Kind: Sendable, Hashable, CaseIterable {
    /// A file whose writes a file system has to track.
    case file
    /// Shared memory.
    case sharedMemory
    /// A file on a device with DAX.
    case fsdax
    /// A device-dax device.
    case deviceDAX
    /// Peer-to-peer memory.
    case peerToPeer

    var value: address_space_kind {
      switch self {
      case .file: ADDRESS_SPACE_FILE
      case .sharedMemory: ADDRESS_SPACE_SHMEM
      case .fsdax: ADDRESS_SPACE_FSDAX
      case .deviceDAX: ADDRESS_SPACE_DEVICE_DAX
      case .peerToPeer: ADDRESS_SPACE_P2PDMA
      }
    }
  }

  /// What its areas may hold, beside counted pages.
  public struct Contents: OptionSet, Hashable, Sendable {
    public let rawValue: UInt
    public init(rawValue: UInt) { self.rawValue = rawValue }
    /// Frames without pages as well (VM_MIXEDMAP): a fork copies entries.
    public static let mixed = Contents(rawValue: VM_MIXEDMAP)
    /// Frames without pages only (VM_PFNMAP): no pins.
    public static let frames = Contents(rawValue: VM_PFNMAP)
    /// Registers of a device (VM_IO): no pins.
    public static let registers = Contents(rawValue: VM_IO)
  }

  public let kind: Kind
  public let contents: Contents
  private let answers: FaultHandlerAnswers
  let mapping: Mapping

  /// - Parameters:
  ///   - kind: what walks and pins take its pages for.
  ///   - contents: what its areas may hold besides pages that count.
  ///   - handler: lives as long as the object or an area of it.
  /// - Throws: `invalidArgument` for an alignment that is no power of two, or contents beside those
  ///   that have names; `outOfMemory`.
  public init(
    _ kind: Kind, contents: Contents = [], _ handler: any FaultHandler
  ) throws(MemoryError) {
    let (alignment, isTooMuch) = handler.alignment
      .multipliedReportingOverflow(by: Int(Space.pageSize))
    guard alignment > 0, !isTooMuch, alignment & (alignment - 1) == 0,
      contents.isSubset(of: [.mixed, .frames, .registers])
    else { throw MemoryError(.invalidArgument) }
    guard let memory = unsafe cfolio_zalloc(MemoryLayout<address_space>.size) else {
      throw MemoryError(.outOfMemory)
    }
    let mapping = unsafe memory.bindMemory(to: address_space.self, capacity: 1)
    unsafe address_space_init(mapping, kind.value)
    self.kind = kind
    self.contents = contents
    answers = handler.answers
    unsafe mapping.pointee.alignment = UInt(alignment)
    unsafe mapping.pointee.host = Unmanaged.passRetained(HandlerBox(handler)).toOpaque()
    self.mapping = unsafe Mapping(unsafe mapping)
  }

  deinit { HandlerBox.drop(mapping) }

  /// The C structure, for as long as the object lives; areas keep it alive.
  @unsafe public var addressSpace: UnsafeMutablePointer<address_space> { unsafe mapping.pointer }

  /// Removes the entries that map some of its pages, in every area; nil: all. Who wants no new ones
  /// keeps faults away.
  ///
  /// - Parameters:
  ///   - pages: of the object; nil: all.
  ///   - includingCopies: also pages that private areas have of their own (even_cows).
  public func unmap(pages: Range<Int>? = nil, includingCopies: Bool = true) {
    guard pages.map({ !$0.isEmpty }) ?? true else { return }
    let first = UInt(pages?.lowerBound ?? 0)
    let last = pages.map { UInt($0.upperBound - 1) } ?? UInt.max
    MappingRemoval.unmap(mapping, pages: first...last, takesCopies: includingCopies)
  }

  /// For an area: its operations, and a use of its own, which `close` gives back.
  func fill(_ request: inout mmap_request) {
    HandlerBox.use(mapping)
    unsafe request.mapping = mapping.pointer
    unsafe request.vm_ops = HandlerOperations.table(for: answers)
    unsafe request.vm_flags |= contents.rawValue
    if answers.contains(.maps) { unsafe request.mmap = HandlerOperations.map }
  }

  /// The use that `fill` took, when there is no area after all.
  func release() { HandlerBox.drop(mapping) }
}

/// What an address_space that Swift made has as its host. Uses are counted in C: by the object and by
/// each of its areas.
private final class HandlerBox: Sendable {
  let handler: any FaultHandler

  init(_ handler: any FaultHandler) { self.handler = handler }

  static func use(_ mapping: Mapping) { unsafe atomic_inc(&mapping.pointer.pointee.users) }

  /// With the last use the address_space goes, and its handler.
  static func drop(_ mapping: Mapping) {
    guard unsafe atomic_sub_return(1, &mapping.pointer.pointee.users) == 0 else { return }
    let host = unsafe mapping.pointer.pointee.host!
    unsafe address_space_destroy(mapping.pointer)
    unsafe cfolio_free(mapping.pointer)
    unsafe Unmanaged<HandlerBox>.fromOpaque(host).release()
  }
}

/// The C table of a Swift handler: one for each set of answers, because whether there is a function is
/// part of what the core asks.
enum HandlerOperations {
  private nonisolated(unsafe) static let tables: UnsafeMutablePointer<vm_operations_struct> = {
    let tables = UnsafeMutablePointer<vm_operations_struct>.allocate(capacity: 16)
    for number in 0..<16 {
      unsafe (tables + number).initialize(to: make(FaultHandlerAnswers(rawValue: number)))
    }
    return unsafe tables
  }()

  /// The last word on a new area.
  static let map: @convention(c) (UnsafeMutablePointer<vm_area_struct>) -> Int32 = { area in
    let area = unsafe Area(unsafe area)
    return area.handler.map(NewArea(area))?.status ?? 0
  }

  static func table(for answers: FaultHandlerAnswers) -> UnsafePointer<vm_operations_struct> {
    unsafe UnsafePointer(tables + (answers.rawValue & 15))
  }

  private static func make(_ answers: FaultHandlerAnswers) -> vm_operations_struct {
    var table = vm_operations_struct()
    unsafe table.open = { area in unsafe HandlerBox.use(Area(unsafe area).mapping!) }
    unsafe table.close = { area in unsafe HandlerBox.drop(Area(unsafe area).mapping!) }
    unsafe table.fault = { fault in
      let fault = unsafe FaultContext(fault)
      let asked = PageFault(fault)
      let result = fault.handler.fault(asked)
      asked.takeBack(behind: result)
      return result.rawValue
    }
    if answers.contains(.hugeFaults) {
      unsafe table.huge_fault = { fault, order in
        let fault = unsafe FaultContext(fault)
        let result = fault.handler.hugeFault(PageFault(fault), order: Int(order))
        require(
          fault.page == nil, "VMA", fault.page, "a page is handed over for a leaf, which takes none"
        )
        return result.rawValue
      }
    }
    if answers.contains(.pageStores) {
      unsafe table.page_mkwrite = { fault in
        let fault = unsafe FaultContext(fault)
        return fault.handler.pageMakeWritable(PageFault(fault)).rawValue
      }
    }
    if answers.contains(.frameStores) {
      unsafe table.pfn_mkwrite = { fault in
        let fault = unsafe FaultContext(fault)
        return fault.handler.frameMakeWritable(PageFault(fault)).rawValue
      }
    }
    if answers.contains(.cuts) {
      unsafe table.may_split = { area, address in
        let area = unsafe Area(unsafe area)
        let mayCut = area.handler.mayCut(MemoryArea(area), at: address)
        return mayCut ? 0 : MemoryError.Code.invalidArgument.status
      }
    }
    return table
  }
}

extension Area {
  /// Context: an area that maps a Swift object.
  fileprivate var handler: any FaultHandler {
    unsafe Unmanaged<HandlerBox>.fromOpaque(pointer.pointee.mapping!.pointee.host!)
      .takeUnretainedValue().handler
  }
}

extension FaultContext {
  fileprivate var handler: any FaultHandler { area.handler }
}
