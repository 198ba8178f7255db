// SPDX-License-Identifier: MIT

// The kernel's own names for C programs (declared in folio/get_user_pages.h): which flags each adds, and
// what it says of flags that it does not take (spec: core.md 12.2).

public import CFolio

/// What the plain and the fast functions say of wrong flags; the pin functions without _fast say 0.
private let invalid = Int(MemoryError.Code.invalidArgument.status)

/// `locked`: mmap_lock is held by the caller, who may let it be dropped.
private func take(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ count: UInt, _ flags: UInt32,
  adding added: UInt32, _ pages: UserPageArray?, _ locked: UnsafeMutablePointer<Int32>?,
  refused: Int
) -> Int {
  let hasPages = unsafe pages != nil
  guard
    let flags = UserPageArguments.check(
      flags, adding: added, hasPages: hasPages, locked: unsafe locked?.pointee)
  else { return refused }
  var isLocked = true
  let result = unsafe UserPages.take(
    Space(mm), from: start & ~(Space.pageSize - 1), count: Int(clamping: count), pages, flags,
    .never,
    isLocked: &isLocked)
  if let locked = unsafe locked { unsafe locked.pointee = isLocked ? 1 : 0 }
  return result
}

private func takeUnlocked(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ count: UInt, _ flags: UInt32,
  adding added: UInt32, _ pages: UserPageArray?, refused: Int
) -> Int {
  let hasPages = unsafe pages != nil
  guard
    let flags = UserPageArguments.check(
      flags, adding: added | FOLL_TOUCH | FOLL_UNLOCKABLE, hasPages: hasPages)
  else { return refused }
  var isLocked = false
  return unsafe UserPages.take(
    Space(mm), from: start & ~(Space.pageSize - 1), count: Int(clamping: count), pages, flags,
    .never,
    isLocked: &isLocked)
}

private func takeFast(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ count: Int32, _ flags: UInt32,
  adding added: UInt32, _ pages: UserPageArray
) -> Int32 {
  guard let flags = UserPageArguments.check(flags, adding: added, hasPages: true) else {
    return Int32(invalid)
  }
  return Int32(unsafe UserPages.takeFast(Space(mm), from: start, count: Int(count), pages, flags))
}

// MARK: plain references

@c @implementation
public func get_user_pages(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ nr_pages: UInt, _ gup_flags: UInt32,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>?
) -> Int {
  unsafe take(
    mm, start, nr_pages, gup_flags, adding: FOLL_TOUCH, pages, nil, refused: invalid)
}

@c @implementation
public func get_user_pages_remote(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ nr_pages: UInt, _ gup_flags: UInt32,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>?,
  _ locked: UnsafeMutablePointer<Int32>?
) -> Int {
  unsafe take(
    mm, start, nr_pages, gup_flags, adding: FOLL_TOUCH | FOLL_REMOTE, pages, locked,
    refused: invalid)
}

@c @implementation
public func get_user_pages_unlocked(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ nr_pages: UInt,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>?, _ gup_flags: UInt32
) -> Int {
  unsafe takeUnlocked(mm, start, nr_pages, gup_flags, adding: 0, pages, refused: invalid)
}

@c @implementation
public func get_user_pages_fast(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ nr_pages: Int32, _ gup_flags: UInt32,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>
) -> Int32 {
  unsafe takeFast(mm, start, nr_pages, gup_flags, adding: FOLL_GET, pages)
}

@c @implementation
public func get_user_pages_fast_only(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ nr_pages: Int32, _ gup_flags: UInt32,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>
) -> Int32 {
  unsafe takeFast(mm, start, nr_pages, gup_flags, adding: FOLL_GET | FOLL_FAST_ONLY, pages)
}

// MARK: pins

@c @implementation
public func pin_user_pages(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ nr_pages: UInt, _ gup_flags: UInt32,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>?
) -> Int {
  unsafe take(mm, start, nr_pages, gup_flags, adding: FOLL_PIN, pages, nil, refused: 0)
}

@c @implementation
public func pin_user_pages_remote(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ nr_pages: UInt, _ gup_flags: UInt32,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>?,
  _ locked: UnsafeMutablePointer<Int32>?
) -> Int {
  unsafe take(
    mm, start, nr_pages, gup_flags, adding: FOLL_PIN | FOLL_TOUCH | FOLL_REMOTE, pages, locked,
    refused: 0)
}

@c @implementation
public func pin_user_pages_unlocked(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ nr_pages: UInt,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>?, _ gup_flags: UInt32
) -> Int {
  unsafe takeUnlocked(mm, start, nr_pages, gup_flags, adding: FOLL_PIN, pages, refused: 0)
}

@c @implementation
public func pin_user_pages_fast(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ nr_pages: Int32, _ gup_flags: UInt32,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>
) -> Int32 {
  unsafe takeFast(mm, start, nr_pages, gup_flags, adding: FOLL_PIN, pages)
}

// MARK: neither

@c @implementation
public func faultin_page_range(
  _ mm: UnsafeMutablePointer<mm_struct>, _ start: UInt, _ end: UInt, _ write: Bool,
  _ locked: UnsafeMutablePointer<Int32>
) -> Int {
  var isLocked = unsafe locked.pointee != 0
  guard start <= end else { return invalid }
  let result = UserPages.populate(
    unsafe Space(mm), start..<end, forWriting: write, isLocked: &isLocked)
  unsafe locked.pointee = isLocked ? 1 : 0
  return result
}

@c @implementation
public func cfolio_madvise_populate(
  _ mm: UnsafeMutablePointer<mm_struct>, _ address: UInt, _ size: UInt, _ write: Bool
) -> Int32 {
  let (end, overflow) = address.addingReportingOverflow(size)
  guard !overflow else { return Int32(invalid) }
  do throws(MemoryError) {
    try UserPages.populate(unsafe Space(mm), address..<end, forWriting: write)
    return 0
  } catch {
    return error.code.status
  }
}

// MARK: folios of a file

@c @implementation
public func filemap_get_entry(
  _ mapping: UnsafeMutablePointer<address_space>, _ index: UInt
) -> UnsafeMutablePointer<folio>? {
  unsafe Mapping(mapping).folio(at: index)?.pointer
}

@c @implementation
public func memfd_pin_folios(
  _ memfd: UnsafeMutablePointer<address_space>, _ start: Int, _ end: Int,
  _ folios: UnsafeMutablePointer<UnsafeMutablePointer<folio>?>?, _ max_folios: UInt32,
  _ offset: UnsafeMutablePointer<UInt>
) -> Int {
  guard let folios = unsafe folios, start >= 0, start <= end else { return invalid }
  let (count, first) = unsafe FolioPins.pin(
    Mapping(memfd), bytes: start...end, folios, capacity: Int(max_folios))
  if count > 0 { unsafe offset.pointee = first }
  return count
}
