// SPDX-License-Identifier: MIT

// Memory without an object: the zero page until a store, then a page of RAM. And the pages themselves,
// with what they hold. Of the kernel's do_anonymous_page() the spec says little; that large anonymous
// folios are not made is a choice.

import CFolio

/// A page of RAM for one address space, with one reference.
@safe
struct AnonymousPage {
  let page: Page

  /// A page that holds 0, and is anonymous from now on; nil: no memory. Its mapping word names no area
  /// yet, only the bit is there (spec: core.md 1.3, FOLIO_MAPPING_ANON).
  static func allocate() -> AnonymousPage? {
    guard let folio = unsafe cfolio_ram_alloc_folio(0) else { return nil }
    let page = unsafe Page(unsafe folio_page(folio, 0))
    unsafe folio_set_anon(folio)
    if let word = unsafe cfolio_frame_word(page.frame) { unsafe shared_set(word, 0) }
    return AnonymousPage(page: page)
  }

  /// First mapping: the page is one of the area's from now on. Context: the entry's lock; the area
  /// notes anonymous pages.
  func map(at address: UInt, _ area: Area) {
    unsafe folio_set_anon_area(page.folio.pointer, area.pointer, address)
    unsafe folio_add_new_anon_rmap(page.folio.pointer, area.space.id, true)
    area.space.count(1, of: MM_ANONPAGES)
  }

  /// Copies what the other frame holds. RLX: whoever writes it meanwhile is a race of the user's.
  func fill(from frame: UInt) {
    guard let source = unsafe cfolio_frame_word(frame),
      let target = unsafe cfolio_frame_word(page.frame)
    else { return }
    unsafe shared_set(target, shared_read(source))
  }
}

enum AnonymousFault {
  /// `do_anonymous_page`.
  static func handle(_ fault: FaultContext) -> FaultResult {
    let (area, space) = (fault.area, fault.space)
    guard !area.isShared else { return .busError }
    var copy: AnonymousPage?
    if fault.isWrite {
      copy = AnonymousPage.allocate()
      guard copy != nil else { return .outOfMemory }
    }
    // Somebody was faster, or there is no table.
    func giveUp(_ result: FaultResult) -> FaultResult {
      copy?.page.folio.put()
      return result
    }
    guard !fault.isWrite || area.noteAnonymousPages() else { return giveUp(.outOfMemory) }
    do throws(Space.NoPlace) {
      let place = try space.walkAllocating(fault.address, .pte)
      place.lock()
      guard place.value.isNone else {
        place.unlock()
        return giveUp([])
      }
      if let copy {
        copy.map(at: fault.address, area)
        place.store(pfn_pte(copy.page.frame, area.protection | fault.writableBits))
      } else {
        guard let zero = ZeroPages.small else {
          place.unlock()
          return .outOfMemory
        }
        place.store(pfn_pte(zero, area.protection | _PAGE_SPECIAL | _PAGE_ACCESSED))
      }
      place.unlock()
      return []
    } catch {
      return giveUp(error == .outOfMemory ? .outOfMemory : [])
    }
  }
}

/// The zero page and the huge zero folio: one of each per process, never counted (CI20).
enum ZeroPages {
  /// The zero page's frame; nil: nobody named one (cfolio_set_zero_folios).
  static var small: UInt? {
    unsafe cfolio_zero_page_now().map { unsafe page_to_pfn($0) }
  }

  /// Makes both of RAM, unless somebody named others. Context: may block; no fault is in progress.
  static func prepare() {
    guard small == nil, let (zero, huge) = unsafe made else { return }
    unsafe cfolio_set_zero_folios(zero, huge)
  }

  private nonisolated(unsafe) static let made:
    (zero: UnsafeMutablePointer<page>, huge: UnsafeMutablePointer<folio>)? = {
      do throws(PageMapError) {
        let zero = try SystemMemory.shared.allocate()
        let huge = try SystemMemory.shared.allocate(order: Int(PMD_ORDER))
        return unsafe (folio_page(zero.leak(), 0), huge.leak())
      } catch {
        return nil
      }
    }()
}
